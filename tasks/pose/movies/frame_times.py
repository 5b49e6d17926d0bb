"""When each frame of a movie was shown, as all tables and files of a run have it."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.timing import Timing

MICROSECONDS_PER_SECOND = 1_000_000


def compute_times(timing: Timing, start: Fraction = Fraction(0)) -> NDArray[np.float64]:
    """Compute when a movie's frames were shown; by the recorder's counter where there is one.

    Args:
        timing: When frames were shown.
        start: When the movie's first frame was, since the first movie's first frame.

    Returns:
        Seconds since the first movie's first frame, shape (frames,).
    """
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
