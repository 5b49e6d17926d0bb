"""Probe and read movies: shape, frames, and the time of every frame.

One reader serves every stage, so that the network, the labelled movie and the frame ledger speak
of the same frames. Pictures are those that OpenCV gives (DeepLabCut's reader): decoded by FFmpeg,
turned as the container says, and converted to RGB with swscale's bicubic filter.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

MAX_PIXELS = 2**26
"""Pixels of a frame (8K has half as many); a claim of more is damage, or meant to fill memory."""

DECODER_THREADS = 4
"""A fixed number: what FFmpeg rescues of a damaged movie depends on it, and workers differ."""


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
    with _opened(path, name) as (container, stream):
        frame = next(_decoded(container, stream, []), None)
        if frame is None:
            raise BadInput(f"{name}: no frame of it can be decoded; {_REMEDY}")
        height, width = _Converter(name)(frame).shape[:2]
        return MovieInfo(
            width=width,
            height=height,
            frame_rate=_candidate_rates(stream, name)[0],
            declared_frames=stream.frames or None,
            codec=stream.codec_context.name,
            pixel_format=str(stream.codec_context.pix_fmt),
        )


@dataclass
class MovieReader:
    """Reads a movie's frames once, from the first to the last, and keeps their times.

    Attributes:
        path: A local movie file.
        errors: What the decoder could not read, one sentence for each damaged place.
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
        shape = None
        with _opened(self.path, self.path.name) as (container, stream):
            self._time_base = stream.time_base
            self._rates = _candidate_rates(stream, self.path.name)
            converted = _Converter(self.path.name)
            for frame in _decoded(container, stream, self.errors):
                image = converted(frame)
                shape = shape or image.shape
                if image.shape != shape:
                    raise BadInput(
                        f"{self.path.name}: frame {self.frames} has {_size(image.shape)} pixels, "
                        f"those before it have {_size(shape)}; cut the movie there"
                    )
                self._stamps.append(frame.pts)
                yield image

    @property
    def frames(self) -> int:
        """How many frames have been read so far."""
        return len(self._stamps)

    def timing(self) -> "Timing":
        """The time of every frame read so far."""
        return timing_of(self._stamps, self._time_base, self._rates)


def open_movie(path: Path) -> MovieReader:
    """Make the reader for a movie, by what its name ends in."""
    return MovieReader(path)


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


CLOCK_STEP = Fraction(1, 1000)
"""Seconds that even times may seem uneven by: recorders round or cut times to milliseconds."""

_EXACT = 1e-3
"""Ticks within which times are even without any rounding."""


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
    if len(known) < max(2, len(stamps)) or any(b <= a for a, b in pairwise(known)):
        return _constant(len(stamps), rates[0])
    ticks = np.array(known, dtype=np.int64) - known[0]
    measured = Fraction(len(ticks) - 1, int(ticks[-1])) / time_base
    rate = _even_rate(ticks, time_base, rates) or _even_rate(ticks, time_base, [measured])
    if rate:
        return _constant(len(stamps), rate)
    seconds = ticks * np.float64(time_base.numerator) / np.float64(time_base.denominator)
    return Timing(seconds, rates[0], constant=False)


def _constant(frames: int, rate: Fraction) -> Timing:
    index = np.arange(frames)
    seconds = index * np.float64(rate.denominator) / np.float64(rate.numerator)
    return Timing(seconds, rate, constant=True)


def _even_rate(
    ticks: NDArray[np.int64], time_base: Fraction, rates: Sequence[Fraction]
) -> Fraction | None:
    """The rate whose times these are: one that fits exactly, or else the plainest that fits."""
    spread = {rate: _spread(ticks, 1 / (rate * time_base)) for rate in rates}
    allowed = max(1.0, float(CLOCK_STEP / time_base)) * (1 + 1e-6)
    even = [rate for rate in rates if spread[rate] <= allowed]
    return min(even, key=lambda rate: (spread[rate] > _EXACT, rate.denominator), default=None)


def _spread(ticks: NDArray[np.int64], period: Fraction) -> float:
    """Ticks between the earliest and the latest frame, compared with even ones."""
    due = np.arange(len(ticks)) * np.float64(period.numerator) / np.float64(period.denominator)
    return float(np.ptp(ticks - due))


_REMEDY = "play it from start to end, or convert it again, and send that file"


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[Any, Any]]:
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
            f"one, or only a part of one ({_reason(error)}); {_REMEDY}"
        ) from error
    with container:
        yield container, _picture_stream(container, name)


def _picture_stream(container: Any, name: str) -> Any:
    from av.stream import Disposition  # noqa: PLC0415

    covers = Disposition.attached_pic
    stream = next((s for s in container.streams.video if not s.disposition & covers), None)
    if stream is None:
        raise BadInput(f"{name}: it holds no video (sound only?); {_REMEDY}")
    if stream.codec_context is None:
        raise BadInput(f"{name}: its video codec is unknown; convert it to H.264 and send that")
    if stream.width * stream.height > MAX_PIXELS:
        raise BadInput(
            f"{name}: it claims frames of {stream.width}×{stream.height} pixels, more than "
            f"the {MAX_PIXELS:,} pixels allowed; {_REMEDY}"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = DECODER_THREADS
    return stream


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"


def _decoded(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """Decode frame by frame, stepping over what cannot be decoded."""
    import av  # noqa: PLC0415

    frames = 0
    for packet in _packets(container, stream, errors):
        try:
            found = stream.decode(packet)
        except av.FFmpegError as error:
            errors.append(f"after {frames} frames: {_reason(error)}")
            continue
        for frame in found:
            if frame.is_corrupt:
                errors.append(f"frame {frames} is damaged")
            frames += 1
            yield frame


def _packets(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """The stream's packets, and a last one that makes the decoder give all that it still holds."""
    import av  # noqa: PLC0415

    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        errors.append(f"the file cannot be read to its end: {_reason(error)}")
        yield None


class _Converter:
    """Converts decoded frames to RGB, turned as the container says they are to be shown.

    One for a whole movie: what swscale prepares for HDR colors takes a second.
    """

    def __init__(self, name: str) -> None:
        from av.video.reformatter import VideoReformatter  # noqa: PLC0415

        self._name = name
        self._to_order, self._to_rgb = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: Any) -> Image:
        import av  # noqa: PLC0415

        try:
            return _turned(self._rgb(frame), frame.rotation or 0)
        except av.FFmpegError as error:
            raise BadInput(
                f"{self._name}: its pictures ({frame.format.name}) cannot be converted to RGB "
                f"({_reason(error)}); convert it to H.264, yuv420p, and send that"
            ) from error

    def _rgb(self, frame: Any) -> Image:
        from av.video.reformatter import Interpolation  # noqa: PLC0415

        order = "rgb24" if frame.format.name in _EITHER_ORDER else "bgr24"
        ordered = self._to_order.reformat(
            frame,
            format=order,
            interpolation=Interpolation.BICUBIC,
            threads=DECODER_THREADS,
            **_sdr(frame),
        )
        rgb = self._to_rgb.reformat(ordered, format="rgb24", threads=DECODER_THREADS)
        return np.asarray(rgb.to_ndarray(), np.uint8)


_EITHER_ORDER = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "gray", "rgb24", "bgr24"}
"""Formats that swscale converts alike to RGB and, as OpenCV asks for, to BGR: one step less."""


def _sdr(frame: Any) -> dict[str, int]:
    """What HDR and wide colors become, which swscale decides for OpenCV but PyAV must be told."""
    from av.video.reformatter import ColorPrimaries, ColorTrc  # noqa: PLC0415

    curve, gamut = frame.color_trc, frame.color_primaries
    unspecified = ColorTrc.UNSPECIFIED, ColorPrimaries.UNSPECIFIED
    hdr = curve in {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}
    if not hdr and gamut in {*_USUAL_GAMUTS, unspecified[1]}:
        return {}
    return {
        "dst_color_trc": ColorTrc.BT709 if hdr or curve == unspecified[0] else curve,
        "dst_color_primaries": gamut if gamut in _USUAL_GAMUTS else ColorPrimaries.BT709,
    }


_USUAL_GAMUTS = {1, 4, 5, 6, 7}
"""Color primaries of ordinary displays, in FFmpeg's numbering: these stay as they are."""


def _turned(image: Image, degrees: float) -> Image:
    """Turn by a quarter, a half or three quarters; OpenCV leaves other angles alone."""
    turns = round(degrees / 90)
    right = abs(degrees - 90 * turns) <= 1  # PyAV cuts 89.99… to 89
    return np.ascontiguousarray(np.rot90(image, turns)) if turns and right else image


def _candidate_rates(stream: Any, name: str) -> tuple[Fraction, ...]:
    """The frame rates that a container claims, without repeats and nonsense."""
    claims = (stream.average_rate, stream.base_rate, stream.guessed_rate)
    sane = (Fraction(rate) for rate in claims if rate and 0 < rate <= MAX_FRAME_RATE)
    rates = tuple(dict.fromkeys(sane))
    if not rates:
        raise BadInput(f"{name}: it declares no frame rate; {_REMEDY}")
    return rates
