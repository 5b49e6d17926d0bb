"""The picture index of an AVI file: the size of each picture, and the empty places."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

_Sizes = NDArray[np.int64]

SMALLEST_PICTURE = 2
"""Bytes of the smallest chunk that holds a picture; x264vfw and DivX write one byte for none."""

_MAX_PLACES = 10_000_000
"""Places that are looked at, four days at 30 frames/s: a file that claims more is made to."""

_MAX_USUAL_GAP = 3
"""Places from one picture to the next, as a rule, where a recorder drops two of three frames."""

_MAX_DEPTH = 4
"""Lists within lists; the file itself, a segment, its pictures, and a group of them."""


@dataclass(frozen=True)
class AviIndex:
    """A stream's chunks. Each has a place, and its place is its time.

    Attributes:
        sizes: Bytes in each place, in order, shape (places,); a place without a picture has none
            or a single one.
        missing: Further places that the header declares and a file that broke off does not have.
        breaks_off: Whether the last chunk reaches beyond the end of the file.
        is_ended: Whether the recorder, or the program that copied the file, finished.
    """

    sizes: _Sizes
    missing: int = 0
    breaks_off: bool = False
    is_ended: bool = True

    @cached_property
    def pictures(self) -> _Sizes:
        """Places with a picture, rising."""
        return np.flatnonzero(self.sizes >= SMALLEST_PICTURE)

    def without_look_ahead(self, places: int) -> Self:
        """Return this index without empty places between the first picture and the second."""
        if not places:
            return self
        begin = int(self.pictures[0])
        return replace(self, sizes=np.delete(self.sizes, slice(begin + 1, begin + 1 + places)))

    @cached_property
    def step(self) -> int:
        """Places from one picture to the next, as a rule.

        One place a frame is what programs write that record AVI: a place is left empty for a frame
        that they have dropped. FFmpeg's copy of an MP4 has many places a frame, in step with the
        MP4's clock, and most of them are empty.
        """
        if len(self.pictures) < 2:  # noqa: PLR2004 - there is no next one
            return 1
        steps = np.diff(self.pictures)
        middle = (len(steps) - 1) // 2
        usual = int(np.partition(steps, middle)[middle])
        # A recorder may drop most frames, but on a finer clock none follow at the next tick.
        return 1 if usual <= _MAX_USUAL_GAP and steps.min() == 1 else usual

    @property
    def break_sentences(self) -> list[str]:
        """Say where the file breaks off; nothing where it does not."""
        if self.breaks_off:
            return ["the file breaks off within its last frame"]
        if not self.is_ended:
            return ["the file was not ended, and may lack frames after its last one"]
        return []

    @property
    def dropped(self) -> _Sizes:
        """Places of frames that the recorder dropped, rising."""
        if self.step > 1:
            return np.empty(0, np.int64)
        return np.setdiff1d(np.arange(len(self.sizes)), self.pictures)

    @property
    def declared_frames(self) -> int:
        """Count the frames that the file lists, dropped ones included."""
        return len(self.pictures) + len(self.dropped) + self.missing // self.step

    @property
    def last_place(self) -> int:
        """The place of the last frame that is listed."""
        if self.step > 1:
            return int(self.pictures[-1]) + self.missing // self.step * self.step
        return len(self.sizes) + self.missing - 1


def read_avi_index(path: Path, stream: int, declared: int) -> AviIndex | None:
    """Read what an AVI file lists of a stream.

    The index counts, where the file is whole. A file that broke off has none, and its chunks are
    looked at one by one; for how much is missing, its header is all there is.

    Args:
        path: A file that FFmpeg has opened as an AVI.
        stream: The stream's number.
        declared: Places that the stream's header declares; 0 where the recorder did not come to it.

    Returns:
        The index; None where nothing of the stream is found.
    """
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        segments = [c for c in _read_chunks(file, 0, end) if c.kind == b"RIFF"]
        tag = b"%02d" % stream
        sizes = _read_index(file, segments, stream, tag) if segments else None
        if sizes is not None and len(sizes):
            return AviIndex(sizes)
        breaks_off = False
        found: list[int] = []
        for segment in segments:
            for chunk in islice(_read_data(file, segment, tag), _MAX_PLACES - len(found)):
                found.append(chunk.size)
                breaks_off = not chunk.is_whole
    if not found:
        return None
    is_ended = segments[-1].is_whole
    missing = 0 if is_ended else max(0, declared - len(found))
    return AviIndex(np.array(found, np.int64), missing, breaks_off, is_ended)


@dataclass(frozen=True)
class _Chunk:
    """A piece of a RIFF file: what it is, where its content begins, how long it says that it is."""

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
        return self.start + self.size if self.is_whole else self.limit


def _read_chunks(file: BinaryIO, start: int, limit: int) -> Iterator[_Chunk]:
    while start + 8 <= limit:
        kind, size = struct.unpack("<4sI", os.pread(file.fileno(), 8, start).ljust(8, b"\0"))
        if not kind.strip(b"\0"):
            return  # room that was reserved and never written to
        chunk = _Chunk(kind, start + 8, size, limit)
        yield chunk
        start = chunk.end + (chunk.end & 1)


def _kind_of_list(file: BinaryIO, chunk: _Chunk) -> bytes:
    return os.pread(file.fileno(), 4, chunk.start) if chunk.kind in {b"RIFF", b"LIST"} else b""


def _read_data(file: BinaryIO, chunk: _Chunk, tag: bytes, depth: int = 0) -> Iterator[_Chunk]:
    """Every chunk of a stream in a segment, also those in groups of one place's streams."""
    for inner in _read_chunks(file, chunk.start + 4, chunk.end):
        if inner.kind[:2] == tag and inner.kind[2:] != b"pc":  # a change of palette
            yield inner
        elif depth < _MAX_DEPTH and _kind_of_list(file, inner) in {b"movi", b"rec "}:
            yield from _read_data(file, inner, tag, depth + 1)


def _read_index(file: BinaryIO, segments: list[_Chunk], stream: int, tag: bytes) -> _Sizes | None:
    """The sizes in a file's index: that of large files, or the one of the first segment."""
    parts = list(_read_chunks(file, segments[0].start + 4, segments[0].end))
    header = next((part for part in parts if _kind_of_list(file, part) == b"hdrl"), None)
    if header is not None and segments[-1].is_whole:
        lists = _read_chunks(file, header.start + 4, header.end)
        streams = [inner for inner in lists if _kind_of_list(file, inner) == b"strl"]
        for inner in streams[stream : stream + 1]:
            for chunk in _read_chunks(file, inner.start + 4, inner.end):
                if chunk.kind == b"indx":
                    return _read_large_index(file, chunk)
    plain = next((part for part in parts if part.kind == b"idx1"), None)
    if plain is None or not plain.is_whole or len(segments) > 1:
        return None
    rows = np.frombuffer(_content(file, plain, 16), np.uint8).reshape(-1, 16)
    number, what = rows[:, :2], rows[:, 2:4]
    ours = (number == list(tag)).all(axis=1) & ~(what == list(b"pc")).all(axis=1)
    return rows[ours, 12:].copy().view("<u4")[:, 0].astype(np.int64)


def _read_large_index(file: BinaryIO, chunk: _Chunk) -> _Sizes | None:
    """An index of indices (OpenDML): each entry is the place and the size of one."""
    longs, _, kind, entries = _read_head_of_index(file, chunk)
    if kind == 1:
        return _read_part_of_index(file, chunk)
    if kind != 0 or longs != 4:  # noqa: PLR2004 - as the format has it
        return None
    table = _content(file, chunk, 16, 24)[: 16 * entries]
    sizes: list[_Sizes] = []
    for place, _, _ in struct.iter_unpack("<QII", table):
        part = _part_at(file, place)
        found = None if part is None else _read_part_of_index(file, part)
        if found is None or sum(map(len, sizes)) + len(found) > _MAX_PLACES:
            return None
        sizes.append(found)
    return np.concatenate(sizes) if sizes else None


def _read_head_of_index(file: BinaryIO, chunk: _Chunk) -> tuple[int, ...]:
    """Words of a row, a kind of kind, the kind, and the number of rows."""
    return struct.unpack("<HBBI", os.pread(file.fileno(), 8, chunk.start).ljust(8, b"\0"))


def _part_at(file: BinaryIO, place: int) -> _Chunk | None:
    end = os.fstat(file.fileno()).st_size
    return next(_read_chunks(file, place, end), None) if place < end else None


def _read_part_of_index(file: BinaryIO, chunk: _Chunk) -> _Sizes | None:
    longs, _, kind, entries = _read_head_of_index(file, chunk)
    if kind != 1 or longs < 2 or not chunk.is_whole:  # noqa: PLR2004 - a place and a size
        return None
    rows = np.frombuffer(_content(file, chunk, 4 * longs, 24), "<u4").reshape(-1, longs)
    return (rows[:entries, 1] & 0x7FFFFFFF).astype(np.int64)


def _content(file: BinaryIO, chunk: _Chunk, row: int, begin: int = 0) -> bytes:
    """A chunk's table without what is before it, and without the beginning of another row."""
    size = min(max(0, chunk.end - chunk.start - begin) // row, _MAX_PLACES) * row
    data = os.pread(file.fileno(), size, chunk.start + begin)
    return data[: len(data) // row * row]
