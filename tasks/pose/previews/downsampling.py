"""Fewer points for the same picture: a plot has so many pixels and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.pose.tables.value_ranges import number_spans


@dataclass(frozen=True)
class Envelope:
    """Range of a value in each of many equal spans of time; NaN where it is missing.

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


def compute_envelope(time: np.ndarray, values: np.ndarray, spans: int) -> Envelope:
    """Lowest, median and highest value of each span that has any sample.

    Args:
        time: (samples,), never decreasing.
        values: (samples,), NaN where missing.
        spans: How many spans the whole time is cut into; times that are too close for that,
            such as one moment or a subnormal number apart, are one span.
    """
    span = number_spans(time, spans)
    starts = np.flatnonzero(np.diff(span, prepend=-1))
    counts = np.diff(starts, append=len(values))
    if len(starts) * counts.max() > _MAX_PADDING_FACTOR * len(values):
        lowest, median, highest = _summarize_uneven_spans(values, span, starts)
    else:
        lowest, median, highest = _summarize_even_spans(values, starts, counts)
    return Envelope(time[starts], lowest, median, highest)


_MAX_PADDING_FACTOR = 3
"""Times the memory of the values that spans may take as rows of one length."""


def _summarize_even_spans(values: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Lowest, median and highest of spans of about the same length: many short sorts."""
    rows = np.full((len(starts), counts.max()), np.nan, values.dtype)
    rows[np.arange(rows.shape[1]) < counts[:, None]] = values
    rows.sort(axis=1)  # missing values last
    last = np.maximum(np.count_nonzero(~np.isnan(rows), axis=1) - 1, 0)
    places = np.stack([np.zeros_like(last), last // 2, last], axis=1)
    found: np.ndarray = np.take_along_axis(rows, places, axis=1).T
    return found


def _summarize_uneven_spans(values: np.ndarray, span: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The same of spans of any lengths: one long sort."""
    in_order = values[np.lexsort((values, span))]  # missing values last in each span
    last = np.maximum(np.add.reduceat(~np.isnan(values), starts, dtype=int) - 1, 0)
    found: np.ndarray = in_order[starts + np.stack([np.zeros_like(last), last // 2, last])]
    return found


def find_lone_points(values: np.ndarray) -> np.ndarray:
    """Indices of values between missing ones: a line alone would not show them."""
    valid = np.pad(~np.isnan(values), 1)
    lone: np.ndarray = np.flatnonzero(valid[1:-1] & ~valid[:-2] & ~valid[2:])
    return lone


def find_first_points_in_cells(x: np.ndarray, y: np.ndarray, cell: float) -> np.ndarray:
    """Indices, in order, of the first point in each cell of a square grid; NaN is in none."""
    valid = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    cells = np.floor(np.stack([x[valid], y[valid]]) / cell).clip(-_MAX_CELL_INDEX, _MAX_CELL_INDEX)
    column, row = cells.astype(np.int64)
    _, first = np.unique(column * (2 * _MAX_CELL_INDEX + 1) + row, return_index=True)
    distinct: np.ndarray = np.sort(valid[first])
    return distinct


_MAX_CELL_INDEX = 1 << 30
"""Cells from the origin beyond which all is one: no plot shows them apart."""
