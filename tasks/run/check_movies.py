"""Check movies before the network is loaded: one that cannot be read is refused within seconds."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from tasks.errors import BadInput, PoseError
from tasks.full_disk import explain_full_disk
from tasks.output.kept_archives import HiddenListing
from tasks.pose.child_functions import find_needed_parts, probe_movie
from tasks.processes.pool import RunProcesses
from tasks.processes.watchdog import Patience
from tasks.run.movie_outline import MIN_SIZE, fetch_outline
from tasks.run_data import MovieSource, ResolvedRequest
from tasks.stages.stage import stage
from tasks.storage.store import ObjectStore

CHECKS_AT_ONCE = 8
"""Movies that are looked into at a time: most of it is waiting for their store."""


@stage("Check movies", "check movies")
def check_movies(
    request: ResolvedRequest, kept: HiddenListing, scratch: Path, workers: RunProcesses
) -> tuple[ResolvedRequest, str]:
    """Find the movies that cannot be read; the others are checked again as a whole at their turn.

    Of a large movie in a bucket only what is needed is fetched; where that would be all of it, the
    movie is checked at its turn. So is one of which an earlier run has stored poses.

    Returns:
        The request, whose movies know what is wrong with them.
    """
    check = partial(_find_problem, store=request.store, scratch=scratch, workers=workers)
    unknown = [movie for movie in request.movies if not kept.has_poses(movie)]
    pool = ThreadPoolExecutor(CHECKS_AT_ONCE)
    try:
        problems = dict(zip((m.number for m in unknown), pool.map(check, unknown), strict=True))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    movies = tuple(replace(m, problem=problems.get(m.number)) for m in request.movies)
    return replace(request, movies=movies), _summarize(movies)


def _summarize(movies: tuple[MovieSource, ...]) -> str:
    refused = [movie.problem for movie in movies if movie.problem]
    if not refused:
        return f"{len(movies)} can be read, as far as was looked"
    return f"{refused[0]}; {len(refused)} of {len(movies)} cannot be read"


def _find_problem(
    movie: MovieSource, store: ObjectStore, scratch: Path, workers: RunProcesses
) -> str | None:
    """Find out why a movie cannot be read; None where it can be, or where that is not known."""
    name = movie.info.location.name
    try:
        with _fetch_some(movie, store, scratch, workers) as path:
            if path is not None:
                with workers.finishers.lease() as process:
                    process.call(probe_movie, path, name, patience=Patience(movie.name))
    except BadInput as error:
        return str(error)
    except PoseError:
        return None  # a store that is away, a decoder that crashes: another try may help
    return None


@contextmanager
def _fetch_some(
    movie: MovieSource, store: ObjectStore, scratch: Path, workers: RunProcesses
) -> Iterator[Path | None]:
    """What is needed of a movie, as a local file; None where that is too much."""
    info = movie.info
    if (local := store.local_path(info)) is not None:
        yield local
        return
    path = scratch / f"check-{movie.number}{info.location.suffix.lower()}"

    def find_parts(outline: Path) -> list[tuple[int, int]]:
        with workers.finishers.lease() as process:
            return process.call(find_needed_parts, outline, info.location.name, 0)

    try:
        with explain_full_disk(scratch):
            is_there = fetch_outline(store, info, path, find_parts)
            if not is_there and info.size < MIN_SIZE:
                store.download(info, path)
                is_there = True
        yield path if is_there else None
    finally:
        path.unlink(missing_ok=True)


def refuse_unreadable(movie: MovieSource) -> None:
    """Refuse a movie of which it is known that it cannot be read, before it is fetched.

    Raises:
        BadInput: It cannot.
    """
    if movie.problem is not None:
        error = BadInput(movie.problem)
        error.stage = "Check movie"
        raise error
