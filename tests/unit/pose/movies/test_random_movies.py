"""Movies made at random are read as they are; `make random-movies` tries thousands of them."""

import random
from fractions import Fraction

import numpy as np
import pytest

from tasks.pose.movies.avi_index import AviIndex
from tasks.pose.movies.timing import timing_from_stamps
from tests.random_movies import check_random_movie

MOVIES = 200
BLOCKS = 10
SEED = random.SystemRandom().randrange(10**9)
FFPROBE_EVERY = 20
"""A process for each movie would take as long as all the rest."""


@pytest.fixture(autouse=True)
def _quiet_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "-8")


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_movies(block: int) -> None:
    print(f"seed {SEED}")
    for number in range(block, MOVIES, BLOCKS):
        try:
            check_random_movie(f"{SEED}:{number}", ffprobe=number % FFPROBE_EVERY == 0)
        except Exception as error:
            error.add_note(f"again: make random-movies SEED={SEED} ONLY={number}")
            raise


@pytest.mark.parametrize(
    ("places", "step"),
    [([0, 1, 5], 1), ([0, 2, 3, 5, 7, 9], 1), ([0, 33, 67, 100, 101], 33), ([0, 2, 4, 8], 2)],
)
def test_a_finer_clock_is_told_from_dropped_frames(places: list[int], step: int) -> None:
    sizes = np.zeros(places[-1] + 1, np.int64)
    sizes[places] = 100
    assert AviIndex(sizes).step == step


def test_the_only_frame_of_a_movie_keeps_its_time() -> None:
    clock, rates = Fraction(1, 1000), [Fraction(25)]
    timing = timing_from_stamps([80], clock, rates, (0, 120))
    assert (timing.seconds.tolist(), timing.lost_end) == ([0.08], Fraction(40, 1000))


def test_a_lost_first_frame_counts_where_others_are_further_apart() -> None:
    times = [40, 80, 280, 400, 600]
    timing = timing_from_stamps(times, Fraction(1, 1000), [Fraction(100, 12)], (0, 600))
    np.testing.assert_allclose(timing.seconds, np.array(times) / 1000)


@pytest.mark.parametrize("ticks", [[0, 1, 3], [0, 2, 3], [0, 1, 2, 3, 4, 6]])
def test_a_gap_between_places_of_an_avi_is_no_other_rate(ticks: list[int]) -> None:
    timing = timing_from_stamps(ticks, Fraction(1, 30), [Fraction(30)])
    np.testing.assert_allclose(timing.seconds * 30, ticks, atol=1e-9)
    assert not timing.constant
