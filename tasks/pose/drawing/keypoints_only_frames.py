"""The pictures of a keypoints-only movie as the encoder takes them.

Most of such a picture is black: only what is drawn on is converted from RGB.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from tasks.pose.drawing.keypoints_only import KeypointCanvas, Region
from tasks.pose.drawing.label_strip import LabelStrip
from tasks.pose.drawing.yuv_painter import YuvCanvas
from tasks.pose.movies.yuv_frame import ColorEncoding, YuvFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from tasks.pose.drawing.frame_labels import FrameLabels
    from tasks.pose.drawing.label_style import LabelStyle

_HDTV_COLORS = ColorEncoding(space=1, full=False)
_SIZE_STEP_PIXELS = 32
"""Pixels by which the size of what is converted grows; for another size swscale starts anew."""


def draw_keypoint_frames(
    poses: pd.DataFrame, style: LabelStyle, kept: int, labels: FrameLabels | None = None
) -> Iterator[YuvFrame]:
    """Draw every frame's poses on black.

    Args:
        poses: DeepLabCut's table, one row for each frame.
        style: How to draw.
        kept: How many pictures are in use at a time; a later one is drawn over them.
        labels: What is written below the pictures; None for nothing.

    Yields:
        Pictures of one size, both sides even.
    """
    canvas = KeypointCanvas(poses, style)
    converted = _RegionConverter(canvas.shape)
    height, width = canvas.shape
    strip = LabelStrip(labels, width, height) if labels else None
    pictures = cycle([_BlackPicture(canvas.shape, strip) for _ in range(kept)])
    for index, picture in zip(range(len(poses)), pictures, strict=False):
        picture.make_black()
        if region := canvas.draw_frame(index):
            region = converted.enlarge_region(region)
            picture.paste_frame(converted(canvas.take_region(region)), region)
        if strip is not None:
            strip.write_texts(picture.canvas.planes[0], _HDTV_COLORS, index)
        yield YuvFrame(picture.canvas.frame, _HDTV_COLORS)


class _BlackPicture:
    """A picture that is black but for one region, and for the strip below it."""

    def __init__(self, shape: tuple[int, int], strip: LabelStrip | None) -> None:
        self.canvas = YuvCanvas(shape, strip.height if strip else 0)
        if strip is not None:
            strip.draw_ground(self.canvas.planes, _HDTV_COLORS)
        self._region: Region = (slice(0, shape[0]), slice(0, shape[1]))

    def make_black(self) -> None:
        """Make it black."""
        for plane, where, black in zip(*self._region_on_planes(), (16, 128, 128), strict=True):
            plane[where] = black

    def paste_frame(self, frame: Any, region: Region) -> None:
        """Copy a small picture into a region."""
        self._region = region
        for index, (plane, where) in enumerate(zip(*self._region_on_planes(), strict=True)):
            small = frame.planes[index]
            values = np.frombuffer(memoryview(small), np.uint8)
            plane[where] = values.reshape(small.height, -1)[:, : small.width]

    def _region_on_planes(self) -> tuple[list[np.ndarray], list[Region]]:
        rows, columns = self._region
        half = tuple(slice(part.start // 2, part.stop // 2) for part in self._region)
        return self.canvas.planes, [(rows, columns), (half[0], half[1]), (half[0], half[1])]


class _RegionConverter:
    """Converts regions of a picture from RGB, each as large as the largest so far."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._size = [min(_SIZE_STEP_PIXELS, side) for side in shape]
        self._reformatter = VideoReformatter()

    def enlarge_region(self, region: Region) -> Region:
        """The region, and what is beside it, with even sides and edges."""
        rows, columns = (
            self._enlarge_axis(axis, part.start // 2 * 2, part.stop)
            for axis, part in enumerate(region)
        )
        return rows, columns

    def _enlarge_axis(self, axis: int, start: int, stop: int) -> slice:
        limit = self._shape[axis]
        needed = -(-(stop - start) // _SIZE_STEP_PIXELS) * _SIZE_STEP_PIXELS
        size = self._size[axis] = min(limit, max(self._size[axis], needed))
        start = min(start, limit - size)
        return slice(start, start + size)

    def __call__(self, picture: np.ndarray) -> Any:
        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(picture, format="rgba"),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
            threads=1,
        )
