"""Activity of each cell in each state, and its modulation by them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tasks.neural.cell_recordings import BoolArray, FloatArray
from tasks.neural.neural_work import NeuralWork
from tasks.neural.state_modulation import (
    EVENT_UNIT,
    UNITS,
    Modulation,
    draw_shifts,
    empty_modulation,
    explain_too_short,
    list_comparisons,
    modulate,
    modulate_like_ideas,
    scale_traces,
)


def compare_activity(
    traces: FloatArray,
    masks: Mapping[str, BoolArray],
    known: BoolArray,
    kind: str,
    work: NeuralWork,
) -> None:
    """Compare each cell's activity across states; write ``<kind>_population_data.csv``.

    Args:
        traces: Cells by samples: traces, or event rates (Hz).
        masks: The samples of each state.
        known: Samples that have a state and a valid trace.
        kind: ``trace`` or ``event``.
        work: The analysis; its files, facts and warnings grow.
    """
    settings, series = work.settings, work.series
    found: dict[str, Modulation] = {}
    comparisons = list_comparisons(masks, known, settings)
    shifts = []
    if not settings.parity:
        shifts = draw_shifts(known, series.files, series.period, settings.shuffles)
    for label, (first, second, both) in comparisons.items():
        if settings.parity:
            found[label] = modulate_like_ideas(traces, first, second, settings, both_shift=both)
        elif reason := explain_too_short(first, second, series.files, series.period, settings):
            found[label] = empty_modulation(len(traces), reason)
            work.warnings.append(f"{label}: no numbers, since {reason}")
        else:
            found[label] = modulate(traces, first, second, shifts, settings)
    table: dict[str, Any] = {"name": series.names}
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
    is_event = kind == "event"
    baseline = masks.get(str(settings.baseline_state), np.zeros(len(known), dtype=np.bool_))
    scaled = traces if is_event else scale_traces(traces, settings, baseline)
    unit = EVENT_UNIT if is_event else UNITS[settings.trace_scaling]
    for name, mask in masks.items():
        part = scaled[:, mask]
        there = np.isfinite(part)
        total = np.where(there, part, 0).sum(axis=1)
        counts = there.sum(axis=1)
        means = np.divide(total, counts, out=np.full(len(total), np.nan), where=counts > 0)
        table[f"mean {unit} in {name}"] = means
    work.add_csv(pd.DataFrame(table), f"{kind}_population_data.csv")
    work.facts[f"{kind} modulation"] = {
        label: {
            "up": int((one.flags == 1).sum()),
            "down": int((one.flags == -1).sum()),
            "cells": int(np.isfinite(one.flags).sum()),
            "reason": one.reason or None,
        }
        for label, one in found.items()
    }
    work.facts[f"_{kind} scores"] = {label: one.scores for label, one in found.items()}
