"""One movie of a request that is spread over workers, in the run of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tasks.locking import LockLost, writes_for
from tasks.parts import Place, write_part
from tasks.pose.errors import BadInput, PoseError
from tasks.pose.settings import PoseSettings
from tasks.recording import Analysed, Outcome, failed_record
from tasks.retries import STORE_RETRIES, stage
from tasks.staging import MovieSource, ResolvedRequest, resolve
from tasks.storage.location import Location
from tasks.storage.store import CHANGED, ObjectInfo, store_for
from tasks.store_errors import store_errors


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
