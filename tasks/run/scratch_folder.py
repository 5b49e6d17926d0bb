"""A run's folder on the local disk, which nothing outlives: not success, failure, nor a kill."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder on the local disk (below ``TMPDIR``), removed whatever happens.

    A run that is killed cannot remove its own; the next one on the machine does.
    """
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH))
    with _held(folder):
        _own.add(folder)
        try:
            yield folder
        finally:
            _removed(folder)
            _own.discard(folder)


_own: set[Path] = set()
"""The scratch folders that this process uses now."""


def remove_scratch() -> None:
    """Remove this process' scratch folders: it ends now, whatever its threads are at."""
    for folder in list(_own):
        _removed(folder)


def _removed(folder: Path) -> None:
    """Remove a folder into which a thread that is being ended may still write."""
    for _ in range(_MOST_REMOVALS):
        _remove(folder)
        if not folder.exists():
            return
        time.sleep(0.1)


def _remove(folder: Path) -> None:
    """Remove a scratch folder, its mark last: a kill on the way leaves one that can be swept."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _HELD:
                path.unlink()
        if [path.name for path in folder.iterdir()] in ([_HELD], []):
            shutil.rmtree(folder)


_MOST_REMOVALS = 20

SCRATCH = "dlcflow-run-"
"""How names of runs' scratch folders begin."""

_HELD = ".held"
"""File in a scratch folder that its run has locked; the kernel frees it when the run ends."""


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    with (folder / f"{_HELD}.new").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Under its own name it is never seen unlocked while its run lives.
        (folder / f"{_HELD}.new").rename(folder / _HELD)
        yield


def sweep() -> None:
    """Remove the scratch folders of runs that have ended without doing so."""
    for file in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*/{_HELD}"):
        with suppress(OSError), file.open("r+") as held:  # others' are none of ours
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(file.parent)
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}{'?' * _RANDOM}"):
        with suppress(OSError):
            if not (folder / _HELD).exists() and _age(folder) > _UNMARKED:
                shutil.rmtree(folder, ignore_errors=True)


def _age(folder: Path) -> float:
    """Seconds since anything in a folder was last changed."""
    return time.time() - max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


_RANDOM = 8
"""Letters that `tempfile.mkdtemp` adds to a name."""

_UNMARKED = 3600.0
"""Seconds after which a scratch folder without a mark is one whose run was killed as it began."""
