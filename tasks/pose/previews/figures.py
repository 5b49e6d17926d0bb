"""Figures over time: each body part's likelihood and position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from tasks.pose.previews.axes import create_panels, explain_if_empty, rasterize_if_large
from tasks.pose.previews.downsampling import compute_envelope, find_lone_points
from tasks.pose.previews.time_axis import set_up_time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tasks.pose.previews.axes import FigureSubject
    from tasks.pose.previews.downsampling import Envelope

# Columns of pixels across a plot over time, and how many frames a column can show as a line.
_PIXEL_COLUMNS = 800
_MAX_FRAMES_PER_COLUMN = 5
_WIDTH = 10.0


def draw_coordinates(subject: FigureSubject) -> Figure:
    """Draw each body part's position over time, x above y."""
    figure, panels = create_panels(subject, "position over time", _WIDTH, (2.1, 2.1))
    set_up_time_axis(panels, subject)
    for axes, name in zip(panels, "xy", strict=True):
        axes.set_ylabel(f"{name.upper()} (pixels)")
        values = [getattr(track, name) for track in subject.tracks]
        for track, of_one in zip(subject.tracks, values, strict=True):
            _plot_over_time(axes, of_one, color=track.color, alpha=subject.alpha)
        explain_if_empty(axes, subject, values)
    rasterize_if_large(panels)
    return figure


def draw_likelihood(subject: FigureSubject) -> Figure:
    """Draw each body part's likelihood over time."""
    title = f"likelihood over time (dotted: the cutoff of {subject.p_cutoff:g})"
    figure, panels = create_panels(subject, title, _WIDTH, (2.3,))
    set_up_time_axis(panels, subject)
    axes = panels[0]
    axes.set_ylabel("Likelihood")
    axes.set_ylim(-0.05, 1.05)
    for track in subject.tracks:
        _plot_over_time(axes, track.likelihood, color=track.color, alpha=subject.alpha)
    axes.axhline(subject.p_cutoff, color="0.2", linewidth=1, linestyle=":", zorder=3)
    rasterize_if_large(panels)
    return figure


def _plot_over_time(axes: Axes, values: np.ndarray, **look: Any) -> None:
    """A line; where it would have many frames in each pixel, their median above their range."""
    look |= {"linewidth": 1}
    time = np.arange(len(values))
    if len(values) <= _MAX_FRAMES_PER_COLUMN * _PIXEL_COLUMNS:
        _plot_line(axes, time, values, **look)
        return
    thin = compute_envelope(time, values, _PIXEL_COLUMNS)
    _plot_line(axes, thin.time, thin.median, **look)
    axes.add_collection(
        PolyCollection(
            _outline_ranges(thin),
            color=look["color"],
            linewidth=0.5,
            alpha=look["alpha"] / 3,
            zorder=1,
        )
    )


def _outline_ranges(thin: Envelope) -> list[NDArray[np.float64]]:
    """Outlines of all between the lowest and the highest values, in pieces without a gap."""
    known = np.flatnonzero(np.isfinite(thin.lowest))
    pieces = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    there = (piece for piece in pieces if len(piece))
    return [
        np.column_stack(
            [
                np.concatenate([thin.time[piece], thin.time[piece[::-1]]]),
                np.concatenate([thin.lowest[piece], thin.highest[piece[::-1]]]),
            ]
        )
        for piece in there
    ]


def _plot_line(axes: Axes, time: np.ndarray, values: np.ndarray, **look: Any) -> None:
    lone = find_lone_points(values).tolist()
    if lone:
        look |= {"marker": "o", "markersize": 3, "markeredgewidth": 0, "markevery": lone}
    axes.plot(time, values, **look)
