"""The runs of a spread request's movies on a real server, whatever becomes of them and of it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Cancelling, Completed, Crashed

from tasks.errors import BadInput
from tasks.pose.results.run_record import InputObject, MovieRecord, RequestRecord
from tasks.pose.settings import PoseSettings
from tasks.run_data import FetchedInput, MovieSource, ResolvedRequest
from tasks.spread import request_run
from tasks.spread.handover import write_handover
from tasks.spread.request_run import (
    SpreadMovie,
    SpreadRequest,
    _conclude_run,
    _end_runs_on_failure,
    _read_states,
    _start_run,
)
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo
from tests.support.records import example_failed_movie

MODEL = InputObject(location="/m.zip", size=1, etag="e", version=None, sha256=None)


@flow
def parent() -> None:
    """Stands for a request's own run."""


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a run there is no run's log."""
    monkeypatch.setattr(request_run, "get_run_logger", lambda: logging.getLogger(__name__))


def info(name: str) -> ObjectInfo:
    return ObjectInfo(Location.parse(f"/in/{name}"), 1, "e", None, None, None)


@pytest.fixture(scope="module")
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow_from_name("one-movie")
        client.create_deployment(flow_id, "one-movie", enforce_parameter_schema=False)
        yield client


@pytest.fixture
def spread(client: SyncPrefectClient, tmp_path: Path) -> SpreadRequest:
    run = client.create_flow_run(parent)
    movies = (MovieSource(0, "m1", info("m1.mp4")), MovieSource(1, "m2", info("m2.mp4")))
    output = Location.parse(f"{tmp_path}/out/")
    given = RequestRecord(
        model="/m.zip", movies=("/in/",), output=str(output), settings=PoseSettings()
    )
    request = ResolvedRequest(given, info("m.zip"), movies, output, (), LocationStore())
    folder = output.child(".dlcflow", f"{run.id}/")
    errands = [SpreadMovie(movie, folder) for movie in movies]
    fetched = FetchedInput(tmp_path / "m.zip", MODEL)
    return SpreadRequest(request, fetched, tmp_path / "scratch", run, folder, errands)


def started(spread: SpreadRequest) -> list[UUID]:
    for errand in spread.errands:
        _start_run(errand, spread)
    return [errand.run for errand in spread.errands if errand.run]


def state_of(client: SyncPrefectClient, run: UUID | None) -> Any:
    assert run is not None
    return client.read_flow_run(run).state


def hand_over(errand: SpreadMovie, **changes: Any) -> MovieRecord:
    failed = example_failed_movie(errand.movie.name, errand.movie.number, **changes)
    errand.handover_location.path.parent.mkdir(parents=True, exist_ok=True)
    write_handover(failed, errand.handover_location.path)
    return failed


def test_each_movie_has_a_run_that_is_named_for_it(
    client: SyncPrefectClient, spread: SpreadRequest
) -> None:
    runs: list[FlowRun] = [client.read_flow_run(run) for run in started(spread)]
    assert [run.name for run in runs] == ["m1 · m", "m2 · m"]
    assert runs[0].parameters["place"]["part"].endswith("/0-0.zip")


def test_a_request_that_is_started_again_finds_its_movies_runs(spread: SpreadRequest) -> None:
    first = started(spread)
    spread.errands = [SpreadMovie(errand.movie, spread.folder) for errand in spread.errands]
    assert started(spread) == first


def test_runs_that_ended_and_left_nothing_are_passed_over(
    client: SyncPrefectClient, spread: SpreadRequest
) -> None:
    cancelled, completed = started(spread)
    client.set_flow_run_state(cancelled, Cancelled(), force=True)
    client.set_flow_run_state(completed, Completed(), force=True)
    for _ in range(5):  # however often it is retried
        again = started(spread)
        assert not {cancelled, completed} & set(again)
        cancelled, completed = again
        for run in again:
            client.set_flow_run_state(run, Cancelled(), force=True)
    assert [errand.failures for errand in spread.errands] == [0, 0]


def test_what_a_run_left_is_taken_by_a_request_that_is_started_again(
    client: SyncPrefectClient, spread: SpreadRequest
) -> None:
    first = started(spread)
    client.set_flow_run_state(first[0], Completed(), force=True)
    hand_over(spread.errands[0])
    assert started(spread) == first
    _conclude_run(spread.errands[0], Completed(), spread)
    outcome = spread.errands[0].outcome
    assert isinstance(outcome, MovieRecord)
    assert outcome.input.location == "/in/m1.mp4"


def test_a_lost_run_is_replaced_three_times_at_the_most(spread: SpreadRequest) -> None:
    runs = [started(spread)[0]]
    errand = spread.errands[0]
    while errand.outcome is None:
        _conclude_run(errand, Crashed(message="its worker is gone"), spread)
        runs += [errand.run] if errand.run and errand.run not in runs else []
    assert len(runs) == request_run.MAX_ATTEMPTS
    assert isinstance(errand.outcome, MovieRecord)
    assert errand.outcome.error == "its run ended as Crashed: its worker is gone"


def test_a_movie_that_fails_for_good_is_not_tried_again(spread: SpreadRequest) -> None:
    first = started(spread)[0]
    errand = spread.errands[0]
    hand_over(errand, error_kind="bad input")
    _conclude_run(errand, Completed(), spread)
    assert errand.outcome is not None
    assert (errand.run, errand.failures) == (first, 0)


def test_an_old_reason_is_not_told_of_a_new_run(spread: SpreadRequest) -> None:
    started(spread)
    errand = spread.errands[0]
    hand_over(errand, error_kind="retriable", error="the store is busy")
    _conclude_run(errand, Completed(), spread)
    for _ in range(2):
        _conclude_run(errand, Crashed(message="killed"), spread)
    assert isinstance(errand.outcome, MovieRecord)
    assert errand.outcome.error == "its run ended as Crashed: killed"


def test_a_run_that_somebody_deleted_is_lost(
    client: SyncPrefectClient, spread: SpreadRequest
) -> None:
    (deleted, kept) = started(spread)
    client.delete_flow_run(deleted)
    assert set(_read_states([deleted, kept])) == {kept}


@pytest.mark.parametrize("error", [KeyboardInterrupt, BadInput])
def test_movies_end_with_a_request_that_ends_early(
    client: SyncPrefectClient, spread: SpreadRequest, error: type[BaseException]
) -> None:
    runs = started(spread)
    hand_over(spread.errands[0])
    with pytest.raises(error), _end_runs_on_failure(spread):
        raise error("ended")
    assert {state_of(client, run).name for run in runs} <= {"Cancelling", "Cancelled"}
    assert not spread.errands[0].handover_location.path.exists()


def test_movies_end_with_a_request_that_is_cancelled(
    client: SyncPrefectClient, spread: SpreadRequest
) -> None:
    runs = started(spread)
    client.set_flow_run_state(spread.run.id, Cancelling(), force=True)
    with pytest.raises(TerminationSignal), _end_runs_on_failure(spread):
        raise TerminationSignal(signal=15)
    assert {state_of(client, run).name for run in runs} <= {"Cancelling", "Cancelled"}


def test_movies_go_on_where_the_request_s_worker_ends(
    client: SyncPrefectClient, spread: SpreadRequest
) -> None:
    runs = started(spread)
    with pytest.raises(TerminationSignal), _end_runs_on_failure(spread):
        raise TerminationSignal(signal=15)
    assert {state_of(client, run).name for run in runs} == {"Scheduled"}


def test_without_a_deployment_nothing_can_be_spread(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_run.check_movie_deployment()
    monkeypatch.setattr(request_run, "MOVIE_DEPLOYMENT", "one-movie/nowhere")
    with pytest.raises(BadInput, match="run `make deploy`, or leave spread_from at 0"):
        request_run.check_movie_deployment()
