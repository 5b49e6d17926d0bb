"""Spread a request's movies over the workers of the pool, and gather what they find.

Each movie becomes a separate run. Its outcome comes back through a hidden folder at the output
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
from tasks.output.hidden_folder import hidden_location, remove_empty_folders, remove_objects
from tasks.output.lock import check_lock, claims_folder, let_lock_expire
from tasks.output.record import build_failed_record, to_input_record
from tasks.pose.results.run_record import MovieRecord
from tasks.run_data import AnalyzedMovie, FetchedInput, MovieOutcome, MovieSource, ResolvedRequest
from tasks.spread.handover import MoviePlace, read_handover
from tasks.stages.cancellation import is_cancelled
from tasks.stages.run_names import format_request_name
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

MOVIE_DEPLOYMENT = "one-movie/one-movie"
"""The deployment whose runs analyze a spread request's movies."""

MAX_ATTEMPTS = 3
"""Runs that a movie gets, where workers are lost or its store fails."""

POLL_INTERVAL = 3.0
"""Seconds between two looks at how the runs stand."""

_RUNS_PER_PAGE = 200
"""Runs that the server tells of in one answer."""


def is_spread_request(request: ResolvedRequest) -> bool:
    """Return whether each movie of a request gets a separate run."""
    least = request.given.settings.spread_from
    return bool(least) and len(request.movies) >= least


def check_movie_deployment() -> None:
    """Refuse a request that is to be spread where there is no deployment to spread it by.

    Raises:
        BadInput: The server has none.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(MOVIE_DEPLOYMENT)
        except ObjectNotFound as error:
            raise BadInput(
                f"spread_from: the Prefect server has no deployment {MOVIE_DEPLOYMENT}, which a "
                "spread request needs; run `make deploy`, or leave spread_from at 0"
            ) from error


@dataclass
class SpreadMovie:
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
    outcome: MovieOutcome | None = None

    @property
    def handover_location(self) -> Location:
        """Location to which the present run hands over its outcome."""
        return self.folder.child(f"{self.movie.number}-{self.number}.zip")


@dataclass
class SpreadRequest:
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
    model: FetchedInput
    scratch: Path
    run: FlowRun
    folder: Location
    errands: list[SpreadMovie]


@stage("Spread movies", "spread movies")
def spread_movies(
    request: ResolvedRequest, model: FetchedInput, scratch: Path
) -> tuple[list[MovieOutcome], str]:
    """Start a run for every movie, wait until all have ended, and read what they found."""
    run = _this_flow_run()
    folder = _handover_folder(request, run)
    errands = [SpreadMovie(movie, folder) for movie in request.movies]
    spread = SpreadRequest(request, model, scratch, run, folder, errands)
    with _end_runs_on_failure(spread):
        for errand in errands:
            _start_run(errand, spread)
        for counts in _watch_runs(spread):
            get_run_logger().info("%s", counts)
    again = sum(errand.failures for errand in errands)
    outcomes = [errand.outcome for errand in errands if errand.outcome]
    return outcomes, f"{len(outcomes)} movies, {again} of them tried again"


def _this_flow_run() -> FlowRun:
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    return context.flow_run


def _handover_folder(request: ResolvedRequest, run: FlowRun) -> Location:
    return hidden_location(request.output, "parts", f"{run.id}/")


def _start_run(errand: SpreadMovie, spread: SpreadRequest) -> None:
    """Start an errand's run, or find the one that this flow's run started before it was lost.

    One that has ended and left nothing is of no use: this flow's run was retried since.
    """
    while True:
        run = _find_or_start_run(errand, spread)
        is_under_way = run.state is None or not run.state.is_final()
        if is_under_way or _find_handover(spread.request.store, errand) is not None:
            errand.run = run.id
            return
        errand.number += 1


def _find_or_start_run(errand: SpreadMovie, spread: SpreadRequest) -> FlowRun:
    """The run of an errand's present number, which is made where there is none."""
    given, movie, model = spread.request.given, errand.movie, spread.request.model.location
    place = MoviePlace(
        number=movie.number,
        name=movie.name,
        part=str(errand.handover_location),
        model_etag=spread.model.input.etag,
        movie_etag=movie.info.etag,
        run=str(spread.run.id),
        claims=str(claims) if (claims := claims_folder()) else None,
    )
    run: Any = run_deployment(
        MOVIE_DEPLOYMENT,
        parameters={
            "model": str(model),
            "movie": str(movie.info.location),
            "output": given.output,
            "settings": given.settings.model_dump(mode="json"),
            "place": place.model_dump(),
        },
        flow_run_name=format_request_name([str(movie.info.location)], str(model)),
        idempotency_key=f"{spread.run.id}-{movie.number}-{errand.number}",
        timeout=0,
    )
    found: FlowRun = run
    return found


def _watch_runs(spread: SpreadRequest) -> Iterator[str]:
    """Look at the runs until every movie has an outcome; tells whenever something has changed."""
    told = ""
    while waiting := [errand for errand in spread.errands if errand.outcome is None]:
        check_lock(ask=False)  # their own runs look before they write
        states = _read_states([errand.run for errand in waiting if errand.run])
        for errand in waiting:
            state = states.get(errand.run, _DELETED_STATE) if errand.run else None
            if state is not None and state.is_final():
                _conclude_run(errand, state, spread)
        if (counts := _format_counts(spread, states)) != told:
            told = counts
            yield counts
        if any(errand.outcome is None for errand in waiting):
            time.sleep(POLL_INTERVAL)


_DELETED_STATE: State[Any] = Crashed(message="somebody has deleted it")


def _read_states(runs: Sequence[UUID]) -> dict[UUID, State[Any] | None]:
    """Read the states of runs."""
    found: dict[UUID, State[Any] | None] = {}
    with get_client(sync_client=True) as client:
        for begin in range(0, len(runs), _RUNS_PER_PAGE):
            some = list(runs[begin : begin + _RUNS_PER_PAGE])
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=some))
            found |= {run.id: run.state for run in client.read_flow_runs(flow_run_filter=chosen)}
    return found


def _format_counts(spread: SpreadRequest, states: dict[UUID, State[Any] | None]) -> str:
    ended = sum(errand.outcome is not None for errand in spread.errands)
    names = Counter(str(state.name).lower() for state in states.values() if state)
    others = [
        f"{count} {name}"
        for name, count in sorted(names.items())
        if not name.startswith("completed")
    ]
    return ", ".join([f"{ended} of {len(spread.errands)} movies have ended", *others])


def _conclude_run(errand: SpreadMovie, state: State[Any], spread: SpreadRequest) -> None:
    """Take what a run that has ended found, or give its movie to another worker."""
    if state.is_cancelled():
        errand.outcome = build_failed_record(errand.movie, StageFailed("its run was cancelled"))
        return
    outcome = _read_outcome(errand, state, spread)
    if isinstance(outcome, AnalyzedMovie) or not _can_retry(outcome, errand):
        errand.outcome = outcome
        return
    errand.failures += 1
    errand.number += 1
    get_run_logger().warning("%s: %s; it is tried again", errand.movie.name, outcome.error)
    _start_run(errand, spread)


def _can_retry(failed: MovieRecord, errand: SpreadMovie) -> bool:
    return failed.error_kind == "retriable" and errand.failures + 1 < MAX_ATTEMPTS


def _read_outcome(errand: SpreadMovie, state: State[Any], spread: SpreadRequest) -> MovieOutcome:
    """Read the outcome that a run handed over; if there is none, its final state."""
    try:
        found = _find_handover(spread.request.store, errand)
        if found is None:
            told = f": {state.message}" if state.message else ""
            return build_failed_record(
                errand.movie, Retriable(f"its run ended as {state.name}{told}")
            )
        return _fetch_handover(spread, found, errand.movie)
    except PoseError as error:
        return build_failed_record(errand.movie, error)


def _find_handover(store: ObjectStore, errand: SpreadMovie) -> ObjectInfo | None:
    with suppress(NoSuchObject):
        return store.stat(errand.handover_location)
    return None


def _fetch_handover(spread: SpreadRequest, found: ObjectInfo, movie: MovieSource) -> MovieOutcome:
    """Read a part, so that its movie is the one that this run has found."""
    path = spread.scratch / f"{movie.number}.zip"
    spread.request.store.download(found, path)
    outcome = read_handover(path, spread.scratch / str(movie.number))
    path.unlink()
    if isinstance(outcome, AnalyzedMovie):
        return replace(outcome, source=movie)
    times = movie.times and to_input_record(movie.times)
    inputs = {"input": to_input_record(movie.info), "times_input": times}
    return outcome.model_copy(update=inputs)


@contextmanager
def _end_runs_on_failure(spread: SpreadRequest) -> Iterator[None]:
    """End the movies' runs where this one ends early, unless it is going to be started again."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, TerminationSignal) or _is_run_cancelled(spread.run):
            _cancel_runs(spread)
            remove_objects(spread.request.store, spread.folder)
        else:
            let_lock_expire()
        raise


def _is_run_cancelled(run: FlowRun) -> bool:
    """Return whether a person cancels a run; else its worker ends, and another takes it."""
    with suppress(Exception), get_client(sync_client=True) as client:
        return is_cancelled(client, run.id)
    return False


def _cancel_runs(spread: SpreadRequest) -> None:
    cancelling: State[Any] = Cancelling(
        message=f"with its request, run {spread.run.name!r} ({spread.run.id})"
    )
    with get_client(sync_client=True) as client:
        for errand in spread.errands:
            if errand.run is not None and errand.outcome is None:
                with suppress(Exception):
                    client.set_flow_run_state(errand.run, cancelling)


@stage("Remove parts", "remove parts")
def remove_handovers(request: ResolvedRequest) -> tuple[None, str]:
    """Remove what the movies' runs have handed over, once it is part of the results."""
    count = remove_objects(request.store, _handover_folder(request, _this_flow_run()))
    remove_empty_folders(hidden_location(request.output, "parts/"))
    return None, f"{count} parts"
