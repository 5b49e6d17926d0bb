"""Spread a request's movies over the workers of the pool, and gather what they find.

Each movie becomes a run of its own. What it finds comes back through a hidden folder at the output
location, which is removed in the end. A run whose worker is lost is replaced by another one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.states import Cancelling
from pydantic import BaseModel, ConfigDict

from tasks.parts import Outcome, read_part, write_part
from tasks.pose.errors import BadInput, PoseError, Retriable, StageFailed
from tasks.pose.run_record import MovieRecord
from tasks.pose.settings import PoseSettings
from tasks.recording import Analysed, failed_record, input_of
from tasks.retries import STORE_RETRIES, stage
from tasks.staging import Fetched, MovieSource, ResolvedRequest, resolve
from tasks.storage.location import Location
from tasks.storage.store import CHANGED, ObjectInfo, store_for
from tasks.store_errors import store_errors

ONE_MOVIE = "one-movie/one-movie"
"""The deployment whose runs analyse a spread request's movies."""

HIDDEN = ".dlcflow"
"""Folder at the output location for what runs hand to each other."""

MOST_ATTEMPTS = 3
"""Runs that a movie gets, where workers are lost or its store fails."""

POLL = 3.0
"""Seconds between two looks at how the runs stand."""

_AT_ONCE = 200
"""Runs that the server tells of in one answer."""


def spreads(request: ResolvedRequest) -> bool:
    """Whether a request's movies get runs of their own."""
    least = request.given.settings.spread_from
    return bool(least) and len(request.movies) >= least


@dataclass
class Errand:
    """One movie, and the runs that it has had.

    Attributes:
        movie: The movie.
        part: Where its run puts what it found.
        attempt: How many runs have failed it.
        run: The run that is under way.
        outcome: What was found, once that is known.
    """

    movie: MovieSource
    part: Location
    attempt: int = 0
    run: UUID | None = None
    outcome: Outcome | None = None


@dataclass
class Spread:
    """A request that is spread over workers.

    Attributes:
        request: The request.
        model: The archive, as this run fetched it.
        scratch: Where parts are put on the local disk.
        errands: One for each movie.
        run: This flow's run: its id makes those of the movies' runs, whatever happens to it.
    """

    request: ResolvedRequest
    model: Fetched
    scratch: Path
    run: FlowRun
    errands: list[Errand] = field(default_factory=list)


@stage("Spread movies", "spread movies", "prefect", "store")
def spread_movies(
    request: ResolvedRequest, model: Fetched, scratch: Path
) -> tuple[list[Outcome], str]:
    """Start a run for every movie, wait until all have ended, and read what they found."""
    spread = _spread(request, model, scratch)
    with _cancelled_together(spread):
        for errand in spread.errands:
            _start(errand, spread)
        for counts in _until_all_have_ended(spread):
            get_run_logger().info("%s", counts)
    moved = sum(errand.attempt for errand in spread.errands)
    outcomes = [errand.outcome for errand in spread.errands if errand.outcome]
    return outcomes, f"{len(outcomes)} movies, {moved} of them moved to another worker"


def _spread(request: ResolvedRequest, model: Fetched, scratch: Path) -> Spread:
    run = _this_run()
    spread = Spread(request, model, scratch, run)
    folder = _parts(request, str(run.id))
    spread.errands = [
        Errand(movie, folder.child(f"{movie.number}.zip")) for movie in request.movies
    ]
    return spread


def _this_run() -> FlowRun:
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    return context.flow_run


def _parts(request: ResolvedRequest, run: str) -> Location:
    return request.output.child(HIDDEN, f"{run}/")


def _start(errand: Errand, spread: Spread) -> None:
    """Start an errand's run; one that this flow's run started before it was lost is found again."""
    given, movie = spread.request.given, errand.movie
    try:
        run: Any = run_deployment(
            ONE_MOVIE,
            parameters={
                "model": str(spread.request.model.location),
                "movie": str(movie.info.location),
                "output": given.output,
                "settings": given.settings.model_dump(mode="json"),
                "place": {
                    "number": movie.number,
                    "name": movie.name,
                    "part": str(errand.part),
                    "model_etag": spread.model.input.etag,
                    "movie_etag": movie.info.etag,
                },
            },
            idempotency_key=f"{spread.run.id}-{movie.number}-{errand.attempt}",
            work_queue_name=spread.run.work_queue_name,
            timeout=0,
        )
    except ObjectNotFound as error:
        raise BadInput(
            f"spread_from: the Prefect server has no deployment {ONE_MOVIE}, which a spread "
            "request needs; run `make deploy`, or leave spread_from at 0"
        ) from error
    errand.run = run.id


def _until_all_have_ended(spread: Spread) -> Iterator[str]:
    """Look at the runs until every movie has an outcome; tells whenever something has changed."""
    told = ""
    while waiting := [errand for errand in spread.errands if errand.outcome is None]:
        states = _states([errand.run for errand in waiting if errand.run])
        for errand in waiting:
            state = states.get(errand.run) if errand.run else None
            if state is not None and state.is_final():
                _conclude(errand, state, spread)
        if (counts := _counts(spread, states)) != told:
            told = counts
            yield counts
        time.sleep(POLL)


def _states(runs: Sequence[UUID]) -> dict[UUID, State[Any] | None]:
    """How runs stand."""
    found: dict[UUID, State[Any] | None] = {}
    with get_client(sync_client=True) as client:
        for begin in range(0, len(runs), _AT_ONCE):
            some = list(runs[begin : begin + _AT_ONCE])
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=some))
            found |= {run.id: run.state for run in client.read_flow_runs(flow_run_filter=chosen)}
    return found


def _counts(spread: Spread, states: dict[UUID, State[Any] | None]) -> str:
    ended = sum(errand.outcome is not None for errand in spread.errands)
    names = Counter(str(state.name).lower() for state in states.values() if state)
    others = [f"{count} {name}" for name, count in sorted(names.items()) if name != "completed"]
    return ", ".join([f"{ended} of {len(spread.errands)} movies have ended", *others])


def _conclude(errand: Errand, state: State[Any], spread: Spread) -> None:
    """Take what a run that has ended found, or give its movie to another worker."""
    if state.is_cancelled():
        errand.outcome = failed_record(errand.movie, StageFailed("its run was cancelled"))
        return
    outcome = _outcome(errand, state, spread)
    if isinstance(outcome, Analysed) or not _may_go_again(outcome, errand):
        errand.outcome = outcome
        return
    errand.attempt += 1
    get_run_logger().warning(
        "%s: %s; it is given to another worker", errand.movie.name, outcome.error
    )
    _start(errand, spread)


def _may_go_again(failed: MovieRecord, errand: Errand) -> bool:
    return failed.error_kind == "retriable" and errand.attempt + 1 < MOST_ATTEMPTS


def _outcome(errand: Errand, state: State[Any], spread: Spread) -> Outcome:
    """What a run has handed over; where that is nothing, how it ended."""
    try:
        found = _part_of(errand)
        if found is None:
            told = f": {state.message}" if state.message else ""
            return failed_record(errand.movie, Retriable(f"its run ended as {state.name}{told}"))
        return _handed_over(found, errand.movie, spread.scratch)
    except PoseError as error:
        return failed_record(errand.movie, error)


def _part_of(errand: Errand) -> ObjectInfo | None:
    with store_errors(), suppress(FileNotFoundError):
        return store_for(errand.part).stat(errand.part)
    return None


def _handed_over(found: ObjectInfo, movie: MovieSource, scratch: Path) -> Outcome:
    """Read a part, so that its movie is the one that this run has found."""
    path = scratch / f"{movie.number}.zip"
    with store_errors():
        store_for(found.location).download(found, path)
    outcome = read_part(path, scratch / str(movie.number))
    path.unlink()
    if isinstance(outcome, Analysed):
        return replace(outcome, source=movie)
    return outcome.model_copy(update={"input": input_of(movie)})


@contextmanager
def _cancelled_together(spread: Spread) -> Iterator[None]:
    """End the movies' runs where this one is cancelled or fails: nobody would gather them."""
    try:
        yield
    except BaseException:
        with get_client(sync_client=True) as client:
            for errand in spread.errands:
                if errand.run is not None and errand.outcome is None:
                    with suppress(Exception):
                        client.set_flow_run_state(errand.run, Cancelling())
        raise


@stage("Remove parts", "remove parts", "store")
def remove_parts(request: ResolvedRequest) -> tuple[None, str]:
    """Remove what the movies' runs have handed over, once it is part of the results."""
    folder = _parts(request, str(_this_run().id))
    try:
        with store_errors():
            found = list(store_for(folder).list(folder))
            for info in found:
                store_for(folder).remove(info.location)
    except PoseError as error:  # all is delivered; what is left over must not undo that
        get_run_logger().warning("%s could not be removed: %s", folder, error)
        return None, "some are left"
    return None, f"{len(found)} parts"


# --- in a movie's own run ---------------------------------------------------------------------


class Place(BaseModel):
    """Where a movie stands in its request; the request's own run fills this in.

    Attributes:
        number: The movie's place in the request, counted from 0.
        name: Its folder below the output location.
        part: Location that its outcome is handed over at.
        model_etag: The model archive that the request found.
        movie_etag: The movie that the request found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    name: str
    part: str
    model_etag: str | None
    movie_etag: str | None


@stage("Resolve movie", "resolve · {place.name}", "store", retries=STORE_RETRIES)
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

    Yields:
        What takes the movie's results.
    """
    try:
        yield lambda analysed: publish_part(analysed, place, scratch)
    except PoseError as error:
        info = ObjectInfo(Location.parse(movie), 0, None, None, None, None)
        source = MovieSource(place.number, place.name, info)
        publish_part(failed_record(source, error), place, scratch)
        raise


@stage("Hand over", "hand over · {place.name}", "store", retries=STORE_RETRIES)
def publish_part(outcome: Outcome, place: Place, scratch: Path) -> tuple[None, str]:
    """Put a movie's outcome where its request's run looks for it."""
    path = scratch / "part.zip"
    write_part(outcome, path)
    target = Location.parse(place.part)
    with store_errors():
        store_for(target).upload(path, target, "application/zip")
    return None, place.part
