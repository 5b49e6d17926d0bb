"""Encode pictures as an H.264 movie that plays and seeks in any browser at once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Self

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    VideoReformatter,
)

from tasks.pose.drawing.encoders import choose_encoder
from tasks.pose.movies.yuv_frame import YuvFrame
from tasks.processes.environment import count_usable_cpus

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_FINE_TIME_BASE = Fraction(1, 90_000)
# The container stores a rate as two 32-bit numbers; this keeps 30000/1001 and the like exact.
_MAX_RATE_DENOMINATOR = 65_535
# x264's own longest distance between key frames; longer ones make seeking slow.
_MAX_GOP_SIZE = 250
_MAX_ENCODER_THREADS = 16
"""FFmpeg recommends no more; each works on a different picture."""


@dataclass(frozen=True)
class FrameClock:
    """Presentation times of the pictures.

    Attributes:
        time_base: Seconds in a tick.
        rate: Pictures a second, exact where it is constant, the mean where it varies.
        ticks: Presentation time of each picture; None counts pictures.
    """

    time_base: Fraction
    rate: Fraction
    ticks: np.ndarray | None = None

    @classmethod
    def from_frame_rate(cls, rate: Fraction) -> FrameClock:
        """A constant number of pictures a second."""
        rate = rate.limit_denominator(_MAX_RATE_DENOMINATOR)
        if rate <= 0:
            raise ValueError(f"A frame rate must be positive; it is {rate} frames per second.")
        return cls(1 / rate, rate)

    @classmethod
    def from_times(cls, times: np.ndarray, rate: Fraction) -> FrameClock:
        """Times in seconds of every picture; the movie starts with the first of them.

        Args:
            times: (pictures,), strictly increasing.
            rate: Pictures a second, used where a single picture has no duration.
        """
        seconds = np.asarray(times, dtype=np.float64)
        if not (np.isfinite(seconds).all() and (np.diff(seconds) > 0).all()):
            raise ValueError("Frame times must be finite and strictly increasing.")
        order = np.arange(len(seconds))
        ticks = np.rint((seconds - seconds[:1]) / float(_FINE_TIME_BASE)).astype(np.int64)
        # Two pictures within one tick (11 microseconds) must not share it.
        ticks = np.maximum.accumulate(ticks - order) + order
        if len(ticks) > 1:
            rate = Fraction(len(ticks) - 1) / (int(ticks[-1]) * _FINE_TIME_BASE)
        return cls(_FINE_TIME_BASE, FrameClock.from_frame_rate(rate).rate, ticks)

    def presentation_tick(self, index: int) -> int:
        """Presentation time of a picture, in ticks."""
        return index if self.ticks is None else int(self.ticks[index])


class MovieWriter:
    """A file that takes one RGB picture after the other; in case of an error it is removed.

    Use as a context manager. All pictures have the size of the first; odd sides are padded at the
    right and at the bottom by repeating the last pixel.

    Args:
        path: The MP4 file.
        clock: When each picture is shown.
        threads: Encoder threads, 16 at most; 0 for as many as the process may use.
    """

    def __init__(self, path: Path, clock: FrameClock, threads: int = 0) -> None:
        self._path = path
        self._clock = clock
        self._threads = min(threads or count_usable_cpus(), _MAX_ENCODER_THREADS)
        self._stream: VideoStream | None = None
        self._size: tuple[int, ...] = ()
        self._to_planes = VideoReformatter()
        self.written = 0

    def __enter__(self) -> Self:
        # Absolute, because FFmpeg takes what stands before a colon for a protocol. The index goes
        # to the front of the file, so that a browser plays before it has read to the end.
        self._container: OutputContainer = av.open(
            str(self._path.absolute()), "w", format="mp4", options={"movflags": "+faststart"}
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._discard_file()
            return
        try:
            self._encode_frame(None)
            self._container.close()
        except BaseException:
            self._discard_file()
            raise

    def write(self, picture: np.ndarray | YuvFrame) -> None:
        """Append one picture.

        Args:
            picture: RGB, uint8, (height, width, 3), or planes, whose colors stay as they are.
        """
        if self._stream is None:
            self._size = picture.shape
            self._stream = self._add_stream(*picture.shape[:2])
            _tag_colors(self._stream, picture)
        if picture.shape != self._size:
            raise ValueError(
                f"Frame {self.written} is {picture.shape[1]}×{picture.shape[0]} pixels, the frames "
                f"before it are {self._size[1]}×{self._size[0]}."
            )
        self._encode_frame(self._to_video_frame(picture))
        self.written += 1

    def _to_video_frame(self, picture: np.ndarray | YuvFrame) -> VideoFrame:
        frame = picture.frame if isinstance(picture, YuvFrame) else self._convert_from_rgb(picture)
        frame.pts = self._clock.presentation_tick(self.written)
        frame.time_base = self._clock.time_base
        return frame

    def _convert_from_rgb(self, picture: np.ndarray) -> VideoFrame:
        assert self._stream is not None
        context = self._stream.codec_context
        return self._to_planes.reformat(
            av.VideoFrame.from_ndarray(_pad_to_even_sides(picture), format="rgb24"),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=context.color_range,
            dst_colorspace=context.colorspace,
        )

    def _encode_frame(self, frame: VideoFrame | None) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(frame))

    def _add_stream(self, height: int, width: int) -> VideoStream:
        width, height = width + width % 2, height + height % 2
        encoder = choose_encoder(width, height)
        stream: VideoStream = self._container.add_stream(
            encoder.name, rate=self._clock.rate, options=dict(encoder.options)
        )  # type: ignore[assignment] # of any encoder's name
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._clock.time_base
        context = stream.codec_context
        context.time_base = self._clock.time_base
        # x264's groups of pictures are closed by default.
        context.gop_size = min(max(round(self._clock.rate), 1), _MAX_GOP_SIZE)
        context.thread_type = "FRAME"
        context.thread_count = self._threads
        return stream

    def _discard_file(self) -> None:
        # What went wrong is already on its way to the caller.
        with suppress(av.error.FFmpegError):
            self._drain_encoder()
        with suppress(av.error.FFmpegError, ValueError):
            self._container.close()
        self._path.unlink(missing_ok=True)

    def _drain_encoder(self) -> None:
        """Let the encoder finish what it holds.

        PyAV frees an encoder without letting other Python threads run, and waits for the encoder's
        threads meanwhile; one that still works, and has something to log, waits for Python in turn:
        the process would hang. (That needs ``av.logging``, which torchvision turns on.)
        """
        if self._stream is not None:
            self._stream.encode(None)


def _tag_colors(stream: VideoStream, first: np.ndarray | YuvFrame) -> None:
    """Say which colors these are: untagged, a browser guesses from the picture's size."""
    context = stream.codec_context
    if isinstance(first, YuvFrame):
        context.color_range = ColorRange.JPEG if first.colors.full else ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = first.color_space_tag
    else:
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709


def _pad_to_even_sides(picture: np.ndarray) -> np.ndarray:
    """The picture with even sides, which is what yuv420p can hold."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(picture)
