"""Times at which movies were recorded, as their containers have them, against their order."""

import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import BinaryIO, cast

from tasks.errors import PoseError
from tasks.messages import format_value
from tasks.pose.movies.mp4_boxes import read_boxes
from tasks.storage.chapter_order import find_chapters
from tasks.storage.ranged_file import RangedFile
from tasks.storage.store import ObjectInfo, ObjectStore

MAX_MOVIES = 1_000
"""Movies of a request whose beginnings are read for this: a request or two each."""

_PARALLEL_READS = 8

_BLOCK_BYTES = 8192
"""Bytes that are read at a time; the time is in 100 of them."""

_MAX_BOXES = 32
"""Boxes of a file that are looked at on the way to its header."""

_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
"""From which MP4 counts seconds (ISO/IEC 14496-12, 8.2.2)."""

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""A clock that says less was never set."""

_TOLERANCE = timedelta(seconds=2)
"""By how much clocks of containers may be off: they count whole seconds."""

_AVI_FORMATS = (
    "%a %b %d %H:%M:%S %Y",
    "%Y:%m:%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
)
"""Forms of the date in an AVI, as cameras write it."""


@dataclass(frozen=True)
class RecordingTime:
    """Time at which a movie was recorded.

    Attributes:
        name: The movie.
        start: What the container calls its creation, as far as is known in UTC.
        duration: How long it is; none where the container does not say so at its beginning.
    """

    name: str
    start: datetime
    duration: timedelta

    def overlaps(self, other: "RecordingTime") -> bool:
        """Return whether both were recorded at the same time, and so by different cameras."""
        latest = max(self.start, other.start)
        end = min(self.start + self.duration, other.start + other.duration)
        return end - latest > _TOLERANCE


def disagreement_warnings(store: ObjectStore, infos: Sequence[ObjectInfo]) -> list[str]:
    """Warn where movies in order of their names were recorded in another order.

    Nothing is said of movies that were recorded at the same time as others: they are of several
    cameras.

    Args:
        store: Where they are.
        infos: Movies of one listing, in order.
    """
    if not 1 < len(infos) <= MAX_MOVIES:
        return []
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        times = list(pool.map(partial(read_recording_time, store), infos))
    known = list(_join_chapters(infos, times))
    back = [
        (first, second)
        for first, second in pairwise(known)
        if second.start < first.start - _TOLERANCE
        and not any(
            one.overlaps(other) for one in (first, second) for other in known if other != one
        )
    ]
    if not back:
        return []
    first, second = back[0]
    more = f" (and {len(back) - 1} more)" if len(back) > 1 else ""
    warning = (
        f"names and recording times disagree: {format_value(second.name)} was recorded at "
        f"{second.start:%Y-%m-%d %H:%M:%S}, before {format_value(first.name)} at "
        f"{first.start:%Y-%m-%d %H:%M:%S}, which stands before it by name{more}; movies stay in "
        "order of their names: list them one by one for another order"
    )
    return [warning]


def _join_chapters(
    infos: Sequence[ObjectInfo], times: Sequence[RecordingTime | None]
) -> Iterator[RecordingTime]:
    """The times that are known, one for each recording: some cameras give all chapters the same."""
    chapters = find_chapters(info.location.key for info in infos)
    joined: dict[object, RecordingTime] = {}
    for info, time in zip(infos, times, strict=True):
        if time is None:
            continue
        chapter = chapters.get(info.location.key)
        whole = (chapter.series, chapter.letters, chapter.recording) if chapter else info.location
        if (first := joined.get(whole)) is None:
            joined[whole] = time
        else:
            start, duration = min(first.start, time.start), first.duration + time.duration
            joined[whole] = RecordingTime(first.name, start, duration)
    yield from joined.values()


def read_recording_time(store: ObjectStore, info: ObjectInfo) -> RecordingTime | None:
    """Read when a movie was recorded.

    Args:
        store: Where it is.
        info: An .mp4 or .avi in a store.

    Returns:
        The time; None where the container has none, or cannot be read.
    """
    file = RangedFile(store, info, _BLOCK_BYTES)
    try:
        if info.location.suffix.lower() == ".avi":
            found = _read_avi_time(file.read(_BLOCK_BYTES)), timedelta()
        else:
            found = _read_mp4_time(cast("BinaryIO", file), info.size)
    except (PoseError, OSError, ValueError, OverflowError, struct.error):
        return None  # it is only for a warning
    start, duration = found
    if start is None or not start > _EARLIEST:
        return None
    return RecordingTime(info.location.name, start, duration)


def _read_mp4_time(file: BinaryIO, size: int) -> tuple[datetime | None, timedelta]:
    for _, box in zip(range(_MAX_BOXES), read_boxes(file, 0, size), strict=False):
        if box.kind == b"moov":
            inner = next(read_boxes(file, box.start, min(size, box.end)), None)
            if inner is None or inner.kind != b"mvhd":
                return None, timedelta()
            file.seek(inner.start)
            return _parse_movie_header(file.read(32))
    return None, timedelta()


def _parse_movie_header(data: bytes) -> tuple[datetime, timedelta]:
    """Creation and duration of an ``mvhd`` box (ISO/IEC 14496-12, 8.2.2)."""
    form = ">4xQQIQ" if data[:1] == b"\1" else ">4xIIII"
    created, _, ticks, length = struct.unpack_from(form, data)
    unknown = (1 << (64 if data[:1] == b"\1" else 32)) - 1
    known = ticks and length != unknown
    return _EPOCH + timedelta(seconds=created), timedelta(seconds=length / ticks if known else 0)


def _read_avi_time(data: bytes) -> datetime | None:
    """The date in an AVI's header; without a time zone."""
    place = data.find(b"IDIT")
    if place < 0:
        return None
    (size,) = struct.unpack_from("<I", data, place + 4)
    text = data[place + 8 : place + 8 + min(size, 64)].decode("ascii", "replace").strip(" \0\r\n")
    for form in _AVI_FORMATS:
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    return None
