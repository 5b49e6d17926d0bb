"""Times as a file lists them, before it is known which frame each belongs to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.pose.times_settings import TimeUnit

MAX_TIMES = 20_000_000
"""Times of a file that are read: a week at 30 frames/s."""

EPOCH_ORIGIN = "1970-01-01 00:00 UTC"
GUESSED_EPOCH_ORIGIN = f"{EPOCH_ORIGIN}, by their size"
LOCAL_ORIGIN = "1970-01-01 00:00, local time"
MIDNIGHT_ORIGIN = "midnight"
FILE_ORIGIN = "the times file's own zero"


@dataclass(frozen=True)
class ListedTimes:
    """Times of a file.

    Attributes:
        values: The times, shape (times,), in `unit`; NaN for a frame that the file has none for.
        form: What kind of file it is.
        column: What of the file they are; None where there is nothing else in it.
        unit: What they count; None where the file does not say.
        origin: What they count from.
        numbers: The frame number beside each, shape (times,); None where there are none.
        movie: The movie's name that the file gives; None where it gives none.
    """

    values: NDArray[np.float64]
    form: str
    column: str | None = None
    unit: TimeUnit | None = None
    origin: str = FILE_ORIGIN
    numbers: NDArray[np.int64] | None = None
    movie: str | None = None


class UnusableTimesError(ValueError):
    """A times file cannot be used; the text is the rest of a sentence that begins with its name."""


def check_times(values: NDArray[np.float64]) -> None:
    """Refuse times that do not rise; one that is missing (NaN) is that of a frame without a time.

    Raises:
        UnusableTimesError: With the first row that is wrong, counted from 1.
    """
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise UnusableTimesError("expected one time for each frame, found none")
    bad = np.flatnonzero(np.isinf(values))
    if len(bad):
        raise UnusableTimesError(
            f"time {bad[0] + 1} of {len(values)} is no number; correct that row"
        )
    falls = np.flatnonzero(np.diff(values[known]) < 0)
    if len(falls):
        raise UnusableTimesError(
            f"expected times that rise, but time {known[falls[0] + 1] + 1} of {len(values)} is "
            "before the one above it; name the right column in times.column, or correct that row"
        )
