"""When a player shows each frame of an MP4, read from its tables alone (ISO/IEC 14496-12).

Neither frames nor FFmpeg are needed: of a movie in a bucket, only the tables are fetched.
"""

import io
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.mp4_boxes import Box, read_boxes

MAX_FRAMES = 20_000_000
"""Frames of a movie: more than a week at 30 per second."""

_MAX_TABLE_BYTES = 16 * MAX_FRAMES
_NO_MEDIA = -1
"""Where an edit begins that shows nothing."""


def read_presentation_times(file: BinaryIO) -> NDArray[np.float64] | None:
    """Read when a player shows each frame of an MP4's first video track.

    Args:
        file: The movie, or whatever can be read in parts.

    Returns:
        Seconds on the player's time line, rising, shape (frames,); None where the tables do not
        tell: the file is no MP4, is made of fragments, or has been cut together from pieces.
    """
    try:
        return _read_times(file)
    except (struct.error, _Unclear):
        return None


class _Unclear(Exception):  # noqa: N818 - not an error: there is another way
    """The tables do not tell."""


def _read_times(file: BinaryIO) -> NDArray[np.float64]:
    end = file.seek(0, io.SEEK_END)
    movie = _find(file, Box(b"", 0, 0, end), b"moov")
    if movie.end > end or _has(file, movie, b"mvex"):
        raise _Unclear
    track = _find_video_track(file, movie)
    media = _find(file, track, b"mdia")
    scale = _read_time_scale(file, _find(file, media, b"mdhd"))
    table = _find(file, _find(file, media, b"minf"), b"stbl")
    shown = _read_composition_times(file, table)
    movie_scale = _read_time_scale(file, _find(file, movie, b"mvhd"))
    delay, begin, length = _read_edit(file, track, movie_scale)
    shown = np.sort(shown) - begin
    kept = shown >= 0
    if length:
        kept &= shown < length * scale
    times: NDArray[np.float64] = shown[kept] / scale + delay
    return times


def _read_composition_times(file: BinaryIO, table: Box) -> NDArray[np.int64]:
    """When each frame is shown on the media's own time line, in ticks, in the order of storage."""
    durations = _read_pairs(file, _find(file, table, b"stts"), np.dtype(">u4"))
    stored = np.cumsum(_expand(durations)) - _expand(durations)
    if not _has(file, table, b"ctts"):
        return stored
    offsets = _expand(_read_pairs(file, _find(file, table, b"ctts"), np.dtype(">i4")))
    if len(offsets) != len(stored):
        raise _Unclear
    return stored + offsets


def _expand(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each frame's value, from counts and values."""
    if not 0 < pairs[:, 0].sum() <= MAX_FRAMES:
        raise _Unclear
    return np.repeat(pairs[:, 1], pairs[:, 0])


def _read_pairs(file: BinaryIO, box: Box, kind: np.dtype[Any]) -> NDArray[np.int64]:
    """Counts and values of a table of runs, (runs, 2)."""
    content = _read_content(file, box)
    (runs,) = struct.unpack_from(">I", content, 4)
    if len(content) < 8 + 8 * runs:
        raise _Unclear
    pairs = np.frombuffer(content, np.dtype([("count", ">u4"), ("value", kind)]), runs, 8)
    return np.stack([pairs["count"], pairs["value"]], axis=1).astype(np.int64)


def _read_edit(file: BinaryIO, track: Box, movie_scale: int) -> tuple[float, int, float]:
    """Seconds before anything is shown, the first tick that is, and seconds of it (0: to the end).

    Encoders write one edit, so that a movie whose first frames are stored late begins at 0.
    """
    if not _has(file, track, b"edts"):
        return 0.0, 0, 0.0
    content = _read_content(file, _find(file, _find(file, track, b"edts"), b"elst"))
    version, (count,) = content[0], struct.unpack_from(">I", content, 4)
    layout = struct.Struct(">QqI" if version == 1 else ">IiI")
    if count > len(content) // layout.size:
        raise _Unclear
    edits = [layout.unpack_from(content, 8 + layout.size * n) for n in range(count)]
    empty = [length for length, begin, _ in edits if begin == _NO_MEDIA]
    real = [edit for edit in edits if edit[1] != _NO_MEDIA]
    if len(real) != 1 or real[0][2] != 1 << 16 or edits[-1] != real[0]:
        raise _Unclear
    length, begin, _ = real[0]
    return sum(empty) / movie_scale, begin, length / movie_scale


def _find_video_track(file: BinaryIO, movie: Box) -> Box:
    for box in read_boxes(file, movie.start, movie.end):
        if box.kind == b"trak":
            handler = _read_content(file, _find(file, _find(file, box, b"mdia"), b"hdlr"))
            if handler[8:12] == b"vide":
                return box
    raise _Unclear


def _read_time_scale(file: BinaryIO, box: Box) -> int:
    """Ticks per second, from the header of a movie or of a track's media."""
    content = _read_content(file, box)
    (scale,) = struct.unpack_from(">I", content, 20 if content[:1] == b"\1" else 12)
    if not scale:
        raise _Unclear
    return int(scale)


def _find(file: BinaryIO, parent: Box, kind: bytes) -> Box:
    for box in read_boxes(file, parent.start, parent.end):
        if box.kind == kind:
            return box
    raise _Unclear


def _has(file: BinaryIO, parent: Box, kind: bytes) -> bool:
    return any(box.kind == kind for box in read_boxes(file, parent.start, parent.end))


def _read_content(file: BinaryIO, box: Box) -> bytes:
    size = box.end - box.start
    if not 0 < size <= _MAX_TABLE_BYTES:
        raise _Unclear
    file.seek(box.start)
    content = file.read(size)
    if len(content) < size:
        raise _Unclear
    return content
