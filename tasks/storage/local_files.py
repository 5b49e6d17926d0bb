"""Local files that come into being whole or not at all."""

import errno
import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tasks.full_disk import count_free_bytes, is_full_disk_error

ProgressCallback = Callable[[int], None]

PARTIAL_SUFFIX = ".partial"
CHUNK_BYTES = 1 << 20


@contextmanager
def open_replacement(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` once the block has succeeded.

    It lies beside ``path`` under a temporary name, and is gone when the block fails.

    Raises:
        NotADirectoryError: A file is where the folder should be.
        OSError: With ``errno.ENOSPC`` or ``errno.EDQUOT`` the disk became full.
    """
    nearest_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _temporary_path(path)
    try:
        with partial.open("x+b") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        if not is_full_disk_error(error):
            raise
        raise OSError(
            error.errno, f"{path}: the disk became full while this was written; make room."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def create_file(path: Path, data: bytes) -> bool:
    """Write a small file if there is none: a second name for one that is already whole.

    Returns:
        Whether it was written.

    Raises:
        NotADirectoryError: A file is where the folder should be.
        OSError: With ``errno.ENOTSUP`` files have only one name in this file system.
    """
    nearest_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _temporary_path(path)
    try:
        partial.write_bytes(data)
        path.hardlink_to(partial)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINK_ERRNOS:
            raise
        raise OSError(
            errno.ENOTSUP, f"{path}: this file system has no hard links; use a folder on another"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return True


_NO_HARD_LINK_ERRNOS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""Errors of file systems in which a file can have only one name."""


def _temporary_path(path: Path) -> Path:
    """A temporary name in the same folder; it tells the name to be where that leaves it room."""
    name = (
        f".{path.name}"
        if len(path.name.encode(errors="replace")) <= _MAX_EMBEDDED_NAME_BYTES
        else ""
    )
    return path.with_name(f".{secrets.token_hex(8)}{name}{PARTIAL_SUFFIX}")


_MAX_EMBEDDED_NAME_BYTES = 200
"""Bytes of a name that is part of a longer one: a file's name has 255 at the most."""


def partial_target(partial: Path) -> Path:
    """Return the final path of a file that `open_replacement` is writing.

    Args:
        partial: Its temporary name.

    Returns:
        The name to be; the temporary one where that does not tell.
    """
    _, _, name = partial.name[1:].removesuffix(PARTIAL_SUFFIX).partition(".")
    return partial.with_name(name) if name else partial


def is_partial(name: str) -> bool:
    """Return whether a file of this name is still being written by `open_replacement`."""
    return name.startswith(".") and name.endswith(PARTIAL_SUFFIX)


def nearest_folder(path: Path) -> Path:
    """The nearest folder at or above a path.

    Raises:
        NotADirectoryError: A file is in the way.
    """
    nearest = next(p for p in (path, *path.parents) if p.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"{path}: expected a folder, but {nearest} is a file.")
    return nearest


def check_disk_space(folder: Path, size: int) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        OSError: With ``errno.ENOSPC`` and the figures.
    """
    free = count_free_bytes(nearest_folder(folder))
    if free < size:
        raise OSError(
            errno.ENOSPC,
            f"{folder}: {size:,} bytes are needed and {free:,} are free on this disk; make room, "
            "or use a folder on another disk.",
        )


def copy_and_hash(source: BinaryIO, target: BinaryIO, progress: ProgressCallback | None) -> str:
    """Copy all that is left of ``source``; returns its SHA-256."""
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)
        digest.update(chunk)
        if progress:
            progress(len(chunk))
    return digest.hexdigest()
