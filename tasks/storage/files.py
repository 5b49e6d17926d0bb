"""Local files that come into being whole or not at all."""

import errno
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

Progress = Callable[[int], None]

PARTIAL = ".partial"
_CHUNK = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` once the block has succeeded.

    It lies beside ``path`` under a temporary name, and is gone when the block fails.

    Raises:
        NotADirectoryError: A file is where the folder should be.
        OSError: With ``errno.ENOSPC`` or ``errno.EDQUOT`` the disk became full.
    """
    existing_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    try:
        with partial.open("x+b") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
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
    existing_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    try:
        partial.write_bytes(data)
        path.hardlink_to(partial)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _ONE_NAME:
            raise
        raise OSError(
            errno.ENOTSUP, f"{path}: this file system has no hard links; use a folder on another"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return True


_ONE_NAME = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""How file systems say that a file can have only one name there."""


def _beside(path: Path) -> Path:
    """A temporary name in the same folder; it tells the name to be where that leaves it room."""
    name = f".{path.name}" if len(path.name.encode(errors="replace")) <= _LONGEST_TOLD else ""
    return path.with_name(f".{secrets.token_hex(8)}{name}{PARTIAL}")


_LONGEST_TOLD = 200
"""Bytes of a name that is part of a longer one: a file's name has 255 at the most."""


def target_of(partial: Path) -> Path:
    """What a file was to become that is being written by `replacing`.

    Args:
        partial: Its temporary name.

    Returns:
        The name to be; the temporary one where that does not tell.
    """
    _, _, name = partial.name[1:].removesuffix(PARTIAL).partition(".")
    return partial.with_name(name) if name else partial


def is_partial(name: str) -> bool:
    """Whether a file of this name is still being written by `replacing`."""
    return name.startswith(".") and name.endswith(PARTIAL)


def existing_folder(path: Path) -> Path:
    """The nearest folder at or above a path.

    Raises:
        NotADirectoryError: A file is in the way.
    """
    nearest = next(p for p in (path, *path.parents) if p.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"{path}: expected a folder, but {nearest} is a file.")
    return nearest


def check_room(folder: Path, size: int) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        OSError: With ``errno.ENOSPC`` and the figures.
    """
    free = shutil.disk_usage(existing_folder(folder)).free
    if free < size:
        raise OSError(
            errno.ENOSPC,
            f"{folder}: {size:,} bytes are needed and {free:,} are free on this disk; "
            "make room, or use a folder on another disk.",
        )


class HashedFile:
    """A file that is written in pieces, in any order, and hashed meanwhile by a thread of its own.

    The thread follows the end of what has been written without a gap. A place that is written
    again may hold something else than what was hashed: then all is hashed anew at the end.

    Args:
        file: A new file, open for writing and reading; any number of threads write to it.
        md5: Whether its MD5 is of use, too.
    """

    def __init__(self, file: BinaryIO, *, md5: bool = False) -> None:
        self._file = file
        self._ends: dict[int, int] = {}
        self._whole, self._written_again, self._closed = 0, False, False
        self._changed = threading.Condition()
        self._digests = _digests(md5=md5)
        self._thread = threading.Thread(target=self._follow, name="sha256", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def write(self, data: bytes, place: int) -> None:
        """Write a piece to its place; it is hashed when all before it is there."""
        written, stop = place, place + len(data)
        while written < stop:
            written += os.pwrite(self._file.fileno(), memoryview(data)[written - place :], written)
        with self._changed:
            self._note(place, stop)
            self._changed.notify()

    def hexdigests(self) -> list[str]:
        """The SHA-256 of the file, once all is written, and its MD5 where that is of use."""
        self._end()
        if self._written_again or self._whole != os.fstat(self._file.fileno()).st_size:
            self._digests = _digests(md5=len(self._digests) > 1)
            self._hash(0, os.fstat(self._file.fileno()).st_size)
        return [digest.hexdigest() for digest in self._digests]

    def _note(self, start: int, stop: int) -> None:
        self._written_again |= start < self._whole or start in self._ends
        self._ends[start] = stop
        while (end := self._ends.pop(self._whole, None)) is not None:
            self._whole = end

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _follow(self) -> None:
        hashed = 0
        while (end := self._next_end(hashed)) > hashed:
            hashed = self._hash(hashed, end)

    def _hash(self, start: int, stop: int) -> int:
        """Hash a part of the file; returns where it ends, before `stop` where the file does."""
        while start < stop:
            chunk = os.pread(self._file.fileno(), min(_CHUNK, stop - start), start)
            if not chunk:
                break
            for digest in self._digests:
                digest.update(chunk)
            start += len(chunk)
        return start

    def _next_end(self, hashed: int) -> int:
        """Where what is there without a gap ends; no further than before where no more comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._whole > hashed or self._closed)
            return self._whole


def _digests(*, md5: bool) -> "list[hashlib._Hash]":
    digests = [hashlib.sha256()]
    return [*digests, hashlib.md5(usedforsecurity=False)] if md5 else digests


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_and_hash(source: BinaryIO, target: BinaryIO, progress: Progress | None) -> str:
    """Copy all that is left of ``source``; returns its SHA-256."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        digest.update(chunk)
        if progress:
            progress(len(chunk))
    return digest.hexdigest()
