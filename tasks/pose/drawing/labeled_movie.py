"""The labeled movie: each frame with its poses drawn on it, ready for a browser."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.drawing.movie_writer import FrameClock, MovieWriter
from tasks.pose.movies.yuv_frame import YuvFrame
from tasks.processes.environment import count_usable_cpus
from tasks.processes.prefetch import prefetch_items, thread_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from fractions import Fraction
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from tasks.pose.drawing.frame_labels import FrameLabels


_QUEUED_FRAMES = 4
"""Frames that are decoded before they are drawn on, and drawn on before they are encoded."""

_PICTURES_IN_USE = _QUEUED_FRAMES + 2
"""Pictures in use at a time: those that wait, the one that is drawn, the one that is encoded."""

_PROCESSORS_PER_HELPER = 8
"""Processors of a machine for each thread that works out what is drawn, beside the encoder's."""

_MAX_HELPERS = 4
"""More have not been tried; they take turns where they run Python."""


def write_labeled_movie(
    frames: Iterable[np.ndarray | YuvFrame],
    poses: pd.DataFrame,
    path: Path,
    style: LabelStyle,
    *,
    frame_rate: Fraction,
    times: np.ndarray | None = None,
    offset: tuple[int, int] = (0, 0),
    progress: Callable[[int], None] | None = None,
    processors: int = 0,
    labels: FrameLabels | None = None,
) -> int:
    """Draw every pose on its frame and encode the movie, a few frames in memory at a time.

    Decoding, drawing and encoding go on side by side.

    Args:
        frames: RGB, uint8, (height, width, 3) each, or a decoder's planes, which spares the
            conversions; never read for a keypoints-only movie. Images may be drawn on in place.
        poses: DeepLabCut's table, one row for each frame.
        path: The MP4 file; removed again if anything fails.
        style: How to draw.
        frame_rate: Frames a second, kept exactly.
        times: Presentation times in seconds, (frames,), strictly increasing, for a variable rate;
            the movie starts with the first of them.
        offset: Left and top of the crop that the poses are relative to, in pixels.
        progress: Called after each frame with the number of frames written.
        processors: For how many there are threads; 0 for all that the process may use.
        labels: What is written below the frames; None for DeepLabCut's own pictures.

    Returns:
        The number of frames written, which is the number of poses.

    Raises:
        ValueError: There are no poses, or not exactly one frame and one time for each.
    """
    clock = _build_clock(len(poses), frame_rate, times)
    processors = processors or count_usable_cpus()
    with ExitStack() as stack:
        writer = stack.enter_context(MovieWriter(path, clock, processors))
        pictures: Iterator[np.ndarray | YuvFrame]
        if style.keypoints_only:
            pictures = _draw_keypoint_pictures(poses, style, labels)
        else:
            decoded = stack.enter_context(prefetch_items(iter(frames), _QUEUED_FRAMES, "decoder"))
            helpers = min(processors // _PROCESSORS_PER_HELPER, _MAX_HELPERS)
            pool = stack.enter_context(thread_pool(helpers, "helper")) if helpers else None
            painter = FramePainter(poses, style, offset, _PICTURES_IN_USE, pool, helpers, labels)
            pictures = _paint_on_frames(decoded, painter, len(poses))
        for picture in stack.enter_context(prefetch_items(pictures, _QUEUED_FRAMES, "painter")):
            writer.write(picture)
            if progress is not None:
                progress(writer.written)
    return writer.written


def _build_clock(poses: int, frame_rate: Fraction, times: np.ndarray | None) -> FrameClock:
    if not poses:
        raise ValueError("A labeled movie needs at least one pose; there are none.")
    if times is None:
        return FrameClock.from_frame_rate(frame_rate)
    if len(times) != poses:
        raise ValueError(f"Each pose needs one time; there are {poses} poses, {len(times)} times.")
    return FrameClock.from_times(times, frame_rate)


def _draw_keypoint_pictures(
    poses: pd.DataFrame, style: LabelStyle, labels: FrameLabels | None
) -> Iterator[YuvFrame]:
    # Half of what this module takes to load, and seldom asked for.
    from tasks.pose.drawing.keypoints_only_frames import draw_keypoint_frames  # noqa: PLC0415

    return draw_keypoint_frames(poses, style, _PICTURES_IN_USE, labels)


def _paint_on_frames(
    remaining: Iterator[np.ndarray | YuvFrame], painter: FramePainter, poses: int
) -> Iterator[np.ndarray | YuvFrame]:
    """One picture for each pose, or an error that says whether poses or frames are too many."""
    for index in range(poses):
        frame = next(remaining, None)
        if frame is None:
            raise ValueError(f"The movie has only {index} frames for {poses} poses.")
        yield (
            painter.paint_yuv_frame(frame, index)
            if isinstance(frame, YuvFrame)
            else painter.paint_image(frame, index)
        )
    if next(remaining, None) is not None:
        raise ValueError(f"The movie has more frames than its {poses} poses.")
