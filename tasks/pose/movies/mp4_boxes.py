"""MP4 boxes that FFmpeg does not report: orientation, and where the file ends."""

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAX_BOXES = 1_000_000
"""Boxes that are looked at on one level: a file of fragments has one or two for each of them."""

_UNIT = (1 << 16, 1 << 16, 1 << 30)
"""The value 1 in a matrix's columns: two have 16 binary digits after the point, one has 30."""

_Matrix = tuple[int, ...]

_IDENTITY: _Matrix = (_UNIT[0], 0, 0, 0, _UNIT[1], 0, 0, 0, _UNIT[2])


@dataclass(frozen=True)
class Box:
    """A box of an MP4 file.

    Attributes:
        kind: Its four characters.
        place: Where it begins in the file.
        start: Where its content begins.
        end: Where it ends, as it says; that may lie beyond the end of the file.
    """

    kind: bytes
    place: int
    start: int
    end: int


def read_boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places of a file, the last of which may reach beyond the second.

    Args:
        file: An MP4 file.
        start: Where the first one begins.
        end: Where the last one ends.
    """
    for _ in range(_MAX_BOXES):
        if start >= end:
            return
        file.seek(start)
        header = file.read(min(16, end - start))
        if len(header) < 8:  # noqa: PLR2004 - a size and a kind
            return
        size, kind = struct.unpack_from(">I4s", header)
        content = start + 8
        if size == 1 and len(header) == 16:  # noqa: PLR2004 - a larger size follows
            (size,), content = struct.unpack_from(">Q", header, 8), start + 16
        elif size == 0:
            size = end - start
        if start + size < content:
            return
        yield Box(kind, start, content, start + size)
        start += size


@dataclass(frozen=True)
class Break:
    """Place where an MP4 file breaks off.

    Attributes:
        path: The file.
        kind: What breaks off: the four characters of a box; none where not even they are there.
        start: Where that begins in the file.
        missing: Bytes that are not there; 0 where it does not say how many it has.
        foreign: Bytes that are there, and are no part of an MP4.
    """

    path: Path
    kind: bytes
    start: int
    missing: int
    foreign: int = 0

    @property
    def hides_the_rest(self) -> bool:
        """Return whether a fragment's header is cut: then FFmpeg reads no other fragment."""
        return self.kind == b"moof"

    @property
    def sentence(self) -> str:
        """Say it."""
        if self.foreign:
            return f"its last {self.foreign:,} bytes are no part of an MP4, and cannot be read"
        where = {b"moof": " within the header of its last fragment", b"mdat": " within its frames"}
        lacks = f"; its last part lacks {self.missing:,} bytes" if self.missing else ""
        return f"the file breaks off{where.get(self.kind, '')}{lacks}"

    def count_frames(self, track: int) -> int:
        """Count the frames that the header of a broken fragment lists, as far as it is there."""
        if not self.hides_the_rest:
            return 0
        with self.path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            return sum(
                _count_run(file, inner, track, end)
                for inner in read_boxes(file, self.start + 8, end)
                if inner.kind == b"traf"
            )


def _count_run(file: BinaryIO, fragment: Box, track: int, end: int) -> int:
    """The frames of a track in a track's part of a fragment."""
    frames = 0
    for box in read_boxes(file, fragment.start, min(end, fragment.end)):
        file.seek(box.start + 4)
        number = file.read(4)
        if box.kind == b"tfhd" and number != struct.pack(">I", track):
            return 0
        if box.kind == b"trun" and len(number) == 4:  # noqa: PLR2004
            frames += int.from_bytes(number, "big")
    return min(frames, _MAX_FRAMES_IN_FRAGMENT)


_MAX_FRAMES_IN_FRAGMENT = 100_000
"""More than that is no number of frames, but damage."""


_KNOWN_KINDS = {
    b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"styp", b"sidx", b"ssix", b"prft", b"emsg",
    b"free", b"skip", b"wide", b"uuid", b"udta", b"meta", b"pnot", b"pdin",
}  # fmt: skip
"""Kinds of a file's outermost boxes; more of them break off than programs write others there."""


def find_break(path: Path) -> Break | None:
    """Find out whether an MP4 file breaks off, as recordings do that were not ended.

    Programs append what is no MP4: positions, padding. No frame is missing then, but in a file of
    fragments, where what was meant to follow cannot be told from that.

    Args:
        path: A file, which may be none.

    Returns:
        Where it does; None where its last box is whole, or it has no boxes.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        last, foreign, kinds, after = None, None, set[bytes](), 0
        for box in read_boxes(file, 0, end):
            kinds.add(box.kind)
            last, after = box, box.end
            foreign = (foreign or box) if box.kind not in _KNOWN_KINDS else None
        if last is None or b"moov" not in kinds:
            return None
        is_whole = b"mdat" in kinds and b"moof" not in kinds
        if after > end and foreign is None:
            return Break(path, last.kind, last.place, after - end)
        if after > end and foreign and not is_whole:
            return Break(path, b"", foreign.place, 0, foreign=end - foreign.place)
        if 0 < end - after < 8 and not is_whole:  # noqa: PLR2004 - a size and a kind
            return Break(path, b"", after, 0)
        return None


def find_second_movie(path: Path) -> int | None:
    """Find a movie that was appended to another one, byte by byte; FFmpeg mixes them, or reads one.

    Args:
        path: A file, which may be none.

    Returns:
        Where it begins; None where there is none.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        movies, begin = 0, 0
        for box in read_boxes(file, 0, os.fstat(file.fileno()).st_size):
            if box.kind == b"ftyp":
                begin = box.place
            movies += box.kind == b"moov"
            if movies > 1 and begin and box.kind == b"moov":
                return begin
    return None


def is_without_header(path: Path) -> bool:
    """Return whether a file begins as an MP4 and never says what is in it."""
    with path.open("rb") as file:
        kinds = {box.kind for box in read_boxes(file, 0, os.fstat(file.fileno()).st_size)}
    return bool(kinds & {b"ftyp", b"mdat"}) and not kinds & {b"moov", b"moof"}


def read_rotation(path: Path, track: int) -> int:
    """Read by how many degrees a container says that a track's pictures are turned.

    Orientation that the pictures themselves carry (H.264 and HEVC messages, EXIF) is not followed
    by OpenCV, and so not by DeepLabCut: it comes with some pictures of a movie and not with others.

    Args:
        path: A file that FFmpeg has opened as an MP4.
        track: The track's number.

    Returns:
        Whole degrees counterclockwise, as OpenCV rounds them; 0 where the file does not say.
    """
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        movie = next((box for box in read_boxes(file, 0, end) if box.kind == b"moov"), None)
        if movie is None:
            return 0
        whole, turned = _IDENTITY, _IDENTITY
        for box in read_boxes(file, movie.start, min(end, movie.end)):
            if box.kind == b"mvhd":
                whole = _read_matrix(file, box, 36, 48) or whole
            elif box.kind == b"trak" and (found := _read_track_matrix(file, box, track)):
                turned = found
    return _measure_rotation(_multiply(turned, whole))


def _read_track_matrix(file: BinaryIO, box: Box, track: int) -> _Matrix | None:
    for inner in read_boxes(file, box.start, box.end):
        if inner.kind == b"tkhd":
            file.seek(inner.start)
            head = file.read(24)
            number = 20 if head[:1] == b"\1" else 12
            if len(head) == 24 and struct.unpack_from(">I", head, number) == (track,):  # noqa: PLR2004
                return _read_matrix(file, inner, 40, 52)
    return None


def _read_matrix(file: BinaryIO, box: Box, place: int, place_in_version_1: int) -> _Matrix | None:
    """The nine numbers at a place that depends on how wide the times before them are."""
    file.seek(box.start)
    content = file.read(min(128, box.end - box.start))
    start = place_in_version_1 if content[:1] == b"\1" else place
    return struct.unpack_from(">9i", content, start) if len(content) >= start + 36 else None


def _multiply(first: _Matrix, second: _Matrix) -> _Matrix:
    return tuple(
        sum(first[3 * row + k] * second[3 * k + column] // _UNIT[k] for k in range(3))
        for row in range(3)
        for column in range(3)
    )


def _measure_rotation(matrix: _Matrix) -> int:
    """The angle as FFmpeg and OpenCV take it from a matrix, which may also mirror and stretch."""
    width, height = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
    if not (width and height):
        return 0
    return -round(math.degrees(math.atan2(matrix[1] / height, matrix[0] / width)))
