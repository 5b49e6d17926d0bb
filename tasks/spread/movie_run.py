"""The separate run of one movie of a request that is spread over workers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tasks.errors import BadInput, PoseError
from tasks.output.lock import LockLost, write_on_behalf_of
from tasks.output.record import build_failed_record
from tasks.pose.settings import PoseSettings
from tasks.run.request import resolve_locations
from tasks.run_data import AnalyzedMovie, MovieOutcome, MovieSource, ResolvedRequest
from tasks.spread.handover import MoviePlace, write_handover
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import CHANGED_MESSAGE


@stage("Resolve movie", "resolve · {place.name}", retries=STORE_RETRIES)
def resolve_movie(
    model: str, movie: str, output: str, settings: PoseSettings, place: MoviePlace
) -> tuple[ResolvedRequest, str]:
    """Find the model and the movie, as long as they are those that the request found."""
    request = resolve_locations(model, [movie], output, settings)
    (found,) = request.movies
    for info, etag in ((request.model, place.model_etag), (found.info, place.movie_etag)):
        if info.etag != etag:
            raise BadInput(f"{info.location}: {CHANGED_MESSAGE}")
    placed = replace(found, number=place.number, name=place.name)
    return replace(request, movies=(placed,)), str(found.info.location)


@contextmanager
def hand_over_outcome(
    movie: str, place: MoviePlace, scratch: Path
) -> Iterator[Callable[[AnalyzedMovie], None]]:
    """Hand a movie's outcome over, also where the block fails: the request's run waits for it.

    Where that run has lost its lock, nobody waits, and nothing is written.

    Yields:
        What takes the movie's results.
    """
    store = LocationStore()
    try:
        with write_on_behalf_of(store, place.run, place.claims):
            yield lambda analyzed: upload_handover(store, analyzed, place, scratch)
    except LockLost:
        raise
    except PoseError as error:
        info = ObjectInfo(Location.parse(movie), 0, None, None, None, None)
        source = MovieSource(place.number, place.name, info)
        upload_handover(store, build_failed_record(source, error), place, scratch)
        raise


@stage("Hand over", "hand over · {place.name}", retries=STORE_RETRIES)
def upload_handover(
    store: ObjectStore, outcome: MovieOutcome, place: MoviePlace, scratch: Path
) -> tuple[None, str]:
    """Put a movie's outcome where its request's run looks for it."""
    path = scratch / "part.zip"
    write_handover(outcome, path)
    target = Location.parse(place.part)
    store.upload(path, target, "application/zip")
    return None, place.part
