"""Frames that a movie's file holds and lists, decodable or not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from tasks.pose.movies.avi_chunks import SMALLEST_PICTURE
from tasks.pose.movies.avi_index import AviIndex

_LARGEST_PLACEHOLDER = 19
"""Bytes of a frame of MPEG-4 that may say no more than "as before", as FFmpeg has it."""

_PICTURE_START = b"\0\0\1\xb6"
"""First bytes of an MPEG-4 picture; its type follows (ISO/IEC 14496-2, 6.2.5)."""

_B_PICTURE = 0b10
"""The type of a picture of MPEG-4 that refers to a later one."""

_MAX_LOOK_AHEAD = 4
"""Frames that XviD and DivX look ahead by at the most."""


@dataclass
class StoredFrames:
    """Frames and times read from a file without decoding it.

    Attributes:
        due: Presentation time of each stored frame that is to be shown, in ticks.
        empty: Times of places in an AVI that hold too little for a picture.
        small: Times of frames that may say no more than "as before".
        repeats: Times of those that do.
        last_decoding_time: The decoding time of the last frame that was read.
        look_ahead: Places after the first picture of an AVI that XviD or DivX left empty while it
            looked ahead: each later picture stands that many places after its own.
    """

    due: list[int] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    small: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    last_decoding_time: int | None = None
    look_ahead: int = 0

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
        if not dated and len(self.due) == 1:
            self._find_look_ahead(packet)
        self.due.append(packet.pts)
        if packet.size <= _LARGEST_PLACEHOLDER and not packet.is_corrupt:  # not cut off there
            self.small.append(packet.pts)
        return True

    def _find_look_ahead(self, packet: Any) -> None:
        """Find out why places after the first picture are empty, from the packet of the second.

        XviD and DivX write the first picture at once and then nothing until they know which of the
        next ones refers to which; those they pack into one chunk, first of all the last of them.
        """
        empty = packet.pts - self.due[0] - 1
        if packet.stream.codec_context.name != "mpeg4" or not 0 < empty <= _MAX_LOOK_AHEAD:
            return
        _, *pictures = bytes(packet).split(_PICTURE_START)
        if len(pictures) > 1 and pictures[1][:1] and pictures[1][0] >> 6 == _B_PICTURE:
            self.look_ahead = empty
            self.due[0] += empty
            self.empty = [time for time in self.empty if time < self.due[0] - empty]

    def correct_first_stamp(self, stamps: list[int | None]) -> None:
        """Put the first picture one place before the second, where its encoder looked ahead."""
        if self.look_ahead and stamps and stamps[0] is not None:
            stamps[0] = max(stamps[0], self.due[0])

    @property
    def look_ahead_warnings(self) -> tuple[str, ...]:
        """Say that empty places are no dropped frames, where the encoder looked ahead."""
        if not self.look_ahead:
            return ()
        count = "1 frame" if self.look_ahead == 1 else f"{self.look_ahead} frames"
        warning = (
            f"its encoder looked {count} ahead, and left as many places empty after its first "
            f"frame: none was dropped there, but at its end {count} may not have been written"
        )
        return (warning,)

    def add_listed(self, index: AviIndex, packets: Iterable[Any]) -> None:
        """Note what the index of an AVI lists, in place of reading it; places are times there.

        Args:
            index: The index.
            packets: What FFmpeg reads of the file; only the first pictures are looked at, and they
                only where places between them are empty.
        """
        pictures = index.pictures.tolist()
        empty = np.setdiff1d(np.arange(len(index.sizes)), index.pictures)
        if len(pictures) > 1 and pictures[1] - pictures[0] > 1:
            ahead = self._measure_look_ahead(packets)
            empty = empty[(empty <= pictures[0]) | (empty > pictures[0] + ahead)]
            pictures[0] += ahead
        self.due += pictures[:-1] if index.breaks_off else pictures  # the last one is cut off
        self.empty += empty.tolist()
        self.last_decoding_time = len(index.sizes) - 1

    def _measure_look_ahead(self, packets: Iterable[Any]) -> int:
        """Read packets up to the second picture."""
        read = StoredFrames()
        for packet in packets:
            if packet and packet.size:
                read.add(packet, dated=False)
            if len(read.due) > 1:
                break
        self.look_ahead = read.look_ahead
        return self.look_ahead

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
    index = index.without_look_ahead(stored.look_ahead)
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
