"""One movie of a request that is spread over workers, in the run of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tasks.errors import BadInput, PoseError
from tasks.output.lock import LockLost, writes_for
from tasks.output.record import failed_record
from tasks.pose.settings import PoseSettings
from tasks.run.request import resolve
from tasks.run_data import Analysed, MovieSource, Outcome, ResolvedRequest
from tasks.spread.handover import Place, write_part
from tasks.stages.stage import STORE_RETRIES, stage
from tasks.storage.location import Location
from tasks.storage.lookup import store_for
from tasks.storage.store import CHANGED, ObjectInfo
from tasks.storage.user_errors import store_errors


@stage("Resolve movie", "resolve · {place.name}", retries=STORE_RETRIES)
def resolve_movie(
    model: str, movie: str, output: str, settings: PoseSettings, place: Place
) -> tuple[ResolvedRequest, str]:
    """Find the model and the movie, as long as they are those that the request found."""
    request = resolve(model, [movie], output, settings)
    (found,) = request.movies
    for info, etag in ((request.model, place.model_etag), (found.info, place.movie_etag)):
        if info.etag != etag:
            raise BadInput(f"{info.location}: {CHANGED}")
    placed = MovieSource(place.number, place.name, found.info)
    return replace(request, movies=(placed,)), str(found.info.location)


@contextmanager
def hands_over(movie: str, place: Place, scratch: Path) -> Iterator[Callable[[Analysed], None]]:
    """Hand a movie's outcome over, also where the block fails: the request's run waits for it.

    Where that run has lost its lock, nobody waits, and nothing is written.

    Yields:
        What takes the movie's results.
    """
    try:
        with writes_for(place.run, place.claims):
            yield lambda analysed: publish_part(analysed, place, scratch)
    except LockLost:
        raise
    except PoseError as error:
        info = ObjectInfo(Location.parse(movie), 0, None, None, None, None)
        source = MovieSource(place.number, place.name, info)
        publish_part(failed_record(source, error), place, scratch)
        raise


@stage("Hand over", "hand over · {place.name}", retries=STORE_RETRIES)
def publish_part(outcome: Outcome, place: Place, scratch: Path) -> tuple[None, str]:
    """Put a movie's outcome where its request's run looks for it."""
    path = scratch / "part.zip"
    write_part(outcome, path)
    target = Location.parse(place.part)
    with store_errors():
        store_for(target).upload(path, target, "application/zip")
    return None, place.part
