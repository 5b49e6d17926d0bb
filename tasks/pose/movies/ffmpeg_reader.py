"""Read MP4 and AVI movies with FFmpeg: the pictures that OpenCV gives, and their times.

Pictures are those of DeepLabCut's reader, OpenCV: decoded by FFmpeg, turned as the container
says, and converted to RGB with swscale's bicubic filter.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.pose.movies.info import (
    DAMAGED_MOVIE_REMEDY,
    MAX_FRAME_RATE,
    MAX_PIXELS,
    Image,
    MovieInfo,
)
from tasks.pose.movies.rgb_conversion import (
    RgbConverter,
    RgbConverterPerThread,
    error_reason,
    sdr_options,
    shown_shape,
)
from tasks.pose.movies.timing import Timing, timing_from_stamps
from tasks.pose.movies.yuv_frame import YuvFrame

DECODER_THREADS = 4
"""A fixed number: what FFmpeg rescues of a damaged movie depends on it, and workers differ."""


def probe_with_ffmpeg(path: Path, name: str) -> MovieInfo:
    """Open a movie and decode its first frame; see `tasks.pose.movies.reader.probe_movie`."""
    with _open_container(path, name) as (container, stream):
        frame = next(_decode_frames(container, stream, [], []), None)
        if frame is None:
            raise BadInput(f"{name}: no frame of it can be decoded; {DAMAGED_MOVIE_REMEDY}")
        height, width = RgbConverter(name)(frame).shape[:2]
        return MovieInfo(
            width=width,
            height=height,
            frame_rate=_candidate_frame_rates(stream, name)[0],
            declared_frames=_count_shown_frames(stream) or None,
            codec=stream.codec_context.name,
            pixel_format=str(stream.codec_context.pix_fmt),
        )


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
    _due: list[int] = field(default_factory=list)
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
        converted = RgbConverterPerThread(self.path.name)
        return (partial(converted, frame) for frame in self._read_decoded_frames())

    def read_paintable_frames(self) -> Iterator[tuple[YuvFrame | None, Callable[[], Image]]]:
        """Yield each decodable frame as the decoder gives it, to be drawn on.

        Yields:
            The frame's planes, None where it has none that can be drawn on or whose colors mean
            what those of the first frame do; and what makes the RGB image of it.

        Raises:
            BadInput: The file is no movie that can be read.
        """
        converted = RgbConverter(self.path.name)
        colors = None
        for frame in self._read_decoded_frames():
            planes = None if sdr_options(frame) else YuvFrame.from_decoded_frame(frame)
            if planes is not None:
                colors = colors or planes.colors
                planes = planes if planes.colors == colors else None
            yield planes, partial(converted, frame)

    def _read_decoded_frames(self) -> Iterator[Any]:
        """Each decodable frame as FFmpeg gives it, with its time kept."""
        self._stamps.clear()
        self._due.clear()
        self.errors.clear()
        shape = None
        with _open_container(self.path, self.path.name) as (container, stream):
            self._time_base = stream.time_base
            self._rates = _candidate_frame_rates(stream, self.path.name)
            self._dated, self._reordered = _has_frame_times(stream), False
            decoded = _decode_frames(container, stream, self.errors, self._due)
            for frame in _restore_order(decoded, self.errors, self._dated):
                if frame.is_corrupt:
                    self.errors.append(f"frame {self.frame_count} is damaged")
                shape = shape or shown_shape(frame)
                if shown_shape(frame) != shape:
                    raise BadInput(
                        f"{self.path.name}: frame {self.frame_count} has "
                        f"{_format_size(shown_shape(frame))} "
                        f"pixels, those before it have {_format_size(shape)}; cut the movie there"
                    )
                self._stamps.append(frame.pts)
                self._reordered |= frame.pict_type == _B_FRAME
                yield frame

    @property
    def frame_count(self) -> int:
        """How many frames have been read so far."""
        return len(self._stamps)

    def compute_timing(self) -> Timing:
        """The time of every frame read so far."""
        lost = len(self._due) > len(self._stamps)
        span = (min(self._due), max(self._due)) if lost else None
        if self._dated or not self._reordered:
            return timing_from_stamps(self._stamps, self._time_base, self._rates, span)
        # Without times in the file, FFmpeg's go with the order of storage, not with that of frames.
        timing = timing_from_stamps(_sort_stamps(self._stamps), self._time_base, self._rates, span)
        guessed = (_ESTIMATED_TIMES_WARNING,) if lost or self.errors else ()
        return replace(timing, warnings=(*timing.warnings, *guessed))


_B_FRAME = 3
"""FFmpeg's number for a picture that refers to later ones, and so is stored after them."""

_ESTIMATED_TIMES_WARNING = (
    "an AVI movie with B-frames does not store when each frame is shown: where frames are lost, "
    "the times and the order of those nearby are estimates, which may be off by several frames"
)


def _sort_stamps(stamps: Sequence[int | None]) -> list[int | None]:
    """The same times, rising; frames that have none still have none."""
    known = iter(sorted(stamp for stamp in stamps if stamp is not None))
    return [None if stamp is None else next(known) for stamp in stamps]


@contextmanager
def _open_container(path: Path, name: str) -> Iterator[tuple[Any, Any]]:
    """Open a movie with FFmpeg, confined to the file itself and to the containers we know.

    Without the two lists, a play list or a concatenation script that is called ``.mp4`` would make
    FFmpeg read other files and addresses.

    Yields:
        The container, and the stream that OpenCV takes too: the first that is no cover picture.
    """
    import av  # noqa: PLC0415 - a form or a scheduler that loads this module needs no codecs

    if path.stat().st_size == 0:
        raise BadInput(f"{name}: the file is empty (0 bytes); copy it again")
    # torchvision turns PyAV's logging on. A decoder thread that logs then waits for the thread
    # that closes the decoder, which waits for it: the process would hang.
    av.logging.set_level(None)
    confined = {"protocol_whitelist": "file", "format_whitelist": "mov,avi"}
    try:
        container = av.open(f"file:{path}", options=confined, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise BadInput(
            f"{name}: expected an MP4 or AVI movie, found a file that cannot be opened as "
            f"one, or only a part of one ({error_reason(error)}); {DAMAGED_MOVIE_REMEDY}"
        ) from error
    with container:
        yield container, _select_video_stream(container, name)


def _select_video_stream(container: Any, name: str) -> Any:
    from av.stream import Disposition  # noqa: PLC0415

    covers = Disposition.attached_pic
    stream = next((s for s in container.streams.video if not s.disposition & covers), None)
    if stream is None:
        raise BadInput(f"{name}: it holds no video (sound only?); {DAMAGED_MOVIE_REMEDY}")
    if stream.codec_context is None:
        raise BadInput(f"{name}: its video codec is unknown; convert it to H.264 and send that")
    if stream.width * stream.height > MAX_PIXELS:
        raise BadInput(
            f"{name}: it claims frames of {stream.width}×{stream.height} pixels, more than "
            f"the {MAX_PIXELS:,} pixels allowed; {DAMAGED_MOVIE_REMEDY}"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = DECODER_THREADS
    return stream


def _format_size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"


def _decode_frames(container: Any, stream: Any, errors: list[str], due: list[int]) -> Iterator[Any]:
    """Decode frame by frame, stepping over what cannot be decoded.

    Args:
        container: Where to read.
        stream: What to decode.
        errors: Gets a sentence for each damaged place.
        due: Gets the presentation time of each stored frame that is to be shown.
    """
    import av  # noqa: PLC0415

    frames = 0
    for packet in _read_packets(container, stream, errors):
        if packet and packet.size and packet.pts is not None and not packet.is_discard:
            due.append(packet.pts)
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


def _count_shown_frames(stream: Any) -> int:
    """Frames that the container declares, without those that its edit list hides."""
    entries = stream.index_entries
    if not (stream.frames and len(entries) and _has_frame_times(stream)):
        return int(stream.frames)
    return sum(not entry.is_discard for entry in entries)


def _has_frame_times(stream: Any) -> bool:
    """Whether the container stores when each frame is shown, and which ones are hidden."""
    return "mp4" in stream.container.format.name


def _candidate_frame_rates(stream: Any, name: str) -> tuple[Fraction, ...]:
    """The frame rates that a container claims, without repeats and nonsense."""
    claims = (stream.average_rate, stream.base_rate, stream.guessed_rate)
    sane = (Fraction(rate) for rate in claims if rate and 0 < rate <= MAX_FRAME_RATE)
    rates = tuple(dict.fromkeys(sane))
    if not rates:
        raise BadInput(f"{name}: it declares no frame rate; {DAMAGED_MOVIE_REMEDY}")
    return rates
