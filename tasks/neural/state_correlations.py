"""Correlations of cells with each other in each state."""

from dataclasses import dataclass

import numpy as np

from tasks.neural.cell_recordings import BoolArray, FloatArray, IntegerArray
from tasks.neural.state_shifts import MIN_SHIFT_SECONDS, SEED

EQUAL_FRAME_DRAWS = 50
CHANCE_SHUFFLES = 200
CHANCE_LEVEL = 0.05
NOT_DEFINED = "not_defined"
MIN_FRAMES = 10


@dataclass(frozen=True)
class StateCorrelations:
    r"""Correlations in one state.

    Attributes:
        matrix: (cells, cells), Pearson's r; on the diagonal NaN, or 0 for parity.
        frames: Frames that it rests on.
        bouts: Stretches of the state.
        equal: The same from as many frames as the shortest state has; None where not asked for.
        equal_frames: How many these are.
        above_chance: Share of pairs whose \|r\| is above that of shifted traces; None for parity.
    """

    matrix: FloatArray
    frames: int
    bouts: int
    equal: FloatArray | None = None
    equal_frames: int = 0
    above_chance: float | None = None


def correlate_like_ideas(traces: FloatArray, mask: BoolArray) -> FloatArray:
    """Pearson's r of all pairs, as the IDEAS tool computes it: frames with any NaN left out."""
    part = traces[:, mask]
    part = part[:, np.isfinite(part).all(axis=0)]
    matrix: FloatArray = np.atleast_2d(np.corrcoef(part))
    np.fill_diagonal(matrix, 0)
    return matrix


def correlate(traces: FloatArray) -> FloatArray:
    """Pearson's r of all pairs, each over the frames that both cells have; NaN on the diagonal."""
    known = np.isfinite(traces).astype(np.float64)
    values = np.where(known > 0, traces, 0.0)
    # Around each cell's own mean, so that sums of squares keep their digits.
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (values - (values.sum(axis=1) / known.sum(axis=1))[:, None]) * known
        n = known @ known.T
        sum_a, squares = values @ known.T, (values**2) @ known.T
        covariance = values @ values.T - sum_a * sum_a.T / n
        spread = squares - sum_a**2 / n
        matrix: FloatArray = covariance / np.sqrt(spread * spread.T)
    matrix[n < 3] = np.nan  # noqa: PLR2004
    np.clip(matrix, -1, 1, out=matrix)
    np.fill_diagonal(matrix, np.nan)
    return matrix


def subtract_bout_means(traces: FloatArray, bouts: IntegerArray) -> FloatArray:
    """Take each bout's mean off; `bouts` numbers the bout of each frame."""
    result = traces.copy()
    for number in np.unique(bouts):
        part = np.asarray(bouts == number)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(traces[:, part])
            mean = np.where(known, traces[:, part], 0).sum(axis=1) / known.sum(axis=1)
        result[:, part] -= mean[:, None]
    return result


def correlate_equal_frames(
    traces: FloatArray, bouts: list[IntegerArray], frames: int
) -> FloatArray:
    """Mean correlations of draws of whole bouts with so many frames together.

    Bouts are taken in random order until there are enough frames; the last one is cut. Means are
    taken of Fisher's z, and turned back.

    Args:
        traces: (cells, samples).
        bouts: The frames of each bout of the state.
        frames: How many frames each draw has.
    """
    random = np.random.default_rng(SEED)
    total = np.zeros((len(traces), len(traces)))
    for _ in range(EQUAL_FRAME_DRAWS):
        chosen = np.concatenate([bouts[i] for i in random.permutation(len(bouts))])[:frames]
        matrix = correlate(traces[:, np.sort(chosen)])
        total += np.arctanh(np.clip(matrix, -_ALMOST_ONE, _ALMOST_ONE))
    return np.tanh(total / EQUAL_FRAME_DRAWS)


_ALMOST_ONE = 1 - 1e-12


def share_above_chance(traces: FloatArray, period: float) -> float | None:
    """Share of pairs whose |r| exceeds that of traces shifted against each other.

    Each shuffle shifts one cell of every pair circularly by at least 10 s (a quarter of the frames
    where they are fewer); a pair is above chance where at most 5 % of shuffles reach its |r|.

    Args:
        traces: (cells, frames) of the state; frames that some cell lacks are left out.
        period: Seconds for each frame.
    """
    part = traces[:, np.isfinite(traces).all(axis=0)]
    frames = part.shape[1]
    if frames < MIN_FRAMES or len(part) < 2:  # noqa: PLR2004
        return None
    part = part - part.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(part, axis=1)
    if not (norm > 0).all():
        return None
    part /= norm[:, None]
    upper = np.triu_indices(len(part), 1)
    observed = np.abs(part @ part.T)[upper]
    least = min(int(np.ceil(MIN_SHIFT_SECONDS / period)), frames // 4)
    random = np.random.default_rng(SEED)
    reached = np.zeros(len(observed))
    for _ in range(CHANCE_SHUFFLES):
        shift = int(random.integers(least, frames - least + 1))
        reached += np.abs(part @ np.roll(part, shift, axis=1).T)[upper] >= observed
    p_values = (reached + 1) / (CHANCE_SHUFFLES + 1)
    return float(np.mean(p_values <= CHANCE_LEVEL))


def average_halves(matrix: FloatArray) -> tuple[float, float]:
    """Mean of the positive and of the negative correlations above the diagonal."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    halves = [pairs[pairs > 0], pairs[pairs < 0]]
    positive, negative = (float(half.mean()) if len(half) else float("nan") for half in halves)
    return positive, negative


def average_by_fisher(matrix: FloatArray) -> float:
    """Mean correlation of all pairs by Fisher's z."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    pairs = np.clip(pairs[np.isfinite(pairs)], -_ALMOST_ONE, _ALMOST_ONE)
    return float(np.tanh(np.arctanh(pairs).mean())) if len(pairs) else float("nan")


def list_bouts(mask: BoolArray, files: IntegerArray) -> list[IntegerArray]:
    """The frames of each stretch of a state within a file."""
    frames = np.flatnonzero(mask)
    if len(frames) == 0:
        return []
    cut = np.flatnonzero((np.diff(frames) > 1) | (np.diff(files[frames]) != 0)) + 1
    return [np.asarray(part, dtype=np.int64) for part in np.split(frames, cut)]
