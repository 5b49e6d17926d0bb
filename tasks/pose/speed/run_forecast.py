"""Forecast how long a run will take, from how fast its machine is.

Nothing here measures, reads or writes anything: a command and a web page can ask alike.
"""

from dataclasses import dataclass, replace

from tasks.messages import format_duration
from tasks.pose.speed.planned_run import Machine, PlannedMovie, PlannedRun
from tasks.pose.speed.run_seconds import MovieSeconds, RunSeconds
from tasks.pose.speed.run_speed import (
    MAX_LOST,
    RunSpeed,
    count_drawing_beside,
    is_gpu,
    scale_parts,
)

BUSY_SHARE = 0.2
"""Share of a run's time that other programs cost above which a forecast says so."""


@dataclass(frozen=True)
class RunForecast:
    """The time that a run will take.

    Attributes:
        seconds: From its start to its end.
        run: The parts.
        frames: Frames that the network will see.
        device: What the network will run on.
        basis: What the forecast is made from.
        undisturbed: Seconds that it would take if no other program ran on the machine.
    """

    seconds: float
    run: RunSeconds
    frames: int
    device: str
    basis: str
    undisturbed: float

    @property
    def is_disturbed(self) -> bool:
        """Return whether other programs make the run much slower."""
        return self.undisturbed < (1 - BUSY_SHARE) * self.seconds

    @property
    def parts(self) -> str:
        """The largest parts for people."""
        estimation = sum(movie.estimation for movie in self.run.movies)
        rest = max(0.0, self.seconds - self.run.start - estimation)
        speed = (
            f" at {self.frames / estimation:,.1f} frames/s" if estimation and self.frames else ""
        )
        told = [f"start {format_duration(self.run.start)}"]
        if self.frames:
            frames = f"{self.frames:,} frames{speed}"
            told.append(f"network {format_duration(estimation)} ({frames} on {self.device})")
        return ", ".join([*told, f"the rest {format_duration(rest)}"])

    @property
    def sentence(self) -> str:
        """The forecast for people, in one line."""
        told = f"about {format_duration(self.seconds)} ({self.parts}), from {self.basis}"
        if not self.is_disturbed:
            return told
        return (
            f"{told}; other programs keep the processors busy now, without them about "
            f"{format_duration(self.undisturbed)}"
        )


def forecast_run(plan: PlannedRun, speed: RunSpeed, machine: Machine) -> RunForecast:
    """Forecast how long a run will take.

    Args:
        plan: The run.
        speed: How fast its machine is, from `fit_speed` or `measure_speed`.
        machine: Its machine.
    """
    alone = _predict_run(plan, speed, machine.cpus)
    slowed = _slow_down(alone, machine, on_gpu=is_gpu(speed.device))
    return RunForecast(
        seconds=slowed.total,
        run=slowed,
        frames=sum(movie.frames - movie.known for movie in plan.movies if movie.is_estimated),
        device=speed.device,
        basis=speed.basis,
        undisturbed=alone.total,
    )


def _predict_run(plan: PlannedRun, speed: RunSpeed, cpus: int) -> RunSeconds:
    movies = [_predict_movie(movie, speed) for movie in plan.movies]
    if not is_gpu(speed.device):
        # Drawing takes its share of the processors that the network uses.
        slower = 1 + count_drawing_beside(movies) / cpus
        movies = [
            replace(movie, network=movie.network * slower, decoding=movie.decoding * slower)
            for movie in movies
        ]
    return RunSeconds(speed.start, 0.0, tuple(movies), speed.end, plan.layout)


def _predict_movie(movie: PlannedMovie, speed: RunSpeed) -> MovieSeconds:
    work = (movie.frames - movie.known) * movie.network_pixels
    found = MovieSeconds(fetch=speed.fetch.each)
    if movie.is_fetched:
        fetch = speed.fetch.each + speed.fetch.byte * movie.size
        found = replace(found, fetch=fetch, check=speed.check)
    if movie.is_estimated:
        found = replace(
            found,
            decoding=speed.decoding * work,
            network=speed.preparation + speed.network * work,
            tracking=speed.tracking * movie.frames,
        )
    if movie.is_drawn:
        drawing = speed.preview + speed.drawing * movie.frames * movie.pixels
        found = replace(found, drawing=drawing)
    if movie.is_published:
        found = replace(found, publish=speed.publish.each + speed.publish.byte * movie.size)
    return found


def _slow_down(run: RunSeconds, machine: Machine, *, on_gpu: bool) -> RunSeconds:
    """The same run on a machine whose processors other programs use, too."""
    slower = 1 / (1 - min(MAX_LOST, machine.lost))
    movies = [scale_parts(movie, slower, 1.0 if on_gpu else slower) for movie in run.movies]
    return replace(run, start=run.start * slower, end=run.end * slower, movies=tuple(movies))
