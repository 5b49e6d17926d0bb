"""Times of a movie's frames, as all tables and files of a run have them."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.timing import Timing

MICROSECONDS_PER_SECOND = 1_000_000


def compute_times(
    timing: Timing, start: Fraction = Fraction(0), clock: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Compute when a movie's frames were shown; by the recorder's counter where there is one.

    Args:
        timing: When frames were shown.
        start: When the movie's first frame was, since the first movie's first frame.
        clock: When they were taken on the experiment's clock, NaN where that is not known, in
            seconds, shape (frames,); None without a times file.

    Returns:
        Seconds since the first movie's first frame, shape (frames,); NaN for frames that a times
        file has no time for.
    """
    if clock is not None:
        return clock - estimate_first_frame(clock, timing) + float(start)
    recording = timing.recording
    if recording and recording.has_counter:
        # Whole microseconds are exact until the one division.
        counted: NDArray[np.float64] = recording.counter - recording.counter[0]
        counted += float(start * MICROSECONDS_PER_SECOND)
        return counted / MICROSECONDS_PER_SECOND
    if not timing.constant:
        return timing.seconds + float(start)
    rate, before = timing.frame_rate, start * timing.frame_rate
    index = np.arange(len(timing.seconds)) + float(before)
    return index * np.float64(rate.denominator) / np.float64(rate.numerator)


def estimate_first_frame(clock: NDArray[np.float64], timing: Timing) -> float:
    """Return when a movie's first frame was taken, also where that frame has no time.

    Args:
        clock: When frames were taken on the experiment's clock, NaN where that is not known, in
            seconds, shape (frames,); at least one is.
        timing: When they were shown.
    """
    known = int(np.flatnonzero(np.isfinite(clock))[0])
    return float(clock[known] - (timing.seconds[known] - timing.seconds[0]))
