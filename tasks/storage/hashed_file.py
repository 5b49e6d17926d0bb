"""A file whose SHA-256 is computed while it is written."""

import hashlib
import os
import threading
from typing import BinaryIO, Self

from tasks.storage.local_files import CHUNK_BYTES


class HashedFile:
    """A file that is written in pieces, in any order, and hashed meanwhile by a background thread.

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
        self._digests = _new_digests(md5=md5)
        self._thread = threading.Thread(target=self._hash_written_data, name="sha256", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_hashing()

    def write(self, data: bytes, place: int) -> None:
        """Write a piece to its place; it is hashed when all before it is there."""
        written, stop = place, place + len(data)
        while written < stop:
            written += os.pwrite(self._file.fileno(), memoryview(data)[written - place :], written)
        with self._changed:
            self._record_written(place, stop)
            self._changed.notify()

    def finish_digests(self) -> list[str]:
        """The SHA-256 of the file, once all is written, and its MD5 where that is of use."""
        self._stop_hashing()
        if self._written_again or self._whole != os.fstat(self._file.fileno()).st_size:
            self._digests = _new_digests(md5=len(self._digests) > 1)
            self._hash_range(0, os.fstat(self._file.fileno()).st_size)
        return [digest.hexdigest() for digest in self._digests]

    def _record_written(self, start: int, stop: int) -> None:
        self._written_again |= start < self._whole or start in self._ends
        self._ends[start] = stop
        while (end := self._ends.pop(self._whole, None)) is not None:
            self._whole = end

    def _stop_hashing(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _hash_written_data(self) -> None:
        hashed = 0
        while (end := self._next_end(hashed)) > hashed:
            hashed = self._hash_range(hashed, end)

    def _hash_range(self, start: int, stop: int) -> int:
        """Hash a part of the file; returns where it ends, before `stop` where the file does."""
        while start < stop:
            chunk = os.pread(self._file.fileno(), min(CHUNK_BYTES, stop - start), start)
            if not chunk:
                break
            for digest in self._digests:
                digest.update(chunk)
            start += len(chunk)
        return start

    def _next_end(self, hashed: int) -> int:
        """Return where contiguous data end; no further than before if no more arrives."""
        with self._changed:
            self._changed.wait_for(lambda: self._whole > hashed or self._closed)
            return self._whole


def _new_digests(*, md5: bool) -> "list[hashlib._Hash]":
    digests = [hashlib.sha256()]
    return [*digests, hashlib.md5(usedforsecurity=False)] if md5 else digests
