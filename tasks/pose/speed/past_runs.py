"""What a run's record tells of its speed, so that later runs can be forecast."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tasks.pose.results.run_record import MovieRecord, RunRecord, StageTime
from tasks.pose.speed.run_seconds import MovieSeconds, RunLayout, RunSeconds
from tasks.pose.speed.stage_parts import (
    ESTIMATE_STAGE,
    FIXED_STAGES,
    MOVIE_PARTS,
    START_STAGE,
    START_STAGES,
    WAIT_STAGE,
)
from tasks.processes.bottleneck import EstimationTimes
from tasks.processes.pool import MOVIES_AT_ONCE, count_finishers


@dataclass(frozen=True)
class PastMovie:
    """One movie of a past run.

    Attributes:
        frames: Its frames.
        estimated: Frames whose poses that run found; 0 where poses were known before.
        pixels: Pixels of a frame.
        network_pixels: Pixels of what went to the network.
        size: Bytes of the movie.
        published: Bytes of its results; 0 where they were there before.
        preparation: Seconds to make the network ready for its frames; part of the network's.
        fixed_drawing: Seconds of what is drawn that do not grow with the movie; part of drawing.
        is_drawn: Whether its labeled movie was made.
        seconds: Its parts.
    """

    frames: int
    estimated: int
    pixels: int
    network_pixels: int
    size: int
    published: int
    preparation: float
    fixed_drawing: float
    is_drawn: bool
    seconds: MovieSeconds


@dataclass(frozen=True)
class PastRun:
    """A past run, as far as its speed goes.

    Attributes:
        finished: When it ended.
        host: Name of its machine.
        cpus: Processors that it could use.
        device: What the network ran on, as its engine names it; empty where none ran.
        model: Digest of the network's weights.
        precision: Precision of the network's arithmetic.
        is_fetched: Whether its movies came from a store and not from a folder.
        is_sent: Whether its results went to a store.
        start: Seconds until the first movie's turn.
        process: Seconds of these until the flow began; 0 where a process that was there ran it.
        end: Seconds after the last movie.
        lost: Share of the processors' time that other processes had during estimations.
        movies: Its movies.
        follow: Whether a window that follows went to the network.
    """

    finished: datetime
    host: str
    cpus: int
    device: str
    model: str
    precision: str
    is_fetched: bool
    is_sent: bool
    start: float
    process: float
    end: float
    lost: float
    movies: tuple[PastMovie, ...]
    follow: str = "off"


def read_run_seconds(record: RunRecord) -> RunSeconds:
    """Read the seconds that the parts of a run took.

    Args:
        record: The run.

    Returns:
        Its parts. What no stage accounts for is the end's.
    """
    movies = tuple(read_movie_seconds(movie) for movie in record.movies)
    parts = RunSeconds(
        start=_sum_stages(record, START_STAGES),
        waiting=_sum_stages(record, {WAIT_STAGE}),
        movies=movies,
        layout=_read_layout(record),
    )
    process = _sum_stages(record, {START_STAGE})
    rest = record.seconds + process - parts.total
    return RunSeconds(parts.start, parts.waiting, movies, max(0.0, rest), parts.layout)


def read_movie_seconds(movie: MovieRecord) -> MovieSeconds:
    """Read the seconds that the parts of a movie took.

    Args:
        movie: The movie; of one that failed, what was done until then is not known.
    """
    parts = dict.fromkeys(MOVIE_PARTS.values(), 0.0)
    for name, stage in movie.stages.items():
        if name in MOVIE_PARTS:
            parts[MOVIE_PARTS[name]] += stage.seconds
    estimation = movie.stages.get(ESTIMATE_STAGE, StageTime(seconds=0))
    times = movie.estimation or EstimationTimes()
    decoding = min(times.decoding, estimation.seconds)
    return MovieSeconds(
        queued=times.queued,
        decoding=decoding,
        network=estimation.seconds - decoding,
        tracking=times.tracking,
        **parts,
    )


def _read_layout(record: RunRecord) -> RunLayout:
    count = len(record.movies)
    if record.is_spread:
        return RunLayout(at_once=count, estimators=count, finishers=count)
    return RunLayout(MOVIES_AT_ONCE, 1, count_finishers(record.host.cpus))


def _sum_stages(record: RunRecord, names: frozenset[str] | set[str]) -> float:
    return sum(stage.seconds for name, stage in record.stages.items() if name in names)


def summarize_run(record: RunRecord) -> PastRun:
    """Summarize a run for forecasts of later ones.

    Args:
        record: The run.
    """
    parts = read_run_seconds(record)
    return PastRun(
        finished=record.finished,
        host=record.host.name,
        cpus=record.host.cpus,
        device=record.estimator.device if record.estimator else "",
        model=record.model.snapshot_sha256,
        precision=record.request.settings.precision.value,
        is_fetched=any(is_remote(movie.input.location) for movie in record.movies),
        is_sent=is_remote(record.request.output),
        start=parts.start,
        process=_sum_stages(record, {START_STAGE}),
        end=parts.end,
        lost=find_lost_share(record),
        movies=tuple(_summarize_movies(record)),
        follow=record.request.settings.follow.value,
    )


def _summarize_movies(record: RunRecord) -> Iterator[PastMovie]:
    for movie in record.movies:
        if movie.frames is None or not (movie.width and movie.height):
            continue
        stages = movie.stages
        label = stages.get("Label movie")
        publish = stages.get("Publish movie")
        estimated = movie.frames.poses - (movie.resumed or 0) if movie.estimation else 0
        width, height = movie.crop[2:] if movie.crop else (movie.width, movie.height)
        yield PastMovie(
            frames=movie.frames.poses,
            estimated=estimated,
            pixels=movie.width * movie.height,
            network_pixels=width * height,
            size=movie.input.size,
            published=sum(output.size for output in movie.outputs.values())
            if publish and not publish.reused
            else 0,
            preparation=movie.estimation.preparation if movie.estimation else 0.0,
            fixed_drawing=sum(
                stage.seconds
                for name, stage in stages.items()
                if name in FIXED_STAGES and MOVIE_PARTS[name] == "drawing"
            ),
            is_drawn=label is not None and not label.reused,
            seconds=read_movie_seconds(movie),
        )


def find_lost_share(record: RunRecord) -> float:
    """Find the share of the processors' time, 0 to 1, that others had during estimations."""
    shares = [
        (movie.estimation.lost, read_movie_seconds(movie).estimation)
        for movie in record.movies
        if movie.estimation and movie.estimation.lost is not None
    ]
    weight = sum(seconds for _, seconds in shares)
    return sum(share * seconds for share, seconds in shares) / weight if weight else 0.0


def is_remote(location: str) -> bool:
    """Return whether a location is in an object store, and not in a folder."""
    return location.startswith("s3://")
