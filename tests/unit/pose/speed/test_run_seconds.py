"""How long a run takes, from how long its parts do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pose.speed.run_seconds import MovieSeconds, RunLayout, RunSeconds, schedule_movies

MOVIE = MovieSeconds(
    fetch=1, check=2, queued=3, decoding=4, network=5, tracking=6, drawing=7, publish=8
)
SECONDS = st.floats(0, 1000, allow_nan=False)
MOVIES = st.lists(
    st.builds(MovieSeconds, fetch=SECONDS, check=SECONDS, network=SECONDS, drawing=SECONDS),
    max_size=8,
)
LAYOUTS = st.builds(
    RunLayout,
    at_once=st.integers(1, 4),
    estimators=st.integers(1, 3),
    finishers=st.integers(1, 3),
)


def test_a_single_movie_takes_what_its_parts_take() -> None:
    run = RunSeconds(start=10, waiting=20, movies=(MOVIE,), end=30)
    assert run.total == 10 + 20 + 36 + 30


def test_a_run_without_movies_takes_its_start_and_its_end() -> None:
    assert RunSeconds(start=1, end=2).total == 3


def test_movies_take_turns_at_the_network() -> None:
    """The first one's drawing and the later ones' fetching cost nothing."""
    movie = MovieSeconds(fetch=2, network=10, drawing=5)
    layout = RunLayout(at_once=3)
    assert schedule_movies([movie] * 4, layout) == 2 + 4 * 10 + 5


def test_drawing_bounds_a_run_whose_network_is_fast() -> None:
    movie = MovieSeconds(network=1, drawing=10)
    assert schedule_movies([movie] * 3, RunLayout(at_once=3)) == 1 + 3 * 10
    assert schedule_movies([movie] * 3, RunLayout(at_once=3, finishers=3)) == 3 * 1 + 10


def test_no_more_movies_are_under_way_than_may_be() -> None:
    movie = MovieSeconds(fetch=10)
    assert schedule_movies([movie] * 6, RunLayout(at_once=3)) == 20
    assert schedule_movies([movie] * 6, RunLayout(at_once=1)) == 60


@given(MOVIES, LAYOUTS)
def test_no_run_is_shorter_than_its_longest_movie_or_longer_than_all_of_them(
    movies: list[MovieSeconds], layout: RunLayout
) -> None:
    alone = [schedule_movies([movie], RunLayout()) for movie in movies]
    together = schedule_movies(movies, layout)
    assert together >= max(alone, default=0.0) - 1e-6
    assert together <= sum(alone) + 1e-6
    network = sum(movie.network for movie in movies) / layout.estimators
    assert together >= network - 1e-6


def test_ten_thousand_movies_are_scheduled_in_order() -> None:
    total = schedule_movies([MOVIE] * 10_000, RunLayout(at_once=3))
    assert total == pytest.approx(10_000 * MOVIE.estimation, rel=0.01)
