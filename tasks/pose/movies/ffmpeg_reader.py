"""Read MP4 and AVI movies with FFmpeg: the pictures that OpenCV gives, and their times.

Pictures are those of DeepLabCut's reader, OpenCV: decoded by FFmpeg, turned as the container
says, and converted to RGB with swscale's bicubic filter.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.pose.movies.avi_index import AviIndex
from tasks.pose.movies.ffmpeg_container import (
    candidate_frame_rates,
    has_frame_times,
    open_container,
    read_geometry,
    read_index,
)
from tasks.pose.movies.info import Image
from tasks.pose.movies.mp4_boxes import find_break
from tasks.pose.movies.rgb_conversion import (
    PictureGeometry,
    RgbConverter,
    RgbConverterPerThread,
    error_reason,
    sdr_options,
)
from tasks.pose.movies.stored_frames import (
    ListedFrames,
    StoredFrames,
    list_avi_frames,
    list_mp4_frames,
)
from tasks.pose.movies.timing import Timing, group_into_ranges, timing_from_stamps
from tasks.pose.movies.yuv_frame import YuvFrame


@dataclass
class FFmpegReader:
    """Reads a movie's frames once, from the first to the last, and keeps their times.

    Attributes:
        path: A local movie file.
        errors: What the decoder could not read, one sentence for each damaged place.
    """

    path: Path
    errors: list[str] = field(default_factory=list)
    _stamps: list[int | None] = field(default_factory=list)
    _stored: StoredFrames = field(default_factory=StoredFrames)
    _listed: ListedFrames | None = None
    _dated: bool = True
    _reordered: bool = False
    _time_base: Fraction = Fraction(1)
    _rates: tuple[Fraction, ...] = ()

    def __iter__(self) -> Iterator[Image]:
        """Yield each decodable frame as RGB, shape (height, width, 3).

        Raises:
            BadInput: The file is no movie that can be read.
        """
        return (shot() for shot in self.read_lazy_images())

    def read_lazy_images(self) -> Iterator[Callable[[], Image]]:
        """Yield each decodable frame, to be converted to RGB in any thread.

        Raises:
            BadInput: The file is no movie that can be read.
        """
        with open_container(self.path, self.path.name) as (container, stream):
            geometry = read_geometry(self.path, stream)
            converted = RgbConverterPerThread(self.path.name, geometry)
            for frame in self._read_decoded_frames(container, stream, geometry):
                yield partial(converted, frame)

    def read_paintable_frames(self) -> Iterator[tuple[YuvFrame | None, Callable[[], Image]]]:
        """Yield each decodable frame as the decoder gives it, to be drawn on.

        Yields:
            The frame's planes, None where it has none that can be drawn on or whose colors mean
            what those of the first frame do; and what makes the RGB image of it.

        Raises:
            BadInput: The file is no movie that can be read.
        """
        colors = None
        with open_container(self.path, self.path.name) as (container, stream):
            geometry = read_geometry(self.path, stream)
            converted = RgbConverter(self.path.name, geometry)
            for frame in self._read_decoded_frames(container, stream, geometry):
                paintable = geometry.keeps_frames(frame) and not sdr_options(frame)
                planes = YuvFrame.from_decoded_frame(frame) if paintable else None
                if planes is not None:
                    colors = colors or planes.colors
                    planes = planes if planes.colors == colors else None
                yield planes, partial(converted, frame)

    def _read_decoded_frames(
        self, container: Any, stream: Any, geometry: PictureGeometry
    ) -> Iterator[Any]:
        """Each decodable frame as FFmpeg gives it, with its time kept."""
        shape, index = None, self._begin(stream)
        decoded = decode_frames(container, stream, self.errors, self._stored)
        for frame in _restore_order(decoded, self.errors, self._dated):
            if frame.is_corrupt:
                self.errors.append(f"frame {self.frame_count} is damaged")
            shown = geometry.turned_shape(frame)
            shape = shape or shown
            if shown != shape:
                raise BadInput(
                    f"{self.path.name}: frame {self.frame_count} has {_format_size(shown)} "
                    f"pixels, those before it have {_format_size(shape)}; cut the movie there"
                )
            self._stamps.append(frame.pts)
            self._reordered |= frame.pict_type == _B_FRAME
            yield frame
        self._stored.correct_first_stamp(self._stamps)
        self._stored.find_repeats(self._stamps, stream.codec_context.name, self.errors)
        self._listed, told = self._list_frames(stream, index)
        self.errors[:0] = told

    def _begin(self, stream: Any) -> AviIndex | None:
        """Forget what was read before, and read what the container says; return an AVI's index."""
        self._stamps.clear()
        self.errors.clear()
        self._stored, self._listed = StoredFrames(), None
        index = read_index(self.path, stream)
        self._time_base = stream.time_base
        self._rates = candidate_frame_rates(stream, self.path.name, index)
        self._dated, self._reordered = has_frame_times(stream), False
        return index

    def read_listing(self) -> None:
        """Read what the file lists without decoding it, as if each of its frames could be decoded.

        Raises:
            BadInput: The file is no movie that can be read.
        """
        with open_container(self.path, self.path.name) as (container, stream):
            index = self._begin(stream)
            packets = _read_packets(container, stream, self.errors)
            if index is not None:
                self._stored.add_listed(index, packets)
            else:
                for packet in packets:
                    if packet and packet.size:
                        self._stored.add(packet, self._dated)
            self._stamps += sorted(self._stored.due)
            self._listed, told = self._list_frames(stream, index)
            self.errors[:0] = told

    def _list_frames(
        self, stream: Any, index: AviIndex | None
    ) -> tuple[ListedFrames | None, list[str]]:
        """List the file's frames after it has been read, with a sentence if it breaks off."""
        if self._dated:
            broken = find_break(self.path)
            period = 1 / (self._rates[0] * self._time_base)
            more = broken.count_frames(stream.id) if broken else 0
            listed = list_mp4_frames(stream.index_entries, self._stored, more, period)
            return listed, [broken.sentence] if broken else []
        if index is None:
            return None, []
        return list_avi_frames(index, self._stored), index.break_sentences

    @property
    def frame_count(self) -> int:
        """Number of frames read so far."""
        return len(self._stamps)

    def compute_timing(self) -> Timing:
        """The time of every frame read so far."""
        stored, listed = self._stored, self._listed
        gone = [*(listed.dropped if listed else stored.empty), *stored.repeats]
        count = listed.count if listed else len(stored.due) + len(gone)
        span = listed.span if listed else _find_span([*stored.due, *gone])
        whole = len(self._stamps) >= count
        guesses = not self._dated and self._reordered
        # Without times in the file, FFmpeg's go with the order of storage, not with that of frames.
        stamps = _sort_stamps(self._stamps) if guesses else self._stamps
        timing = timing_from_stamps(stamps, self._time_base, self._rates, None if whole else span)
        if guesses and (not whole or self.errors or not timing.constant):
            timing = replace(timing, warnings=(*timing.warnings, _ESTIMATED_TIMES_WARNING))
        timing = replace(timing, warnings=(*timing.warnings, *stored.look_ahead_warnings))
        if listed is not None:
            timing = replace(timing, listed_frames=listed.count)
        if not gone or span is None:
            return timing
        periods = self._time_base * timing.frame_rate
        numbers = sorted(round((tick - span[0]) * periods) for tick in gone)
        return replace(timing, dropped=group_into_ranges(numbers))


_B_FRAME = 3
"""FFmpeg's number for a picture that refers to later ones, and so is stored after them."""

_ESTIMATED_TIMES_WARNING = (
    "an AVI movie with B-frames does not store when each frame is shown: where frames are missing "
    "or their rate varies, times and order of those nearby are estimates, which may be off by "
    "several frames"
)


def _find_span(times: Sequence[int]) -> tuple[int, int] | None:
    return (min(times), max(times)) if times else None


def _sort_stamps(stamps: Sequence[int | None]) -> list[int | None]:
    """The same times, rising; frames that have none still have none."""
    known = iter(sorted(stamp for stamp in stamps if stamp is not None))
    return [None if stamp is None else next(known) for stamp in stamps]


def _format_size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"


def decode_frames(
    container: Any, stream: Any, errors: list[str], stored: StoredFrames
) -> Iterator[Any]:
    """Decode frame by frame, stepping over what cannot be decoded.

    Args:
        container: Where to read.
        stream: What to decode.
        errors: Gets a sentence for each damaged place.
        stored: Gets what is read.
    """
    import av  # noqa: PLC0415

    frames, dated = 0, has_frame_times(stream)
    for packet in _read_packets(container, stream, errors):
        if packet and packet.size and not stored.add(packet, dated):
            continue
        try:
            found = stream.decode(packet)
        except av.FFmpegError as error:
            errors.append(f"after {frames} frames: {error_reason(error)}")
            continue
        frames += len(found)
        yield from found


_MAX_REORDERED_FRAMES = 16
"""Frames that may be stored between a frame and one that is shown before it, in H.264 and HEVC."""


def _restore_order(frames: Iterable[Any], errors: Sequence[str], dated: bool) -> Iterator[Any]:
    """Put frames back in order that a decoder gives out of order after it lost a reference.

    Before any damage the decoder's order counts, which is OpenCV's. It counts on where times did
    not rise in it: movies that were copied out of AVI have times that go with the order of storage.

    Args:
        frames: Decoded frames.
        errors: What could not be decoded; empty until damage is met.
        dated: Whether the container stores when each frame is shown.
    """
    waiting: list[tuple[int, int, Any]] = []
    latest, trusted, damaged = -(2**63), dated, False
    for number, frame in enumerate(frames):
        damaged = damaged or bool(errors) or frame.is_corrupt
        moment = latest if frame.pts is None else frame.pts
        trusted = trusted and (damaged or moment > latest)
        latest = moment
        heappush(waiting, (moment, number, frame))
        while len(waiting) > (_MAX_REORDERED_FRAMES if trusted and damaged else 0):
            yield heappop(waiting)[-1]
    while waiting:
        yield heappop(waiting)[-1]


def _read_packets(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """The stream's packets, and a last one that makes the decoder give all that it still holds."""
    import av  # noqa: PLC0415

    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        errors.append(f"the file cannot be read to its end: {error_reason(error)}")
        yield None
