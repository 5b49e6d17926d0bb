"""A large object goes and comes in parts: which these are, their digests, and what is sent of each.

Each request costs the store, so that parts are large; several are under way at a time, and end at
about the same time where the last ones are small.
"""

import base64
import errno
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

from tasks.storage.local_files import ProgressCallback

PARALLEL_PARTS = 8
"""Parts that are under way at the same time."""

MIN_PART_BYTES, MAX_PART_BYTES = 16 << 20, 64 << 20
"""Bytes of a part, but for the last one."""

MAX_PARTS = 10_000
"""Limits of S3 on one object; larger ones have larger parts."""

_PART_SIZE_STEP = 1 << 20
_CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a file's bytes.

    Attributes:
        start: The first one, counted from 0.
        stop: That after the last one.
    """

    start: int
    stop: int


def split_for_download(size: int) -> list[Part]:
    """Large parts first, then smaller and smaller ones: no thread is left alone with a large one.

    Args:
        size: The object's bytes.

    Returns:
        At least one part, also of an empty object.
    """
    parts: list[Part] = []
    start = 0
    while start < size or not parts:
        length = min(max((size - start) // (2 * PARALLEL_PARTS), MIN_PART_BYTES), MAX_PART_BYTES)
        stop = min(start + -(-length // _PART_SIZE_STEP) * _PART_SIZE_STEP, size)
        parts.append(Part(start, stop))
        start = stop
    return parts


def split_for_upload(size: int) -> list[Part]:
    """Parts of the same length, as some stores want them; the last one may be shorter.

    Args:
        size: The file's bytes.

    Returns:
        At least one part, also of an empty file.
    """
    length = max(
        min(max(-(-size // PARALLEL_PARTS), MIN_PART_BYTES), MAX_PART_BYTES), -(-size // MAX_PARTS)
    )
    length = -(-length // _PART_SIZE_STEP) * _PART_SIZE_STEP
    starts = range(0, max(size, 1), length)
    return [Part(start, min(start + length, size)) for start in starts]


def choose_sent_part_bytes(size: int) -> int:
    """The length of the parts of a file that a browser sends: short, for lines that break off.

    The same file always has the same parts, by which those that have arrived are known again.

    Args:
        size: The file's bytes.
    """
    needed = -(-size // MAX_PARTS)
    return max(SENT_PART_BYTES, -(-needed // _PART_SIZE_STEP) * _PART_SIZE_STEP)


SENT_PART_BYTES = 8 << 20
"""Bytes of a part that a browser sends; stores want 5 MiB at least, but for the last one."""


def compute_multipart_etag(digests: Sequence[str]) -> str:
    """The ETag that stores give an object that was sent in parts.

    Args:
        digests: MD5 of each part, in hexadecimal digits.
    """
    joined = bytes.fromhex("".join(digests))
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(digests)}"


def compute_sha256_of_parts(file: BinaryIO, parts: Sequence[Part]) -> tuple[str, list[str]]:
    """The SHA-256 of a whole file and of each of its parts, in hexadecimal digits.

    The whole takes one processor and the parts take another one.
    """
    size = parts[-1].stop
    if len(parts) == 1:
        whole = _hash_part(file, parts[0], threading.Event())
        return whole, [whole]
    ended = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        others = thread.submit(lambda: [_hash_part(file, part, ended) for part in parts])
        try:
            return _hash_part(file, Part(0, size), ended), others.result()
        finally:
            ended.set()


def _hash_part(file: BinaryIO, part: Part, ended: threading.Event) -> str:
    digest = hashlib.sha256()
    for chunk in _read_chunks(file, part):
        if ended.is_set():
            break
        digest.update(chunk)
    return digest.hexdigest()


def _read_chunks(file: BinaryIO, part: Part) -> Iterator[memoryview]:
    """Read a part of a file in chunks; each chunk overwrites the one before."""
    buffer, place = memoryview(bytearray(_CHUNK_BYTES)), part.start
    while place < part.stop:
        count = os.preadv(file.fileno(), [buffer[: part.stop - place]], place)
        if not count:
            break  # it has become shorter; the store will not take it for what was promised
        yield buffer[:count]
        place += count


class StopTransfer(BaseException):
    """Ends a transfer; a client library does not take this for an error that may pass."""


class UploadState:
    """Shared state of the parts of one upload: bytes sent, and whether it goes on.

    Args:
        progress: Called with the bytes since the last call, from one thread at a time.

    Attributes:
        failure: Why it cannot go on, where that is not the store's.
    """

    def __init__(self, progress: ProgressCallback | None) -> None:
        self.failure: BaseException | None = None
        self._progress, self._lock, self._stopped = progress, threading.Lock(), False

    def stop(self) -> None:
        """End the parts that are under way."""
        self._stopped = True

    def fail(self, error: BaseException) -> None:
        """End the upload for another reason.

        Raises:
            StopTransfer: Always.
        """
        self.failure = self.failure or error
        self.stop()
        raise StopTransfer from error

    def count_sent(self, more: int) -> None:
        """Note that bytes have gone.

        Raises:
            StopTransfer: The upload is ended.
        """
        with self._lock:
            if self._stopped:
                raise StopTransfer
            try:
                if self._progress and more:
                    self._progress(more)
            except BaseException as error:  # noqa: BLE001 - raised again where the upload ends
                self.fail(error)


class PartBody:
    """A part of a file as a client library sends it: read to its end, and again after a fault.

    Args:
        file: The file.
        part: Which bytes of it.
        sha256: Their digest, which requests are signed with.
        transfer: Is told of what is read for the first time.
    """

    def __init__(self, file: BinaryIO, part: Part, sha256: str, transfer: UploadState) -> None:
        self.sha256 = sha256
        self._file, self._part, self._transfer = file, part, transfer
        self._place, self._told = 0, 0

    def __len__(self) -> int:
        return self._part.stop - self._part.start

    def encode_md5(self) -> str:
        """Compute the MD5 as the header Content-MD5 has it, which takes reading the part once."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in _read_chunks(self._file, self._part):
            digest.update(chunk)
        return base64.b64encode(digest.digest()).decode()

    def read(self, size: int | None = -1) -> bytes:
        """Up to so many bytes from where the last call ended."""
        left = len(self) - self._place
        wanted = left if size is None or size < 0 else min(size, left)
        data = os.pread(self._file.fileno(), wanted, self._part.start + self._place)
        if wanted and not data:
            self._transfer.fail(OSError(errno.ESTALE, f"{self._file.name}: {_SHRUNK_MESSAGE}"))
        self._place += len(data)
        self._transfer.count_sent(max(0, self._place - self._told))
        self._told = max(self._told, self._place)
        return data

    def tell(self) -> int:
        """Return the position of the next read, counted from the part's start."""
        return self._place

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Go on from somewhere else."""
        self._place = place + (0, self._place, len(self))[whence]
        return self._place


_SHRUNK_MESSAGE = (
    "the file became shorter while it was sent; let it be written to its end, then run again"
)
