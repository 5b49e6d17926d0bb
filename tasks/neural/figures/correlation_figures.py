"""Figures of cells' correlations in each state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tasks.neural.state_correlations import average_halves
from tasks.pose.previews.axes import to_plain_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.neural.cell_recordings import CellSeries, FloatArray
    from tasks.neural.figures.activity_figures import StateColors
    from tasks.neural.state_correlations import StateCorrelations

MAX_LINES = 500
"""Pairs that a map shows, the strongest."""

_MAX_LABELS = 40
_OTHER = (0.55, 0.55, 0.55, 1.0)


def draw_averages(found: Mapping[str, StateCorrelations], colors: StateColors) -> Figure:
    """Draw bars of the mean positive and mean negative r; hatched, from equal frames."""
    figure = Figure(figsize=(2 + 1.3 * len(found), 3.6))
    axes = figure.add_subplot()
    for place, (name, one) in enumerate(found.items()):
        kinds = [(one.matrix, 0.0, "")]
        if one.equal is not None:
            kinds = [(one.matrix, -0.2, ""), (one.equal, 0.2, "///")]
        for matrix, shift, hatch in kinds:
            for value in average_halves(matrix):
                axes.bar(
                    place + shift, value, 0.38, color=colors.get(name, _OTHER), hatch=hatch,
                    edgecolor="white",
                )  # fmt: skip
    labels = [f"{to_plain_label(n)}\n{o.frames} frames\n{o.bouts} bouts" for n, o in found.items()]
    axes.set_xticks(range(len(found)), labels, fontsize=8)
    axes.axhline(0, color="0.3", lw=0.8)
    axes.set_ylabel("Mean r of positive, of negative pairs")
    equal = next((one.equal_frames for one in found.values() if one.equal is not None), 0)
    if equal:
        axes.set_title(f"Hatched: from {equal} frames of each state", fontsize=9)
    return figure


def draw_matrices(found: Mapping[str, StateCorrelations], series: CellSeries) -> Figure:
    """Draw each state's matrix, cells in the order of one clustering of the first state."""
    from scipy.cluster.hierarchy import leaves_list, linkage  # noqa: PLC0415

    first = np.nan_to_num(next(iter(found.values())).matrix)
    order = leaves_list(linkage(first, "complete")) if len(first) > 2 else np.arange(len(first))  # noqa: PLR2004
    side = 3.2 if len(order) <= _MAX_LABELS else 4.2
    figure = Figure(figsize=(side * len(found) + 1, side + 0.3))
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    picture: Any = None
    for axes, (name, one) in zip(panels, found.items(), strict=True):
        picture = axes.imshow(one.matrix[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(to_plain_label(name), fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    if len(order) <= _MAX_LABELS:
        names = [to_plain_label(series.names[i]) for i in order]
        panels[0].set_yticks(range(len(order)), names, fontsize=6)
    else:
        panels[0].set_ylabel(f"{len(order)} cells")
    figure.colorbar(picture, ax=list(panels), label="r", shrink=0.85)
    return figure


def draw_statistic(values: Mapping[str, FloatArray], statistic: str, colors: StateColors) -> Figure:
    """Draw the cumulative share, and a box, of each cell's largest, mean or smallest r."""
    figure = Figure(figsize=(8, 3.6))
    left, right = figure.subplots(1, 2)
    shown = {name: np.sort(one[np.isfinite(one)]) for name, one in values.items()}
    for name, one in shown.items():
        share = np.arange(1, len(one) + 1) / max(1, len(one))
        left.step(
            one, share, where="post", color=colors.get(name, _OTHER), label=to_plain_label(name)
        )
    left.set_xlabel(f"{statistic.capitalize()} r of each cell")
    left.set_ylabel("Share of cells")
    left.legend(fontsize=8)
    right.boxplot(list(shown.values()), medianprops={"color": "0.1"})
    right.set_xticks(range(1, len(shown) + 1), [to_plain_label(n) for n in shown], fontsize=8)
    right.set_ylabel(f"{statistic.capitalize()} r of each cell")
    figure.subplots_adjust(wspace=0.3)
    return figure


def draw_distances(
    found: Mapping[str, StateCorrelations], distances: FloatArray, unit: str, colors: StateColors
) -> Figure:
    """Draw each pair's r over its distance, and the median of ten equal groups of pairs.

    Args:
        found: The correlations in each state.
        distances: (pairs,), of the pairs above the diagonal, row by row.
        unit: Their unit.
        colors: The states' colors.
    """
    figure = Figure(figsize=(3.4 * len(found) + 0.6, 3.2))
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    order = np.argsort(distances, kind="stable")
    for axes, (name, one) in zip(panels, found.items(), strict=True):
        r = one.matrix[np.triu_indices(len(one.matrix), 1)]
        axes.scatter(distances, r, s=6, color=colors.get(name, _OTHER), alpha=0.5, linewidths=0)
        groups = [g for g in np.array_split(order, _GROUPS) if np.isfinite(r[g]).any()]
        axes.plot(
            [float(np.median(distances[g])) for g in groups],
            [float(np.nanmedian(r[g])) for g in groups],
            color="0.1",
            marker="o",
            ms=3,
            lw=1,
        )
        axes.axhline(0, color="0.6", lw=0.6)
        axes.set_title(to_plain_label(name), fontsize=9)
        axes.set_xlabel(f"Distance ({unit})")
    panels[0].set_ylabel("r")
    return figure


_GROUPS = 10


def draw_map(
    found: Mapping[str, StateCorrelations], series: CellSeries, threshold: float
) -> Figure:
    """Draw pairs of a large r as lines between cells, at most 500 of a state, the strongest."""
    figure = Figure(figsize=(3.4 * len(found) + 1, 3.4))
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    norm = Normalize(-1, 1)
    a, b = np.triu_indices(len(series.names), 1)
    for axes, (name, one) in zip(panels, found.items(), strict=True):
        r = np.nan_to_num(one.matrix[a, b])
        strong = np.flatnonzero(np.abs(r) >= threshold)
        shown = strong[np.argsort(np.abs(r[strong]), kind="stable")][-MAX_LINES:]
        ends = np.stack([series.centers[a[shown]], series.centers[b[shown]]], axis=1)
        axes.add_collection(
            LineCollection(list(ends.astype(float)), array=r[shown], cmap="RdBu_r", norm=norm, lw=1)
        )
        axes.scatter(*series.centers.T, s=12, color="0.2", zorder=3)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.tick_params(labelsize=7)
        of_all = f", the strongest {len(shown)}" if len(shown) < len(strong) else ""
        axes.set_title(
            f"{to_plain_label(name)}: {len(strong)} pairs with |r| ≥ {threshold:g}{of_all}",
            fontsize=8,
        )
    figure.colorbar(ScalarMappable(norm, "RdBu_r"), ax=list(panels), label="r", shrink=0.85)
    return figure
