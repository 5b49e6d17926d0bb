"""Draw poses alone, on black: DeepLabCut's keypoints-only picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tasks.pose.drawing import LabelStyle, trail
from tasks.pose.keypoints import Keypoints

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_Color = tuple[float, float, float, float]
_DPI = 200
# A movie without any position, or with one animal asleep in the corner, still makes a picture;
# one wild coordinate must not ask for gigabytes of it.
_SMALLEST_SIDE = 64
_LARGEST_SIDE = 8192
_TRAIL_FADING = 0.4


class KeypointCanvas:
    """One matplotlib figure that is drawn anew for each frame, without pyplot's global state.

    Unlike frames, it has no crop offset: as in DeepLabCut, the poses themselves span the canvas.

    Args:
        poses: DeepLabCut's table, one row for each frame.
        style: How to draw.
    """

    def __init__(self, poses: pd.DataFrame, style: LabelStyle) -> None:
        keypoints = Keypoints(poses)
        displayed = keypoints.of_parts(style.displayed_body_parts)
        hidden = np.setdiff1d(np.arange(len(keypoints.parts)), displayed)
        self._style = style
        self._xy = keypoints.xy.astype(np.float64)
        self._xy[:, hidden] = np.nan
        extent = _extent(self._xy)
        # A point at the cutoff itself is drawn here, as DeepLabCut draws it here.
        self._xy[keypoints.likelihood < style.p_cutoff] = np.nan
        self._edges = np.array(style.edges(keypoints), dtype=int).reshape(-1, 2)
        self._canvas, axes = _black_axes(*extent)
        self._add_artists(axes, _colors(style, keypoints))

    def paint(self, index: int) -> np.ndarray:
        """Draw one frame's poses: RGB, uint8, (height, width, 3), both sides even."""
        return self.paint_opaque(index)[..., :3]

    def paint_opaque(self, index: int) -> np.ndarray:
        """The same with the canvas' fourth channel, which is full everywhere, and one copy less."""
        now = self._xy[index]
        self._dots.set_offsets(now)
        self._lines.set_segments(list(now[self._edges]))
        if self._style.trail_points > 1:
            self._trail.set_offsets(self._past(index).reshape(-1, 2))
        self._canvas.draw()  # type: ignore[no-untyped-call]
        return np.array(self._canvas.buffer_rgba())  # type: ignore[no-untyped-call]

    def _past(self, index: int) -> np.ndarray:
        """Earlier positions of the points that are visible now, (past frames, keypoints, 2)."""
        past = np.full((self._style.trail_points - 1, *self._xy.shape[1:]), np.nan)
        rows = self._xy[trail(self._style, index)][:-1]
        past[len(past) - len(rows) :] = rows
        past[:, np.isnan(self._xy[index]).any(axis=1)] = np.nan
        return past

    def _add_artists(self, axes: Axes, colors: list[_Color]) -> None:
        style, size = self._style, self._style.dot_size**2
        self._dots = axes.scatter([], [], s=size, alpha=style.alpha)
        self._dots.set_color(colors)
        self._lines = LineCollection([], colors=style.skeleton_color, alpha=style.alpha)
        axes.add_collection(self._lines)
        self._trail = axes.scatter([], [], s=size, alpha=style.alpha * _TRAIL_FADING, zorder=0.5)
        self._trail.set_color(colors * max(style.trail_points - 1, 1))


def _extent(xy: np.ndarray) -> tuple[int, int]:
    """Width and height in whole pixels that hold all positions."""
    finite = np.where(np.isfinite(xy), xy, 0).reshape(-1, 2)
    largest = finite.max(axis=0, initial=0).clip(_SMALLEST_SIDE, _LARGEST_SIDE)
    width, height = largest.astype(int).tolist()
    return width, height


def _black_axes(width: int, height: int) -> tuple[FigureCanvasAgg, Axes]:
    """Axes in pixels, y down, that fill a canvas with the next smaller even sides.

    H.264 wants even sides, and DeepLabCut scales an odd extent to them by that one pixel.
    """
    figure = Figure(figsize=(_inches(width), _inches(height)), dpi=_DPI, frameon=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    axes.add_patch(Rectangle((0, 0), 1, 1, facecolor="k", transform=axes.transAxes, zorder=-1))
    return FigureCanvasAgg(figure), axes


def _inches(pixels: int) -> float:
    """The figure side that is cut off to this many pixels, made even, whatever the rounding."""
    pixels = pixels // 2 * 2
    inches = pixels / _DPI
    return inches if int(inches * _DPI) == pixels else float(np.nextafter(inches, np.inf))


def _colors(style: LabelStyle, keypoints: Keypoints) -> list[_Color]:
    """Color of each keypoint, from a color map cut into as many steps as there are colors."""
    indices, count = style.color_indices(keypoints)
    return [
        (red, green, blue, alpha)
        for red, green, blue, alpha in mpl.colormaps[style.color_map].resampled(count)(indices)
    ]
