"""Figures of cells' activity in each state: traces, events, means, scores, and where cells are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from tasks.pose.previews.axes import to_plain_label
from tasks.pose.previews.downsampling import compute_envelope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from tasks.neural.cell_recordings import BoolArray, CellSeries, FloatArray
    from tasks.neural.map_states import MappedStates
    from tasks.neural.state_modulation import Modulation

StateColors = dict[str, tuple[float, float, float, float]]

_MAX_TRACES, _COLUMNS = 20, 1000
_UP, _DOWN, _NEITHER = "#c0392b", "#2471a3", "0.75"
_PANELS_IN_ROW = 3


def choose_colors(names: Sequence[str]) -> StateColors:
    """A color for each state, the same in every figure."""
    palette = mpl.colormaps["tab10"]
    return {name: palette(i % 10) for i, name in enumerate(names)}


def draw_mapping(
    series: CellSeries,
    mapped: MappedStates,
    colors: StateColors,
    spans: tuple[list[float], list[float]] | None,
) -> Figure:
    """Draw seconds in each state, most first, ten at most; above, when both recordings were.

    Args:
        series: The recording.
        mapped: The state of each sample.
        colors: Those of the states that are compared; others are gray.
        spans: First and last second of the annotations and of the samples; None where times play
            no part.
    """
    names = [state for state in dict.fromkeys(mapped.states) if state is not None]
    seconds = {n: sum(s == n for s in mapped.states) * series.period for n in names}
    shown = sorted(seconds, key=lambda n: -seconds[n])[:_MAX_STATES]
    height = 0.7 + 0.32 * (len(shown) + 1)
    figure = Figure(figsize=(7, height + (1.1 if spans else 0)))
    if spans:
        top, axes = figure.subplots(2, 1, height_ratios=(0.6, height), gridspec_kw={"hspace": 0.6})
        for row, (name, (first, last)) in enumerate(
            zip(("annotations", "samples"), spans, strict=True)
        ):
            top.barh(row, last - first, left=first, color="0.6", height=0.6)
            top.text(first, row, f" {name}", va="center", fontsize=8)
        top.set_yticks([])
        top.invert_yaxis()
        top.set_xlabel("Time since the first sample (s)")
    else:
        axes = figure.add_subplot()
    unknown = sum(state is None for state in mapped.states) * series.period
    rows = [(n, seconds[n], colors.get(n, (0.6, 0.6, 0.6, 1.0))) for n in shown]
    rows.append(("no state", unknown, (0.85, 0.85, 0.85, 1.0)))
    for row, (_, value, color) in enumerate(rows):
        axes.barh(row, value, color=color)
        axes.text(value, row, f" {value:.1f} s", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [to_plain_label(name) for name, _, _ in rows])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlim(left=0)
    axes.set_xlabel("Time (s)")
    return figure


_MAX_STATES = 10


def _draw_bands(
    axes: Axes, series: CellSeries, masks: Mapping[str, BoolArray], colors: StateColors, times: Any
) -> None:
    """Bands of color where a state is known; none over gaps between files."""
    for name, mask in masks.items():
        cut = np.diff(series.files, prepend=-1) != 0
        begins = np.flatnonzero(mask & (cut | ~np.append(False, mask[:-1])))
        ends = np.flatnonzero(mask & np.append(cut[1:] | ~mask[1:], True))
        bars = [
            (times[a], times[b] + series.period - times[a])
            for a, b in zip(begins.tolist(), ends.tolist(), strict=True)
        ]
        axes.broken_barh(
            bars, (0, 1), transform=axes.get_xaxis_transform(), color=colors[name], alpha=0.25,
            linewidth=0, label=to_plain_label(name),
        )  # fmt: skip
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False)


def _label_cells(axes: Axes, series: CellSeries) -> int:
    shown = min(len(series.names), _MAX_TRACES)
    axes.set_yticks(range(shown), [to_plain_label(n) for n in series.names[:shown]])
    axes.invert_yaxis()
    axes.set_xlabel("Time since the first sample (s)")
    if shown < len(series.names):
        axes.set_ylabel(f"The first {shown} of {len(series.names)} cells")
    return shown


def draw_traces(
    series: CellSeries, mapped: MappedStates, masks: Mapping[str, BoolArray], colors: StateColors
) -> Figure:
    """Draw the first cells' traces, each in units of its own spread, over bands of the states."""
    count = min(len(series.names), _MAX_TRACES)
    figure = Figure(figsize=(10, 1.5 + 0.35 * count))
    axes = figure.add_subplot()
    _draw_bands(axes, series, masks, colors, mapped.times)
    for row in range(_label_cells(axes, series)):
        trace = series.traces[row]
        spread = float(np.nanstd(trace)) or 1.0
        scaled = row - (trace - np.nanmean(trace)) / spread / 6
        for number in range(int(series.files[-1]) + 1):
            part = series.files == number
            times, values = mapped.times[part], scaled[part]
            if len(times) <= 4 * _COLUMNS:
                axes.plot(times, values, color="0.2", lw=0.5)
            else:
                thin = compute_envelope(times, values, 2 * _COLUMNS)
                axes.fill_between(thin.time, thin.lowest, thin.highest, color="0.2", linewidth=0.4)
    return figure


def draw_raster(
    series: CellSeries,
    mapped: MappedStates,
    masks: Mapping[str, BoolArray],
    colors: StateColors,
    rates: FloatArray,
) -> Figure:
    """Draw the first cells' events as ticks over bands of the states."""
    count = min(len(series.names), _MAX_TRACES)
    figure = Figure(figsize=(10, 1.5 + 0.22 * count))
    axes = figure.add_subplot()
    _draw_bands(axes, series, masks, colors, mapped.times)
    shown = _label_cells(axes, series)
    ticks = [mapped.times[np.nan_to_num(rates[row]) > 0] for row in range(shown)]
    axes.eventplot(
        ticks,
        lineoffsets=[float(row) for row in range(shown)],
        linelengths=0.8,
        colors="0.1",
        lw=0.7,
    )
    return figure


def draw_means(
    means: Mapping[str, FloatArray],
    unit: str,
    amounts: Mapping[str, tuple[float, int]],
    colors: StateColors,
) -> Figure:
    """Draw a box of the cells' means for each state, with its seconds and bouts.

    Args:
        means: The mean of each cell, by state.
        unit: Their unit.
        amounts: Seconds and bouts of each state.
        colors: The states' colors.
    """
    figure = Figure(figsize=(1.6 + 1.3 * len(means), 4))
    axes = figure.add_subplot()
    values = [one[np.isfinite(one)] for one in means.values()]
    axes.boxplot(values, showfliers=False, medianprops={"color": "0.1"})
    jitter = np.random.default_rng(0)
    for place, (name, one) in enumerate(zip(means, values, strict=True), start=1):
        x = place + jitter.uniform(-0.15, 0.15, len(one))
        axes.scatter(x, one, s=9, color=colors[name], alpha=0.7, linewidths=0)
    labels = [
        f"{to_plain_label(name)}\n{amounts[name][0]:.1f} s\n{amounts[name][1]} bouts"
        for name in means
    ]
    axes.set_xticks(range(1, len(means) + 1), labels, fontsize=8)
    axes.set_ylabel(f"Mean {unit} of each cell")
    return figure


def draw_scores(found: Mapping[str, Modulation]) -> Figure:
    """Draw a histogram of each comparison's scores, modulated cells in color."""
    figure = Figure(figsize=(6, 0.7 + 1.5 * len(found)))
    panels = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (label, one) in zip(panels, found.items(), strict=True):
        parts = [one.scores[one.flags == flag] for flag in (-1, 0, 1)]
        axes.hist(
            parts, bins=40, range=(-1, 1), stacked=True, color=[_DOWN, _NEITHER, _UP],
            label=["down", "neither", "up"],
        )  # fmt: skip
        axes.set_ylabel("Cells")
        axes.set_title(_title(label, one), fontsize=9)
    panels[0].legend(fontsize=7)
    panels[-1].set_xlabel("Modulation score")
    figure.subplots_adjust(hspace=0.55)
    return figure


def _title(label: str, one: Modulation) -> str:
    if one.reason:
        return f"{to_plain_label(label)}: no numbers"
    known = max(1, int(np.isfinite(one.flags).sum()))
    up, down = int((one.flags == 1).sum()), int((one.flags == -1).sum())
    return (
        f"{to_plain_label(label)}: {up} up ({100 * up / known:.0f} %), "
        f"{down} down ({100 * down / known:.0f} %)"
    )


def draw_footprints(series: CellSeries, found: Mapping[str, Modulation]) -> Figure:
    """Draw each cell where it lies, in the color of its score; modulated ones with an outline."""
    columns = min(len(found), _PANELS_IN_ROW)
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(0.8 + 3.2 * columns, 3.1 * rows))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    scores = np.concatenate([one.scores for one in found.values()])
    known = np.abs(scores[np.isfinite(scores)])
    limit = float(known.max()) if len(known) and known.max() > 0 else 1.0
    norm = TwoSlopeNorm(0, -limit, limit)
    shapes = [_to_shape(o, c) for o, c in zip(series.outlines, series.centers, strict=True)]
    for axes, (label, one) in zip(panels, found.items(), strict=False):
        edges = np.where(np.nan_to_num(one.flags) != 0, "black", "none")
        drawn = PolyCollection(
            shapes, array=one.scores, cmap="RdBu_r", norm=norm, edgecolors=list(edges), lw=1
        )
        axes.add_collection(drawn)
        axes.autoscale_view()
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.set_facecolor("0.93")
        axes.set_title(_title(label, one), fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    figure.colorbar(
        ScalarMappable(norm, "RdBu_r"), ax=list(panels), label="Modulation score", shrink=0.8
    )
    return figure


def _to_shape(outline: FloatArray, center: Any) -> FloatArray:
    """The outline of a footprint; a small square where there is none."""
    if len(outline) > 2:  # noqa: PLR2004
        return outline
    corners = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)], dtype=np.float64)
    shape: FloatArray = corners + np.asarray(center, dtype=np.float64)
    return shape
