"""Probe and read movies of any format: shape, frames, and the time of every frame.

One reader serves every stage, so that the network, the labeled movie and the frame ledger speak
of the same frames.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from tasks.pose.movies.info import Image, MovieInfo
from tasks.pose.movies.timing import Timing
from tasks.pose.movies.yuv_frame import YuvFrame

__all__ = [
    "MOVIE_SUFFIXES",
    "Image",
    "LazyImage",
    "MovieInfo",
    "MovieReader",
    "open_movie",
    "probe_movie",
]

LazyImage = Callable[[], Image]
"""A decoded frame; called, from any thread, it gives its RGB image, shape (height, width, 3)."""

RECORDING_SUFFIX = ".isxb"
"""Movies of Inscopix' nVision recorder."""

MOVIE_SUFFIXES = (".mp4", ".avi", RECORDING_SUFFIX)
"""Endings of movies' names, in lower case."""


class MovieReader(Protocol):
    """Reads a movie's frames once, from the first to the last, and keeps their times.

    Attributes:
        path: A local movie file.
        errors: What could not be read, one sentence for each damaged place.
    """

    path: Path
    errors: list[str]

    def __iter__(self) -> Iterator[Image]:
        """Yield each decodable frame as RGB, shape (height, width, 3).

        Raises:
            BadInput: The file is no movie that can be read.
        """

    def read_lazy_images(self) -> Iterator[LazyImage]:
        """Yield each decodable frame, to be converted to RGB elsewhere."""

    def read_paintable_frames(self) -> Iterator[tuple[YuvFrame | None, Callable[[], Image]]]:
        """Yield each decodable frame to be drawn on.

        Yields:
            The frame as its decoder gives it, where that can be drawn on, else None; and what
            makes the RGB image of it.
        """

    def read_listing(self) -> None:
        """Read what the file lists without decoding it, as if each frame could be decoded.

        Raises:
            BadInput: The file is no movie that can be read.
        """

    @property
    def frame_count(self) -> int:
        """Number of frames read so far."""

    def compute_timing(self) -> Timing:
        """The time of every frame read so far."""


def probe_movie(path: Path, name: str | None = None) -> MovieInfo:
    """Open a movie and decode its first frame, so that what cannot be read is refused early.

    Args:
        path: A local movie file.
        name: What to call it in messages; by default its file name.

    Returns:
        The movie's shape, rate and declared length.

    Raises:
        BadInput: The file is empty, is not the kind of movie that its name says, holds no video,
            or none of its frames can be decoded.
    """
    if is_recording(path):
        from tasks.pose.movies.isxb.isxb_reader import probe_recording  # noqa: PLC0415 - one format at a time

        return probe_recording(path, name or path.name)
    from tasks.pose.movies.ffmpeg_probe import probe_with_ffmpeg  # noqa: PLC0415

    return probe_with_ffmpeg(path, name or path.name)


def open_movie(path: Path) -> MovieReader:
    """Make the reader for a movie, by what its name ends in."""
    if is_recording(path):
        from tasks.pose.movies.isxb.isxb_reader import RecordingReader  # noqa: PLC0415

        return RecordingReader(path)
    from tasks.pose.movies.ffmpeg_reader import FFmpegReader  # noqa: PLC0415

    return FFmpegReader(path)


def is_recording(path: Path) -> bool:
    """Return whether a movie comes from the nVision recorder, by its name's ending."""
    return path.suffix.lower() == RECORDING_SUFFIX
