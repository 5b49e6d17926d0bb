"""The picture index of an AVI file: the size of each picture, and the empty places."""

import os
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.avi_chunks import (
    MAX_ROWS,
    SMALLEST_PICTURE,
    find_plain_index,
    read_chunks,
    read_data,
    read_index,
    read_list_kind,
    read_plain_index,
    read_segments,
    read_streams,
)

_Sizes = NDArray[np.int64]

_MAX_USUAL_GAP = 3
"""Places from one picture to the next, as a rule, where a recorder drops two of three frames."""


@dataclass(frozen=True)
class AviIndex:
    """A stream's chunks. Each has a place, and its place is its time.

    Attributes:
        sizes: Bytes in each place, in order, shape (places,); a place without a picture has none
            or a single one.
        missing: Further places that the header declares and a file that broke off does not have.
        breaks_off: Whether the last chunk reaches beyond the end of the file.
        is_ended: Whether the recorder, or the program that copied the file, finished.
        contradicts: Whether the file has an index that contradicts its chunks, so that they were
            looked at one by one.
    """

    sizes: _Sizes
    missing: int = 0
    breaks_off: bool = False
    is_ended: bool = True
    contradicts: bool = False

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
        """Say where the file breaks off, and whether its index is wrong; nothing otherwise."""
        if self.contradicts:
            return ["its index contradicts its frames, which were found without it"]
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
    looked at one by one; for how much is missing, its header is all there is. So they are where
    the index contradicts them.

    Args:
        path: A file that FFmpeg has opened as an AVI.
        stream: The stream's number.
        declared: Places that the stream's header declares; 0 where the recorder did not come to it.

    Returns:
        The index; None where nothing of the stream is found.
    """
    with path.open("rb") as file:
        segments = read_segments(file)
        tag = b"%02d" % stream
        rows = read_index(file, segments, stream, tag) if segments else None
        contradicts = rows is not None and rows.contradict(file, segments, tag)
        if rows is not None and len(rows.sizes) and not contradicts:
            return AviIndex(rows.sizes)
        breaks_off = False
        found: list[int] = []
        for segment in segments:
            for chunk in islice(read_data(file, segment, tag), MAX_ROWS - len(found)):
                found.append(chunk.size)
                breaks_off = not chunk.is_whole
    if not found:
        return None
    is_ended = segments[-1].is_whole
    missing = 0 if is_ended else max(0, declared - len(found))
    return AviIndex(np.array(found, np.int64), missing, breaks_off, is_ended, contradicts)


def find_wrong_index(path: Path) -> int | None:
    """Find an index that contradicts the pictures, by which FFmpeg would find only some of them.

    Args:
        path: A file, which may be no AVI.

    Returns:
        Where it begins, after all pictures; None where there is none, or it is right.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        segments = read_segments(file)
        if len(segments) != 1 or read_list_kind(file, segments[0]) != b"AVI ":
            return None
        plain = find_plain_index(file, segments)
        for number, stream in enumerate(read_streams(file, segments[0])):
            head = next(read_chunks(file, stream.start + 4, stream.end), None)
            if plain and head and os.pread(file.fileno(), 4, head.start) == b"vids":
                rows = read_plain_index(file, segments, plain, b"%02d" % number)
                wrong = rows.contradict(file, segments, b"%02d" % number)
                return plain.start - 8 if wrong else None
    return None
