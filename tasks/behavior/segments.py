"""Stretches of frames over which positions may be filtered, filled and differentiated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MAX_JOINED_STEPS = 1.5
"""Median steps within which one movie follows another without a gap."""


@dataclass(frozen=True)
class Segments:
    """A recording's frames, cut where nothing may be carried over.

    Attributes:
        times: (frames,), seconds; NaN where a frame has no time.
        starts: (segments,), index of the first frame of each segment, rising from 0.
        numbers: (frames,), which segment a frame is in.
        median_step: Seconds between frames, the median over the recording.
        steps: (frames,), seconds since the frame before; NaN in a segment's first frame.
        durations: (frames,), seconds that a frame stands for: up to the next one of its segment;
            the last one of a segment stands for a median step of its segment, a frame without a
            time for none.
    """

    times: FloatArray
    starts: IntegerArray
    numbers: IntegerArray
    median_step: float
    steps: FloatArray
    durations: FloatArray

    @property
    def slices(self) -> list[slice]:
        """The frames of each segment."""
        ends = [*self.starts[1:].tolist(), len(self.times)]
        return [slice(a, b) for a, b in zip(self.starts.tolist(), ends, strict=True)]

    @property
    def observed(self) -> float:
        """Seconds that were observed: the sum of all durations."""
        return float(self.durations.sum())

    def compute_median_step(self, part: slice) -> float:
        """Seconds between the frames of a segment; the recording's where it has one frame."""
        steps = self.steps[part][1:]
        return float(np.median(steps)) if len(steps) else self.median_step


def find_segments(times: FloatArray, movies: NDArray[np.int64], max_gap: float) -> Segments:
    """Cut a recording where a movie ends, and where time stands still or jumps.

    A change of movie is no cut where the step in time is under 1.5 median steps.

    Args:
        times: (frames,), seconds; NaN where a frame has none.
        movies: (frames,), which movie each frame is of.
        max_gap: Seconds between two frames above which they belong to different segments.

    Raises:
        BadInput: No two frames follow each other in time, or all lie further apart than `max_gap`.
    """
    if len(times) == 0:
        raise BadInput("expected a table with frames, found none; check that it is the right one")
    steps = np.diff(times, prepend=np.nan)
    forward = steps[np.isfinite(steps) & (steps > 0)]
    if len(forward) == 0:
        raise BadInput(
            "expected times that rise from frame to frame, found none that do; check the time "
            "column"
        )
    median = float(np.median(forward))
    if median > max_gap:
        raise BadInput(
            f"max_gap ({max_gap:g} s) is shorter than the time between frames ({median:g} s), so "
            "that no two frames belong together; make it longer"
        )
    changes = np.diff(movies, prepend=movies[:1]) != 0
    with np.errstate(invalid="ignore"):
        cut = ~((steps > 0) & (steps <= max_gap)) | (
            changes & ~(steps < _MAX_JOINED_STEPS * median)
        )
    cut[0] = True
    starts = np.flatnonzero(cut).astype(np.int64)
    steps[cut] = np.nan
    numbers = (np.cumsum(cut) - 1).astype(np.int64)
    return Segments(
        times, starts, numbers, median, steps, _compute_durations(times, starts, steps, median)
    )


def _compute_durations(
    times: FloatArray, starts: IntegerArray, steps: FloatArray, median: float
) -> FloatArray:
    durations = np.append(steps[1:], np.nan)
    last = np.append(starts[1:], len(times)) - 1
    for begin, end in zip(starts.tolist(), last.tolist(), strict=True):
        own = steps[begin + 1 : end + 1]
        durations[end] = float(np.median(own)) if len(own) else median
    durations[~np.isfinite(times)] = 0.0
    return durations


def find_runs(values: NDArray[np.int64]) -> tuple[IntegerArray, IntegerArray]:
    """First frame, and first frame after, of each run of equal values.

    >>> find_runs(np.array([4, 4, 7]))
    (array([0, 2]), array([2, 3]))
    """
    if len(values) == 0:
        empty = np.empty(0, dtype=np.int64)
        return empty, empty
    starts = np.append(0, np.flatnonzero(np.diff(values)) + 1).astype(np.int64)
    return starts, np.append(starts[1:], len(values)).astype(np.int64)


def fill_in_time(
    values: FloatArray, segments: Segments, max_gap: float
) -> tuple[FloatArray, BoolArray]:
    """Fill gaps linearly in time between two known values of a segment.

    Args:
        values: (frames,) or (frames, columns), NaN where missing (in all columns together).
        segments: The recording's segments.
        max_gap: Seconds between the two known values, at most.

    Returns:
        The values, and which frames were filled, shape (frames,).
    """
    flat = values.reshape(len(values), -1)
    known = np.isfinite(flat).all(axis=1)
    index = np.arange(len(flat))
    before = np.maximum.accumulate(np.where(known, index, -1))
    after = np.minimum.accumulate(np.where(known, index, len(flat))[::-1])[::-1]
    gaps = np.flatnonzero(~known & (before >= 0) & (after < len(flat)))
    a, b = before[gaps], after[gaps]
    times = segments.times
    near = (segments.numbers[a] == segments.numbers[b]) & (
        times[b] - times[a] <= max_gap * _ROUNDING
    )
    gaps, a, b = gaps[near], a[near], b[near]
    share = ((times[gaps] - times[a]) / (times[b] - times[a]))[:, None]
    result = flat.copy()
    result[gaps] = flat[a] + share * (flat[b] - flat[a])
    filled = np.zeros(len(flat), dtype=bool)
    filled[gaps] = True
    return result.reshape(values.shape), filled


_ROUNDING = 1 + 1e-9
"""Tolerance for rounded times, for gaps exactly as long as allowed."""
