"""The stages after estimation, from file to file: quality, previews, labeled movie.

They run in a child process that never imports DeepLabCut, so they start at once and go on beside
the next movie's estimation.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.errors import StageFailed
from tasks.pose.clock.experiment_clock import ExperimentClock
from tasks.pose.drawing.encoders import encode_with_fallback
from tasks.pose.drawing.frame_labels import FrameLabels, build_frame_texts, build_legend
from tasks.pose.drawing.frame_painter import FramePainter, trail_rows
from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.drawing.labeled_movie import write_labeled_movie
from tasks.pose.model.description import Model
from tasks.pose.movies.frame_times import compute_times
from tasks.pose.movies.reader import Image, MovieReader, open_movie, probe_movie
from tasks.pose.movies.timing import Timing
from tasks.pose.movies.yuv_frame import YuvFrame
from tasks.pose.settings import HistogramForm, Labels, PoseSettings
from tasks.pose.tables.frame_offset import shift_poses
from tasks.pose.tables.pose_table import read_poses
from tasks.pose.tables.quality import Quality, assess_poses

if TYPE_CHECKING:
    from tasks.pose.previews.axes import Backdrop

WORST_FRAME_JPEG_QUALITY = 85
"""JPEG quality of the report's pictures of the worst frames."""


MAX_FRAME_SECONDS = 10_000
"""Seconds for one frame, and the finest fraction of a frame rate, that a labeled movie holds."""


@dataclass(frozen=True)
class LabeledMovieResult:
    """A labeled movie that was written.

    Attributes:
        frames: Number of its frames.
        frame_rate: Frames per second; the average where they vary.
        size: Columns and rows of its pictures; None in what was kept before it was known.
        worst: The files with the labeled worst frames, by frame index.
    """

    frames: int
    frame_rate: Fraction
    worst: dict[int, Path]
    size: tuple[int, int] | None = None


def assess_pose_file(
    poses: Path,
    settings: PoseSettings,
    frame_size: tuple[int, int],
    frame_rate: Fraction,
    lost: int,
) -> Quality:
    """Judge a file of poses.

    Args:
        poses: H5 of the poses that are delivered.
        settings: For the cutoff and the thresholds.
        frame_size: Width and height in pixels of what went to the network.
        frame_rate: Frames per second.
        lost: Frames that the movie declares but that cannot be decoded.

    Returns:
        The verdict.
    """
    return assess_poses(
        read_poses(poses),
        settings.p_cutoff,
        frame_size,
        float(frame_rate),
        lost,
        settings.quality,
        settings.window_length,
    )


def draw_preview_files(
    poses: Path,
    folder: Path,
    model: Model,
    settings: PoseSettings,
    offset: tuple[int, int],
    frame_size: tuple[int, int],
    clock: ExperimentClock | None = None,
    movie: Path | None = None,
    timing: Timing | None = None,
) -> dict[str, Path]:
    """Draw the four previews of a file of poses, in full-frame coordinates.

    Args:
        poses: H5 of the poses that are delivered.
        folder: Where the pictures go.
        model: For the opacity.
        settings: Cutoff, colors, body parts, and the histogram's form.
        offset: The crop's left and top edge in pixels.
        frame_size: The movie's width and height in pixels.
        clock: The frames' times on the experiment's clock, where a times file has them.
        movie: The movie, of which the trajectory lies on a frame; None for none.
        timing: When its frames were shown; None where that is not known.

    Returns:
        The pictures' files by their published names.
    """
    # matplotlib's figures take a while to load, and the flow loads this module for its names.
    from tasks.pose.previews.draw import draw_previews  # noqa: PLC0415

    return draw_previews(
        shift_poses(read_poses(poses), offset),
        folder,
        p_cutoff=settings.p_cutoff,
        color_map=settings.preview_color_map,
        alpha=model.alpha,
        displayed_body_parts=_displayed_body_parts(settings),
        frame_size=frame_size,
        seconds=compute_times(timing, clock=clock.seconds if clock else None) if timing else None,
        clock=clock,
        backdrop=_read_middle_frame(movie, timing) if movie and timing else None,
        joint_histogram=settings.histogram is HistogramForm.TOGETHER,
    )


def _read_middle_frame(movie: Path, timing: Timing) -> "Backdrop | None":
    """A frame from the middle of a movie; None where none of those around it can be decoded."""
    from tasks.pose.movie_inspection.sample_pictures import read_sample_pictures  # noqa: PLC0415
    from tasks.pose.previews.axes import Backdrop  # noqa: PLC0415

    for picture in read_sample_pictures(movie, movie.name, timing, 1):
        return Backdrop(picture.frame, picture.image.mean(axis=2).astype(np.uint8))
    return None


def label_movie_file(
    movie: Path,
    poses: Path,
    target: Path,
    style: LabelStyle,
    timing: Timing,
    output_frame_rate: float | None,
    offset: tuple[int, int],
    worst_frames: tuple[int, ...],
    labels: Labels = Labels.NONE,
    clock: ExperimentClock | None = None,
    *,
    progress: Callable[[int], None],
) -> LabeledMovieResult:
    """Write the labeled movie, and pictures of the worst frames beside it.

    Args:
        movie: The movie that was estimated.
        poses: H5 of the poses that are delivered.
        target: The MP4 to write.
        style: How points are drawn.
        timing: When the movie's frames were shown.
        output_frame_rate: Frames per second to write instead of the movie's own.
        offset: The crop's left and top edge in pixels.
        worst_frames: Indices of frames to keep as pictures.
        labels: What is written below the frames; the pictures of the worst ones have nothing there.
        clock: The frames' times on the experiment's clock, where a times file has them.
        progress: Called with the number of frames written.

    Returns:
        What was written.
    """
    table = read_poses(poses)
    written_below = _build_labels(labels, table, style, timing, clock)
    worst = {index: target.with_name(f"worst-{index}.jpg") for index in worst_frames}
    paint = partial(_paint_frame, table, style, offset)
    rate = _choose_frame_rate(output_frame_rate, timing)

    def write_movie() -> int:
        frames = _save_worst_frames(open_movie(movie), worst, paint)
        if style.keypoints_only:
            # The movie is not shown, so that nothing else would read its worst frames.
            deque(islice(frames, max(worst, default=-1) + 1), maxlen=0)
        return write_labeled_movie(
            frames,
            table,
            target,
            style,
            frame_rate=rate,
            times=None if timing.constant or output_frame_rate else timing.seconds,
            offset=offset,
            progress=progress,
            labels=written_below,
        )

    written = encode_with_fallback(write_movie)
    # Counted in the file, not by the encoder that wrote it.
    made = probe_movie(target)
    if made.declared_frames != written:
        raise StageFailed(
            f"{made.declared_frames} frames are in the labeled movie, {written} were written"
        )
    pictures = {index: path for index, path in worst.items() if path.exists()}
    return LabeledMovieResult(written, rate, pictures, (made.width, made.height))


def _build_labels(
    labels: Labels,
    poses: pd.DataFrame,
    style: LabelStyle,
    timing: Timing,
    clock: ExperimentClock | None,
) -> FrameLabels | None:
    if labels is Labels.NONE:
        return None
    texts = build_frame_texts(timing, clock) if labels is Labels.ALL else ()
    return FrameLabels(build_legend(poses, style), texts)


def build_label_style(model: Model, settings: PoseSettings) -> LabelStyle:
    """Gather what the labeled movie looks like: from the request, the skeleton from the model."""
    return LabelStyle(
        p_cutoff=settings.p_cutoff,
        dot_size=settings.dot_size,
        color_map=settings.movie_color_map,
        displayed_body_parts=_displayed_body_parts(settings),
        keypoints_only=settings.keypoints_only,
        draw_skeleton=settings.draw_skeleton,
        trail_points=settings.trail_points,
        skeleton=model.skeleton,
        skeleton_color=model.skeleton_color,
        alpha=model.alpha,
        color_by=settings.color_by.value,
    )


def _displayed_body_parts(settings: PoseSettings) -> tuple[str, ...] | None:
    parts = settings.displayed_body_parts
    return None if parts == "all" else tuple(parts)


def _choose_frame_rate(wanted: float | None, timing: Timing) -> Fraction:
    if wanted is None:
        return timing.frame_rate
    return max(
        Fraction(wanted).limit_denominator(MAX_FRAME_SECONDS), Fraction(1, MAX_FRAME_SECONDS)
    )


def _paint_frame(
    poses: pd.DataFrame, style: LabelStyle, offset: tuple[int, int], image: Image, index: int
) -> Image:
    """One frame's poses on its image, without a copy of all others'."""
    shown = trail_rows(style, index)
    return FramePainter(poses.iloc[shown], style, offset).paint_image(image, index - shown.start)


def _save_worst_frames(
    frames: MovieReader, worst: dict[int, Path], paint: Callable[[Image, int], Image]
) -> Iterator[Image | YuvFrame]:
    """Pass frames on, saving a labeled copy of the worst ones."""
    from PIL import Image as Picture  # noqa: PLC0415

    for index, (planes, image) in enumerate(frames.read_paintable_frames()):
        if index in worst:
            labeled = paint(image().copy(), index)
            Picture.fromarray(labeled).save(worst[index], quality=WORST_FRAME_JPEG_QUALITY)
        yield image() if planes is None else planes
