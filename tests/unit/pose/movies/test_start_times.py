"""Where movies of one request begin: by the recorder's counter, its clock, or one after another."""

from fractions import Fraction

import numpy as np
import pytest

from tasks.pose.movies.start_times import (
    ClockMoment,
    MovieStart,
    StartSource,
    compute_duration,
    compute_starts,
)
from tasks.pose.movies.timing import RecordingInfo, Timing, constant_timing, timing_from_stamps

SYSTEM = "GA-1-0"


def recorded(
    *positions: int,
    count: float = np.nan,
    start: float = 0,
    system: str | None = SYSTEM,
    name: str | None = None,
    length: int | None = None,
) -> Timing:
    """A recording at ten frames a second whose counter begins with `count`."""
    places = np.array(positions, dtype=np.int64)
    recording = RecordingInfo(
        start=Fraction(start).limit_denominator(1000),
        name=name,
        system=system,
        length=length or positions[-1] + 1,
        positions=places,
        counter=count + (places - places[0]) * 100_000,
        dropped=(),
    )
    return Timing((places - places[0]) / 10, Fraction(10), constant=False, recording=recording)


def clocks(*timings: Timing) -> list[StartSource]:
    return [start.clock for start in compute_starts(timings)]


def seconds(*timings: Timing) -> list[float]:
    return [float(start.seconds) for start in compute_starts(timings)]


def test_other_movies_follow_each_other() -> None:
    movies = [constant_timing(3, Fraction(10)), constant_timing(2, Fraction(30))]
    assert compute_starts([*movies, movies[0]]) == [
        MovieStart(0, Fraction(0), StartSource.FIRST),
        MovieStart(3, Fraction(3, 10), StartSource.PREVIOUS),
        MovieStart(5, Fraction(3, 10) + Fraction(2, 30), StartSource.PREVIOUS),
    ]


@pytest.mark.parametrize(
    ("moments", "start", "source"),
    [
        ([("midnight", 10), ("midnight", 17.5)], 7.5, StartSource.TIMES_FILE),
        ([("midnight", 10), ("midnight", 5)], 1, StartSource.PREVIOUS),
        ([("midnight", 10), ("1970", 1.7e9)], 1, StartSource.PREVIOUS),
        ([("midnight", 10), None], 1, StartSource.PREVIOUS),
    ],
)
def test_movies_go_on_by_their_times_files_where_these_have_one_clock(
    moments: list[tuple[str, float] | None], start: float, source: StartSource
) -> None:
    movies = [constant_timing(10, Fraction(10)), constant_timing(2, Fraction(10))]
    known = [one and ClockMoment(seconds=one[1], origin=one[0]) for one in moments]
    found = compute_starts(movies, known)[1]
    assert (float(found.seconds), found.clock) == (start, source)


def test_a_movie_whose_last_frames_are_lost_keeps_its_length() -> None:
    whole, period = range(0, 1000, 100), Fraction(1, 1000)
    for kept in (whole[:7], whole[2:7], [0, 100, 300, 400]):
        damaged = timing_from_stamps(list(kept), period, [Fraction(10)], span=(0, 900))
        assert seconds(damaged, damaged) == [0, pytest.approx(1)]


def test_the_counter_keeps_the_gap_of_one_system() -> None:
    movies = recorded(0, 1, 2, count=5e9), recorded(0, 1, count=5e9 + 331_985, start=1.5)
    assert clocks(*movies) == [StartSource.FIRST, StartSource.COUNTER]
    assert seconds(*movies) == [0, 0.331985]


def test_the_counter_counts_in_one_recording_whatever_its_files_say_of_their_starts() -> None:
    first = recorded(0, 1, 2, count=5e9, name="GA-1-0-77")
    movies = first, recorded(0, 1, count=5e9 + 331_985, start=-99, name="GA-1-0-77")
    assert clocks(*movies) == [StartSource.FIRST, StartSource.COUNTER]
    assert seconds(*movies) == [0, 0.331985]
    assert compute_starts(movies)[1].warnings == ()


@pytest.mark.parametrize(("drift", "believed"), [(1.5, True), (88, True), (89, False)])
def test_the_counter_may_drift_from_the_clock_over_a_day(drift: float, believed: bool) -> None:
    day = 86_400
    movies = recorded(0, 1, count=1e7), recorded(0, 1, count=1e7 + (day - drift) * 1e6, start=day)
    assert seconds(*movies) == [0, day - drift if believed else day]


@pytest.mark.parametrize(
    ("start", "expected", "clock"),
    [(86_400, 86_400, StartSource.RECORDING_START), (0.1, 0.3, StartSource.PREVIOUS)],
)
def test_a_counter_that_began_anew_is_not_believed(
    start: float, expected: float, clock: StartSource
) -> None:
    first = recorded(0, 1, 2, count=1e7, name="GA-1-0-1")
    _, second = compute_starts([first, recorded(0, 1, count=6e7, start=start, name="GA-1-0-2")])
    assert float(second.seconds) == pytest.approx(expected)
    assert second.clock is clock
    (warning,) = second.warnings
    assert "by the hardware counter it starts 50.0 s after the movie before" in warning
    assert warning.endswith(f"its start was taken from: {clock}")


def test_the_counter_goes_on_over_a_movie_that_failed() -> None:
    first, _, third = (recorded(0, 1, count=1e9 + part * 1e6, start=part) for part in range(3))
    assert seconds(first, third) == [0, 2]


def test_gaps_add_up_over_a_series() -> None:
    movies = [recorded(0, 1, count=1e9 + part * 700_001, start=part) for part in range(100)]
    assert seconds(*movies) == [part * 700_001 / 1e6 for part in range(100)]


@pytest.mark.parametrize(
    "second",
    [
        recorded(0, 1, count=9e9, start=40, system="GA-2-0"),
        recorded(0, 1, count=9e9, start=40, system=None),
        recorded(0, 1, count=1e9, start=40),
        recorded(0, 1, start=40),
    ],
    ids=["another system", "no system", "an earlier counter", "no counter"],
)
def test_recording_starts_count_where_the_counter_does_not(second: Timing) -> None:
    movies = recorded(0, 1, 2, count=2e9, start=10), second
    assert clocks(*movies) == [StartSource.FIRST, StartSource.RECORDING_START]
    assert seconds(*movies) == [0, 30]


@pytest.mark.parametrize("start", [0, 10, 10.2])
def test_a_start_before_the_last_movie_s_end_is_not_believed(start: float) -> None:
    movies = recorded(0, 1, 2, start=10), recorded(0, 1, start=start)
    assert clocks(*movies) == [StartSource.FIRST, StartSource.PREVIOUS]
    assert seconds(*movies) == [0, pytest.approx(0.3)]


def test_frames_dropped_at_the_beginning_and_end_keep_their_place() -> None:
    movies = recorded(0, 1, length=5, start=10), recorded(2, 3, start=20)
    assert [start.frame for start in compute_starts(movies)] == [0, 5]
    assert float(compute_duration(movies[0])) == pytest.approx(0.5)
    assert seconds(*movies) == [0, pytest.approx(10.2)]
