"""From cell sets and annotations to results as files: runs in a child process."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.behavior.annotations_file import AnnotationsFile
from tasks.errors import BadInput
from tasks.neural.cell_recordings import (
    BoolArray,
    CellSeries,
    FloatArray,
    read_cell_series,
    read_counters,
    read_events,
)
from tasks.neural.map_states import (
    CLOCK_WORTH,
    AnnotationRows,
    MappedStates,
    check_counters_agree,
    choose_clock,
    map_states,
)
from tasks.neural.neural_settings import CellStatistic, Clock, NeuralSettings
from tasks.neural.state_correlations import (
    MIN_FRAMES,
    NOT_DEFINED,
    StateCorrelations,
    average_by_fisher,
    average_halves,
    correlate,
    correlate_equal_frames,
    correlate_like_ideas,
    list_bouts,
    share_above_chance,
    subtract_bout_means,
)
from tasks.neural.state_modulation import (
    EVENT_UNIT,
    UNITS,
    Modulation,
    check_states,
    count_bouts,
    draw_shifts,
    empty_modulation,
    explain_too_short,
    list_comparisons,
    modulate,
    modulate_like_ideas,
    scale_traces,
)
from tasks.pose.tables.quality import Verdict

COUNTER_COLUMN = "Hardware counter (us)"
MIN_MAPPED, SHORT_STATE_SECONDS = 0.95, 30.0
"""Share of samples below which, and seconds of a state below which, a verdict asks for a look."""


@dataclass(frozen=True)
class NeuralResult:
    """What was made of a recording.

    Attributes:
        files: The files, by published name.
        verdict: Pass or look.
        reasons: Why to look.
        warnings: What the user should know, one sentence each.
        facts: Figures for the record.
    """

    files: dict[str, Path]
    verdict: Verdict
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    facts: dict[str, Any]


@dataclass
class _Work:
    """What the steps share."""

    folder: Path
    settings: NeuralSettings
    series: CellSeries
    files: dict[str, Path] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


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
    work = _Work(folder, settings, series)
    mapped = _map_table(AnnotationsFile(table, name), series, references, work)
    _write_mapped(mapped, work)
    wanted = check_states(mapped.states, settings.states)
    masks = {n: np.array([state == n for state in mapped.states]) for n in wanted}
    known = np.array([state is not None for state in mapped.states]) & series.valid
    if settings.parity:
        known = np.ones(len(known), dtype=np.bool_)
    _describe_states(masks, known, work)
    _compare_activity(series.traces, masks, known, "trace", work)
    if event_sets:
        rates, problem = read_events(event_sets, series, cut=settings.parity)
        if rates is None:
            work.warnings.append(problem)
        else:
            _compare_activity(rates, masks, known, "event", work)
    _compare_correlations(masks, known, work)
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
    target.write_text(json.dumps(_without_nan(facts), indent=2, ensure_ascii=False) + "\n")
    work.files[target.name] = target
    return NeuralResult(
        work.files, verdict, tuple(work.reasons), tuple(work.warnings), _without_nan(facts)
    )


def _without_nan(value: Any) -> Any:
    """A value as JSON can hold it."""
    match value:
        case dict():
            return {str(k): _without_nan(v) for k, v in value.items()}
        case list() | tuple():
            return [_without_nan(v) for v in value]
        case float() | np.floating():
            return float(value) if np.isfinite(value) else None
        case np.integer():
            return int(value)
    return value


# --- mapping ---------------------------------------------------------------------------------


def _map_table(
    table: AnnotationsFile, series: CellSeries, references: Sequence[Path], work: _Work
) -> MappedStates:
    settings = work.settings
    table.check_columns([settings.state_column], "state_column")
    states = [state or None for state in table.read_texts(settings.state_column)]
    if not any(states):
        raise BadInput(f"{table.name}: the column {settings.state_column} has no state in any row")
    samples = len(series.times)
    clock = choose_clock(
        settings,
        has_counters=bool(references) and COUNTER_COLUMN in table.columns,
        rows=table.rows,
        samples=samples,
        has_time=settings.time_column in table.columns,
    )
    work.facts["clock"] = {"used": clock.value, "worth": CLOCK_WORTH[clock]}
    if clock is Clock.ROWS:
        nothing = np.full(samples, np.nan)
        kept = [
            s if ok or settings.parity else None for s, ok in zip(states, series.valid, strict=True)
        ]
        covered = np.array([float(s is not None) for s in kept])
        return MappedStates(kept, covered, np.arange(samples), nothing, {}, clock, series.times)
    rows, times = _place_rows(table, states, series, references, clock, settings)
    mapped = map_states(rows, times, series, clock, settings.method)
    _judge_mapping(mapped, rows, series, work)
    return mapped


def _place_rows(
    table: AnnotationsFile,
    states: Sequence[str | None],
    series: CellSeries,
    references: Sequence[Path],
    clock: Clock,
    settings: NeuralSettings,
) -> tuple[AnnotationRows, FloatArray]:
    """The rows' times since the first sample, and the samples'."""
    times = series.times
    if clock is Clock.COUNTER:
        if len(references) != len(series.file_names):
            raise BadInput(
                f"timing_references: expected one for each of the {len(series.file_names)} cell "
                f"sets, found {len(references)}"
            )
        counters = np.concatenate(
            [
                read_counters(references[place], int((series.files == number).sum()))
                for number, place in enumerate(series.order)
            ]
        )
        raw = table.read_floats(COUNTER_COLUMN)
        usable = np.isfinite(raw) & (raw > 0)
        placed, times = (raw - counters[0]) / 1e6, (counters - counters[0]) / 1e6
        if settings.behavior_start is not None and usable.any():
            first = int(np.flatnonzero(usable)[0])
            shown = table.read_floats(settings.time_column)[first]
            start = settings.behavior_start.timestamp() + shown
            check_counters_agree(raw[first], counters[0], start, series.start)
    else:
        raw = table.read_floats(settings.time_column)
        usable = np.isfinite(raw)
        placed = raw + settings.offset
        if clock is Clock.START:
            assert settings.behavior_start is not None
            placed = placed + settings.behavior_start.timestamp() - series.start
    if not usable.any():
        raise BadInput(f"{table.name}: no row has a usable time; check the time column")
    chosen = np.flatnonzero(usable)
    frames = np.arange(table.rows)
    if "Frame number" in table.columns:
        frames = table.read_integers("Frame number")
    numbers = {c: table.read_floats(c)[chosen] for c in table.columns if "Speed (" in c}
    rows = AnnotationRows(
        placed[chosen],
        [states[i] for i in chosen.tolist()],
        frames[chosen],
        numbers,
        int(table.rows - len(chosen)),
    )
    return rows, times


def _judge_mapping(
    mapped: MappedStates, rows: AnnotationRows, series: CellSeries, work: _Work
) -> None:
    there = [state is not None for state in mapped.states]
    share = float(np.mean(there))
    near = np.isfinite(mapped.differences)
    drift = None
    if near.sum() > 2:  # noqa: PLR2004
        drift = float(np.polyfit(mapped.times[near], mapped.differences[near], 1)[0])
    work.facts["mapping"] = {
        "samples": len(there),
        "mapped": int(np.sum(there)),
        "dropped": int((~series.valid).sum()),
        "rows left out": rows.left_out,
        "largest difference (us)": float(np.nanmax(np.abs(mapped.differences)))
        if near.any()
        else None,
        "drift (us/s)": drift,
        "annotations (s)": [float(rows.times[0]), float(rows.times[-1])],
        "samples (s)": [0.0, float(mapped.times[-1] + series.period)],
    }
    if share < MIN_MAPPED:
        work.reasons.append(f"{100 * share:.0f} % of samples have a state")


def _write_mapped(mapped: MappedStates, work: _Work) -> None:
    series, numbered = work.series, np.arange(len(mapped.states))
    frame = pd.DataFrame({"time": mapped.times})
    frame["state"] = pd.Categorical(mapped.states)
    frame["Sample"] = numbered
    frame["File"] = pd.Categorical([series.file_names[i] for i in series.files])
    frame["Frame number"] = pd.array(
        [int(i) if i >= 0 else None for i in mapped.nearest], dtype="Int64"
    )
    frame["Difference (us)"] = mapped.differences
    frame["Covered"] = mapped.covered
    for name, values in mapped.numbers.items():
        frame[name] = values
    _write_parquet(frame, "mapped_states.parquet", work)
    if work.settings.ideas_compatible:
        copy = pd.DataFrame(
            {
                "time": numbered * series.period,
                "state": pd.Categorical([state or "" for state in mapped.states]),
            }
        )
        _write_parquet(copy, "mapped_states_ideas.parquet", work)


def _write_parquet(frame: pd.DataFrame, name: str, work: _Work) -> None:
    frame.to_parquet(work.folder / name, index=False)
    work.files[name] = work.folder / name


def _write_csv(frame: pd.DataFrame, name: str, work: _Work) -> None:
    frame.to_csv(work.folder / name, index=False, lineterminator="\n")
    work.files[name] = work.folder / name


def _describe_states(masks: Mapping[str, BoolArray], known: BoolArray, work: _Work) -> None:
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
    _write_csv(pd.DataFrame(rows), "states.csv", work)
    for row in rows:
        if row["seconds"] < SHORT_STATE_SECONDS:
            work.reasons.append(
                f"{row['state']} has {row['seconds']:.1f} s: correlations of so few samples are "
                "too large"
            )


# --- activity --------------------------------------------------------------------------------


def _compare_activity(
    traces: FloatArray, masks: Mapping[str, BoolArray], known: BoolArray, kind: str, work: _Work
) -> None:
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
    _write_csv(pd.DataFrame(table), f"{kind}_population_data.csv", work)
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


# --- correlations ----------------------------------------------------------------------------


def _compare_correlations(masks: Mapping[str, BoolArray], known: BoolArray, work: _Work) -> None:
    settings, series = work.settings, work.series
    if len(series.names) < 2:  # noqa: PLR2004
        work.warnings.append("there is one cell, so there are no correlations")
        return
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
        return
    shortest = min(int(mask.sum()) for mask in usable.values())
    found = {name: _correlate_state(mask, shortest, work) for name, mask in usable.items()}
    _write_correlations(found, work)


def _correlate_state(mask: BoolArray, shortest: int, work: _Work) -> StateCorrelations:
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


def _write_correlations(found: Mapping[str, StateCorrelations], work: _Work) -> None:
    settings, series = work.settings, work.series
    rows = []
    for name, one in found.items():
        positive, negative = average_halves(one.matrix)
        row: dict[str, Any] = {"state": name, "positive": positive, "negative": negative}
        if not settings.parity:
            row |= {
                "mean r (Fisher z)": average_by_fisher(one.matrix),
                "share of pairs above chance": one.above_chance,
                "frames": one.frames,
                "seconds": one.frames * series.period,
                "bouts": one.bouts,
            }
        if one.equal is not None:
            positive, negative = average_halves(one.equal)
            row |= {
                "equal frames": one.equal_frames,
                "positive, equal frames": positive,
                "negative, equal frames": negative,
                "mean r (Fisher z), equal frames": average_by_fisher(one.equal),
            }
        rows.append(row)
    work.facts["correlations"] = rows
    _write_csv(pd.DataFrame(rows), "average_correlations.csv", work)
    statistic = {"name": series.names}
    pick = {
        CellStatistic.MAX: np.nanmax,
        CellStatistic.MEAN: np.nanmean,
        CellStatistic.MIN: np.nanmin,
    }
    table: dict[str, Any] = dict(statistic)
    for name, one in found.items():
        table[name] = _summarize_rows(one.matrix, pick[settings.statistic])
    _write_csv(pd.DataFrame(table), "correlation_statistic_comparison.csv", work)
    _write_matrices(found, work)
    _write_pairs(found, work)
    work.facts["_matrices"] = {name: one.matrix for name, one in found.items()}


def _summarize_rows(matrix: FloatArray, statistic: Any) -> FloatArray:
    known = np.isfinite(matrix).any(axis=1)
    result = np.full(len(matrix), np.nan)
    result[known] = statistic(matrix[known], axis=1)
    return result


def _write_matrices(found: Mapping[str, StateCorrelations], work: _Work) -> None:
    """One matrix for each state; cells and frames as attributes, which other readers ignore."""
    import h5py  # noqa: PLC0415

    target = work.folder / "pairwise_correlation_heatmaps.h5"
    with h5py.File(target, "w") as file:
        file.attrs["cells"] = json.dumps(work.series.names)
        for name, one in found.items():
            data = file.create_dataset(name.replace("/", "_"), data=one.matrix)
            data.attrs["state"], data.attrs["frames"], data.attrs["bouts"] = (
                name,
                one.frames,
                one.bouts,
            )
    work.files[target.name] = target


def _write_pairs(found: Mapping[str, StateCorrelations], work: _Work) -> None:
    series, target = work.series, work.folder / "spatial_analysis_pairwise_correlations.zip"
    a, b = np.triu_indices(len(series.names), 1)
    xy = series.centers
    names = np.array(series.names, dtype=object)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, one in found.items():
            plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
            matrix = pd.DataFrame(one.matrix, index=names, columns=names)
            archive.writestr(_entry(f"correlation_matrix_{plain}.csv"), matrix.to_csv())
            pairs = pd.DataFrame(
                {
                    "cell_name_1": names[a],
                    "cell_name_2": names[b],
                    "correlation": one.matrix[a, b],
                    "centroid_x1": xy[a, 0],
                    "centroid_y1": xy[a, 1],
                    "centroid_x2": xy[b, 0],
                    "centroid_y2": xy[b, 1],
                    "distance": np.hypot(*(xy[a] - xy[b]).T),
                }
            )
            archive.writestr(
                _entry(f"correlation_matrix_{plain}_triu.csv"), pairs.to_csv(index=False)
            )
    work.files[target.name] = target


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without the time of day, so that the same content makes the same archive."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
