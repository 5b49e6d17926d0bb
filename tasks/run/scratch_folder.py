"""A run's folder on the local disk, which nothing outlives: not success, failure, nor a kill."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path


@contextmanager
def create_scratch_folder(prefix: str | None = None) -> Iterator[Path]:
    """A folder on the local disk (below ``TMPDIR``), removed whatever happens.

    A run that is killed cannot remove its own; the next one on the machine does.

    Args:
        prefix: Of the folder's name: `SCRATCH_PREFIX`, or `WORK_PREFIX`.
    """
    remove_abandoned_folders()
    folder = Path(tempfile.mkdtemp(prefix=prefix or SCRATCH_PREFIX))
    with _lock_folder(folder):
        _own_folders.add(folder)
        try:
            yield folder
        finally:
            _remove_with_retries(folder)
            _own_folders.discard(folder)


_own_folders: set[Path] = set()
"""The scratch folders that this process uses now."""


def remove_own_folders() -> None:
    """Remove this process' scratch folders: it ends now, whatever its threads are at."""
    for folder in list(_own_folders):
        _remove_with_retries(folder)


def _remove_with_retries(folder: Path) -> None:
    """Remove a folder into which a thread that is being ended may still write."""
    for _ in range(_MAX_REMOVAL_TRIES):
        _remove_folder(folder)
        if not folder.exists():
            return
        time.sleep(0.1)


def _remove_folder(folder: Path) -> None:
    """Remove a scratch folder, its mark last: a kill on the way leaves one that can be swept."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK_FILE:
                path.unlink()
        if [path.name for path in folder.iterdir()] in ([_LOCK_FILE], []):
            shutil.rmtree(folder)


_MAX_REMOVAL_TRIES = 20

SCRATCH_PREFIX = "dlcflow-run-"
"""Prefix of the names of runs' scratch folders."""

WORK_PREFIX = "dlcflow-work-"
"""Prefix of the names of the folders that a worker's runs begin in."""

_LOCK_FILE = ".held"
"""File in a scratch folder that its run has locked; the kernel frees it when the run ends."""


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    with (folder / f"{_LOCK_FILE}.new").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        # Under its own name it is never seen unlocked while its run lives.
        (folder / f"{_LOCK_FILE}.new").rename(folder / _LOCK_FILE)
        yield


def share_folder(folder: Path) -> None:
    """Keep a folder that another process has made until this one has ended, too.

    Args:
        folder: The folder; one that is nobody's scratch folder needs no keeping.
    """
    with suppress(OSError):
        # Never closed, and inherited by what this process becomes.
        file = os.open(folder / _LOCK_FILE, os.O_RDONLY)
        os.set_inheritable(file, True)
        fcntl.flock(file, fcntl.LOCK_SH)


def remove_abandoned_folders() -> None:
    """Remove the scratch folders of runs that have ended without doing so."""
    place = Path(tempfile.gettempdir())
    for file in chain(*(place.glob(f"{prefix}*/{_LOCK_FILE}") for prefix in _PREFIXES)):
        with suppress(OSError), file.open("r+") as held:  # others' are none of ours
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_folder(file.parent)
    random = "?" * _RANDOM_LETTERS
    for folder in chain(*(place.glob(f"{prefix}{random}") for prefix in _PREFIXES)):
        if (folder / _LOCK_FILE).exists():
            continue
        with suppress(OSError):
            changed = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
            if time.time() - changed > _MAX_UNMARKED_AGE:
                shutil.rmtree(folder, ignore_errors=True)


_PREFIXES = (SCRATCH_PREFIX, WORK_PREFIX)

_RANDOM_LETTERS = 8
"""Letters that `tempfile.mkdtemp` adds to a name."""

_MAX_UNMARKED_AGE = 3600.0
"""Seconds after which a scratch folder without a mark is one whose run was killed as it began."""
