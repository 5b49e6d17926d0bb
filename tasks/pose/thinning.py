"""Fewer points for the same picture: a plot has so many pixels and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Envelope:
    """What a value did in each of many equal spans of time; NaN where it was always missing.

    Attributes:
        time: (spans,), the first time in each span.
        lowest: (spans,), so that a spike of a single frame is still seen.
        median: (spans,)
        highest: (spans,)
    """

    time: np.ndarray
    lowest: np.ndarray
    median: np.ndarray
    highest: np.ndarray


def envelope(time: np.ndarray, values: np.ndarray, spans: int) -> Envelope:
    """Lowest, median and highest value of each span that has any sample.

    Args:
        time: (samples,), never decreasing.
        values: (samples,), NaN where missing.
        spans: How many spans the whole time is cut into.
    """
    duration = (time[-1] - time[0]) or 1
    span = ((time - time[0]) * (spans / duration)).astype(int)
    starts = np.flatnonzero(np.diff(span, prepend=-1))
    in_order = values[np.lexsort((values, span))]  # missing values last in each span
    last = np.maximum(np.add.reduceat(~np.isnan(values), starts, dtype=int) - 1, 0)
    return Envelope(
        time[starts], in_order[starts], in_order[starts + last // 2], in_order[starts + last]
    )


def lone_points(values: np.ndarray) -> np.ndarray:
    """Indices of values between missing ones: a line alone would not show them."""
    valid = np.pad(~np.isnan(values), 1)
    lone: np.ndarray = np.flatnonzero(valid[1:-1] & ~valid[:-2] & ~valid[2:])
    return lone


def distinct_cells(x: np.ndarray, y: np.ndarray, cell: float) -> np.ndarray:
    """Indices, in order, of the first point in each cell of a square grid; NaN is in none."""
    valid = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    cells = np.floor(np.column_stack([x[valid], y[valid]]) / cell)
    _, first = np.unique(cells[:, 0] + 1j * cells[:, 1], return_index=True)
    distinct: np.ndarray = np.sort(valid[first])
    return distinct
