"""Draw poses alone, on black: DeepLabCut's keypoints-only picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tasks.pose.drawing.body_part_colors import choose_color_indices, step_colors
from tasks.pose.drawing.frame_painter import trail_rows
from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.tables.keypoints import Keypoints

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_RgbaColor = tuple[float, float, float, float]
_DPI = 200
# A movie without any position, or with one animal asleep in the corner, still makes a picture;
# one wild coordinate must not ask for gigabytes of it.
_MIN_SIDE_PIXELS = 64
_MAX_SIDE_PIXELS = 8192
_TRAIL_ALPHA_FACTOR = 0.4
_RIM_MARGIN_PIXELS = 8
"""Pixels beyond a dot's own radius to which its rim, and lines to its center, may reach."""

Region = tuple[slice, slice]
"""Rows and columns of a picture."""


class KeypointCanvas:
    """One matplotlib figure, without pyplot's global state: points are drawn, and wiped off again.

    What matplotlib does beside that for each figure takes ten times longer. Unlike frames, it has
    no crop offset: as in DeepLabCut, the poses themselves span the canvas.

    Args:
        poses: DeepLabCut's table, one row for each frame.
        style: How to draw.
    """

    def __init__(self, poses: pd.DataFrame, style: LabelStyle) -> None:
        keypoints = Keypoints(poses)
        displayed = keypoints.indices_of_parts(style.displayed_body_parts)
        hidden = np.setdiff1d(np.arange(len(keypoints.parts)), displayed)
        self._style = style
        self._xy = keypoints.xy.astype(np.float64)
        self._xy[:, hidden] = np.nan
        extent = compute_extent(self._xy)
        # A point at the cutoff itself is drawn here, as DeepLabCut draws it here.
        self._xy[keypoints.likelihood < style.p_cutoff] = np.nan
        self._edges = np.array(style.compute_edges(keypoints), dtype=int).reshape(-1, 2)
        canvas, axes = _create_black_axes(*extent)
        self._add_artists(axes, _keypoint_colors(style, keypoints))
        canvas.draw()  # type: ignore[no-untyped-call]
        self._renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
        self._buffer: np.ndarray = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        self._ground = self._buffer.copy()
        self._scale = np.divide(self._buffer.shape[1::-1], extent)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the pictures, both even."""
        return self._buffer.shape[0], self._buffer.shape[1]

    def render_frame(self, index: int) -> np.ndarray:
        """Draw one frame's poses: RGB, uint8, (height, width, 3)."""
        self.draw_frame(index)
        picture = self._buffer[..., :3].copy()
        self._buffer[...] = self._ground
        return picture

    def draw_frame(self, index: int) -> Region | None:
        """Draw one frame's poses over what is there.

        Returns:
            The rows and columns that hold all of it; None where there is nothing.
        """
        now = self._xy[index]
        points = now
        if self._style.trail_points > 1:
            past = self._trail_positions(index).reshape(-1, 2)
            points = np.concatenate([now, past])
            self._trail.set_offsets(past)
            self._trail.draw(self._renderer)
        self._dots.set_offsets(now)
        self._dots.draw(self._renderer)
        if len(self._edges):
            self._lines.set_segments(list(now[self._edges]))
            self._lines.draw(self._renderer)
        return self._compute_region(points)

    def take_region(self, region: Region) -> np.ndarray:
        """Return the drawing in a region, RGB and fully opaque, and make the region black again."""
        picture = self._buffer[region].copy()
        self._buffer[region] = self._ground[region]
        return picture

    def _compute_region(self, points: np.ndarray) -> Region | None:
        """The region of points, their dots and the lines between them."""
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            return None
        reach = math.ceil(self._style.dot_size * _DPI / 144) + _RIM_MARGIN_PIXELS
        limits = self._buffer.shape[1::-1]
        first = np.clip(points.min(axis=0) * self._scale - reach, 0, limits).astype(int)
        last = np.clip(points.max(axis=0) * self._scale + reach, 0, limits).astype(int)
        if not (first < last).all():
            return None
        return slice(first[1], last[1]), slice(first[0], last[0])

    def _trail_positions(self, index: int) -> np.ndarray:
        """Earlier positions of the points that are visible now, (past frames, keypoints, 2)."""
        past = np.full((self._style.trail_points - 1, *self._xy.shape[1:]), np.nan)
        rows = self._xy[trail_rows(self._style, index)][:-1]
        past[len(past) - len(rows) :] = rows
        past[:, np.isnan(self._xy[index]).any(axis=1)] = np.nan
        return past

    def _add_artists(self, axes: Axes, colors: list[_RgbaColor]) -> None:
        style, size = self._style, self._style.dot_size**2
        self._dots = axes.scatter([], [], s=size, alpha=style.alpha)
        self._dots.set_color(colors)
        self._lines = LineCollection([], colors=style.skeleton_color, alpha=style.alpha)
        axes.add_collection(self._lines)
        self._trail = axes.scatter(
            [], [], s=size, alpha=style.alpha * _TRAIL_ALPHA_FACTOR, zorder=0.5
        )
        self._trail.set_color(colors * max(style.trail_points - 1, 1))


def compute_extent(xy: np.ndarray) -> tuple[int, int]:
    """Width and height in whole pixels that hold all positions."""
    finite = np.where(np.isfinite(xy), xy, 0).reshape(-1, 2)
    largest = finite.max(axis=0, initial=0).clip(_MIN_SIDE_PIXELS, _MAX_SIDE_PIXELS)
    width, height = largest.astype(int).tolist()
    return width, height


def _create_black_axes(width: int, height: int) -> tuple[FigureCanvasAgg, Axes]:
    """Axes in pixels, y down, that fill a canvas with the next smaller even sides.

    H.264 wants even sides, and DeepLabCut scales an odd extent to them by that one pixel.
    """
    figure = Figure(figsize=(_to_inches(width), _to_inches(height)), dpi=_DPI, frameon=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    axes.add_patch(Rectangle((0, 0), 1, 1, facecolor="k", transform=axes.transAxes, zorder=-1))
    return FigureCanvasAgg(figure), axes


def _to_inches(pixels: int) -> float:
    """The figure side that is cut off to this many pixels, made even, whatever the rounding."""
    pixels = pixels // 2 * 2
    inches = pixels / _DPI
    return inches if int(inches * _DPI) == pixels else float(np.nextafter(inches, np.inf))


def _keypoint_colors(style: LabelStyle, keypoints: Keypoints) -> list[_RgbaColor]:
    """Color of each keypoint, from a color map cut into as many steps as there are colors."""
    indices, count = choose_color_indices(keypoints, style.color_by)
    return [
        (red, green, blue, alpha)
        for red, green, blue, alpha in step_colors(style.color_map, count)[indices]
    ]
