"""Traces of a movie's poses over its time: position, likelihood, and speed of every keypoint."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.pose.results.playback.annotated_times import AnnotatedTimes
from tasks.pose.tables.keypoints import COORDS, Keypoints
from tasks.pose.tables.median_filter import find_missing_points

QUANTITIES = (*COORDS, "speed")
"""What there is of each keypoint: pixels of the whole frame, 0 to 1, and pixels per second."""

MAX_GAP_SECONDS = 0.5
"""Seconds between two frames above which there is no speed: as `max_gap` of behavior runs."""

_MAX_GAP_STEPS = 1.5
"""The same in usual steps, for movies of few frames per second."""


@dataclass(frozen=True)
class FrameClock:
    """When a movie's frames were taken.

    Attributes:
        seconds: Seconds since the movie's first frame, NaN where a frame has no time; (frames,).
        numbers: Each frame's number in the annotations; (frames,).
        experiment: Seconds on the experiment's clock, NaN where they are not known, (frames,);
            None without a times file.
        is_estimated: Whether seconds are frame ÷ frame rate, since the true times are not known.
    """

    seconds: NDArray[np.float64]
    numbers: NDArray[np.int64]
    experiment: NDArray[np.float64] | None = None
    is_estimated: bool = False

    @cached_property
    def axis(self) -> NDArray[np.float64]:
        """Seconds that never fall and are known for every frame, to plot over; (frames,)."""
        index = np.arange(len(self.seconds))
        known = np.isfinite(self.seconds)
        if not known.any():
            return index.astype(np.float64)
        filled = np.interp(index, index[known], self.seconds[known])
        rising: NDArray[np.float64] = np.maximum.accumulate(filled)
        return rising


def build_even_clock(frames: int, frame_rate: float, *, is_estimated: bool = True) -> FrameClock:
    """The times of frames at one rate, none of which was dropped."""
    index = np.arange(frames)
    rate = Fraction(frame_rate).limit_denominator(100_000)
    seconds = index * np.float64(rate.denominator) / np.float64(rate.numerator)
    return FrameClock(seconds, index, is_estimated=is_estimated)


def build_annotated_clock(times: AnnotatedTimes, start: float | None) -> FrameClock:
    """The times that the annotations have.

    Args:
        times: Those times.
        start: The movie's first frame in seconds since the first movie's; None where the record
            does not tell.
    """
    known = times.seconds[np.isfinite(times.seconds)]
    begin = start if start is not None else float(known[0]) if len(known) else 0.0
    return FrameClock(times.seconds - begin, times.numbers, times.clock)


@dataclass(frozen=True)
class KeypointTraces:
    """Traces of every keypoint of a movie.

    Attributes:
        individuals: The individual of each keypoint; empty names for a single animal.
        parts: The body part of each keypoint.
        clock: When the frames were taken.
        values: Each of `QUANTITIES` of each keypoint in each frame, NaN where it is missing;
            float32, (quantities, keypoints, frames).
    """

    individuals: tuple[str, ...]
    parts: tuple[str, ...]
    clock: FrameClock
    values: NDArray[np.float32]

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.clock.numbers)

    @property
    def byte_count(self) -> int:
        """Bytes of memory that it takes."""
        clock = self.clock
        arrays = (self.values, clock.seconds, clock.numbers, clock.experiment)
        return sum(array.nbytes for array in arrays if array is not None)

    def to_keypoints(self, offset: tuple[int, int]) -> Keypoints:
        """The poses relative to a crop.

        Args:
            offset: The crop's left and top edge in pixels.
        """
        values = self.values[: len(COORDS)].T
        if any(offset):
            values = values - np.array((*offset, 0), np.float32)
        return Keypoints.from_values(self.individuals, self.parts, values)


def build_traces(
    keypoints: Keypoints, offset: tuple[int, int], clock: FrameClock
) -> KeypointTraces:
    """Compute the traces of a movie.

    Speed is the distance from the frame before in pixels, divided by the seconds since then by true
    times; it is missing where either point or time is, and after a gap.

    Args:
        keypoints: Poses of every frame.
        offset: What is added to x and y in pixels to give the whole frame's.
        clock: When the frames were taken.
    """
    steps = _measure_steps(clock.seconds)
    traces = np.empty((len(QUANTITIES), len(keypoints.parts), len(keypoints)), np.float32)
    for index in range(len(keypoints.parts)):
        # Each as an array without gaps: what follows goes over them many times.
        columns = *keypoints.xy[:, index].T, keypoints.likelihood[:, index]
        x, y, likelihood = (np.array(column, np.float64) for column in columns)
        missing = find_missing_points(np.stack([x, y, likelihood]).T)
        x += offset[0]
        y += offset[1]
        x[missing] = y[missing] = likelihood[missing] = np.nan
        traces[: len(COORDS), index] = x, y, likelihood
        traces[-1, index] = np.nan
        traces[-1, index, 1:] = np.hypot(np.diff(x), np.diff(y)) / steps[1:]
    return KeypointTraces(keypoints.individuals, keypoints.parts, clock, traces)


def _measure_steps(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds since the frame before; NaN in the first frame, after gaps, and where time stands."""
    steps = np.diff(seconds, prepend=np.nan)
    with np.errstate(invalid="ignore"):
        forward = steps > 0
        usual = float(np.median(steps[forward])) if forward.any() else 0.0
        is_step = forward & (steps <= max(MAX_GAP_SECONDS, _MAX_GAP_STEPS * usual))
    return np.where(is_step, steps, np.nan)
