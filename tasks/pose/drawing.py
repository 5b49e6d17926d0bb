"""Draw poses on frames: the same pixels as DeepLabCut's fast labeled video, before encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from skimage.draw import line_aa

from tasks.pose.disks import MASK_PIXELS, disk_pixels
from tasks.pose.keypoints import Keypoints
from tasks.pose.planes import Brush, Planes, Stroke

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

_MOST_AHEAD = 32
"""Frames whose dots are worked out together: what numpy needs for each call is then little."""


@dataclass(frozen=True)
class LabelStyle:
    """How poses are drawn; each name is that of DeepLabCut's own parameter, spelled out.

    Attributes:
        p_cutoff: A point is drawn where its likelihood is above this.
        dot_size: Radius of a dot in pixels; in a keypoints-only movie its diameter in points.
        color_map: A matplotlib colormap; colors are those of the full list of body parts.
        displayed_body_parts: The body parts to draw; None for all.
        keypoints_only: Draw on black instead of on the movie's frames.
        draw_skeleton: Join body parts with lines.
        trail_points: Draw this many positions, the current one included.
        skeleton: The pairs of body parts to join.
        skeleton_color: A matplotlib color.
        alpha: Opacity of the dots and lines of a keypoints-only movie.
        color_by: Whether each body part, or each individual, has a color of its own.
    """

    p_cutoff: float
    dot_size: int
    color_map: str
    displayed_body_parts: tuple[str, ...] | None
    keypoints_only: bool
    draw_skeleton: bool
    trail_points: int
    skeleton: tuple[tuple[str, str], ...]
    skeleton_color: str
    alpha: float
    color_by: Literal["bodypart", "individual"]

    def edges(self, keypoints: Keypoints) -> list[tuple[int, int]]:
        """The pairs of keypoints to join; none where no skeleton is drawn."""
        return keypoints.edges(
            self.skeleton if self.draw_skeleton else (), self.displayed_body_parts
        )

    def color_indices(self, keypoints: Keypoints) -> tuple[list[int], int]:
        """Which color each keypoint has, and how many colors there are."""
        by_part = self.color_by == "bodypart"
        names = keypoints.part_names if by_part else keypoints.individual_names
        of_keypoint = keypoints.parts if by_part else keypoints.individuals
        return [names.index(name) for name in of_keypoint], len(names)


class FramePainter:
    """Draws the poses of one movie on its frames, one frame at a time.

    Args:
        poses: DeepLabCut's table, one row for each frame.
        style: How to draw.
        offset: Left and top of the crop that the poses are relative to, in pixels.
    """

    def __init__(
        self, poses: pd.DataFrame, style: LabelStyle, offset: tuple[int, int] = (0, 0)
    ) -> None:
        self._style = style
        self._keypoints = Keypoints(poses)
        # In place, so that float32 poses are shifted as float32 (as DeepLabCut does).
        self._keypoints.xy += np.asarray(offset, dtype=self._keypoints.xy.dtype)
        self._displayed = self._keypoints.of_parts(style.displayed_body_parts)
        self._edges = style.edges(self._keypoints)
        indices, count = style.color_indices(self._keypoints)
        self._colors = np.array(indices, dtype=np.intp)
        colors = _bytes(mpl.colormaps[style.color_map](np.linspace(0, 1, count)))
        # The skeleton's color comes last.
        self._palette = np.vstack([colors, _bytes(np.array([to_rgb(style.skeleton_color)]))])
        self._brush = Brush(self._palette)
        self._dots: dict[int, list[Stroke]] = {}
        self._shape: tuple[int, ...] = ()

    def paint(self, image: np.ndarray, index: int) -> np.ndarray:
        """Draw one frame's poses, in place where the image allows.

        Args:
            image: RGB, uint8, (height, width, 3).
            index: The frame's row in the pose table.

        Returns:
            The same picture with the skeleton below and the dots on top.
        """
        image = np.require(image, requirements="W")
        for stroke in self._strokes(image.shape, index):
            image[stroke.rows, stroke.columns] = self._palette[stroke.colors]
        return image

    def paint_planes(self, planes: Planes, index: int) -> Planes:
        """Draw one frame's poses on a decoder's planes, in place: the same pixels and colors."""
        self._brush.draw(planes, self._strokes(planes.shape, index))
        return planes

    def _strokes(self, shape: tuple[int, ...], index: int) -> Iterator[Stroke]:
        for edge in self._edges:
            yield from self._edge(shape, index, edge)
        yield from self._dots_of(shape, index)

    def _edge(self, shape: tuple[int, ...], index: int, edge: tuple[int, int]) -> Iterator[Stroke]:
        if not np.all(self._keypoints.likelihood[index, edge] > self._style.p_cutoff):
            return
        (x1, y1), (x2, y2) = self._keypoints.xy[index, edge, :]
        if np.isnan((x1, y1, x2, y2)).any():
            return
        height, width = shape[:2]
        # The second end starts at 1, not at 0: DeepLabCut's line does.
        rows, columns, _ = line_aa(
            int(np.clip(y1, 0, height - 1)),
            int(np.clip(x1, 0, width - 1)),
            int(np.clip(y2, 1, height - 1)),
            int(np.clip(x2, 1, width - 1)),
        )
        yield Stroke(rows, columns, len(self._palette) - 1)

    def _dots_of(self, shape: tuple[int, ...], index: int) -> list[Stroke]:
        """A frame's dots, worked out with those of the frames after it."""
        if index not in self._dots or shape != self._shape:
            self._shape, self._dots = shape, self._dots_from(shape, index)
        return self._dots[index]

    def _dots_from(self, shape: tuple[int, ...], first: int) -> dict[int, list[Stroke]]:
        frames = range(first, min(first + self._frames_ahead(), len(self._keypoints.xy)))
        found = [self._disks(index) for index in frames]
        centers = np.concatenate([centers for centers, _ in found])
        colors = np.concatenate([colors for _, colors in found])
        ends = np.cumsum([len(centers) for centers, _ in found])
        dots: dict[int, list[Stroke]] = {index: [] for index in frames}
        for disk, rows, columns in disk_pixels(centers, self._style.dot_size, shape):
            bounds = [0, *np.searchsorted(disk, ends).tolist()]
            for index, start, stop in zip(frames, bounds, bounds[1:], strict=False):
                if start < stop:
                    part = slice(start, stop)
                    dots[index].append(Stroke(rows[part], columns[part], colors[disk[part]]))
        return dots

    def _frames_ahead(self) -> int:
        """Frames whose dots are worked out together: as many as the memory for them allows."""
        disks = max(1, len(self._displayed) * max(1, self._style.trail_points))
        pixels = disks * (2 * self._style.dot_size + 1) ** 2
        return max(1, min(_MOST_AHEAD, MASK_PIXELS // pixels))

    def _disks(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Centers and colors of a frame's dots and their trails, in the order of drawing.

        A dot has its trail whatever the likelihood was then, as DeepLabCut draws it.
        """
        likely = self._keypoints.likelihood[index, self._displayed] > self._style.p_cutoff
        shown = self._displayed[likely]
        centers = self._keypoints.xy[trail(self._style, index)][:, shown].swapaxes(0, 1)
        colors = np.repeat(self._colors[shown], centers.shape[1])
        return centers.reshape(-1, 2), colors


def trail(style: LabelStyle, index: int) -> slice:
    """The rows whose positions are drawn in a frame: N trail points are N - 1 past frames."""
    return slice(max(0, index + 1 - max(style.trail_points, 1)), index + 1)


def _bytes(colors: np.ndarray) -> np.ndarray:
    """Colors 0 to 1 as RGB bytes, rounded down as DeepLabCut rounds them."""
    return (colors[..., :3] * 255).astype(np.uint8)
