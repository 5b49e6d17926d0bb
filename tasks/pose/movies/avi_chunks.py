"""Chunks of AVI files, the rows of their index, and whether these are true."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

SMALLEST_PICTURE = 2
"""Bytes of the smallest chunk that holds a picture; x264vfw and DivX write one byte for none."""

MAX_ROWS = 10_000_000
"""Rows of an index that are read, four days at 30 frames/s: a file that claims more is made to."""

_Numbers = NDArray[np.int64]

_MAX_DEPTH = 4
"""Lists within lists; the file itself, a segment, its pictures, and a group of them."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a RIFF file.

    Attributes:
        kind: Its four characters.
        start: Where its content begins.
        size: Bytes of its content, as it says.
        limit: Where what it lies in ends.
    """

    kind: bytes
    start: int
    size: int
    limit: int

    @property
    def is_whole(self) -> bool:
        """Return whether it ends within its parent; a list without a size was not finished."""
        enough = 4 if self.kind in {b"RIFF", b"LIST"} else 0
        return self.size >= enough and self.start + self.size <= self.limit

    @property
    def end(self) -> int:
        """Where its content ends, as far as it is there."""
        return self.start + self.size if self.is_whole else self.limit


def read_chunks(file: BinaryIO, start: int, limit: int) -> Iterator[Chunk]:
    """Yield the chunks between two places of a file, the last of which may reach beyond the second.

    Args:
        file: A RIFF file.
        start: Where the first one begins.
        limit: Where the last one ends.
    """
    while start + 8 <= limit:
        kind, size = struct.unpack("<4sI", os.pread(file.fileno(), 8, start).ljust(8, b"\0"))
        if not kind.strip(b"\0"):
            return  # room that was reserved and never written to
        chunk = Chunk(kind, start + 8, size, limit)
        yield chunk
        start = chunk.end + (chunk.end & 1)


def read_chunk(file: BinaryIO, place: int, limit: int) -> Chunk | None:
    """Read the chunk at a place; None where there is none before the limit."""
    return next(read_chunks(file, place, limit), None) if 0 <= place < limit else None


def read_list_kind(file: BinaryIO, chunk: Chunk) -> bytes:
    """Return the four characters that say what a list holds; none of what is no list."""
    return os.pread(file.fileno(), 4, chunk.start) if chunk.kind in {b"RIFF", b"LIST"} else b""


def read_rows(file: BinaryIO, chunk: Chunk, row: int, begin: int = 0) -> bytes:
    """A chunk's table without what is before it, and without the beginning of another row."""
    size = min(max(0, chunk.end - chunk.start - begin) // row, MAX_ROWS) * row
    data = os.pread(file.fileno(), size, chunk.start + begin)
    return data[: len(data) // row * row]


def read_segments(file: BinaryIO) -> list[Chunk]:
    """Return the segments of a file; large ones have several."""
    end = os.fstat(file.fileno()).st_size
    return [chunk for chunk in read_chunks(file, 0, end) if chunk.kind == b"RIFF"]


@dataclass(frozen=True)
class IndexRows:
    """Rows of an index.

    Attributes:
        sizes: Bytes of each chunk, shape (rows,).
        places: Where it begins in the file, shape (rows,).
    """

    sizes: _Numbers
    places: _Numbers

    def contradict(self, file: BinaryIO, segments: list[Chunk], tag: bytes) -> bool:
        """Return whether chunks are not where the index has them, or are not in it.

        Not all are looked at: each is a place of a disk to go to.
        """
        is_picture = self.sizes >= SMALLEST_PICTURE
        sizes, places = self.sizes[is_picture], self.places[is_picture]
        if not len(places):
            return False
        if (np.diff(places) <= 0).any():
            return True
        chosen = np.unique(np.linspace(0, len(places) - 1, _ROWS_LOOKED_AT).astype(int))
        for place, size in zip(places[chosen].tolist(), sizes[chosen].tolist(), strict=True):
            chunk = read_chunk(file, place, segments[-1].limit)
            # Some programs list a size with the byte that makes it even.
            if chunk is None or chunk.kind[:2] != tag or not 0 <= size - chunk.size <= 1:
                return True
        for place in np.setdiff1d(self.places[~is_picture], places)[:_ROWS_LOOKED_AT].tolist():
            chunk = read_chunk(file, place, segments[-1].limit)
            if chunk and chunk.kind[:2] == tag and chunk.size >= SMALLEST_PICTURE:
                return True
        return _has_pictures_after(file, int(places[-1]), segments, tag)


def _has_pictures_after(file: BinaryIO, last: int, segments: list[Chunk], tag: bytes) -> bool:
    """Return whether a list of pictures goes on after the last one that is known."""
    lists = (c for s in segments for c in read_chunks(file, s.start + 4, s.end))
    data = next((c for c in lists if c.start <= last < c.end), None)
    if data is None:
        return True
    rest = Chunk(b"LIST", last - 4, data.end - last + 4, data.end)
    return any(
        chunk.is_whole and chunk.size >= SMALLEST_PICTURE and chunk.start - 8 != last
        for chunk in read_data(file, rest, tag)
    )


_ROWS_LOOKED_AT = 64


def read_data(file: BinaryIO, chunk: Chunk, tag: bytes, depth: int = 0) -> Iterator[Chunk]:
    """Every chunk of a stream in a segment, also those in groups of one place's streams."""
    for inner in read_chunks(file, chunk.start + 4, chunk.end):
        if inner.kind[:2] == tag and inner.kind[2:] != b"pc":  # a change of palette
            yield inner
        elif depth < _MAX_DEPTH and read_list_kind(file, inner) in {b"movi", b"rec "}:
            yield from read_data(file, inner, tag, depth + 1)


def read_index(file: BinaryIO, segments: list[Chunk], stream: int, tag: bytes) -> IndexRows | None:
    """The rows of a file's index: that of large files, or the one of the first segment."""
    if segments[-1].is_whole:
        for inner in read_streams(file, segments[0])[stream : stream + 1]:
            for chunk in read_chunks(file, inner.start + 4, inner.end):
                if chunk.kind == b"indx":
                    return _read_large_index(file, chunk)
    plain = find_plain_index(file, segments)
    return read_plain_index(file, segments, plain, tag) if plain else None


def read_streams(file: BinaryIO, segment: Chunk) -> list[Chunk]:
    """The lists of a header that describe a stream each."""
    parts = read_chunks(file, segment.start + 4, segment.end)
    header = next((part for part in parts if read_list_kind(file, part) == b"hdrl"), None)
    lists = read_chunks(file, header.start + 4, header.end) if header else ()
    return [inner for inner in lists if read_list_kind(file, inner) == b"strl"]


def find_plain_index(file: BinaryIO, segments: list[Chunk]) -> Chunk | None:
    """Find the index after the pictures; None in files of several segments, where it is partial."""
    parts = read_chunks(file, segments[0].start + 4, segments[0].end)
    plain = next((part for part in parts if part.kind == b"idx1"), None)
    return plain if plain and plain.is_whole and len(segments) == 1 else None


def read_plain_index(file: BinaryIO, segments: list[Chunk], plain: Chunk, tag: bytes) -> IndexRows:
    """Read the rows of one stream in the index after the pictures."""
    rows = np.frombuffer(read_rows(file, plain, 16), np.uint8).reshape(-1, 16)
    number, what = rows[:, :2], rows[:, 2:4]
    ours = (number == list(tag)).all(axis=1) & ~(what == list(b"pc")).all(axis=1)
    words = rows[ours, 8:].copy().view("<u4").astype(np.int64)
    places, begin = words[:, 0], 0
    parts = read_chunks(file, segments[0].start + 4, segments[0].end)
    data = next((part for part in parts if read_list_kind(file, part) == b"movi"), None)
    if data and len(places):
        # Places count from the list of pictures, or from the beginning of the file.
        first = int(places[np.argmax(words[:, 1] >= SMALLEST_PICTURE)])
        chunk = read_chunk(file, first, data.end)
        begin = 0 if chunk and chunk.kind[:2] == tag else data.start
    return IndexRows(words[:, 1], places + begin)


def _read_large_index(file: BinaryIO, chunk: Chunk) -> IndexRows | None:
    """An index of indices (OpenDML): each entry is the place and the size of one."""
    longs, _, kind, entries = _read_head_of_index(file, chunk)
    if kind == 1:
        return _read_part_of_index(file, chunk)
    if kind != 0 or longs != 4:  # noqa: PLR2004 - as the format has it
        return None
    table = read_rows(file, chunk, 16, 24)[: 16 * entries]
    found: list[IndexRows] = []
    for place, _, _ in struct.iter_unpack("<QII", table):
        part = _part_at(file, place)
        rows = None if part is None else _read_part_of_index(file, part)
        if rows is None or sum(len(one.sizes) for one in found) + len(rows.sizes) > MAX_ROWS:
            return None
        found.append(rows)
    if not found:
        return None
    sizes, places = zip(*((one.sizes, one.places) for one in found), strict=True)
    return IndexRows(np.concatenate(sizes), np.concatenate(places))


def _read_head_of_index(file: BinaryIO, chunk: Chunk) -> tuple[int, ...]:
    """Words of a row, a kind of kind, the kind, and the number of rows."""
    return struct.unpack("<HBBI", os.pread(file.fileno(), 8, chunk.start).ljust(8, b"\0"))


def _part_at(file: BinaryIO, place: int) -> Chunk | None:
    return read_chunk(file, place, os.fstat(file.fileno()).st_size)


def _read_part_of_index(file: BinaryIO, chunk: Chunk) -> IndexRows | None:
    longs, _, kind, entries = _read_head_of_index(file, chunk)
    if kind != 1 or longs < 2 or not chunk.is_whole:  # noqa: PLR2004 - a place and a size
        return None
    (begin,) = struct.unpack("<q", os.pread(file.fileno(), 8, chunk.start + 12).ljust(8, b"\0"))
    rows = np.frombuffer(read_rows(file, chunk, 4 * longs, 24), "<u4").reshape(-1, longs)
    words = rows[:entries].astype(np.int64)
    return IndexRows(words[:, 1] & 0x7FFFFFFF, begin + words[:, 0] - 8)
