"""Map states, and other columns, of annotations to the samples of a cell set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.errors import BadInput
from tasks.neural.cell_recordings import BoolArray, CellSeries, FloatArray, IntegerArray
from tasks.neural.neural_settings import Clock, MappingMethod, NeuralSettings

MAX_STEPS_HELD = 1.5
"""Median steps that an annotation lasts at most, where the next one comes later."""

MIN_COVERED = 0.5
"""Share of a sample that must have a state for the sample to have one."""

MAX_CLOCK_DIFFERENCE = 1.0
"""Seconds by which counters and starts of one paired recording may disagree."""

CLOCK_WORTH: Mapping[Clock, str] = {
    Clock.COUNTER: "counters of one acquisition box: exact to a millisecond or so",
    Clock.START: "starts of both recordings: a millisecond where Inscopix has aligned them, else "
    "as good as the clocks of both machines",
    Clock.ELAPSED: "both recordings are taken to begin together: as good as that is true",
    Clock.ROWS: "the table has a row for each sample, and times play no part",
}
"""Worth of each clock, for the record."""


@dataclass(frozen=True)
class AnnotationRows:
    """The rows of a table that have a time.

    Attributes:
        times: (rows,), seconds since the series' first sample, rising.
        states: The state of each, None where it is unknown.
        frame_numbers: (rows,), as the table numbers them.
        numbers: Numeric columns that are mapped, too, by name.
        left_out: Rows without a usable time.
    """

    times: FloatArray
    states: Sequence[str | None]
    frame_numbers: IntegerArray
    numbers: Mapping[str, FloatArray]
    left_out: int


@dataclass(frozen=True)
class MappedStates:
    """State of each sample.

    Attributes:
        states: The state of each sample, None where it is unknown.
        covered: (samples,), share of the sample with a known state.
        nearest: (samples,), row nearest to the sample's start; -1 where none is near.
        differences: (samples,), microseconds from the sample's start to that row.
        numbers: Means of numeric columns, weighted by time.
        clock: The clock that was used.
        times: (samples,), seconds since the first sample by that clock.
    """

    states: list[str | None]
    covered: FloatArray
    nearest: IntegerArray
    differences: FloatArray
    numbers: dict[str, FloatArray]
    clock: Clock
    times: FloatArray


def choose_clock(
    settings: NeuralSettings,
    *,
    has_counters: bool,
    has_start: bool,
    rows: int,
    samples: int,
    has_time: bool,
) -> Clock:
    """The clock that was asked for, or the best that there is.

    Args:
        settings: The settings.
        has_counters: Whether the table and the miniscope's files have hardware counters.
        has_start: Whether it is known when the behavior's recording began.
        rows: Rows of the table.
        samples: Samples of the series.
        has_time: Whether the table has the time column.

    Raises:
        BadInput: What was asked for is not there.
    """
    if settings.clock is Clock.COUNTER and not has_counters:
        raise BadInput(
            "clock: counter needs the column Hardware counter (us) in the table, and "
            "timing_references"
        )
    if settings.clock is Clock.START and not has_start:
        raise BadInput(
            "clock: start needs to know when the behavior's recording began; give behavior_start, "
            "or behavior_movie (an .isxb)"
        )
    if settings.clock in {Clock.START, Clock.ELAPSED} and not has_time:
        raise BadInput(f"time_column: the table has no column {settings.time_column}")
    if settings.clock is Clock.ROWS and rows != samples:
        raise BadInput(
            f"clock: rows needs a row for each of the {samples} samples, found {rows} rows"
        )
    if settings.clock is not Clock.AUTO:
        return settings.clock
    if has_counters:
        return Clock.COUNTER
    if has_time and has_start:
        return Clock.START
    if not has_time and rows == samples:
        return Clock.ROWS
    if has_time:
        return Clock.ELAPSED
    raise BadInput(
        f"time_column: the table has no column {settings.time_column}, and its {rows} rows are not "
        f"one for each of the {samples} samples; name the time column"
    )


def map_states(
    rows: AnnotationRows, times: FloatArray, series: CellSeries, clock: Clock, method: MappingMethod
) -> MappedStates:
    """Give each sample the state that the animal was in.

    A sample covers its start up to its start plus the period. A row lasts until the next one, at
    most 1.5 median steps. Dropped samples get nothing.

    Args:
        rows: The annotations.
        times: (samples,), seconds since the first sample.
        series: The cells, for the period and which samples are valid.
        clock: What the times come from.
        method: Majority by time, or nearest row.

    Raises:
        BadInput: Times do not rise, or the two recordings do not overlap.
    """
    if not any(rows.states):
        raise BadInput("no row that has a time has a state; check the state and time columns")
    _check_overlap(rows, times, series.period)
    median = float(np.median(np.diff(rows.times))) if len(rows.times) > 1 else series.period
    lasts = np.minimum(np.append(np.diff(rows.times), np.inf), MAX_STEPS_HELD * median)
    edges = (times, times + series.period)
    names = list(dict.fromkeys(state for state in rows.states if state))
    codes = np.array([names.index(state) if state else -1 for state in rows.states])
    held = np.stack([_integrate(rows.times, lasts, codes == i, edges) for i in range(len(names))])
    covered = np.minimum(held.sum(axis=0) / series.period, 1.0)
    nearest, differences = _find_nearest(rows.times, times, (median + series.period) / 2)
    if method is MappingMethod.MAJORITY:
        chosen = _choose_longest(held, codes, rows.times, edges[1])
        chosen[covered < MIN_COVERED * (1 - 1e-9)] = -1
    else:
        chosen = np.where(nearest >= 0, codes[nearest], -1)
    chosen[~series.valid] = -1
    means = {
        name: _mean_over_samples(rows.times, lasts, values, edges, series.valid)
        for name, values in rows.numbers.items()
    }
    return MappedStates(
        [names[i] if i >= 0 else None for i in chosen.tolist()],
        np.where(series.valid, covered, 0.0),
        nearest,
        differences,
        means,
        clock,
        times,
    )


def _check_overlap(rows: AnnotationRows, times: FloatArray, period: float) -> None:
    if not (np.diff(rows.times) > 0).all():
        raise BadInput("the table's times do not rise from row to row; check the time column")
    first, last = float(rows.times[0]), float(rows.times[-1])
    if last < times[0] or first > times[-1] + period:
        raise BadInput(
            f"the recordings do not overlap: the annotations are from {first:.3f} to {last:.3f} s "
            f"after the first sample, the cells from 0 to {times[-1] + period:.3f} s; is it "
            "another recording, or the wrong clock?"
        )


def _integrate(
    times: FloatArray,
    lasts: FloatArray,
    weights: BoolArray | FloatArray,
    edges: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Integral over each sample of what rows hold while they last."""
    knots = np.column_stack([times, times + lasts]).ravel()
    parts = lasts * weights
    total = np.cumsum(parts)
    heights = np.column_stack([total - parts, total]).ravel()
    begin, end = (np.interp(edge, knots, heights) for edge in edges)
    integral: FloatArray = end - begin
    return integral


def _choose_longest(
    held: FloatArray, codes: IntegerArray, times: FloatArray, ends: FloatArray
) -> IntegerArray:
    """The state that holds the longest; of equal ones the later."""
    if len(held) == 0:
        return np.full(len(ends), -1)
    longest = held.max(axis=0)
    chosen: IntegerArray = held.argmax(axis=0).astype(np.int64)
    tied = (np.abs(held - longest) <= _TIE).sum(axis=0) > 1
    for sample in np.flatnonzero(tied & (longest > _TIE)).tolist():
        equal = set(np.flatnonzero(np.abs(held[:, sample] - longest[sample]) <= _TIE).tolist())
        last = int(np.searchsorted(times, ends[sample], side="left")) - 1
        while last >= 0 and int(codes[last]) not in equal:
            last -= 1
        chosen[sample] = codes[last]
    chosen[longest <= 0] = -1
    return chosen


_TIE = 1e-9
"""Seconds by which two states in a sample may differ and last equally long."""


def _find_nearest(
    rows: FloatArray, times: FloatArray, tolerance: float
) -> tuple[IntegerArray, FloatArray]:
    after = np.clip(np.searchsorted(rows, times), 1, max(1, len(rows) - 1))
    before = after - 1
    after = np.minimum(after, len(rows) - 1)
    nearer = np.where(np.abs(rows[after] - times) < np.abs(rows[before] - times), after, before)
    difference = rows[nearer] - times
    near = np.abs(difference) <= tolerance
    return np.where(near, nearer, -1), np.where(near, np.rint(difference * 1e6), np.nan)


def _mean_over_samples(
    times: FloatArray,
    lasts: FloatArray,
    values: FloatArray,
    edges: tuple[FloatArray, FloatArray],
    valid: BoolArray,
) -> FloatArray:
    known = np.isfinite(values)
    weight = _integrate(times, lasts, known, edges)
    total = _integrate(times, lasts, np.where(known, values, 0.0), edges)
    enough = valid & (weight >= MIN_COVERED * (edges[1] - edges[0]) * (1 - 1e-9))
    means = np.full(len(total), np.nan)
    np.divide(total, weight, out=means, where=enough & (weight > 0))
    return means


def check_counters_agree(
    row_counter: float, sample_counter: float, row_start: float, sample_start: float
) -> float:
    """Refuse counters of another recording: they contradict both recordings' starts.

    Args:
        row_counter: Counter of the first row, microseconds.
        sample_counter: Counter of the first sample, microseconds.
        row_start: When the first row was, in seconds since 1970.
        sample_start: The same of the first sample.

    Returns:
        Seconds by which they disagree.

    Raises:
        BadInput: They disagree by more than a second.
    """
    off = (row_counter - sample_counter) / 1e6 - (row_start - sample_start)
    if abs(off) > MAX_CLOCK_DIFFERENCE:
        raise BadInput(
            f"the hardware counters and the starts of the recordings disagree by {off:,.1f} s; is "
            "it another recording?"
        )
    return off
