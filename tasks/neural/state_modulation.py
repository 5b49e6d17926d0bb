"""Differences of each cell's activity between states, and tests of them against chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tasks.errors import BadInput
from tasks.neural.cell_recordings import BoolArray, FloatArray, IntegerArray
from tasks.neural.neural_settings import (
    ComparisonMethod,
    FlagRule,
    NeuralSettings,
    TraceScaling,
)
from tasks.neural.state_shifts import StateShifts

PARITY_SEED = 1984
FLOOR_PERCENTILE = 1.0
"""Percentile of a trace that our index takes for no activity."""

_TINY = 1e-6
_MIN_NOT_DEFINED = 10
_SHUFFLES_AT_ONCE = 64

UNITS = {
    TraceScaling.NONE: "Activity (a.u.)",
    TraceScaling.STANDARDIZE: "z-score",
    TraceScaling.STANDARDIZE_BASELINE: "z-score",
    TraceScaling.NORMALIZE: "Normalized Activity",
    TraceScaling.FRACTIONAL_CHANGE: "fractional change",
}
EVENT_UNITS = UNITS | {
    TraceScaling.NONE: "event rate (Hz)",
    TraceScaling.NORMALIZE: "normalized Event Rate",
}
"""Units of means, as the IDEAS tools name them in columns."""


@dataclass(frozen=True)
class Modulation:
    """One comparison, for each cell.

    Attributes:
        scores: The index, −1 to 1.
        p_values: Share of shuffles as extreme.
        flags: 1 up, −1 down, 0 neither; NaN where there are no numbers.
        q_values: Corrected over cells; None for parity.
        differences: Difference of means in standard deviations; None for parity.
        difference_p_values: Its share of shuffles; None for parity.
        reason: Why there are no numbers; empty where there are.
    """

    scores: FloatArray
    p_values: FloatArray
    flags: FloatArray
    q_values: FloatArray | None = None
    differences: FloatArray | None = None
    difference_p_values: FloatArray | None = None
    reason: str = ""


def check_states(
    states: Sequence[str | None], wanted: Sequence[str], baseline: str | None = None
) -> list[str]:
    """The states that are compared, each of which must occur, as must the baseline.

    Raises:
        BadInput: One is not there.
    """
    there = list(dict.fromkeys(state for state in states if state))
    if missing := [name for name in wanted if name not in there]:
        raise BadInput(f"states: there is no state {missing[0]} in the table; it has {there}")
    if not there:
        raise BadInput("expected states in the table, found none; check the state column")
    if baseline is not None and baseline not in there:
        raise BadInput(f"baseline_state: there is no state {baseline} in the table; it has {there}")
    return list(wanted) or there


def list_comparisons(
    masks: Mapping[str, BoolArray], known: BoolArray, settings: NeuralSettings
) -> dict[str, tuple[BoolArray, BoolArray, bool]]:
    """Each comparison by its label: the frames of both sides, and whether both are states.

    Args:
        masks: (samples,), the frames of each state.
        known: (samples,), which frames count at all.
        settings: The method and the baseline.
    """
    method = settings.comparison
    if method is ComparisonMethod.PAIRWISE:
        return {f"{a} vs {b}": (masks[a], masks[b], True) for a, b in combinations(masks, 2)}
    found = {}
    named = np.any(list(masks.values()), axis=0)
    for name, mask in masks.items():
        if method is ComparisonMethod.BASELINE:
            if name != settings.baseline_state:
                found[name] = (mask, masks[str(settings.baseline_state)], True)
        elif method is ComparisonMethod.NOT_DEFINED:
            other = known & ~named
            if other.sum() < _MIN_NOT_DEFINED:
                raise BadInput(
                    f"comparison: expected at least {_MIN_NOT_DEFINED} samples in none of the "
                    f"states, found {int(other.sum())}; choose another comparison"
                )
            found[name] = (mask, other, True)
        else:
            found[name] = (mask, known & ~mask, False)
    return found


def scale_traces(traces: FloatArray, scaling: TraceScaling, baseline: BoolArray) -> FloatArray:
    """Scale each cell's trace, or event rate, over all frames.

    Args:
        traces: (cells, samples).
        scaling: How.
        baseline: (samples,), frames of the baseline state; none where it is not needed.

    Returns:
        (cells, samples); NaN for a cell that does not vary, where its spread divides.
    """
    scaled = traces
    # A cell without events does not vary: that is no number, and no reason to complain.
    with np.errstate(invalid="ignore", divide="ignore"):
        match scaling:
            case TraceScaling.NORMALIZE:
                low = np.nanmin(traces, axis=1, keepdims=True)
                scaled = (traces - low) / (np.nanmax(traces, axis=1, keepdims=True) - low)
            case TraceScaling.STANDARDIZE:
                mean = np.nanmean(traces, axis=1, keepdims=True)
                scaled = (traces - mean) / np.nanstd(traces, axis=1, keepdims=True)
            case TraceScaling.STANDARDIZE_BASELINE:
                at_rest = traces[:, baseline]
                mean = np.nanmean(at_rest, axis=1, keepdims=True)
                scaled = (traces - mean) / np.nanstd(at_rest, axis=1, keepdims=True)
            case TraceScaling.FRACTIONAL_CHANGE:
                raised = traces + abs(np.nanmin(traces))
                mean = np.nanmean(raised[:, baseline], axis=1, keepdims=True)
                scaled = raised / np.where(mean == 0, 1.0, mean)
    return np.where(np.isfinite(scaled), scaled, np.nan)


def compute_index(first: FloatArray, second: FloatArray) -> FloatArray:
    """The modulation index of two means of activity above zero: (a − b) ÷ (a + b), −1 to 1."""
    total, difference = first + second, first - second
    with np.errstate(invalid="ignore", divide="ignore"):
        index = np.clip(difference / total, -1, 1)
    small = total < _TINY
    index = np.where(small & (np.abs(difference) > _TINY), np.sign(difference), index)
    index = np.where(small & (np.abs(difference) <= _TINY), 0.0, index)
    return np.where(np.isfinite(index), index, 0.0)


def modulate_like_ideas(
    traces: FloatArray,
    first: BoolArray,
    second: BoolArray,
    settings: NeuralSettings,
    *,
    both_shift: bool,
) -> Modulation:
    """One comparison with the numbers of the IDEAS tool: one-sided p, masks shifted apart.

    Args:
        traces: (cells, samples).
        first: (samples,), frames of the state.
        second: (samples,), frames of what it is compared with.
        settings: Shuffles and alpha.
        both_shift: Whether the second mask has its own shift; else it is what the first is not.
    """
    above = traces - np.nanmin(traces, axis=1, keepdims=True)

    def score(a: BoolArray, b: BoolArray) -> FloatArray:
        return compute_index(np.nanmean(above[:, a], axis=1), np.nanmean(above[:, b], axis=1))

    observed = score(first, second)
    random = np.random.RandomState(PARITY_SEED)
    higher, lower = np.zeros(len(traces)), np.zeros(len(traces))
    for _ in range(settings.shuffles):
        a = np.roll(first, random.randint(0, len(first)))
        b = np.roll(second, random.randint(0, len(second))) if both_shift else ~a
        chance = score(a, b)
        higher += chance > observed
        lower += chance < observed
    up, down = higher / settings.shuffles, lower / settings.shuffles
    flags = np.zeros(len(traces))
    flags[(observed > 0) & (up < settings.alpha / 2)] = 1
    flags[(observed < 0) & (down < settings.alpha / 2)] = -1
    return Modulation(observed, np.minimum(up, down), flags)


def modulate(
    traces: FloatArray,
    first: BoolArray,
    second: BoolArray,
    shifts: StateShifts,
    settings: NeuralSettings,
) -> Modulation:
    """One comparison as docs/neural.md defines it.

    Args:
        traces: (cells, samples), NaN where nothing was recorded.
        first: (samples,), frames of the state.
        second: (samples,), frames of what it is compared with.
        shifts: The shuffles.
        settings: Alpha, and what flags follow.
    """
    known = np.isfinite(traces)
    floor = np.nanpercentile(traces, FLOOR_PERCENTILE, axis=1, keepdims=True)
    above = np.where(known, np.maximum(traces - floor, 0), 0.0)
    values = np.where(known, traces, 0.0)
    spread = np.nanstd(traces, axis=1)
    both = np.concatenate([above, values, known.astype(np.float64)])
    cells = len(traces)

    def measure(masks: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means above the floor, and plain means, (cells, masks)."""
        sums = both @ masks
        with np.errstate(invalid="ignore", divide="ignore"):
            return sums[:cells] / sums[2 * cells :], sums[cells : 2 * cells] / sums[2 * cells :]

    def compare(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        above_a, plain_a = measure(a)
        above_b, plain_b = measure(b)
        with np.errstate(invalid="ignore", divide="ignore"):
            return compute_index(above_a, above_b), (plain_a - plain_b) / spread[:, None]

    a, b = first.astype(np.float64), second.astype(np.float64)
    scores, differences = (one[:, 0] for one in compare(a[:, None], b[:, None]))
    counts = np.zeros((4, cells))
    for begin in range(0, len(shifts), _SHUFFLES_AT_ONCE):
        chosen = shifts.find_sources(begin, begin + _SHUFFLES_AT_ONCE)
        chance, of_difference = compare(a[chosen], b[chosen])
        for row, (one, observed) in enumerate(((chance, scores), (of_difference, differences))):
            counts[2 * row] += (one >= observed[:, None] - _EQUAL).sum(axis=1)
            counts[2 * row + 1] += (one <= observed[:, None] + _EQUAL).sum(axis=1)
    p_values, of_differences = (
        np.minimum(1.0, 2 * (np.minimum(counts[i], counts[i + 1]) + 1) / (len(shifts) + 1))
        for i in (0, 2)
    )
    from scipy.stats import false_discovery_control  # noqa: PLC0415

    q_values = false_discovery_control(p_values)
    deciding = q_values if settings.flag_by is FlagRule.Q_VALUE else p_values
    flags = np.where(deciding < settings.alpha, np.sign(scores), 0.0)
    return Modulation(scores, p_values, flags, q_values, differences, of_differences)


_EQUAL = 1e-12
"""Difference up to which a shuffle is as extreme as what was observed."""


def count_bouts(mask: BoolArray, files: IntegerArray) -> int:
    """Stretches of frames that follow each other in one file."""
    if not mask.any():
        return 0
    begins = mask & ~np.append(False, mask[:-1] & (files[1:] == files[:-1]))
    return int(begins.sum())


def explain_too_short(
    first: BoolArray,
    second: BoolArray,
    files: IntegerArray,
    period: float,
    settings: NeuralSettings,
) -> str:
    """Explain why a comparison has too little data; return an empty string if it has enough."""
    for mask, what in ((first, "the state"), (second, "what it is compared with")):
        seconds = float(mask.sum()) * period
        if seconds < settings.min_seconds:
            return f"{what} has {seconds:.1f} s, fewer than {settings.min_seconds:g}"
    if (bouts := count_bouts(first, files)) < settings.min_bouts:
        return f"the state has {bouts} bouts, fewer than {settings.min_bouts}"
    return ""


def empty_modulation(cells: int, reason: str) -> Modulation:
    """A comparison without numbers, with the reason."""
    nothing = np.full(cells, np.nan)
    return Modulation(nothing, nothing, nothing, nothing, nothing, nothing, reason)
