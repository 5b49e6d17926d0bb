"""How fast a machine runs a model: from past runs, or from a short trial.

Speeds are those of a machine on which nothing else runs. Nothing here measures, reads or writes
anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from tasks.pose.speed.past_runs import PastMovie, PastRun
from tasks.pose.speed.planned_run import Machine, PlannedRun
from tasks.pose.speed.run_seconds import MovieSeconds

MAX_PAST_RUNS = 5
"""Past runs that a speed is taken from, the latest: libraries and drivers change."""

SAME_SIZE = 0.1
"""Share by which pixels may differ where frames count as of one size."""

MAX_LOST = 0.95
"""Share of the processors beyond which what other programs take tells nothing of a run's own."""

_START_S, _END_S, _CHECK_S, _PREVIEW_S = 4.0, 0.7, 2.0, 1.3
"""Seconds of what neither a past run nor a trial tells: measured on two processors."""

_EXIT_S = 2.0
"""Seconds from the record of a run until its command ends, with its server."""

_DRAWING_S_PER_PIXEL = 7e-9
"""Seconds for each pixel of a frame that is drawn on and encoded: measured on two processors."""

_DISK_S_PER_BYTE, _STORE_S_PER_BYTE, _TRANSFER_S = 2e-9, 2e-8, 0.1
"""Seconds for a byte, and for each movie, of what no past run tells."""


@dataclass(frozen=True)
class TrialSeconds:
    """Measurements of a trial: the network on some real frames.

    Attributes:
        device: What the network ran on.
        start: Seconds to load libraries and the model.
        preparation: Seconds to make the network ready.
        frames: Frames that went through the network then.
        seconds: Seconds that these took, decoded meanwhile.
        decoding: Seconds of these in which the network waited for frames.
        pixels: Pixels of a frame.
        network_pixels: Pixels of what went to the network.
        drawn: Frames that were drawn on.
        drawing: Seconds that these took.
    """

    device: str
    start: float
    preparation: float
    frames: int
    seconds: float
    decoding: float
    pixels: int
    network_pixels: int
    drawn: int = 0
    drawing: float = 0.0


@dataclass(frozen=True)
class Transfer:
    """Seconds to bring movies or results from one place to another.

    Attributes:
        each: For each movie.
        byte: For each byte of the movie.
    """

    each: float
    byte: float


@dataclass(frozen=True)
class RunSpeed:
    """Seconds that the parts of runs take on a machine with nothing else to do.

    Attributes:
        basis: What this is taken from, for people.
        device: What the network runs on.
        start: Until the first movie's turn.
        end: After the last movie.
        check: For each movie.
        preparation: Of the network, for each movie.
        network: For each frame and each of its pixels that goes to the network.
        decoding: Waits for frames, for each frame and each of its pixels.
        tracking: For each frame.
        preview: Of drawing, for each movie.
        drawing: For each frame and each of its pixels.
        fetch: Movies to the local disk.
        publish: Results to their place.
    """

    basis: str
    device: str
    start: float
    end: float
    check: float
    preparation: float
    network: float
    decoding: float
    tracking: float
    preview: float
    drawing: float
    fetch: Transfer
    publish: Transfer


def fit_speed(plan: PlannedRun, machine: Machine, past: Iterable[PastRun]) -> RunSpeed | None:
    """Take the speed of a run from past runs of the same model on the same machine.

    Args:
        plan: The run.
        machine: Its machine.
        past: Past runs, of any model and machine.

    Returns:
        The speed; None where no such run is known. What depends on no model may be that of other
        runs on the machine.
    """
    here = _choose_here(machine, past)
    same = [
        run
        for run in here
        if (run.model, run.precision, run.follow) == (plan.model, plan.precision, plan.follow)
        and (machine.has_gpu is None or is_gpu(run.device) == machine.has_gpu)
        and any(movie.estimated for movie in run.movies)
    ][:MAX_PAST_RUNS]
    if not same:
        return None
    movies = _choose_size(
        [movie for run in same for movie in run.movies if movie.estimated],
        median(movie.network_pixels for movie in plan.movies) if plan.movies else 0,
    )
    work = sum(movie.estimated * movie.network_pixels for movie in movies)
    network = sum(max(0.0, movie.seconds.network - movie.preparation) for movie in movies)
    count = f"{len(same)} earlier run{'s' if len(same) > 1 else ''}"
    speed = RunSpeed(
        basis=f"{count} of this model on this machine",
        device=same[0].device,
        start=_START_S,
        end=_END_S,
        check=_CHECK_S,
        preparation=sum(movie.preparation for movie in movies) / len(movies),
        network=network / work,
        decoding=sum(movie.seconds.decoding for movie in movies) / work,
        tracking=sum(movie.seconds.tracking for movie in movies) / sum(m.frames for m in movies),
        preview=_PREVIEW_S,
        drawing=_DRAWING_S_PER_PIXEL,
        fetch=_default_transfer(plan.is_fetched),
        publish=_default_transfer(plan.is_sent),
    )
    return _add_known_parts(speed, plan, here, starts=same)


def measure_speed(
    plan: PlannedRun, machine: Machine, trial: TrialSeconds, past: Iterable[PastRun] = ()
) -> RunSpeed:
    """Take the speed of a run from a trial, and what it does not tell from other runs here.

    Args:
        plan: The run.
        machine: Its machine, as it was during the trial.
        trial: What was measured.
        past: Past runs, of any model and machine.
    """
    free = 1 - min(MAX_LOST, machine.lost)
    network = 1.0 if is_gpu(trial.device) else free
    work = max(1, trial.frames * trial.network_pixels)
    speed = RunSpeed(
        basis="a trial of the network on this machine",
        device=trial.device,
        start=_START_S + free * trial.start,
        end=_END_S,
        check=_CHECK_S,
        preparation=network * trial.preparation,
        network=network * (trial.seconds - trial.decoding) / work,
        decoding=free * trial.decoding / work,
        tracking=0.0,
        preview=_PREVIEW_S,
        drawing=free * trial.drawing / (trial.drawn * trial.pixels)
        if trial.drawn
        else _DRAWING_S_PER_PIXEL,
        fetch=_default_transfer(plan.is_fetched),
        publish=_default_transfer(plan.is_sent),
    )
    return _add_known_parts(speed, plan, _choose_here(machine, past), starts=())


def is_gpu(device: str) -> bool:
    """Return whether a device, as its engine names it, is a GPU."""
    return device.lower().startswith(("cuda", "gpu", "/gpu", "/device:gpu"))


def scale_parts(movie: MovieSeconds, factor: float, network: float) -> MovieSeconds:
    """Scale what processors do of a movie's work; transfers and waits for devices stay.

    Args:
        movie: The movie's parts.
        factor: For all but the network.
        network: For the network.
    """
    return replace(
        movie,
        check=movie.check * factor,
        decoding=movie.decoding * factor,
        network=movie.network * network,
        tracking=movie.tracking * factor,
        drawing=movie.drawing * factor,
    )


def count_drawing_beside(movies: Sequence[MovieSeconds]) -> float:
    """Count a run's threads that draw beside the network, on average."""
    estimation = sum(movie.estimation for movie in movies)
    if len(movies) < 2 or not estimation:  # noqa: PLR2004 - a movie alone is drawn afterward
        return 0.0
    return min(1.0, sum(movie.drawing for movie in movies) / estimation)


# --- past runs as if nothing else had run on the machine ---------------------------------------


def _choose_here(machine: Machine, past: Iterable[PastRun]) -> list[PastRun]:
    """Choose past runs on a machine, the latest first."""
    here = [run for run in past if (run.host, run.cpus) == (machine.host, machine.cpus)]
    return [_undisturb(run) for run in sorted(here, key=lambda run: run.finished, reverse=True)]


def _undisturb(run: PastRun) -> PastRun:
    """The same run without what other programs took of the processors."""
    beside = 0.0 if is_gpu(run.device) else count_drawing_beside([m.seconds for m in run.movies])
    lost = run.lost - beside / (run.cpus + beside)
    free = 1 - min(MAX_LOST, max(0.0, lost))
    network = 1.0 if is_gpu(run.device) else free
    movies = [
        replace(
            movie,
            preparation=movie.preparation * network,
            fixed_drawing=movie.fixed_drawing * free,
            seconds=scale_parts(movie.seconds, free, network),
        )
        for movie in run.movies
    ]
    return replace(run, start=run.start * free, end=run.end * free, movies=tuple(movies))


def _choose_size(movies: Sequence[PastMovie], pixels: float) -> Sequence[PastMovie]:
    """Choose movies of a size if there are any: time grows with pixels only roughly."""
    same = [m for m in movies if abs(m.network_pixels - pixels) <= SAME_SIZE * pixels]
    return same or movies


def _add_known_parts(
    speed: RunSpeed, plan: PlannedRun, here: Sequence[PastRun], starts: Sequence[PastRun]
) -> RunSpeed:
    """Take from past runs on a machine what depends on no model; the rest stays as it is.

    Args:
        speed: The speed without that.
        plan: The run.
        here: Past runs on its machine.
        starts: Those that loaded the same model.
    """
    latest = here[: 2 * MAX_PAST_RUNS]
    worked = [(run, m) for run in latest for m in run.movies if m.estimated or m.is_drawn]
    movies = [movie for _, movie in worked]
    drawn = [movie for movie in movies if movie.is_drawn]
    alike = [r.start for r in starts or latest if (r.process > 0) == plan.starts_process]
    fetched = [m for run, m in worked if run.is_fetched == plan.is_fetched]
    sent = [m for run, m in worked if run.is_sent == plan.is_sent and m.published]
    changes: dict[str, float | Transfer] = {}
    if alike:
        changes["start"] = median(alike)
    if movies:
        changes["end"] = median(run.end for run in latest)
        changes["check"] = median(movie.seconds.check for movie in movies)
    if drawn:
        growing = sum(max(0.0, m.seconds.drawing - m.fixed_drawing) for m in drawn)
        changes["preview"] = median(movie.fixed_drawing for movie in drawn)
        changes["drawing"] = growing / sum(movie.frames * movie.pixels for movie in drawn)
    if fetched:
        changes["fetch"] = _fit_transfer([(m.seconds.fetch, m.size) for m in fetched])
    if sent:
        changes["publish"] = _fit_transfer([(m.seconds.publish, m.size) for m in sent])
    speed = replace(speed, **changes)  # type: ignore[arg-type]
    return replace(speed, end=speed.end + _EXIT_S) if plan.starts_process else speed


def _fit_transfer(known: Sequence[tuple[float, int]]) -> Transfer:
    """Fit the rate that the fastest transfer reached, and what the others took beyond it."""
    byte = min(seconds / max(1, size) for seconds, size in known)
    return Transfer(max(0.0, median(s - size * byte for s, size in known)), byte)


def _default_transfer(is_remote: bool) -> Transfer:
    return Transfer(_TRANSFER_S, _STORE_S_PER_BYTE if is_remote else _DISK_S_PER_BYTE)
