"""Rising edges of a line: of its states, or of its samples."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.clock.listed_times import UnusableTimesError

_HYSTERESIS = 0.1
"""Share of a signal's range around its middle in which it does not change its state."""


def find_state_edges(high: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find the rows at which a line goes up; the first row is one where the line is high there.

    Args:
        high: Whether the line is high, shape (rows,).
    """
    before = np.concatenate([[False], high[:-1]])
    return np.flatnonzero(high & ~before)


def find_signal_edges(samples: NDArray[Any]) -> NDArray[np.int64]:
    """Find the samples at which a line goes up, however noisy it is between its two levels.

    A line that is high at its first sample went up before the recording: that is no edge.

    Args:
        samples: Of a digital or an analog line, shape (samples,).

    Raises:
        UnusableTimesError: The line does not change.
    """
    values: NDArray[Any] = samples.astype(np.uint8) if samples.dtype.kind == "b" else samples
    low, top = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(top)) or low == top:
        raise UnusableTimesError(
            "expected a line that goes up and down, found one that never changes"
        )
    middle, room = (low + top) / 2, (top - low) * _HYSTERESIS
    states = np.full(len(values), -1, np.int8)
    states[values <= middle - room] = 0
    states[values >= middle + room] = 1
    clear = np.flatnonzero(states >= 0)
    changes = states[clear]
    rises = np.flatnonzero((changes[1:] == 1) & (changes[:-1] == 0)) + 1
    return clear[rises]
