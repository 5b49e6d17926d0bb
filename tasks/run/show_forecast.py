"""Show how long a run will take, in its log and on a page, once its first movie is known."""

import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from prefect.logging import get_run_logger

from tasks.messages import escape_markdown, format_duration
from tasks.output.reuse import Reuse
from tasks.pose.speed.planned_run import Machine, PlannedMovie, PlannedRun
from tasks.pose.speed.run_forecast import RunForecast, forecast_run
from tasks.pose.speed.run_seconds import RunLayout
from tasks.pose.speed.run_speed import fit_speed, is_gpu
from tasks.processes.environment import count_usable_cpus
from tasks.processes.other_programs import measure_lost_share
from tasks.processes.pool import MOVIES_AT_ONCE, count_finishers
from tasks.run.past_runs_file import read_remembered_runs
from tasks.run_data import CheckedMovie, MovieSource, ReadyModel, ResolvedRequest
from tasks.stages.artifacts import artifact_key, show_artifact
from tasks.stages.progress import SPEED_MARK
from tasks.stages.stage_times import is_process_of_run

_PROBE_SECONDS = 0.2
"""Seconds for a look at what other programs take of the processors."""

_CHANGE = 0.2
"""Share by which a forecast must differ from the one that is shown to be shown anew."""


class _Outlook:
    """A run's forecast, which becomes better the more of its movies are known.

    Args:
        request: The request.
        ready: The model.
        device: What the network runs on.
    """

    def __init__(self, request: ResolvedRequest, ready: ReadyModel, device: str) -> None:
        self._request, self._ready, self._device = request, ready, device
        self._known: dict[int, PlannedMovie] = {}
        self._shown: float | None = None
        self._past = read_remembered_runs()
        self._lock = threading.Lock()

    def add_movie(self, movie: MovieSource, planned: PlannedMovie) -> None:
        """Take note of a movie; show a forecast if there is a new one."""
        with self._lock:
            self._known[movie.number] = planned
            is_complete = len(self._known) == len(self._request.movies)
            if self._shown is not None and not is_complete:
                return
            forecast = self._make_forecast()
            if forecast is None:
                return
            seconds = forecast.seconds
            if self._shown is None or abs(seconds - self._shown) > _CHANGE * self._shown:
                self._shown = seconds
                self._show(forecast, is_complete=is_complete)

    def _make_forecast(self) -> RunForecast | None:
        """Forecast the run; None where no run of this model is known on this machine."""
        cpus = count_usable_cpus()
        machine = Machine(platform.node(), cpus, is_gpu(self._device))
        plan = PlannedRun(
            movies=tuple(self._plan_movies()),
            model=self._ready.model.snapshot_sha256,
            precision=self._request.given.settings.precision.value,
            follow=self._request.given.settings.follow.value,
            is_fetched=any(not m.info.location.is_local for m in self._request.movies),
            is_sent=not self._request.output.is_local,
            starts_process=is_process_of_run(),
            layout=RunLayout(MOVIES_AT_ONCE, 1, count_finishers(cpus)),
        )
        speed = fit_speed(plan, machine, self._past)
        if speed is None:
            return None
        lost = measure_lost_share(cpus, _PROBE_SECONDS)
        return forecast_run(plan, speed, replace(machine, lost=lost))

    def _plan_movies(self) -> Iterator[PlannedMovie]:
        """The movies; those that are not known yet are like the others, by their bytes."""
        known = list(self._known.values())
        frames = sum(movie.frames for movie in known) / max(1, sum(movie.size for movie in known))
        for movie in self._request.movies:
            like = replace(known[0], frames=round(frames * movie.info.size), size=movie.info.size)
            like = replace(like, known=0, is_estimated=True, is_drawn=True, is_published=True)
            yield self._known.get(movie.number, like)

    def _show(self, forecast: RunForecast, *, is_complete: bool) -> None:
        guess = "" if is_complete else "; movies that are not looked into yet count by their bytes"
        get_run_logger().info("%s%s%s", SPEED_MARK, forecast.sentence, guess)
        output = str(self._request.output)
        page = (
            f"## About {format_duration(forecast.seconds)} in all\n\n"
            f"{escape_markdown(forecast.sentence)}{guess}."
        )
        show_artifact(artifact_key("time", output), page, "how long this run takes")


_current: ContextVar[_Outlook | None] = ContextVar("outlook", default=None)


@contextmanager
def show_forecast(
    request: ResolvedRequest, ready: ReadyModel, device: str | None
) -> Iterator[None]:
    """Show how long a run will take while the block works on its movies.

    Args:
        request: The request.
        ready: The model.
        device: What the network runs on; None where it is not loaded, and nothing is shown.
    """
    token = _current.set(_Outlook(request, ready, device) if device else None)
    try:
        yield
    finally:
        _current.reset(token)


def note_movie(movie: MovieSource, checked: CheckedMovie, reuse: Reuse) -> None:
    """Take note of a movie of the run that has been looked into.

    Args:
        movie: The movie.
        checked: What it is.
        reuse: Earlier results that hold.
    """
    outlook = _current.get()
    if outlook is None:
        return
    info = checked.info
    width, height = checked.cropped_size
    frames = reuse.found.frames if reuse.found else info.declared_frames or 0
    outlook.add_movie(
        movie,
        PlannedMovie(
            frames=frames,
            pixels=info.width * info.height,
            network_pixels=width * height,
            size=max(1, movie.info.size),
            is_fetched=reuse.checked is None,
            is_estimated=reuse.found is None,
            is_drawn=reuse.labeled is None,
            is_published=reuse.outputs is None,
        ),
    )
