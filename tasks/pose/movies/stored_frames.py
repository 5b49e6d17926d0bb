"""Frames that a movie's file holds and lists, decodable or not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from tasks.pose.movies.avi_index import SMALLEST_PICTURE, AviIndex

_LARGEST_PLACEHOLDER = 19
"""Bytes of a frame of MPEG-4 that may say no more than "as before", as FFmpeg has it."""


@dataclass
class StoredFrames:
    """Frames and times read from a file without decoding it.

    Attributes:
        due: Presentation time of each stored frame that is to be shown, in ticks.
        empty: Times of places in an AVI that hold too little for a picture.
        small: Times of frames that may say no more than "as before".
        repeats: Times of those that do.
        last_decoding_time: The decoding time of the last frame that was read.
    """

    due: list[int] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    small: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    last_decoding_time: int | None = None

    def add(self, packet: Any, dated: bool) -> bool:
        """Note what a packet holds.

        Args:
            packet: What FFmpeg read. In an AVI it gets the time of its place in the index: FFmpeg
                makes others of it for frames that it takes to be shown later than they are stored,
                which would come out a frame late, or in an uncertain order.
            dated: Whether the container stores when each frame is shown.

        Returns:
            Whether it may hold a picture, so that the decoder is to see it.
        """
        if not dated and packet.dts is not None:
            packet.pts = packet.dts
        self.last_decoding_time = packet.dts if packet.dts is not None else self.last_decoding_time
        if packet.pts is None or packet.is_discard:
            return True
        if not dated and packet.size < SMALLEST_PICTURE:
            self.empty.append(packet.pts)
            return False
        self.due.append(packet.pts)
        if packet.size <= _LARGEST_PLACEHOLDER and not packet.is_corrupt:  # not cut off there
            self.small.append(packet.pts)
        return True

    def find_repeats(self, stamps: Sequence[int | None], codec: str, errors: Sequence[str]) -> None:
        """Find the small frames of MPEG-4 that say "as before".

        XviD and DivX write them for what they drop, and no decoder makes pictures of them.
        Where pictures are packed two to a frame, they stand in for the second: those are pictures.

        Args:
            stamps: Times of the pictures that there are.
            codec: FFmpeg's name of it.
            errors: What could not be decoded; where that is something, a small frame may be it.
        """
        if codec != "mpeg4" or errors or not self.small:
            return
        found = set(self.small).difference(stamps)
        self.repeats = sorted(found)
        self.due = [time for time in self.due if time not in found]


@dataclass(frozen=True)
class ListedFrames:
    """Frames that a file lists, known once it has been read to its end.

    Attributes:
        count: Frames, those included that the recorder dropped.
        span: Times of the first and the last of them, in ticks.
        dropped: Times of those that were dropped.
    """

    count: int
    span: tuple[int, int]
    dropped: tuple[int, ...] = ()


def list_avi_frames(index: AviIndex, stored: StoredFrames) -> ListedFrames | None:
    """Tell what an AVI's index lists.

    Args:
        index: The index.
        stored: What was read.

    Returns:
        The frames; None where they are not those that were read.
    """
    if not stored.due or not len(index.pictures):
        return None
    shift = min(stored.due) - int(index.pictures[0])
    places = np.array(stored.due, np.int64) - shift
    if places.max() >= len(index.sizes) or not np.isin(places, index.pictures).all():
        return None
    first = shift + (int(index.pictures[0]) if index.step > 1 else 0)
    dropped = tuple((index.dropped + shift).tolist())
    return ListedFrames(index.declared_frames, (first, shift + index.last_place), dropped)


def list_mp4_frames(
    entries: Iterable[Any], stored: StoredFrames, more: int, period: Fraction
) -> ListedFrames | None:
    """Tell what an MP4's tables list, those of its fragments included.

    Args:
        entries: What FFmpeg has made of the tables; each frame has its decoding time there.
        stored: What was read.
        more: Frames that are listed after those, in a header that breaks off.
        period: Ticks from one frame to the next.

    Returns:
        The frames; None where nothing was read.
    """
    shown = [(entry.timestamp, entry.size) for entry in entries if not entry.is_discard]
    if not (shown and stored.due and stored.last_decoding_time is not None):
        return None
    # Frames may be stored in another order than they are shown in, but within the same time.
    shift, (last, _) = min(stored.due) - shown[0][0], shown[-1]
    end = max(stored.due)
    if last > stored.last_decoding_time:
        end = max(end, last + shift)
    end += round(more * period)
    empty = tuple(time + shift for time, size in shown if size == 0)
    return ListedFrames(len(shown) + more, (min(stored.due), end), empty)
