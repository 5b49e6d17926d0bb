"""Lowest and highest values in equal spans of time: what a plot of few pixels shows of many."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ValueRanges:
    """Lowest and highest of many values in each of many equal spans of time.

    Attributes:
        starts: (spans,), index of the first sample in each span.
        lowest: (..., spans), NaN where all of a span is missing.
        highest: (..., spans)
    """

    starts: NDArray[np.int64]
    lowest: NDArray[Any]
    highest: NDArray[Any]


def compute_value_ranges(
    time: NDArray[np.float64], values: NDArray[Any], spans: int
) -> ValueRanges:
    """Lowest and highest value of each span that has any sample, of all values at once.

    Without the median it needs no sorting: this serves a person who zooms.

    Args:
        time: (samples,), never decreasing.
        values: (..., samples), NaN where missing.
        spans: As for `number_spans`.
    """
    starts = np.flatnonzero(np.diff(number_spans(time, spans), prepend=-1))
    lowest = np.fmin.reduceat(values, starts, axis=-1)
    return ValueRanges(starts, lowest, np.fmax.reduceat(values, starts, axis=-1))


def number_spans(time: NDArray[np.float64], spans: int) -> NDArray[np.int64]:
    """Cut a time into equal spans, and find the one that each sample lies in.

    Args:
        time: (samples,), never decreasing.
        spans: How many spans the whole time is cut into; times that are too close for that,
            such as one moment or a subnormal number apart, are one span.

    Returns:
        Number of each sample's span, counted from 0, (samples,).
    """
    duration = float(time[-1] - time[0])
    spans_per_second = spans / duration if duration else math.inf
    if math.isinf(spans_per_second):
        spans_per_second = 0
    number: NDArray[np.int64] = ((time - time[0]) * spans_per_second).astype(np.int64)
    return number
