"""From cell sets and annotations to results as files: runs in a child process."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.behavior.annotations_file import AnnotationsFile
from tasks.neural.cell_recordings import BoolArray, read_cell_series, read_events
from tasks.neural.compare_activity import compare_activity
from tasks.neural.compare_correlations import compare_correlations
from tasks.neural.map_annotations import map_annotations, write_mapped_states
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import NeuralResult, NeuralWork, replace_nan
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
) -> NeuralResult:
    """Map states to samples, and compare activity and correlations across states.

    Args:
        cell_sets: One or several of a series.
        event_sets: One for each cell set, or none.
        references: Miniscope movies with counters, one for each cell set, or none.
        table: The annotations.
        name: What to call it in messages.
        folder: Where the files go; it exists.
        settings: The settings.

    Raises:
        BadInput: A file or a setting cannot be used.
    """
    series = read_cell_series(cell_sets)
    work = NeuralWork(folder, settings, series)
    mapped = map_annotations(AnnotationsFile(table, name), series, references, work)
    write_mapped_states(mapped, work)
    wanted = check_states(mapped.states, settings.states)
    masks = {n: np.array([state == n for state in mapped.states]) for n in wanted}
    known = np.array([state is not None for state in mapped.states]) & series.valid
    if settings.parity:
        known = np.ones(len(known), dtype=np.bool_)
    _describe_states(masks, known, work)
    compare_activity(series.traces, masks, known, "trace", work)
    if event_sets:
        rates, problem = read_events(event_sets, series, cut=settings.parity)
        if rates is None:
            work.warnings.append(problem)
        else:
            compare_activity(rates, masks, known, "event", work)
    compare_correlations(masks, known, work)
    from tasks.neural.neural_figures import draw_neural  # noqa: PLC0415 - matplotlib

    work.files |= draw_neural(series, mapped, masks, work.facts, folder)
    verdict = Verdict.LOOK if work.reasons else Verdict.PASS
    facts = {
        "verdict": verdict.value,
        "reasons": work.reasons,
        "warnings": work.warnings,
        **{k: v for k, v in work.facts.items() if not k.startswith("_")},
    }
    target = folder / "neural.json"
    target.write_text(json.dumps(replace_nan(facts), indent=2, ensure_ascii=False) + "\n")
    work.files[target.name] = target
    return NeuralResult(
        work.files, verdict, tuple(work.reasons), tuple(work.warnings), replace_nan(facts)
    )


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
