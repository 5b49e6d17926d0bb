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
from tasks.pose.drawing.yuv_painter import Canvas
from tasks.pose.movies.yuv_frame import Colors, Planes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from tasks.pose.drawing.frame_painter import LabelStyle

_HDTV = Colors(space=1, full=False)
_STEP = 32
"""Pixels by which the size of what is converted grows; for another size swscale starts anew."""


def keypoint_planes(poses: pd.DataFrame, style: LabelStyle, kept: int) -> Iterator[Planes]:
    """Draw every frame's poses on black.

    Args:
        poses: DeepLabCut's table, one row for each frame.
        style: How to draw.
        kept: How many pictures are in use at a time; a later one is drawn over them.

    Yields:
        Pictures of one size, both sides even.
    """
    canvas = KeypointCanvas(poses, style)
    converted = _Converted(canvas.shape)
    pictures = cycle([_Picture(canvas.shape) for _ in range(kept)])
    for index, picture in zip(range(len(poses)), pictures, strict=False):
        picture.wipe()
        if region := canvas.draw(index):
            region = converted.region(region)
            picture.put(converted(canvas.wiped(region)), region)
        yield Planes(picture.canvas.frame, _HDTV)


class _Picture:
    """A picture that is black but for one region."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.canvas = Canvas(shape)
        self._region: Region = (slice(0, shape[0]), slice(0, shape[1]))

    def wipe(self) -> None:
        """Make it black."""
        for plane, where, black in zip(*self._places(), (16, 128, 128), strict=True):
            plane[where] = black

    def put(self, frame: Any, region: Region) -> None:
        """Copy a small picture into a region."""
        self._region = region
        for index, (plane, where) in enumerate(zip(*self._places(), strict=True)):
            small = frame.planes[index]
            values = np.frombuffer(memoryview(small), np.uint8)
            plane[where] = values.reshape(small.height, -1)[:, : small.width]

    def _places(self) -> tuple[list[np.ndarray], list[Region]]:
        rows, columns = self._region
        half = tuple(slice(part.start // 2, part.stop // 2) for part in self._region)
        return self.canvas.planes, [(rows, columns), (half[0], half[1]), (half[0], half[1])]


class _Converted:
    """Converts regions of a picture from RGB, each as large as the largest so far."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._size = [min(_STEP, side) for side in shape]
        self._reformatter = VideoReformatter()

    def region(self, region: Region) -> Region:
        """The region, and what is beside it, with even sides and edges."""
        rows, columns = (
            self._enlarged(axis, part.start // 2 * 2, part.stop) for axis, part in enumerate(region)
        )
        return rows, columns

    def _enlarged(self, axis: int, start: int, stop: int) -> slice:
        limit = self._shape[axis]
        needed = -(-(stop - start) // _STEP) * _STEP
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
