"""Forecast how long a request's run will take on this machine."""

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tasks.command_line.dry_run_report import TimeForecast
from tasks.command_line.movie_plans import MoviePlan
from tasks.command_line.movie_trial import try_model
from tasks.errors import BadInput, PoseError
from tasks.output.publish import earlier_record_location
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES, RunRecord
from tasks.pose.speed.past_runs import PastRun, summarize_run
from tasks.pose.speed.planned_run import Machine, PlannedMovie, PlannedRun
from tasks.pose.speed.run_forecast import RunForecast, forecast_run
from tasks.pose.speed.run_seconds import RunLayout
from tasks.pose.speed.run_speed import RunSpeed, TrialSeconds, fit_speed, measure_speed
from tasks.processes.environment import count_usable_cpus, find_gpu
from tasks.processes.other_programs import measure_lost_share
from tasks.processes.pool import MOVIES_AT_ONCE, count_finishers
from tasks.run.past_runs_file import read_remembered_runs
from tasks.run_data import ReadyModel, ResolvedRequest


def forecast_request(
    request: ResolvedRequest,
    ready: ReadyModel,
    plans: Sequence[MoviePlan],
    scratch: Path,
    notify: Callable[[str], None],
) -> tuple[TimeForecast | None, str]:
    """Forecast how long a request's run will take, from past runs or a trial.

    Args:
        request: The request.
        ready: The model.
        plans: What the run will do with its movies.
        scratch: Folder for a trial.
        notify: Called with what goes on, where that takes a while.

    Returns:
        The forecast, or None and why there is none.
    """
    machine = observe_machine()
    planned = _plan_run(request, ready, plans, machine)
    # A run may be remembered here and have its record at the output, too.
    found = [*read_remembered_runs(), *_read_runs_at(request)]
    past = list({(run.host, run.finished): run for run in found}.values())
    speed: RunSpeed | None = fit_speed(planned, machine, past)
    if speed is None:
        try:
            trial = _try(request, ready, plans, scratch, notify)
        except PoseError as error:
            return None, f"not known: the network could not be tried: {error}"
        if trial is None:
            return None, "not known until its movies are fetched"
        speed = measure_speed(planned, machine, trial, past)
    return describe_forecast(forecast_run(planned, speed, machine)), ""


def observe_machine() -> Machine:
    """Observe this machine: its name, its processors, and what other programs take of them."""
    cpus = count_usable_cpus()
    return Machine(
        host=platform.node(),
        cpus=cpus,
        has_gpu=find_gpu(),
        lost=measure_lost_share(cpus),
    )


def describe_forecast(forecast: RunForecast) -> TimeForecast:
    """Describe a forecast for people and programs."""
    return TimeForecast(
        seconds=round(forecast.seconds, 1),
        undisturbed_seconds=round(forecast.undisturbed, 1),
        start_seconds=round(forecast.run.start, 1),
        network_seconds=round(sum(movie.estimation for movie in forecast.run.movies), 1),
        frames=forecast.frames,
        device=forecast.device,
        basis=forecast.basis,
        sentence=forecast.sentence,
    )


def _try(
    request: ResolvedRequest,
    ready: ReadyModel,
    plans: Sequence[MoviePlan],
    scratch: Path,
    notify: Callable[[str], None],
) -> TrialSeconds | None:
    """Try the network on a movie; where none of them needs it, nothing has to be measured."""
    movie = next((plan for plan in plans if plan.is_estimated), None)
    if movie is None:
        return TrialSeconds("", 0.0, 0.0, 0, 0.0, 0.0, 0, 0)
    notify(f"trying the network on {movie.source.name}, a second once it is loaded")
    return try_model(movie, ready, request.given.settings, request.store, scratch)


def _plan_run(
    request: ResolvedRequest,
    ready: ReadyModel,
    plans: Sequence[MoviePlan],
    machine: Machine,
) -> PlannedRun:
    return PlannedRun(
        movies=tuple(_plan_movie(plan) for plan in plans if not plan.problem),
        model=ready.model.snapshot_sha256,
        precision=request.given.settings.precision.value,
        follow=request.given.settings.follow.value,
        is_fetched=any(not movie.info.location.is_local for movie in request.movies),
        is_sent=not request.output.is_local,
        layout=RunLayout(MOVIES_AT_ONCE, 1, count_finishers(machine.cpus)),
    )


def _plan_movie(plan: MoviePlan) -> PlannedMovie:
    width, height = plan.frame_size
    return PlannedMovie(
        frames=plan.frames,
        pixels=width * height,
        network_pixels=plan.network_pixels,
        size=plan.source.info.size,
        known=min(plan.first_frame, plan.frames),
        is_fetched=plan.facts is not None,
        is_estimated=plan.is_estimated,
        is_drawn=plan.is_drawn,
        is_published=plan.is_published,
    )


def _read_runs_at(request: ResolvedRequest) -> Iterator[PastRun]:
    """Past runs whose records are at the output location."""
    output = request.output
    for where in (output.child(RUN_RECORD_FILE), earlier_record_location(output)):
        with suppress(BadInput, ValidationError):
            data = request.store.read(where, MAX_RECORD_BYTES)
            yield summarize_run(RunRecord.model_validate_json(data))
