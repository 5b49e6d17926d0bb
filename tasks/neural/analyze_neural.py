"""From cell sets and annotations to results as files: runs in a child process."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.behavior.annotations_file import AnnotationsFile
from tasks.neural.cell_recordings import BoolArray, read_cell_series
from tasks.neural.compare_activity import StateActivity, compare_activity
from tasks.neural.compare_correlations import compare_correlations
from tasks.neural.event_rates import read_events
from tasks.neural.map_annotations import map_annotations, write_mapped_states
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import BehaviorStart, NeuralResult, NeuralWork, replace_nan
from tasks.neural.state_modulation import check_states, count_bouts
from tasks.pose.tables.quality import Verdict

SHORT_STATE_SECONDS = 30.0
"""Seconds of a state below which a verdict asks for a look."""


def analyze_neural(
    cell_sets: Sequence[Path],
    event_sets: Sequence[Path],
    references: Sequence[Path],
    table: Path,
    name: str,
    folder: Path,
    settings: NeuralSettings,
    start: BehaviorStart | None = None,
) -> NeuralResult:
    """Map states to samples, and compare activity and correlations across states.

    Args:
        cell_sets: One or several of a series; or miniscope movies, whose samples are mapped only.
        event_sets: One for each cell set, or none.
        references: Raw miniscope movies or .gpio files, one for each cell set, or none.
        table: The annotations.
        name: What to call it in messages.
        folder: Where the files go; it exists.
        settings: The settings.
        start: When time 0 of the annotations was, where that is known.

    Raises:
        BadInput: A file or a setting cannot be used.
    """
    series = read_cell_series(cell_sets)
    work = NeuralWork(folder, settings, series)
    mapped = map_annotations(AnnotationsFile(table, name), series, references, start, work)
    write_mapped_states(mapped, work)
    wanted = check_states(mapped.states, settings.states, settings.baseline_state)
    masks = {n: np.array([state == n for state in mapped.states]) for n in wanted}
    known = np.array([state is not None for state in mapped.states]) & series.valid
    if settings.parity:
        known = np.ones(len(known), dtype=np.bool_)
    _describe_states(masks, known, work)
    activity: dict[str, StateActivity] = {}
    correlations = None
    if series.names:
        activity = _compare_states(masks, known, event_sets, work)
        if settings.parity:  # the IDEAS tool cuts what is unmapped at the end
            last = max(i for i, state in enumerate(mapped.states) if state is not None)
            known[last + 1 :] = False
        correlations = compare_correlations(masks, known, work)
    else:
        work.warnings.append("these are movies without cells: states are mapped, and that is all")
    from tasks.neural.figures.neural_figures import draw_neural  # noqa: PLC0415 - matplotlib

    work.files |= draw_neural(mapped, masks, activity, correlations, work)
    verdict = Verdict.LOOK if work.reasons else Verdict.PASS
    facts = {
        "verdict": verdict.value,
        "reasons": work.reasons,
        "warnings": work.warnings,
        **work.facts,
    }
    target = folder / "neural.json"
    target.write_text(json.dumps(replace_nan(facts), indent=2, ensure_ascii=False) + "\n")
    work.files[target.name] = target
    return NeuralResult(
        work.files, verdict, tuple(work.reasons), tuple(work.warnings), replace_nan(facts)
    )


def _compare_states(
    masks: Mapping[str, BoolArray], known: BoolArray, event_sets: Sequence[Path], work: NeuralWork
) -> dict[str, StateActivity]:
    """Compare traces and, where there are event sets of the same cells, event rates."""
    series = work.series
    found = {"trace": compare_activity(series.traces, masks, known, "trace", work)}
    if event_sets:
        rates, problem = read_events(event_sets, series, parity=work.settings.parity)
        if rates is None:
            work.warnings.append(problem)
        else:
            found["event"] = compare_activity(rates, masks, known, "event", work)
    return found


def _describe_states(masks: Mapping[str, BoolArray], known: BoolArray, work: NeuralWork) -> None:
    series = work.series
    work.facts["cells"] = len(series.names)
    work.facts["cell status"] = series.status
    work.facts["files"] = list(series.file_names)
    work.facts["period (s)"] = series.period
    rows: list[dict[str, Any]] = [
        {
            "state": name,
            "samples": int(mask.sum()),
            "seconds": float(mask.sum()) * series.period,
            "bouts": count_bouts(mask, series.files),
        }
        for name, mask in masks.items()
    ]
    work.facts["states"] = rows
    work.facts["unknown samples"] = int((~known).sum())
    work.add_csv(pd.DataFrame(rows), "states.csv")
    for row in rows:
        if row["seconds"] < SHORT_STATE_SECONDS:
            work.reasons.append(
                f"{row['state']} has {row['seconds']:.1f} s: correlations of so few samples are "
                "too large"
            )
