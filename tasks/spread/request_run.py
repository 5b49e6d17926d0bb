"""Spread a request's movies over the workers of the pool, and gather what they find.

Each movie becomes a run of its own. What it finds comes back through a hidden folder at the output
location, which is removed in the end. A run whose worker is lost is replaced by another one.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Cancelling, Crashed

from tasks.errors import BadInput, PoseError, Retriable, StageFailed
from tasks.output.hidden_folder import hidden, remove_empty, removed
from tasks.output.lock import check_lock, claims_folder, leave_lock
from tasks.output.record import failed_record, input_of
from tasks.pose.results.run_record import MovieRecord
from tasks.run_data import Analysed, Fetched, MovieSource, Outcome, ResolvedRequest
from tasks.spread.handover import Place, read_part
from tasks.stages.cancellation import is_cancelled
from tasks.stages.run_names import request_name
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.lookup import store_for
from tasks.storage.store import ObjectInfo
from tasks.storage.user_errors import store_errors

ONE_MOVIE = "one-movie/one-movie"
"""The deployment whose runs analyse a spread request's movies."""

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


def check_can_spread() -> None:
    """Refuse a request that is to be spread where there is no deployment to spread it by.

    Raises:
        BadInput: The server has none.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(ONE_MOVIE)
        except ObjectNotFound as error:
            raise BadInput(
                f"spread_from: the Prefect server has no deployment {ONE_MOVIE}, which a spread "
                "request needs; run `make deploy`, or leave spread_from at 0"
            ) from error


@dataclass
class Errand:
    """One movie, and the runs that it has had.

    Attributes:
        movie: The movie.
        folder: Where its runs put what they found.
        number: Which of its runs is the present one; a request whose own run was started again
            finds those that it had before under the same numbers.
        failures: How many of them failed in a way that another try may mend.
        run: The run that is under way.
        outcome: What was found, once that is known.
    """

    movie: MovieSource
    folder: Location
    number: int = 0
    failures: int = 0
    run: UUID | None = None
    outcome: Outcome | None = None

    @property
    def part(self) -> Location:
        """Where the present run puts what it found."""
        return self.folder.child(f"{self.movie.number}-{self.number}.zip")


@dataclass
class Spread:
    """A request that is spread over workers.

    Attributes:
        request: The request.
        model: The archive, as this run fetched it.
        scratch: Where parts are put on the local disk.
        run: This flow's run: its id makes those of the movies' runs, whatever happens to it.
        folder: Where movies' runs put what they found.
        errands: One for each movie.
    """

    request: ResolvedRequest
    model: Fetched
    scratch: Path
    run: FlowRun
    folder: Location
    errands: list[Errand]


@stage("Spread movies", "spread movies")
def spread_movies(
    request: ResolvedRequest, model: Fetched, scratch: Path
) -> tuple[list[Outcome], str]:
    """Start a run for every movie, wait until all have ended, and read what they found."""
    run = _this_run()
    folder = _parts(request, run)
    errands = [Errand(movie, folder) for movie in request.movies]
    spread = Spread(request, model, scratch, run, folder, errands)
    with _ended_together(spread):
        for errand in errands:
            _start(errand, spread)
        for counts in _until_all_have_ended(spread):
            get_run_logger().info("%s", counts)
    again = sum(errand.failures for errand in errands)
    outcomes = [errand.outcome for errand in errands if errand.outcome]
    return outcomes, f"{len(outcomes)} movies, {again} of them tried again"


def _this_run() -> FlowRun:
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    return context.flow_run


def _parts(request: ResolvedRequest, run: FlowRun) -> Location:
    return hidden(request.output, "parts", f"{run.id}/")


def _start(errand: Errand, spread: Spread) -> None:
    """Start an errand's run, or find the one that this flow's run started before it was lost.

    One that has ended and left nothing is of no use: this flow's run was retried since.
    """
    while True:
        run = _run_of(errand, spread)
        of_use = run.state is None or not run.state.is_final() or _part_of(errand) is not None
        if of_use:
            errand.run = run.id
            return
        errand.number += 1


def _run_of(errand: Errand, spread: Spread) -> FlowRun:
    """The run of an errand's present number, which is made where there is none."""
    given, movie, model = spread.request.given, errand.movie, spread.request.model.location
    place = Place(
        number=movie.number,
        name=movie.name,
        part=str(errand.part),
        model_etag=spread.model.input.etag,
        movie_etag=movie.info.etag,
        run=str(spread.run.id),
        claims=str(claims) if (claims := claims_folder()) else None,
    )
    run: Any = run_deployment(
        ONE_MOVIE,
        parameters={
            "model": str(model),
            "movie": str(movie.info.location),
            "output": given.output,
            "settings": given.settings.model_dump(mode="json"),
            "place": place.model_dump(),
        },
        flow_run_name=request_name([str(movie.info.location)], str(model)),
        idempotency_key=f"{spread.run.id}-{movie.number}-{errand.number}",
        timeout=0,
    )
    found: FlowRun = run
    return found


def _until_all_have_ended(spread: Spread) -> Iterator[str]:
    """Look at the runs until every movie has an outcome; tells whenever something has changed."""
    told = ""
    while waiting := [errand for errand in spread.errands if errand.outcome is None]:
        check_lock(ask=False)  # their own runs look before they write
        states = _states([errand.run for errand in waiting if errand.run])
        for errand in waiting:
            state = states.get(errand.run, _DELETED) if errand.run else None
            if state is not None and state.is_final():
                _conclude(errand, state, spread)
        if (counts := _counts(spread, states)) != told:
            told = counts
            yield counts
        if any(errand.outcome is None for errand in waiting):
            time.sleep(POLL)


_DELETED: State[Any] = Crashed(message="somebody has deleted it")


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
    errand.failures += 1
    errand.number += 1
    get_run_logger().warning("%s: %s; it is tried again", errand.movie.name, outcome.error)
    _start(errand, spread)


def _may_go_again(failed: MovieRecord, errand: Errand) -> bool:
    return failed.error_kind == "retriable" and errand.failures + 1 < MOST_ATTEMPTS


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
def _ended_together(spread: Spread) -> Iterator[None]:
    """End the movies' runs where this one ends early, unless it is going to be started again."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, TerminationSignal) or _is_cancelled(spread.run):
            _cancel(spread)
            removed(spread.folder)
        else:
            leave_lock()
        raise


def _is_cancelled(run: FlowRun) -> bool:
    """Whether somebody cancels a run; else its worker ends, and another one takes it up."""
    with suppress(Exception), get_client(sync_client=True) as client:
        return is_cancelled(client, run.id)
    return False


def _cancel(spread: Spread) -> None:
    cancelling: State[Any] = Cancelling(
        message=f"with its request, run {spread.run.name!r} ({spread.run.id})"
    )
    with get_client(sync_client=True) as client:
        for errand in spread.errands:
            if errand.run is not None and errand.outcome is None:
                with suppress(Exception):
                    client.set_flow_run_state(errand.run, cancelling)


@stage("Remove parts", "remove parts")
def remove_parts(request: ResolvedRequest) -> tuple[None, str]:
    """Remove what the movies' runs have handed over, once it is part of the results."""
    count = removed(_parts(request, _this_run()))
    remove_empty(hidden(request.output, "parts/"))
    return None, f"{count} parts"
