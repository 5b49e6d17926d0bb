"""Choose pictures all over a movie, without decoding more of it than they need."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.pose.movies.info import Image
from tasks.pose.movies.reader import is_recording, open_movie
from tasks.pose.movies.timing import Timing

PICTURES = 9
"""Pictures on a contact sheet: a large one, and the others below it."""

_SAME_TIME = 1e-4
"""Seconds by which rounding may part two times of a frame."""

MAX_FRAMES_ON_THE_WAY = 300
"""Frames that are decoded at most to get from a frame that stands alone to one that is wanted."""


@dataclass(frozen=True)
class SamplePicture:
    """A frame of a movie.

    Attributes:
        frame: Its number, counted from 0 among those that decode.
        seconds: Its time since the movie's first frame.
        image: RGB as the network gets it, shape (height, width, 3).
    """

    frame: int
    seconds: float
    image: Image


def read_sample_pictures(
    path: Path, name: str, timing: Timing, count: int
) -> Iterator[SamplePicture]:
    """Yield frames from all over a movie, in order.

    Most codecs store few frames that can be decoded alone. Where one is near, it is taken in place
    of the wanted one.

    Args:
        path: A movie that has been probed.
        name: What to call it in messages.
        timing: Its frames' times.
        count: How many frames to yield; fewer where they are short or cannot be decoded.
    """
    frames = len(timing.seconds)
    wanted = np.unique(np.linspace(0, frames - 1, count + 2).round().astype(int)[1:-1])
    if is_recording(path):
        yield from _read_recording(path, name, timing, wanted.tolist())
        return
    last = -1
    for picture in _read_with_ffmpeg(path, name, timing, wanted.tolist()):
        if picture.frame > last:
            last = picture.frame
            yield picture
    if last < 0 and (image := next(open_movie(path).read_lazy_images(), None)):
        yield SamplePicture(0, float(timing.seconds[0]), image())  # no place could be found


def _read_recording(
    path: Path, name: str, timing: Timing, wanted: list[int]
) -> Iterator[SamplePicture]:
    from tasks.pose.movies.isxb.isxb_open import open_recording  # noqa: PLC0415 - one format at a time

    with open_recording(path, name) as recording:
        for frame in wanted:
            picture = recording.decode_picture(int(recording.indices[frame]))
            if picture is not None:
                image = np.repeat(picture[:, :, None], 3, axis=2)
                yield SamplePicture(frame, float(timing.seconds[frame]), image)


def _read_with_ffmpeg(
    path: Path, name: str, timing: Timing, wanted: list[int]
) -> Iterator[SamplePicture]:
    import av  # noqa: PLC0415

    from tasks.pose.movies.ffmpeg_container import open_container, read_geometry  # noqa: PLC0415
    from tasks.pose.movies.rgb_conversion import RgbConverter  # noqa: PLC0415

    with open_container(path, name) as (container, stream):
        converted = RgbConverter(name, read_geometry(path, stream))
        start = stream.start_time or 0
        reached = -1.0
        for frame in wanted:
            target = float(timing.seconds[frame])
            tick = start + round(target / float(stream.time_base))
            try:
                container.seek(tick, stream=stream, backward=True)
                for count, found in enumerate(container.decode(stream)):
                    seconds = float(((found.pts or start) - start) * stream.time_base)
                    # The one that stands alone will do, if it is not the one that is there already.
                    is_new = count == 0 and seconds > reached
                    is_near = seconds >= target - _SAME_TIME or count >= MAX_FRAMES_ON_THE_WAY
                    if not found.is_corrupt and (is_new or is_near):
                        number = int(np.abs(timing.seconds - seconds).argmin())
                        yield SamplePicture(number, float(timing.seconds[number]), converted(found))
                        reached = max(target, seconds)
                        break
            except (av.FFmpegError, StopIteration):
                continue  # a damaged place has no picture
