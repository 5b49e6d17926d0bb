"""Figures of an animal's behavior: where it was, how fast, and in which states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tasks.behavior.segments import find_runs
from tasks.behavior.states import STATE_NAMES, UNKNOWN
from tasks.pose.previews.axes import to_plain_label
from tasks.pose.previews.downsampling import compute_envelope, find_first_points_in_cells
from tasks.pose.previews.draw import render_figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from tasks.behavior.animal_results import AnimalBehavior, AnimalSummary
    from tasks.behavior.segments import FloatArray, Segments

STATE_COLORS = {"rest": "#4477aa", "movement": "#ee6677", "other": "#ccbb44"}
UNKNOWN_COLOR = "#bbbbbb"
"""Paul Tol's bright colors, which the color-blind tell apart (https://sronpersonalpages.nl/~pault/)."""

_COLUMNS = 1000
"""Columns of pixels across a figure over time."""

_CELLS = 700
"""Cells along the longer side of a trajectory: points in one cell look like one."""


def draw_behavior(
    found: AnimalBehavior,
    segments: Segments,
    summary: AnimalSummary,
    scale: float | None,
    folder: Path,
    suffix: str,
) -> dict[str, Path]:
    """Draw one animal's figures.

    Args:
        found: The animal, frame by frame.
        segments: The recording's segments.
        summary: Its figures.
        scale: Pixels per cm.
        folder: Where the files go.
        suffix: What their names end in, for each of several animals.

    Returns:
        The files by published name.
    """
    unit, factor = ("px", 1.0) if scale is None else ("cm", 1 / scale)
    figures: dict[str, Figure] = {"average-trajectory.png": _draw_trajectory(found, segments)}
    if found.average:
        figures["keypoint-count.svg"] = _draw_counts(found, segments)
    figures["speed.svg"] = _draw_speed(found, segments, unit, factor)
    figures["speed-histogram.svg"] = _draw_histogram(found, summary, unit, factor)
    if found.states is not None:
        figures["state-trajectory.png"] = _draw_state_trajectory(found)
        figures["time-in-states.svg"] = _draw_time_in_states(summary)
    files = {}
    for name, figure in figures.items():
        if title := found.animal.name:
            figure.suptitle(to_plain_label(title), fontsize=10)
        stem, ending = name.split(".")
        path = folder / f"{stem}{suffix}.{ending}"
        path.write_bytes(render_figure(figure, ending))
        files[path.name] = path
    return files


def _start_trajectory(found: AnimalBehavior) -> tuple[Figure, Axes]:
    """Axes as the camera sees: y points down."""
    figure = Figure(figsize=(7, 5.5))
    axes = figure.add_subplot()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("X position in pixels")
    axes.set_ylabel("Y position in pixels")
    axes.invert_yaxis()
    if not np.isfinite(found.raw).any():
        axes.set_title("No position is known", fontsize=10)
    return figure, axes


def _choose_points(found: AnimalBehavior) -> np.ndarray:
    """Indices of points that would look different from each other."""
    x, y = found.raw.T
    known = np.isfinite(x)
    if not known.any():
        return np.empty(0, dtype=np.int64)
    side = float(max(np.ptp(x[known]), np.ptp(y[known]))) or 1.0
    return find_first_points_in_cells(x, y, side / _CELLS)


def _choose_dot_size(points: int) -> float:
    """Square points of a dot: few are large enough to be seen, many do not hide each other."""
    return float(np.clip(4000 / max(1, points), 2, 20))


def _draw_trajectory(found: AnimalBehavior, segments: Segments) -> Figure:
    figure, axes = _start_trajectory(found)
    shown = _choose_points(found)
    dots = axes.scatter(
        found.raw[shown, 0],
        found.raw[shown, 1],
        c=segments.times[shown],
        s=_choose_dot_size(len(shown)),
        cmap="viridis",
        linewidths=0,
    )
    if len(shown):
        figure.colorbar(dots, ax=axes, label="Time (s)")
    return figure


def _draw_state_trajectory(found: AnimalBehavior) -> Figure:
    assert found.states is not None
    figure, axes = _start_trajectory(found)
    shown = _choose_points(found)
    x, y = found.raw[shown].T
    colors = _color_states(found.states[shown])
    axes.scatter(x, y, c=colors, s=_choose_dot_size(len(shown)), linewidths=0)
    _add_state_legend(axes, dots=True)
    return figure


def _color_states(states: np.ndarray) -> np.ndarray:
    palette = [*(STATE_COLORS[name] for name in STATE_NAMES), UNKNOWN_COLOR]
    colors: np.ndarray = np.array([mpl.colors.to_rgb(color) for color in palette])
    chosen: np.ndarray = colors[states]
    return chosen


def _add_state_legend(axes: Axes, *, dots: bool = False) -> None:
    colors = STATE_COLORS | {"unknown": UNKNOWN_COLOR}
    handles: list[Any] = [
        Line2D([], [], color=color, marker="o", linestyle="", label=name)
        if dots
        else Patch(color=color, label=name)
        for name, color in colors.items()
    ]
    axes.legend(handles=handles, fontsize=8, loc="upper right", framealpha=0.8)


def _start_time_axes(rows: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(10, height))
    axes = [figure.add_subplot(rows, 1, row + 1) for row in range(rows)]
    axes[-1].set_xlabel("Time (s)")
    return figure, axes


def plot_envelope(axes: Axes, segments: Segments, values: FloatArray, color: str) -> None:
    """Median and range of each column of pixels; a gap in time stays a gap."""
    timed = np.flatnonzero(np.isfinite(segments.times))
    order = timed[np.argsort(segments.times[timed], kind="stable")]
    times, values = segments.times[order], values[order]
    if len(times) <= 4 * _COLUMNS:
        gaps = np.flatnonzero(np.diff(segments.numbers[order])) + 1
        times, values = np.insert(times, gaps, np.nan), np.insert(values, gaps, np.nan)
        axes.plot(times, values, color=color, lw=1)
        return
    thin = compute_envelope(times, values, _COLUMNS)
    width = float(times[-1] - times[0]) / _COLUMNS
    # Columns without a frame are left out: a line must not join what lies around them.
    gaps = np.flatnonzero(np.diff(thin.time) > 2 * width) + 1
    at, low, middle, high = (
        np.insert(one, gaps, np.nan) for one in (thin.time, thin.lowest, thin.median, thin.highest)
    )
    axes.fill_between(at, low, high, color=color, alpha=0.3, linewidth=0)
    axes.plot(at, middle, color=color, lw=1)


def _draw_counts(found: AnimalBehavior, segments: Segments) -> Figure:
    """Draw the number of keypoints in each mean, over time and in all."""
    assert found.average is not None
    figure, (over_time, shares) = _start_time_axes(2, 4.5)
    plot_envelope(over_time, segments, found.average.count.astype(np.float64), "#228833")
    over_time.set_ylabel("Keypoints measured")
    over_time.set_ylim(0, len(found.animal.keypoints) + 0.5)
    over_time.yaxis.set_major_locator(MaxNLocator(integer=True))
    over_time.set_xlabel("Time (s)")
    counts = np.bincount(found.average.count, minlength=len(found.animal.keypoints) + 1)
    shares.bar(np.arange(len(counts)), 100 * counts / counts.sum(), color="#228833")
    shares.set_xlabel("Keypoints measured")
    shares.set_ylabel("% of frames")
    shares.set_xticks(range(len(counts)) if len(counts) <= 20 else [0, len(counts) - 1])  # noqa: PLR2004
    figure.subplots_adjust(hspace=0.45)
    return figure


def _draw_speed(found: AnimalBehavior, segments: Segments, unit: str, factor: float) -> Figure:
    figure, (axes,) = _start_time_axes(1, 3)
    plot_envelope(axes, segments, found.movement.speed * factor, "0.2")
    axes.set_ylabel(f"Speed ({unit}/s)")
    if found.states is not None:
        _draw_state_bands(axes, segments, found.states)
    return figure


def _draw_state_bands(axes: Axes, segments: Segments, states: np.ndarray) -> None:
    """A band of colors under the speed, one column of pixels wide at the finest."""
    times = segments.times
    first, last = float(np.nanmin(times)), float(np.nanmax(times)) + segments.median_step
    spans = np.linspace(first, last, 2 * _COLUMNS + 1)
    middle = (spans[:-1] + spans[1:]) / 2
    ends = times + segments.durations
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(times[order])]
    place = np.searchsorted(times[order], middle, side="right") - 1
    frame = order[np.maximum(place, 0)]
    seen = (place >= 0) & (middle < ends[frame])
    codes = np.where(seen, states[frame], UNKNOWN - 1)
    starts, stops = find_runs(codes)
    for name, color in (STATE_COLORS | {"unknown": UNKNOWN_COLOR}).items():
        code = STATE_NAMES.index(name) if name in STATE_NAMES else UNKNOWN
        bars = [
            (spans[a], spans[b] - spans[a])
            for a, b in zip(starts, stops, strict=True)
            if codes[a] == code
        ]
        axes.broken_barh(
            bars, (-0.06, 0.05), transform=axes.get_xaxis_transform(), color=color, clip_on=False
        )
    axes.tick_params(axis="x", pad=12)
    _add_state_legend(axes)


def _draw_histogram(
    found: AnimalBehavior, summary: AnimalSummary, unit: str, factor: float
) -> Figure:
    figure = Figure(figsize=(6.4, 4))
    axes = figure.add_subplot()
    speed = found.movement.speed * factor
    speed = speed[np.isfinite(speed) & (speed > 0)]
    axes.set_xlabel(f"Speed ({unit}/s)")
    axes.set_ylabel("Frames")
    if not len(speed):
        axes.set_title("No speed above zero is known", fontsize=10)
        return figure
    low, high = float(speed.min()), float(speed.max())
    if high < low * 2:  # one speed, but for rounding
        low, high = low / 2, high * 2
    bins = np.geomspace(low, high, 80)
    axes.hist(speed, bins=bins.tolist(), color="0.6")
    axes.set_xscale("log")
    marks = {}
    if summary.thresholds:
        marks = {"rest": summary.thresholds.rest, "movement": summary.thresholds.movement}
    elif summary.proposed_threshold:
        marks = {"proposed": summary.proposed_threshold}
    for name, value in marks.items():
        if value > 0:
            color = STATE_COLORS.get(name, "#aa3377")
            label = f"{name}: {value * factor:.3g} {unit}/s"
            axes.axvline(value * factor, color=color, lw=1.5, label=label)
    if marks:
        axes.legend(fontsize=8)
    return figure


def _draw_time_in_states(summary: AnimalSummary) -> Figure:
    figure = Figure(figsize=(7, 1.6))
    axes = figure.add_subplot()
    everything = summary.everything
    parts = {name: one.seconds for name, one in everything.states.items()}
    parts["unknown"] = everything.unknown_s
    left = 0.0
    for name, seconds in parts.items():
        color = STATE_COLORS.get(name, UNKNOWN_COLOR)
        share = 100 * seconds / everything.observed_s if everything.observed_s else 0.0
        label = f"{name} {seconds:.1f} s ({share:.0f} %)"
        axes.barh(0, seconds, left=left, color=color, label=label)
        left += seconds
    axes.set_yticks([])
    axes.set_xlabel("Time (s)")
    axes.set_xlim(0, left or 1)
    axes.legend(fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return figure
