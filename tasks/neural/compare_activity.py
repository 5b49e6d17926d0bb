"""Activity of each cell in each state, and its modulation by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.neural.cell_recordings import BoolArray, FloatArray
from tasks.neural.neural_work import NeuralWork
from tasks.neural.state_modulation import (
    EVENT_UNITS,
    UNITS,
    Modulation,
    empty_modulation,
    explain_too_short,
    list_comparisons,
    modulate,
    modulate_like_ideas,
    scale_traces,
)
from tasks.neural.state_shifts import draw_shifts


@dataclass(frozen=True)
class StateActivity:
    """Activity of the cells in each state.

    Attributes:
        values: (cells, samples), traces or event rates as they were read.
        modulations: What was found, by comparison.
        means: (cells,) of scaled values, by state.
        unit: Their unit.
    """

    values: FloatArray
    modulations: dict[str, Modulation]
    means: dict[str, FloatArray]
    unit: str


def compare_activity(
    values: FloatArray,
    masks: Mapping[str, BoolArray],
    known: BoolArray,
    kind: str,
    work: NeuralWork,
) -> StateActivity:
    """Compare each cell's activity across states; write ``<kind>_population_data.csv``.

    Args:
        values: Cells by samples: traces, or event rates (Hz).
        masks: The samples of each state.
        known: Samples that have a state and a valid trace.
        kind: ``trace`` or ``event``.
        work: The analysis; its files, facts and warnings grow.
    """
    settings, series = work.settings, work.series
    is_event = kind == "event"
    scaling = settings.event_scaling if is_event else settings.trace_scaling
    baseline = masks.get(str(settings.baseline_state), np.zeros(len(known), dtype=np.bool_))
    scaled = scale_traces(values, scaling, baseline)
    found: dict[str, Modulation] = {}
    shifts = draw_shifts(known, series.files, series.period, settings.shuffles)
    for label, (first, second, both) in list_comparisons(masks, known, settings).items():
        if settings.parity:
            found[label] = modulate_like_ideas(scaled, first, second, settings, both_shift=both)
        elif reason := explain_too_short(first, second, series.files, series.period, settings):
            found[label] = empty_modulation(len(values), reason)
            work.warnings.append(f"{label}: no numbers of {kind}s, since {reason}")
        else:
            found[label] = modulate(values, first, second, shifts, settings)
    unit = (EVENT_UNITS if is_event else UNITS)[scaling]
    means = {name: _average_samples(scaled[:, mask]) for name, mask in masks.items()}
    work.add_csv(_build_table(series.names, found, means, unit), f"{kind}_population_data.csv")
    work.facts[f"{kind} modulation"] = {
        label: {
            "up": int((one.flags == 1).sum()),
            "down": int((one.flags == -1).sum()),
            "cells": int(np.isfinite(one.flags).sum()),
            "reason": one.reason or None,
        }
        for label, one in found.items()
    }
    work.facts[f"{kind} means"] = {
        "unit": unit,
        "states": [_describe_means(name, one, work) for name, one in means.items()],
    }
    return StateActivity(values, found, means, unit)


def _average_samples(part: FloatArray) -> FloatArray:
    """Mean of each cell over the samples that it has; NaN where it has none."""
    there = np.isfinite(part)
    total, counts = np.where(there, part, 0).sum(axis=1), there.sum(axis=1)
    means: FloatArray = np.full(len(total), np.nan)
    np.divide(total, counts, out=means, where=counts > 0)
    return means


def _build_table(
    names: Sequence[str],
    found: Mapping[str, Modulation],
    means: Mapping[str, FloatArray],
    unit: str,
) -> pd.DataFrame:
    table: dict[str, Any] = {"name": names}
    for label, one in found.items():
        table[f"modulation scores in {label}"] = one.scores
        table[f"p-values in {label}"] = one.p_values
        table[f"modulation in {label}"] = one.flags
        for name, values in (
            ("q-values", one.q_values),
            ("difference (sd)", one.differences),
            ("p-values of difference", one.difference_p_values),
        ):
            if values is not None:
                table[f"{name} in {label}"] = values
    for name, mean in means.items():
        table[f"mean {unit} in {name}"] = mean
    return pd.DataFrame(table)


def _describe_means(name: str, means: FloatArray, work: NeuralWork) -> dict[str, Any]:
    """Mean and quartiles over cells, and the seconds and bouts that they rest on."""
    (row,) = (one for one in work.facts["states"] if one["state"] == name)
    there = means[np.isfinite(means)]
    quartiles = np.quantile(there, [0.25, 0.5, 0.75]) if len(there) else np.full(3, np.nan)
    return {
        "state": name,
        "cells": len(there),
        "mean": float(there.mean()) if len(there) else None,
        "lower quartile": float(quartiles[0]),
        "median": float(quartiles[1]),
        "upper quartile": float(quartiles[2]),
        "seconds": row["seconds"],
        "bouts": row["bouts"],
    }
