"""Probe and read movies: shape, frames, and the time of every frame.

One reader serves every stage, so that the network, the labelled movie and the frame ledger speak
of the same frames. Pictures are those that OpenCV gives (DeepLabCut's reader): decoded by FFmpeg,
turned as the container says, and converted to RGB with swscale's bicubic filter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.errors import BadInput

Image = NDArray[np.uint8]

MOVIE_SUFFIXES = (".mp4", ".avi")
"""What a movie's name may end in, in lower case."""

MAX_FRAME_RATE = 100_000
"""Frames per second above which a container's claim is taken for damage."""


@dataclass(frozen=True)
class MovieInfo:
    """What a movie's container and its first frame say.

    Attributes:
        width: Columns of a frame as it is shown, in pixels.
        height: Rows of a frame as it is shown, in pixels.
        frame_rate: Frames per second, on average where they vary.
        declared_frames: The number of frames that the container declares; None where it does not.
        codec: FFmpeg's name of the video codec.
        pixel_format: FFmpeg's name of the pixel format.
    """

    width: int
    height: int
    frame_rate: Fraction
    declared_frames: int | None
    codec: str
    pixel_format: str


def probe(path: Path, name: str | None = None) -> MovieInfo:
    """Open a movie and decode its first frame, so that what cannot be read is refused early.

    Args:
        path: A local movie file.
        name: What to call it in messages; by default its file name.

    Returns:
        The movie's shape, rate and declared length.

    Raises:
        BadInput: The file is empty, is not the kind of movie that its name says, holds no video,
            or its first frame cannot be decoded.
    """
    name = name or path.name
    with _opened(path, name) as container:
        stream = container.streams.best("video")
        frame = next(_decoded(container, stream, []), None)
        if frame is None:
            raise BadInput(f"{name}: no frame of it can be decoded; {_REMEDY}")
        height, width = _upright(frame).shape[:2]
        return MovieInfo(
            width=width,
            height=height,
            frame_rate=_frame_rate(stream),
            declared_frames=stream.frames or None,
            codec=stream.codec_context.name,
            pixel_format=str(stream.codec_context.pix_fmt),
        )


@dataclass
class MovieReader:
    """Reads a movie's frames once, from the first to the last, and keeps their times.

    Attributes:
        path: A local movie file.
        errors: What the decoder could not read, one sentence for each damaged packet.
    """

    path: Path
    errors: list[str] = field(default_factory=list)
    _stamps: list[int | None] = field(default_factory=list)
    _time_base: Fraction = Fraction(1)
    _rates: tuple[Fraction, ...] = ()

    def __iter__(self) -> Iterator[Image]:
        """Yield each decodable frame as RGB, shape (height, width, 3).

        Raises:
            BadInput: The file is no movie that can be read.
        """
        self._stamps.clear()
        self.errors.clear()
        with _opened(self.path, self.path.name) as container:
            stream = container.streams.best("video")
            stream.thread_type = "AUTO"
            self._time_base = stream.time_base
            self._rates = _candidate_rates(stream)
            for frame in _decoded(container, stream, self.errors):
                self._stamps.append(frame.pts)
                yield _upright(frame)

    @property
    def frames(self) -> int:
        """How many frames have been read so far."""
        return len(self._stamps)

    def timing(self) -> "Timing":
        """The time of every frame read so far."""
        return timing_of(self._stamps, self._time_base, self._rates)


@dataclass(frozen=True)
class Timing:
    """When a movie's frames were shown.

    Attributes:
        seconds: Time of each frame since the first one, rising, shape (frames,).
        frame_rate: Frames per second; the average where they vary.
        constant: Whether every frame is index ÷ frame_rate.
    """

    seconds: NDArray[np.float64]
    frame_rate: Fraction
    constant: bool


CLOCK_ERROR = Fraction(1, 2000)
"""Seconds by which a time may differ from an even one: recorders round times to milliseconds."""


def timing_of(
    stamps: Sequence[int | None], time_base: Fraction, rates: Sequence[Fraction]
) -> Timing:
    """Turn presentation times in ticks into seconds since the first frame.

    Where the times are those of a constant rate, to within the rounding of the clock that wrote
    them, they become index ÷ rate, free of that rounding. Where there are no usable times (none,
    or not rising) they are index ÷ rate too.

    Args:
        stamps: The presentation time of each frame, in ticks; None where it has none.
        time_base: Seconds for each tick.
        rates: Frame rates that the container claims, the likeliest first; at least one.

    Returns:
        The times, and the rate that they keep.
    """
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or any(b <= a for a, b in pairwise(known)):
        return _constant(len(stamps), rates[0])
    ticks = np.array(known, dtype=np.int64) - (known[0] if known else 0)
    for rate in rates:
        if _is_even(ticks, time_base, rate):
            return _constant(len(stamps), rate)
    seconds = ticks * np.float64(time_base.numerator) / np.float64(time_base.denominator)
    return Timing(seconds, rates[0], constant=False)


def _constant(frames: int, rate: Fraction) -> Timing:
    index = np.arange(frames)
    seconds = index * np.float64(rate.denominator) / np.float64(rate.numerator)
    return Timing(seconds, rate, constant=True)


def _is_even(ticks: NDArray[np.int64], time_base: Fraction, rate: Fraction) -> bool:
    """Whether every frame is where a constant rate puts it, but for the clock's rounding."""
    period = 1 / (rate * time_base)
    due = np.arange(len(ticks)) * np.float64(period.numerator) / np.float64(period.denominator)
    allowed = max(1.0, float(CLOCK_ERROR / time_base) * (1 + 1e-6))
    return bool(np.all(np.abs(ticks - due) <= allowed))


_REMEDY = "play it from start to end, or convert it again, and send that file"


def _opened(path: Path, name: str) -> Any:
    """Open a movie with FFmpeg, confined to the file itself and to the containers we know.

    Without the two lists, a play list or a concatenation script that is called ``.mp4`` would make
    FFmpeg read other files and addresses.
    """
    import av  # noqa: PLC0415 - a form or a scheduler that loads this module needs no codecs

    if path.stat().st_size == 0:
        raise BadInput(f"{name}: the file is empty (0 bytes); copy it again")
    confined = {"protocol_whitelist": "file", "format_whitelist": "mov,avi"}
    try:
        container = av.open(f"file:{path}", options=confined, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise BadInput(
            f"{name}: expected an MP4 or AVI movie, found a file that cannot be opened as "
            f"one, or only a part of one ({_reason(error)}); {_REMEDY}"
        ) from error
    if not container.streams.video:
        container.close()
        raise BadInput(f"{name}: it holds no video (sound only?); {_REMEDY}")
    return container


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _decoded(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """Decode frame by frame, stepping over packets that cannot be decoded."""
    import av  # noqa: PLC0415

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.InvalidDataError as error:
            errors.append(f"after frame {len(errors)}: {_reason(error)}")


def _upright(frame: Any) -> Image:
    """Convert a decoded frame to RGB, turned as the container says it is to be shown."""
    from av.video.reformatter import Interpolation  # noqa: PLC0415

    image: Image = frame.to_ndarray(format="rgb24", interpolation=Interpolation.BICUBIC)
    quarter_turns = round((frame.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _frame_rate(stream: Any) -> Fraction:
    return _candidate_rates(stream)[0]


def _candidate_rates(stream: Any) -> tuple[Fraction, ...]:
    """The frame rates that a container claims, without repeats and nonsense."""
    claims = (stream.average_rate, stream.base_rate, stream.guessed_rate)
    sane = (Fraction(rate) for rate in claims if rate and 0 < rate <= MAX_FRAME_RATE)
    rates = tuple(dict.fromkeys(sane))
    if not rates:
        raise BadInput(f"the movie declares no frame rate; {_REMEDY}")
    return rates
