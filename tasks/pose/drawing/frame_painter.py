"""Draw poses on frames: the same pixels as DeepLabCut's fast labeled video, before encoding."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from matplotlib.colors import to_rgb

from tasks.pose.drawing.body_part_colors import choose_color_indices, spread_colors
from tasks.pose.drawing.disks import PIXELS_PER_PASS, iterate_disk_pixels
from tasks.pose.drawing.label_strip import LabelStrip
from tasks.pose.drawing.pixels import (
    MAX_GROUP_PIXELS,
    ColoredPixels,
    TopPixelFinder,
    compute_line_pixels,
)
from tasks.pose.drawing.yuv_painter import PlaneMarks, YuvPainter
from tasks.pose.tables.keypoints import Keypoints

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    import pandas as pd

    from tasks.pose.drawing.frame_labels import FrameLabels
    from tasks.pose.drawing.label_style import LabelStyle
    from tasks.pose.movies.yuv_frame import YuvFrame

_MAX_FRAMES_PER_GROUP = 32
"""Frames whose pixels are worked out together: what numpy needs for each call is then little."""


class FramePainter:
    """Draws the poses of one movie on its frames, one frame at a time.

    Args:
        poses: DeepLabCut's table, one row for each frame.
        style: How to draw.
        offset: Left and top of the crop that the poses are relative to, in pixels.
        kept: How many frames of `paint_planes` are in use at a time.
        helpers: Threads that work out what is drawn on the next frames; None for no others.
        ahead: For how many groups of frames they do so.
        labels: What is written below the frames; None for nothing.
    """

    def __init__(
        self,
        poses: pd.DataFrame,
        style: LabelStyle,
        offset: tuple[int, int] = (0, 0),
        kept: int = 1,
        helpers: Executor | None = None,
        ahead: int = 0,
        labels: FrameLabels | None = None,
    ) -> None:
        self._style = style
        self._labels = labels
        self._strip: LabelStrip | None = None
        self._keypoints = Keypoints(poses)
        # In place, so that float32 poses are shifted as float32 (as DeepLabCut does).
        self._keypoints.values[..., :2] += np.asarray(offset, self._keypoints.values.dtype)
        self._displayed = self._keypoints.indices_of_parts(style.displayed_body_parts)
        self._edges = np.array(style.compute_edges(self._keypoints), np.intp).reshape(-1, 2)
        indices, count = choose_color_indices(self._keypoints, style.color_by)
        self._colors = np.array(indices, dtype=np.intp)
        colors = _to_rgb_bytes(spread_colors(style.color_map, count))
        # The skeleton's color comes last.
        self._palette = np.vstack([colors, _to_rgb_bytes(np.array([to_rgb(style.skeleton_color)]))])
        self._brush = YuvPainter(self._palette, kept, labels)
        self._last = TopPixelFinder()
        self._images: _FrameGroupCache[ColoredPixels] = _FrameGroupCache(helpers, ahead)
        self._planes: _FrameGroupCache[PlaneMarks] = _FrameGroupCache(helpers, ahead)

    def paint_image(self, image: np.ndarray, index: int) -> np.ndarray:
        """Draw one frame's poses, in place where the image allows.

        Args:
            image: RGB, uint8, (height, width, 3).
            index: The frame's row in the pose table.

        Returns:
            The same picture with the skeleton below and the dots on top, and with its labels.
        """
        image = np.require(image, requirements="W")
        shape = image.shape[:2]
        seen = self._images.get_for_frame(
            shape,
            index,
            lambda first: self._choose_frame_group(first, shape),
            lambda frames: self._compute_pixels(frames, shape).split_by_frame(len(frames)),
        )
        image[seen.rows, seen.columns] = self._palette[seen.colors]
        if self._labels is None:
            return image
        if self._strip is None:
            self._strip = LabelStrip(self._labels, shape[1], shape[0])
        return self._strip.add_below(image, index)

    def paint_yuv_frame(self, planes: YuvFrame, index: int) -> YuvFrame:
        """Draw one frame's poses on a copy of a decoder's planes: the same pixels and colors.

        The copy is drawn over as soon as so many more as are kept have been asked for.
        """
        shape, colors = planes.shape[:2], planes.colors
        lines = self._brush.canvas_line_sizes(planes)
        marks = self._planes.get_for_frame(
            (colors, *shape),
            index,
            lambda first: self._choose_frame_group(first, shape),
            lambda frames: self._brush.compute_marks(
                self._compute_pixels(frames, shape), len(frames), shape, lines, colors
            ),
        )
        return self._brush.paint_copy(planes, marks, index)

    def _choose_frame_group(self, first: int, shape: tuple[int, ...]) -> range:
        """Frames whose pixels are worked out together: as many as the memory for them allows."""
        disks = max(1, len(self._displayed) * max(1, self._style.trail_points))
        pixels = disks * (2 * self._style.dot_size + 1) ** 2
        allowed = min(PIXELS_PER_PASS // pixels, MAX_GROUP_PIXELS // (shape[0] * shape[1]))
        together = max(1, min(_MAX_FRAMES_PER_GROUP, allowed))
        return range(first, min(first + together, len(self._keypoints.xy)))

    def _compute_pixels(self, frames: range, shape: tuple[int, ...]) -> ColoredPixels:
        """Compute the pixels drawn on some frames, skeletons below dots; the first is number 0."""
        of_disk, centers, colors = self._compute_disks(frames)
        drawn = self._compute_skeleton_pixels(frames, shape)
        for disk, rows, columns in iterate_disk_pixels(centers, self._style.dot_size, shape):
            dots = ColoredPixels(of_disk[disk], rows, columns, colors[disk])
            drawn = self._last.find_visible(drawn.with_layer_on_top(dots))
        return drawn

    def _compute_skeleton_pixels(self, frames: range, shape: tuple[int, ...]) -> ColoredPixels:
        rows = slice(frames.start, frames.stop)
        ends = self._keypoints.xy[rows][:, self._edges, ::-1]
        likely = self._keypoints.likelihood[rows][:, self._edges] > self._style.p_cutoff
        drawn = likely.all(axis=2) & ~np.isnan(ends).any(axis=(2, 3))
        # The second end starts at 1, not at 0: DeepLabCut's line does.
        inside = np.clip(ends[drawn], [[0, 0], [1, 1]], np.array(shape) - 1)
        return compute_line_pixels(
            np.nonzero(drawn)[0], inside.astype(np.intp), len(self._palette) - 1
        )

    def _compute_disks(self, frames: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frame, center and color of the dots and trails of some frames, in the order of drawing.

        A dot has its trail whatever the likelihood was then, as DeepLabCut draws it.
        """
        shown = self._keypoints.likelihood[frames.start : frames.stop, self._displayed]
        frame, point = np.nonzero(shown > self._style.p_cutoff)
        point = self._displayed[point]
        past = frame[:, None] + frames.start + np.arange(1 - max(self._style.trail_points, 1), 1)
        dot, step = np.nonzero(past >= 0)
        centers = self._keypoints.xy[past[dot, step], point[dot]]
        return frame[dot], centers, self._colors[point[dot]]


T = TypeVar("T")


class _FrameGroupCache(Generic[T]):
    """Cache of a few consecutive frames' pixels, computed one group ahead.

    Args:
        helpers: Threads that work out what is next; None to do so when it is asked for.
        ahead: For how many groups they do so.
    """

    def __init__(self, helpers: Executor | None, ahead: int) -> None:
        self._helpers, self._ahead = helpers, ahead
        self._kind: object = None
        self._begun: deque[tuple[range, Future[list[T]]]] = deque()
        self._frames, self._found = range(0), list[T]()

    def get_for_frame(
        self,
        kind: object,
        index: int,
        together: Callable[[int], range],
        work_out: Callable[[range], list[T]],
    ) -> T:
        """Return a frame's pixels, computing those of its whole group if needed.

        Args:
            kind: What else it depends on.
            index: The frame.
            together: The frames from one on that are worked out at once; none after the last.
            work_out: Does so, one result for each; called in any thread.
        """
        if kind != self._kind or index not in self._frames:
            self._frames = range(0)  # until it is found, for that may fail
            if kind != self._kind or not self._begun or self._begun[0][0].start != index:
                self._discard_pending(kind)
            frames = together(index)
            if self._helpers is None:
                self._found = work_out(frames)
            else:
                self._submit_groups(self._helpers, frames, together, work_out)
                self._found = self._begun.popleft()[1].result()
            self._frames = frames
        return self._found[index - self._frames.start]

    def _discard_pending(self, kind: object) -> None:
        self._kind = kind
        while self._begun:
            self._begun.popleft()[1].cancel()

    def _submit_groups(
        self,
        helpers: Executor,
        frames: range,
        together: Callable[[int], range],
        work_out: Callable[[range], list[T]],
    ) -> None:
        """Begin what is not begun of some frames and of the groups after them."""
        following = together(self._begun[-1][0].stop) if self._begun else frames
        while following and len(self._begun) <= self._ahead:
            self._begun.append((following, helpers.submit(work_out, following)))
            following = together(following.stop)


def trail_rows(style: LabelStyle, index: int) -> slice:
    """The rows whose positions are drawn in a frame: N trail points are N - 1 past frames."""
    return slice(max(0, index + 1 - max(style.trail_points, 1)), index + 1)


def _to_rgb_bytes(colors: np.ndarray) -> np.ndarray:
    """Colors 0 to 1 as RGB bytes, rounded down as DeepLabCut rounds them."""
    return (colors[..., :3] * 255).astype(np.uint8)
