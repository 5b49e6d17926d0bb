"""How long a run will take, from earlier runs or from a trial."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pose.speed.past_runs import PastMovie, PastRun
from tasks.pose.speed.planned_run import Machine, PlannedMovie, PlannedRun
from tasks.pose.speed.run_forecast import forecast_run
from tasks.pose.speed.run_seconds import MovieSeconds, RunLayout
from tasks.pose.speed.run_speed import TrialSeconds, fit_speed, measure_speed

PIXELS = 100
MACHINE = Machine("here", cpus=4, has_gpu=False)
SECONDS = MovieSeconds(
    fetch=1, check=2, decoding=10, network=45, tracking=10, drawing=23, publish=2
)
MOVIE = PastMovie(
    frames=1000,
    estimated=1000,
    pixels=PIXELS,
    network_pixels=PIXELS,
    size=1000,
    published=500,
    preparation=5,
    fixed_drawing=3,
    is_drawn=True,
    seconds=SECONDS,
)
RUN = PastRun(
    finished=datetime(2026, 1, 1, tzinfo=UTC),
    host="here",
    cpus=4,
    device="cpu",
    model="m",
    precision="standard",
    is_fetched=False,
    is_sent=False,
    start=12,
    process=10,
    end=3,
    lost=0.0,
    movies=(MOVIE,),
)


def planned(*movies: PlannedMovie, **changes: Any) -> PlannedRun:
    layout = RunLayout(at_once=3)
    return replace(PlannedRun(movies, "m", "standard", layout=layout), **changes)


def a_movie(frames: int = 1000, **changes: Any) -> PlannedMovie:
    return replace(PlannedMovie(frames, PIXELS, PIXELS, size=frames), **changes)


def forecast(plan: PlannedRun, *past: PastRun, machine: Machine = MACHINE) -> float:
    speed = fit_speed(plan, machine, past)
    assert speed is not None
    return forecast_run(plan, speed, machine).seconds


EXIT = 2.0
WHOLE = 12 + (1 + 2 + 65 + 23 + 2) + 3 + EXIT


def test_the_same_request_takes_what_it_took() -> None:
    assert forecast(planned(a_movie()), RUN) == pytest.approx(WHOLE)


def test_a_longer_movie_takes_longer_but_for_what_is_done_once() -> None:
    growing = 10 + 40 + 10 + 20
    longer = forecast(planned(a_movie(3000, size=1000)), RUN)
    assert longer == pytest.approx(WHOLE + 2 * growing)


def test_frames_that_an_interrupted_run_has_left_go_through_no_network_again() -> None:
    assert forecast(planned(a_movie(known=400)), RUN) == pytest.approx(WHOLE - 0.4 * (10 + 40))


@pytest.mark.parametrize(
    ("changes", "less"),
    [
        ({"is_estimated": False}, 65),
        ({"is_drawn": False}, 23),
        ({"is_published": False}, 2),
        ({"is_estimated": False, "is_drawn": False, "is_published": False}, 90),
    ],
)
def test_what_is_reused_takes_no_time(changes: dict[str, Any], less: float) -> None:
    assert forecast(planned(a_movie(**changes)), RUN) == pytest.approx(WHOLE - less)


def test_more_pixels_take_the_network_longer_unless_the_size_is_known() -> None:
    twice = a_movie(network_pixels=2 * PIXELS)
    assert forecast(planned(twice), RUN) == pytest.approx(WHOLE + 10 + 40)
    large = replace(MOVIE, network_pixels=2 * PIXELS, seconds=replace(SECONDS, network=47))
    known = replace(RUN, movies=(large,))
    assert forecast(planned(twice), RUN, known) == pytest.approx(WHOLE + 2)


def test_movies_are_worked_on_at_the_same_time() -> None:
    """Two movies: the second one's estimation follows the first one's; drawing costs a quarter."""
    beside = 23 / 65
    network = 2 * (55 * (1 + beside / 4) + 10)
    expected = 12 + 1 + 2 + network + 23 + 2 + 3 + EXIT
    assert forecast(planned(a_movie(), a_movie()), RUN) == pytest.approx(expected)


@pytest.mark.parametrize(
    "other",
    [
        {"host": "there"},
        {"cpus": 8},
        {"model": "another"},
        {"precision": "half"},
        {"follow": "auto"},
        {"device": "cuda:0"},
        {"movies": (replace(MOVIE, estimated=0),)},
    ],
)
def test_runs_of_other_models_and_machines_tell_nothing(other: dict[str, Any]) -> None:
    assert fit_speed(planned(a_movie()), MACHINE, [replace(RUN, **other)]) is None


def test_the_latest_runs_count() -> None:
    """A new driver, or a new disk: what was long ago is not how it is now."""
    quicker = replace(MOVIE, seconds=replace(SECONDS, network=25))
    old = [replace(RUN, finished=RUN.finished - timedelta(days=n)) for n in range(1, 4)]
    days = [RUN.finished + timedelta(days=n) for n in range(5)]
    new = [replace(RUN, finished=day, movies=(quicker,)) for day in days]
    assert forecast(planned(a_movie()), *old, *new) == pytest.approx(WHOLE - 20)


def test_what_other_programs_took_then_and_take_now_is_told_apart() -> None:
    doubled = replace(
        RUN,
        lost=0.5,
        start=24,
        end=6,
        movies=(
            replace(
                MOVIE,
                preparation=10,
                fixed_drawing=6,
                seconds=MovieSeconds(
                    fetch=1, check=4, decoding=20, network=90, tracking=20, drawing=46, publish=2
                ),
            ),
        ),
    )
    plan = planned(a_movie())
    assert forecast(plan, doubled) == pytest.approx(WHOLE)
    speed = fit_speed(plan, MACHINE, [RUN])
    assert speed is not None
    busy = forecast_run(plan, speed, replace(MACHINE, lost=0.5))
    assert busy.undisturbed == pytest.approx(WHOLE)
    assert busy.seconds == pytest.approx(2 * WHOLE - 1 - 2)  # transfers are no slower
    assert "other programs keep the processors busy now, without them about 1 min" in busy.sentence
    assert "other programs" not in forecast_run(plan, speed, MACHINE).sentence


def test_a_gpu_does_not_share_with_programs_on_processors() -> None:
    plan, gpu = planned(a_movie()), replace(MACHINE, has_gpu=True)
    speed = fit_speed(plan, gpu, [replace(RUN, device="cuda:0")])
    assert speed is not None
    calm, busy = (forecast_run(plan, speed, replace(gpu, lost=lost)) for lost in (0, 0.5))
    assert calm.run.movies[0].network == busy.run.movies[0].network == 45
    assert busy.run.movies[0].drawing == 2 * calm.run.movies[0].drawing


def test_a_trial_tells_what_no_run_has() -> None:
    trial = TrialSeconds(
        device="cpu", start=6, preparation=5, frames=50, seconds=2.5, decoding=0.5,
        pixels=PIXELS, network_pixels=PIXELS, drawn=100, drawing=2,
    )  # fmt: skip
    plan = planned(a_movie())
    alone = forecast_run(plan, measure_speed(plan, MACHINE, trial), MACHINE)
    movie = alone.run.movies[0]
    assert movie.network == pytest.approx(5 + 40)
    assert movie.decoding == pytest.approx(10)
    assert movie.drawing == pytest.approx(20, abs=2)
    assert "from a trial of the network on this machine" in alone.sentence
    other = replace(RUN, model="another", start=30)
    here = forecast_run(plan, measure_speed(plan, MACHINE, trial, [other]), MACHINE)
    assert here.run.start == 30
    assert here.run.movies[0].drawing == pytest.approx(23)


def test_a_trial_on_a_busy_machine_is_no_slower_than_the_run() -> None:
    trial = TrialSeconds("cpu", 6, 5, 50, 2.5, 0.5, PIXELS, PIXELS, 100, 2)
    plan, busy = planned(a_movie()), replace(MACHINE, lost=0.5)
    found = forecast_run(plan, measure_speed(plan, busy, trial), busy)
    assert found.run.movies[0].network == pytest.approx(5 + 40)
    calm = replace(MACHINE, lost=0.0)
    assert found.undisturbed == pytest.approx(
        forecast_run(plan, measure_speed(plan, busy, trial), calm).seconds
    )


def test_nothing_to_run_is_a_forecast_too() -> None:
    assert forecast(planned(), RUN) == pytest.approx(12 + 3 + EXIT)
    told = measure_speed(planned(), MACHINE, TrialSeconds("", 0, 0, 0, 0, 0, 0, 0))
    assert forecast_run(planned(), told, MACHINE).frames == 0


@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(0, 10**6))
def test_more_frames_and_a_busier_machine_are_never_quicker(
    frames: int, lost: float, more: int
) -> None:
    plan, longer = planned(a_movie(frames)), planned(a_movie(frames + more))
    speed = fit_speed(plan, MACHINE, [RUN])
    assert speed is not None
    calm = forecast_run(plan, speed, MACHINE).seconds
    assert forecast_run(longer, speed, MACHINE).seconds >= calm - 1e-6
    assert forecast_run(plan, speed, replace(MACHINE, lost=lost)).seconds >= calm - 1e-6


def test_the_sentence_names_the_parts() -> None:
    plan = planned(a_movie(known=100))
    speed = fit_speed(plan, MACHINE, [RUN, replace(RUN, start=14)])
    assert speed is not None
    assert forecast_run(plan, speed, MACHINE).sentence == (
        "about 1 min 46 s (start 13 s, network 1 min 0 s (900 frames at 15.0 frames/s on cpu), the "
        "rest 33 s), from 2 earlier runs of this model on this machine"
    )
