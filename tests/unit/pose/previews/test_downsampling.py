from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pose.previews.downsampling import (
    compute_envelope,
    find_first_points_in_cells,
    find_lone_points,
)
from tasks.pose.tables.value_ranges import compute_value_ranges

NAN = float("nan")
samples = st.lists(
    st.tuples(st.floats(0, 10), st.one_of(st.integers(-9, 9).map(float), st.just(NAN))),
    min_size=1,
    max_size=60,
)


def summary(values: np.ndarray) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        lower_median = np.nanquantile(values, 0.5, method="lower")
        return [float(np.nanmin(values)), float(lower_median), float(np.nanmax(values))]


@given(samples=samples, spans=st.integers(1, 20))
def test_an_envelope_is_what_each_span_holds(samples: list[Any], spans: int) -> None:
    time, values = np.array(sorted(samples, key=lambda sample: sample[0])).T
    thin = compute_envelope(time, values, spans)
    found = np.column_stack([thin.lowest, thin.median, thin.highest])
    starts = np.searchsorted(time, thin.time)
    expected = [summary(of_span) for of_span in np.split(values, starts[1:])]
    np.testing.assert_array_equal(found, expected)
    assert len(thin.time) <= spans + 1
    ranges = compute_value_ranges(time, np.stack([values, -values]), spans)
    assert ranges.starts.tolist() == starts.tolist()
    np.testing.assert_array_equal(ranges.lowest, [thin.lowest, -thin.highest])
    np.testing.assert_array_equal(ranges.highest, [thin.highest, -thin.lowest])


def test_an_envelope_keeps_spikes_and_gaps() -> None:
    values = np.zeros(10_000)
    values[1234], values[6000:6200] = 99, np.nan
    thin = compute_envelope(np.arange(10_000), values, 100)
    assert thin.highest[12] == 99
    assert thin.median[12] == 0
    assert np.flatnonzero(np.isnan(thin.lowest)).tolist() == [60, 61]


def test_an_envelope_of_one_moment() -> None:
    thin = compute_envelope(np.array([3.0, 3.0]), np.array([1.0, 2.0]), 10)
    np.testing.assert_array_equal([thin.time, thin.lowest, thin.highest], [[3.0], [1.0], [2.0]])


@pytest.mark.parametrize("step", [5e-324, 1e-308], ids=["least", "subnormal"])
def test_times_a_subnormal_number_apart_are_one_moment(step: float) -> None:
    thin = compute_envelope(np.array([0.0, step]), np.array([1.0, 2.0]), 2)
    np.testing.assert_array_equal([thin.time, thin.lowest, thin.highest], [[0.0], [1.0], [2.0]])


def test_the_shortest_time_that_has_spans() -> None:
    step = 2 / sys.float_info.max * 1.001
    thin = compute_envelope(np.array([0.0, step]), np.array([1.0, 2.0]), 2)
    np.testing.assert_array_equal([thin.time, thin.highest], [[0.0, step], [1.0, 2.0]])


def test_lone_points_have_no_neighbors() -> None:
    assert find_lone_points(np.array([1, NAN, 2, 3, NAN, 4, NAN])).tolist() == [0, 5]
    assert find_lone_points(np.array([1.0])).tolist() == [0]
    assert find_lone_points(np.array([NAN])).tolist() == []


def test_points_in_one_cell_are_one() -> None:
    x = np.array([0.2, 0.9, NAN, 1.1, -0.1, 0.3, 5.0])
    y = np.array([0.2, 0.9, 0.2, 0.2, 0.2, NAN, 5.0])
    assert find_first_points_in_cells(x, y, 1.0).tolist() == [0, 3, 4, 6]
