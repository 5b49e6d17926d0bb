"""The four figures of ``deeplabcut.plot_trajectories``, each on a separate object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from tasks.pose.previews.axes import (
    create_axes,
    explain_if_empty,
    rasterize_if_large,
    set_up_time_axis,
)
from tasks.pose.previews.downsampling import (
    compute_envelope,
    find_first_points_in_cells,
    find_lone_points,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tasks.pose.previews.axes import FigureSubject

# Columns of pixels across a plot over time, and how many frames a column can show as a line.
_PIXEL_COLUMNS = 1000
_MAX_FRAMES_PER_COLUMN = 4
# DeepLabCut has 99 bins on the positive side; an odd number puts "did not move" in the middle.
_HISTOGRAM_BINS = 199
# Up to this many frames dots have DeepLabCut's size (in points); of more, smaller ones, so that
# they don't cover each other.
_MAX_FRAMES_WITH_LARGE_DOTS = 2000
_LARGE_DOT, _SMALL_DOT = 6.0, 1.5
# Points closer than this part of the field of view, about half a pixel of the figure, are one.
_CELLS_PER_SIDE = 1000


def draw_trajectory(subject: FigureSubject) -> Figure:
    """Draw the path of each body part, as seen by the camera."""
    width, height = _field_of_view_size(subject)
    figure, axes = create_axes(subject, 8, float(np.clip(6.4 * height / width, 3, 12)))
    axes.set_xlabel("X position in pixels")
    axes.set_ylabel("Y position in pixels")
    _plot_positions(
        axes, subject, _find_distinct_positions(subject, max(width, height) / _CELLS_PER_SIDE)
    )
    axes.set_aspect("equal")
    if subject.frame_size:
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
    axes.invert_yaxis()
    explain_if_empty(axes, subject, [track.x for track in subject.tracks])
    return figure


def draw_coordinates(subject: FigureSubject) -> Figure:
    """The position of each body part over time."""
    figure, axes = create_axes(subject, 10, 3)
    set_up_time_axis(axes, subject)
    axes.set_ylabel("X (dashed) and Y (solid)\nposition in pixels")
    for track in subject.tracks:
        _plot_over_time(axes, subject, track.x, color=track.color, linestyle="--")
        _plot_over_time(axes, subject, track.y, color=track.color, linestyle="-")
    rasterize_if_large(axes)
    explain_if_empty(axes, subject, [track.x for track in subject.tracks])
    return figure


def draw_likelihood(subject: FigureSubject) -> Figure:
    """Draw each body part's likelihood over time."""
    figure, axes = create_axes(subject, 10, 3)
    set_up_time_axis(axes, subject)
    axes.set_ylabel("Likelihood\n(dotted: the cutoff)")
    axes.set_ylim(-0.05, 1.05)
    for track in subject.tracks:
        _plot_over_time(axes, subject, track.likelihood, color=track.color, linestyle="-")
    axes.axhline(subject.p_cutoff, color="0.2", linewidth=1, linestyle=":", zorder=3)
    rasterize_if_large(axes)
    return figure


def draw_histogram(subject: FigureSubject) -> Figure:
    """Draw the histogram of body part steps between frames, in either direction.

    Counts are on a logarithmic scale: the few jumps, which are what one looks for, would vanish
    beside the many small steps.
    """
    figure, axes = create_axes(subject, 6.4, 4.8)
    axes.set_xlabel("DeltaX (dashed) and DeltaY (solid) in pixels")
    axes.set_ylabel("Count")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(7))
    steps = [(track.color, np.diff(track.x), np.diff(track.y)) for track in subject.tracks]
    largest = _find_largest_step([step for _, *xy in steps for step in xy])
    bins = np.linspace(-largest, largest, _HISTOGRAM_BINS + 1)
    for color, delta_x, delta_y in steps:
        _plot_counts(axes, delta_x, bins, color=color, linestyle="--")
        _plot_counts(axes, delta_y, bins, color=color, linestyle="-")
    rasterize_if_large(axes)
    explain_if_empty(
        axes, subject, [delta_x for _, delta_x, _ in steps], "No two consecutive points"
    )
    return figure


def _find_distinct_positions(subject: FigureSubject, cell: float) -> list[np.ndarray]:
    """Indices of the positions to draw for each body part: of a short movie, every one."""
    frames = len(subject.time)
    if frames <= _MAX_FRAMES_WITH_LARGE_DOTS:
        return [np.arange(frames)] * len(subject.tracks)
    return [find_first_points_in_cells(track.x, track.y, cell) for track in subject.tracks]


def _plot_positions(axes: Axes, subject: FigureSubject, positions: list[np.ndarray]) -> None:
    """In turns, a piece of each body part's way at a time, so that none hides all the others."""
    frames = len(subject.time)
    size = np.clip(
        _LARGE_DOT * (_MAX_FRAMES_WITH_LARGE_DOTS / frames) ** 0.5, _SMALL_DOT, _LARGE_DOT
    )
    look: dict[str, Any] = {"alpha": subject.alpha, "markersize": float(size)}
    pieces = range(0, frames, max(_MAX_FRAMES_WITH_LARGE_DOTS, frames // 20))
    for start, stop in zip(pieces, [*pieces[1:], frames], strict=True):
        for track, indices in zip(subject.tracks, positions, strict=True):
            piece = indices[slice(*np.searchsorted(indices, (start, stop)))]
            axes.plot(track.x[piece], track.y[piece], ".", color=track.color, **look)


def _plot_over_time(axes: Axes, subject: FigureSubject, values: np.ndarray, **look: Any) -> None:
    """A line; where it would have many frames in each pixel, their median above their range."""
    look |= {"linewidth": 1, "alpha": subject.alpha}
    if len(values) <= _MAX_FRAMES_PER_COLUMN * _PIXEL_COLUMNS:
        _plot_line(axes, subject.time, values, **look)
        return
    thin = compute_envelope(subject.time, values, _PIXEL_COLUMNS)
    _plot_line(axes, thin.time, thin.median, **look)
    gap = np.full_like(thin.lowest, np.nan)
    look |= {"linewidth": 0.5, "alpha": subject.alpha / 3, "linestyle": "-", "zorder": 1}
    columns = np.column_stack([thin.lowest, thin.highest, gap]).ravel()
    # Unsnapped: pulled to whole pixels, the columns would make stripes.
    axes.plot(np.repeat(thin.time, 3), columns, snap=False, **look)


def _plot_line(axes: Axes, time: np.ndarray, values: np.ndarray, **look: Any) -> None:
    lone = find_lone_points(values).tolist()
    axes.plot(time, values, marker="o", markersize=3, markeredgewidth=0, markevery=lone, **look)


def _plot_counts(axes: Axes, steps: np.ndarray, bins: np.ndarray, **look: Any) -> None:
    # As a range: numpy then counts without searching each step among the edges.
    counts, _ = np.histogram(steps[np.isfinite(steps)], len(bins) - 1, (bins[0], bins[-1]))
    if counts.any():
        # A count of one must stand above the bottom of a logarithmic axis.
        axes.stairs(counts, bins, baseline=0.5, **look)


def _find_largest_step(steps: Sequence[np.ndarray]) -> float:
    """The longest step in either direction; 1 where there is none."""
    return float(max((np.nanmax(np.abs(step), initial=0) for step in steps), default=0)) or 1.0


def _field_of_view_size(subject: FigureSubject) -> tuple[float, float]:
    """Width and height of the field of view; what the points span where it is not known."""
    if subject.frame_size:
        return subject.frame_size
    width, height = (
        float(np.nanmax(values, initial=-np.inf) - np.nanmin(values, initial=np.inf))
        for values in (
            np.concatenate([track.x for track in subject.tracks] or [np.empty(0)]),
            np.concatenate([track.y for track in subject.tracks] or [np.empty(0)]),
        )
    )
    return (width, height) if 0 < width < np.inf and 0 < height < np.inf else (4, 3)
