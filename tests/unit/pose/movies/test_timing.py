"""Presentation times turned into seconds; runs and gaps of frames."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tasks.pose.movies.timing import (
    Timing,
    find_lost_frames,
    format_frame_ranges,
    group_into_ranges,
    timing_from_stamps,
)

NTSC = Fraction(30000, 1001)
MILLISECOND = Fraction(1, 1000)


def assert_even(times: Timing, rate: Fraction) -> None:
    """Every time is index over rate, but for the one rounding to a float."""
    assert times.constant
    assert times.frame_rate == rate
    assert times.seconds.tolist() == [float(i / rate) for i in range(len(times.seconds))]


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("cut", [round, math.floor, math.ceil])
@pytest.mark.parametrize("rate", [Fraction(30), NTSC, Fraction(60), Fraction(19)])
def test_rounded_clocks_of_any_phase_are_even(rate: Fraction, cut: Any, phase: float) -> None:
    stamps = [cut(1000 * (index / rate + phase / 1000)) for index in range(500)]
    times = timing_from_stamps(stamps, MILLISECOND, [rate * Fraction(10001, 10000), rate])
    assert (times.frame_rate, times.constant) == (rate, True)


def test_two_milliseconds_of_unevenness_are_no_rounding() -> None:
    stamps = [index * 40 + (2 if index % 7 == 3 else 0) for index in range(100)]
    times = timing_from_stamps(stamps, MILLISECOND, [Fraction(25)])
    assert not times.constant
    np.testing.assert_allclose(times.seconds * 1000, stamps)


def test_a_single_late_frame_is_not_smoothed_away() -> None:
    stamps = [index * 40 + (3 if index == 99 else 0) for index in range(100)]
    assert timing_from_stamps(stamps, MILLISECOND, [Fraction(25)]).seconds[-1] == pytest.approx(
        3.963
    )


def test_the_rate_is_measured_where_all_claims_are_wrong() -> None:
    stamps = [index * 20 for index in range(100)]
    times = timing_from_stamps(stamps, MILLISECOND, [Fraction(90000), Fraction(30)])
    assert_even(times, Fraction(50))


def test_the_plainest_claim_counts_where_several_fit() -> None:
    stamps = [round(index * 1000 / 30) for index in range(301)]
    claims = [Fraction(4816000, 160533), Fraction(30)]
    assert timing_from_stamps(stamps, MILLISECOND, claims).frame_rate == 30


def test_a_claim_that_fits_exactly_counts_more_than_a_plain_one() -> None:
    exact = Fraction(2997, 100)
    claims = [NTSC, exact, Fraction(30)]
    assert timing_from_stamps(list(range(40)), 1 / exact, claims).frame_rate == exact


@pytest.mark.parametrize(
    "stamps",
    [[None, None, None], [0, None, 2], [0, 0, 1], [0, 2, 1], [5, 4, 3]],
)
def test_without_usable_stamps_frames_follow_the_rate(stamps: list[int | None]) -> None:
    times = timing_from_stamps(stamps, MILLISECOND, [Fraction(10), Fraction(20)])
    assert_even(times, Fraction(10))
    assert len(times.seconds) == 3


@pytest.mark.parametrize("stamps", [[], [None], [7]])
def test_few_frames_have_times_too(stamps: list[int | None]) -> None:
    times = timing_from_stamps(stamps, MILLISECOND, [Fraction(10)])
    assert times.seconds.tolist() == [0.0] * len(stamps)
    assert times.constant


def test_hours_of_frames_stay_exact() -> None:
    frames = 10 * 3600 * 30
    times = timing_from_stamps(
        [1001 * index for index in range(frames)], Fraction(1, 30000), [NTSC]
    )
    assert times.constant
    assert times.seconds[-1] == float((frames - 1) / NTSC)


class TestFramesWithoutAUsableTime:
    def test_are_put_between_their_neighbors(self) -> None:
        stamps: list[int | None] = [index * 40 for index in range(50)]
        stamps[10:12] = None, None
        assert_even(timing_from_stamps(stamps, MILLISECOND, [Fraction(25)]), Fraction(25))

    def test_are_told_where_their_times_do_not_follow_from_the_rate(self) -> None:
        steps = np.random.default_rng(2).integers(20, 80, 60)
        stamps: list[int | None] = np.cumsum(steps).tolist()
        assert timing_from_stamps(stamps, MILLISECOND, [Fraction(25)]).warnings == ()
        stamps[7], stamps[20] = None, stamps[19]
        (warning,) = timing_from_stamps(stamps, MILLISECOND, [Fraction(25)]).warnings
        assert warning == "the time of 2 frames is an estimate from the frames around it"

    def test_are_told_where_they_are_most(self) -> None:
        (warning,) = timing_from_stamps([0, None, None], MILLISECOND, [Fraction(25)]).warnings
        assert warning.endswith("all times are frame number ÷ frame rate")

    def test_do_not_smooth_a_gap_away(self) -> None:
        stamps: list[int | None] = [
            index * 40 + (5000 if index >= 30 else 0) for index in range(50)
        ]
        stamps[10], stamps[20] = None, stamps[19]
        times = timing_from_stamps(stamps, MILLISECOND, [Fraction(25)])
        assert not times.constant
        expected = [index * 0.04 + (5 if index >= 30 else 0) for index in range(50)]
        np.testing.assert_allclose(times.seconds, expected, rtol=0, atol=1e-9)

    def test_repeated_times_become_rising_ones(self) -> None:
        stamps = [0, 40, 40, *range(110, 2000, 37)]
        times = timing_from_stamps(stamps, MILLISECOND, [Fraction(25)])
        assert (np.diff(times.seconds) > 0).all()
        np.testing.assert_allclose(times.seconds[3:] * 1000, stamps[3:])

    def test_at_both_ends_follow_the_usual_rate(self) -> None:
        steps = np.random.default_rng(2).integers(20, 80, 60)
        known = np.cumsum(steps)
        times = timing_from_stamps([None, *known.tolist(), None, None], MILLISECOND, [Fraction(25)])
        np.testing.assert_allclose(times.seconds[1:-2] * 1000, known - known[0] + 40.0)
        np.testing.assert_allclose(np.diff(times.seconds)[[0, -2, -1]], 0.04)

    def test_one_time_that_jumps_ahead_does_not_hide_those_after_it(self) -> None:
        stamps = [index * 40 for index in range(50)]
        stamps[7] = 10**9
        assert_even(timing_from_stamps(stamps, MILLISECOND, [Fraction(25)]), Fraction(25))


class TestGaps:
    @pytest.mark.parametrize("lost", [[20], [1], [58], [20, 21], [20, 40], [5, 20, 33, 40, 41]])
    @pytest.mark.parametrize(
        ("rate", "clock"),
        [
            (25, Fraction(1, 25)),
            (25, MILLISECOND),
            (1000, MILLISECOND),
            (1000, Fraction(1, 90000)),
            (2000, Fraction(1, 16000)),
        ],
    )
    def test_a_lost_frame_is_no_rounding_of_the_clock(
        self, lost: list[int], rate: int, clock: Fraction
    ) -> None:
        kept = np.delete(np.arange(60), lost)
        stamps = [round(Fraction(int(index), rate) / clock) for index in kept]
        times = timing_from_stamps(stamps, clock, [Fraction(rate)])
        assert not times.constant
        np.testing.assert_allclose(times.seconds, kept / rate, rtol=0, atol=1e-9)
        assert find_lost_frames(times).tolist() == lost

    def test_frames_lost_at_the_beginning_and_the_end_have_had_their_time(self) -> None:
        stamps = [40 * index for index in range(3, 20)]
        times = timing_from_stamps(stamps, MILLISECOND, [Fraction(25)], span=(0, 840))
        np.testing.assert_allclose(times.seconds, np.arange(3, 20) / 25)
        assert not times.constant
        assert times.lost_end == Fraction(2, 25)
        assert find_lost_frames(times).tolist() == [0, 1, 2, 20, 21]

    def test_frames_lost_at_the_end_leave_the_rate_constant(self) -> None:
        times = timing_from_stamps(
            list(range(0, 800, 40)), MILLISECOND, [Fraction(25)], span=(0, 840)
        )
        assert_even(times, Fraction(25))
        assert find_lost_frames(times).tolist() == [20, 21]

    def test_lost_frames_are_found_between_others(self) -> None:
        seconds = np.delete(np.arange(60) / 30, [25, 26, 40])
        times = Timing(seconds, Fraction(30), constant=False)
        assert find_lost_frames(times).tolist() == [25, 26, 40]

    @pytest.mark.parametrize(
        "seconds", [[], [0.0], [0, 1 / 30, 2 / 30], [0, 0.015, 0.9], [0, 0.001, 1 / 30]]
    )
    def test_none_are_found_where_none_are_lost_or_times_vary(self, seconds: list[float]) -> None:
        times = Timing(np.array(seconds, dtype=np.float64), Fraction(30), constant=False)
        assert find_lost_frames(times).size == 0

    def test_runs_are_put_together_and_named(self) -> None:
        assert group_into_ranges([]) == ()
        assert group_into_ranges([1, 2, 3, 7, 9, 10]) == ((1, 3), (7, 7), (9, 10))
        assert format_frame_ranges(group_into_ranges([1, 2, 3, 7])) == "1–3, 7"
        assert format_frame_ranges(group_into_ranges(range(0, 30, 2))).endswith("18 and 5 more")
