"""Annotations' states on a recording's samples: choice of the clock, coverage, and their table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.behavior.annotations_file import AnnotationsFile
from tasks.errors import BadInput
from tasks.neural.cell_recordings import CellSeries, FloatArray
from tasks.neural.map_states import (
    CLOCK_WORTH,
    AnnotationRows,
    MappedStates,
    check_counters_agree,
    choose_clock,
    map_states,
)
from tasks.neural.neural_settings import Clock
from tasks.neural.neural_work import BehaviorStart, NeuralWork
from tasks.neural.timing_references import has_counters, read_series_counters

COUNTER_COLUMN = "Hardware counter (us)"
MIN_MAPPED = 0.95
"""Share of samples with a state below which a verdict asks for a look."""


def map_annotations(
    table: AnnotationsFile,
    series: CellSeries,
    references: Sequence[Path],
    start: BehaviorStart | None,
    work: NeuralWork,
) -> MappedStates:
    """Give each sample of a recording the state of its time, and judge how well that works.

    Args:
        table: The annotations.
        series: The recording's cells.
        references: Raw miniscope movies or .gpio files, one for each cell set, or none. Movies
            that are mapped themselves need none.
        start: When time 0 of the table was, where that is known.
        work: The analysis; the clock and the coverage go to its facts.

    Raises:
        BadInput: The table has no such column, no state, no usable time, or no clock fits.
    """
    settings = work.settings
    table.check_columns([settings.state_column], "state_column")
    states = [state or None for state in table.read_texts(settings.state_column)]
    if not any(states):
        raise BadInput(f"{table.name}: the column {settings.state_column} has no state in any row")
    samples = len(series.times)
    timed = references or _find_own_counters(series)
    clock = choose_clock(
        settings,
        has_counters=bool(timed) and COUNTER_COLUMN in table.columns,
        has_start=start is not None,
        rows=table.rows,
        samples=samples,
        has_time=settings.time_column in table.columns,
    )
    work.facts["clock"] = {"used": clock.value, "worth": CLOCK_WORTH[clock]}
    if start is not None:
        moment = datetime.fromtimestamp(start.seconds, UTC)
        work.facts["clock"]["behavior start"] = moment.isoformat(timespec="milliseconds")
        work.facts["clock"]["behavior start from"] = start.source
    if clock is Clock.ROWS:
        nothing = np.full(samples, np.nan)
        kept = [
            s if ok or settings.parity else None for s, ok in zip(states, series.valid, strict=True)
        ]
        covered = np.array([float(s is not None) for s in kept])
        return MappedStates(kept, covered, np.arange(samples), nothing, {}, clock, series.times)
    rows, times = _place_rows(table, states, series, timed, clock, start, work)
    mapped = map_states(rows, times, series, clock, settings.method)
    _judge_mapping(mapped, rows, series, work)
    return mapped


def _find_own_counters(series: CellSeries) -> list[Path]:
    """Movies of the series that have counters themselves, in the order that they were given."""
    if not series.sources or not all(one.is_movie for one in series.sources):
        return []
    paths = [one.path for one in series.sources]
    if not all(has_counters(path) for path in paths):
        return []
    return [paths[series.order.index(place)] for place in range(len(paths))]


def _place_rows(
    table: AnnotationsFile,
    states: Sequence[str | None],
    series: CellSeries,
    references: Sequence[Path],
    clock: Clock,
    start: BehaviorStart | None,
    work: NeuralWork,
) -> tuple[AnnotationRows, FloatArray]:
    """The rows' times since the first sample, and the samples'."""
    settings, times = work.settings, series.times
    if clock is Clock.COUNTER:
        counters, sources = read_series_counters(references, series, work.folder)
        work.facts["clock"]["counters from"] = sources
        raw = table.read_floats(COUNTER_COLUMN)
        usable = np.isfinite(raw) & (raw > 0)
        placed, times = (raw - counters[0]) / 1e6, (counters - counters[0]) / 1e6
        if start is not None and usable.any() and settings.time_column in table.columns:
            first = int(np.flatnonzero(usable)[0])
            shown = start.seconds + table.read_floats(settings.time_column)[first]
            off = check_counters_agree(raw[first], counters[0], shown, series.start)
            work.facts["clock"]["counters minus starts (s)"] = off
    else:
        raw = table.read_floats(settings.time_column)
        usable = np.isfinite(raw)
        placed = raw + settings.offset
        if clock is Clock.START:
            assert start is not None
            placed = placed + start.seconds - series.start
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
    mapped: MappedStates, rows: AnnotationRows, series: CellSeries, work: NeuralWork
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


def write_mapped_states(mapped: MappedStates, work: NeuralWork) -> None:
    """Write the samples' states as Parquet, and a copy that the IDEAS tools take if asked to."""
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
    work.add_parquet(frame, "mapped_states.parquet")
    if work.settings.ideas_compatible:
        copy = pd.DataFrame(
            {
                "time": numbered * series.period,
                "state": pd.Categorical([state or "" for state in mapped.states]),
            }
        )
        work.add_parquet(copy, "mapped_states_ideas.parquet")
