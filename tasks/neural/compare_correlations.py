"""Correlations of cells in each state."""

from collections.abc import Mapping

import numpy as np

from tasks.errors import BadInput
from tasks.neural.cell_recordings import BoolArray
from tasks.neural.correlation_files import CorrelationResult, write_correlations
from tasks.neural.neural_work import NeuralWork
from tasks.neural.state_correlations import (
    MIN_FRAMES,
    NOT_DEFINED,
    StateCorrelations,
    correlate,
    correlate_equal_frames,
    correlate_like_ideas,
    list_bouts,
    share_above_chance,
    subtract_bout_means,
)


def compare_correlations(
    masks: Mapping[str, BoolArray], known: BoolArray, work: NeuralWork
) -> CorrelationResult | None:
    """Correlate all pairs of cells in each state, and write the results.

    Args:
        masks: The samples of each state.
        known: Samples that have a state and a valid trace.
        work: The analysis; its files, facts and warnings grow.

    Returns:
        None where there is one cell, or no state with enough samples.

    Raises:
        BadInput: Like IDEAS (``parity``), a state with too few samples.
    """
    settings, series = work.settings, work.series
    if len(series.names) < 2:  # noqa: PLR2004
        work.warnings.append("there is one cell, so there are no correlations")
        return None
    chosen = dict(masks)
    if settings.parity:
        rest = known & ~np.any(list(masks.values()), axis=0)
        if rest.sum() >= MIN_FRAMES:
            chosen[NOT_DEFINED] = rest
    usable = {name: mask for name, mask in chosen.items() if mask.sum() >= MIN_FRAMES}
    for name in chosen.keys() - usable.keys():
        if settings.parity:
            raise BadInput(f"states: {name} has fewer than {MIN_FRAMES} samples")
        work.warnings.append(f"{name} has fewer than {MIN_FRAMES} samples: no correlations")
    if not usable:
        return None
    shortest = min(int(mask.sum()) for mask in usable.values())
    found = {name: _correlate_state(mask, shortest, work) for name, mask in usable.items()}
    return write_correlations(found, work)


def _correlate_state(mask: BoolArray, shortest: int, work: NeuralWork) -> StateCorrelations:
    settings, series = work.settings, work.series
    bouts = list_bouts(mask, series.files)
    if settings.parity:
        matrix = correlate_like_ideas(series.traces, mask)
        return StateCorrelations(matrix, int(mask.sum()), len(bouts))
    traces = series.traces
    if settings.subtract_bout_means:
        numbers = np.concatenate([np.full(len(b), i) for i, b in enumerate(bouts)])
        traces = traces.copy()
        frames = np.concatenate(bouts)
        traces[:, frames] = subtract_bout_means(traces[:, frames], numbers)
    equal = correlate_equal_frames(traces, bouts, shortest) if settings.equal_frames else None
    part = traces[:, mask]
    return StateCorrelations(
        correlate(part),
        int(mask.sum()),
        len(bouts),
        equal,
        shortest if settings.equal_frames else 0,
        share_above_chance(part, series.period),
    )
