"""All figures of neural activity across states, as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.neural.correlation_files import measure_distances
from tasks.neural.figures.activity_figures import (
    choose_colors,
    draw_footprints,
    draw_mapping,
    draw_means,
    draw_raster,
    draw_scores,
    draw_traces,
)
from tasks.neural.figures.correlation_figures import (
    draw_averages,
    draw_distances,
    draw_map,
    draw_matrices,
    draw_statistic,
)
from tasks.pose.previews.draw import render_figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from tasks.neural.cell_recordings import BoolArray
    from tasks.neural.compare_activity import StateActivity
    from tasks.neural.correlation_files import CorrelationResult
    from tasks.neural.figures.activity_figures import StateColors
    from tasks.neural.map_states import MappedStates
    from tasks.neural.neural_work import NeuralWork


def draw_neural(
    mapped: MappedStates,
    masks: Mapping[str, BoolArray],
    activity: Mapping[str, StateActivity],
    correlations: CorrelationResult | None,
    work: NeuralWork,
) -> dict[str, Path]:
    """Draw the mapping, activity and correlations.

    Args:
        mapped: The state of each sample.
        masks: The samples of each state.
        activity: What was found for traces and for events, as far as there are any.
        correlations: What was found of pairs; None where there is nothing.
        work: The analysis.

    Returns:
        The files by published name.
    """
    colors = choose_colors(list(masks))
    spans = None
    if mapping := work.facts.get("mapping"):
        spans = (mapping["annotations (s)"], mapping["samples (s)"])
    figures = {"time-in-states.svg": draw_mapping(work.series, mapped, colors, spans)}
    for kind, found in activity.items():
        figures |= _draw_activity(kind, found, mapped, masks, colors, work)
    if correlations is not None:
        figures |= _draw_correlations(correlations, colors, work)
    files = {}
    for name, figure in figures.items():
        path = work.folder / name
        path.write_bytes(render_figure(figure, name.rpartition(".")[2]))
        files[name] = path
    return files


def _draw_activity(
    kind: str,
    found: StateActivity,
    mapped: MappedStates,
    masks: Mapping[str, BoolArray],
    colors: StateColors,
    work: NeuralWork,
) -> dict[str, Figure]:
    series = work.series
    amounts = {row["state"]: (row["seconds"], row["bouts"]) for row in work.facts["states"]}
    if kind == "event":
        begin = {"event-raster.png": draw_raster(series, mapped, masks, colors, found.values)}
    else:
        begin = {"traces.png": draw_traces(series, mapped, masks, colors)}
    return begin | {
        f"{kind}-means.svg": draw_means(found.means, found.unit, amounts, colors),
        f"{kind}-scores.svg": draw_scores(found.modulations),
        f"{kind}-footprints.png": draw_footprints(series, found.modulations),
    }


def _draw_correlations(
    found: CorrelationResult, colors: StateColors, work: NeuralWork
) -> dict[str, Figure]:
    settings, series = work.settings, work.series
    figures = {
        "average-correlations.svg": draw_averages(found.states, colors),
        "correlations.png": draw_matrices(found.states, series),
        "correlation-statistic.svg": draw_statistic(found.statistic, settings.statistic, colors),
    }
    if settings.include_positions:
        pixels, micrometers = measure_distances(series)
        distances, unit = (pixels, "px") if micrometers is None else (micrometers, "µm")
        figures |= {
            "correlation-distance.png": draw_distances(
                found.states, np.asarray(distances), unit, colors
            ),
            "correlation-map.png": draw_map(found.states, series, settings.correlation_threshold),
        }
    return figures
