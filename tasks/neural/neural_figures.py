"""Figures of neural activity across states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from tasks.pose.previews.axes import to_plain_label
from tasks.pose.previews.draw import render_figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tasks.neural.cell_recordings import BoolArray, CellSeries
    from tasks.neural.map_states import MappedStates

_MAX_TRACES, _MAX_POINTS = 20, 4000


def draw_neural(
    series: CellSeries,
    mapped: MappedStates,
    masks: Mapping[str, BoolArray],
    facts: Mapping[str, Any],
    folder: Path,
) -> dict[str, Path]:
    """Draw time in states, traces with states, scores, and correlation matrices.

    Args:
        series: The cells.
        mapped: The state of each sample.
        masks: The samples of each state.
        facts: What the analysis found; keys with a leading ``_`` are arrays.
        folder: Where the files go.

    Returns:
        The files by published name.
    """
    palette = mpl.colormaps["tab10"]
    colors = {name: palette(i % 10) for i, name in enumerate(masks)}
    figures = {
        "time-in-states.svg": _draw_time(series, masks, colors),
        "traces.png": _draw_traces(series, mapped, masks, colors),
    }
    if scores := facts.get("_trace scores"):
        figures["scores.svg"] = _draw_scores(scores)
    if matrices := facts.get("_matrices"):
        figures["correlations.png"] = _draw_matrices(matrices)
    files = {}
    for name, figure in figures.items():
        path = folder / name
        path.write_bytes(render_figure(figure, name.rpartition(".")[2]))
        files[name] = path
    return files


def _draw_time(series: CellSeries, masks: Mapping[str, BoolArray], colors: Any) -> Figure:
    figure = Figure(figsize=(6, 0.5 + 0.35 * len(masks)))
    axes = figure.add_subplot()
    for row, (name, mask) in enumerate(masks.items()):
        axes.barh(row, float(mask.sum()) * series.period, color=colors[name])
    axes.set_yticks(range(len(masks)), [to_plain_label(name) for name in masks])
    axes.invert_yaxis()
    axes.set_xlabel("Time (s)")
    return figure


def _draw_traces(
    series: CellSeries, mapped: MappedStates, masks: Mapping[str, BoolArray], colors: Any
) -> Figure:
    shown = series.traces[:_MAX_TRACES]
    step = max(1, len(mapped.times) // _MAX_POINTS)
    figure = Figure(figsize=(10, 1.5 + 0.3 * len(shown)))
    axes = figure.add_subplot()
    for name, mask in masks.items():
        axes.fill_between(
            mapped.times, 0, 1, where=mask.tolist(), transform=axes.get_xaxis_transform(),
            color=colors[name], alpha=0.25, linewidth=0, label=to_plain_label(name),
        )  # fmt: skip
    for row, trace in enumerate(shown):
        spread = float(np.nanstd(trace)) or 1.0
        scaled = (trace - np.nanmean(trace)) / spread / 6
        axes.plot(mapped.times[::step], row + scaled[::step], color="0.2", lw=0.5)
    axes.set_yticks(range(len(shown)), [to_plain_label(n) for n in series.names[:_MAX_TRACES]])
    axes.set_xlabel("Time (s)")
    axes.legend(fontsize=8, loc="upper right")
    return figure


def _draw_scores(scores: Mapping[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(6, 1 + 1.2 * len(scores)))
    for row, (label, values) in enumerate(scores.items(), start=1):
        axes = figure.add_subplot(len(scores), 1, row)
        axes.hist(values[np.isfinite(values)], bins=40, range=(-1, 1), color="0.5")
        axes.set_ylabel("Cells")
        axes.set_title(to_plain_label(label), fontsize=9)
    axes.set_xlabel("Modulation score")
    figure.subplots_adjust(hspace=0.9)
    return figure


def _draw_matrices(matrices: Mapping[str, np.ndarray]) -> Figure:
    """Each state's matrix, cells in the order of one clustering of the first state."""
    from scipy.cluster.hierarchy import leaves_list, linkage  # noqa: PLC0415

    first = np.nan_to_num(next(iter(matrices.values())))
    order = leaves_list(linkage(first, "complete")) if len(first) > 2 else np.arange(len(first))  # noqa: PLR2004
    figure = Figure(figsize=(3.2 * len(matrices) + 1, 3.4))
    picture: Any = None
    all_axes = []
    for column, (name, matrix) in enumerate(matrices.items(), start=1):
        axes = figure.add_subplot(1, len(matrices), column)
        picture = axes.imshow(matrix[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(to_plain_label(name), fontsize=9)
        all_axes.append(axes)
    figure.colorbar(picture, ax=all_axes, label="r")
    return figure
