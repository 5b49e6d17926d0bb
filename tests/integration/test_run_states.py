"""The server's rules for states of our runs, and the names that new runs get."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    Scheduled,
)

from deployments.deploy import reconcile_pool
from tasks import PREFECT_TAG, UPKEEP_TAG
from tasks.stages.run_states import WAITING_STATE
from tests.integration.lab import connect_as_client, deploy_stub, set_states

NOT_COMPLETED = (AwaitingRetry, Cancelled, Cancelling, Crashed, Failed, Pending, Running, Scheduled)


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with connect_as_client(lab_server) as client:
        reconcile_pool(client, "process")
        yield client


def start_run(client: SyncPrefectClient, *states: Any, tag: str = PREFECT_TAG) -> FlowRun:
    """A run that has gone through states."""
    run = client.create_flow_run_from_deployment(deploy_stub(client, tag=tag))
    set_states(client, run, *states)
    return run


def read_state(client: SyncPrefectClient, run: FlowRun) -> Any:
    return client.read_flow_run(run.id).state


@pytest.mark.parametrize("tag", [PREFECT_TAG, UPKEEP_TAG])
def test_a_completed_run_stays_completed_whatever_is_pressed(
    client: SyncPrefectClient, tag: str
) -> None:
    done: Any = Completed(message="1 movie, 720 frames, 1 pass")
    run = start_run(client, Pending(), Running(), done, tag=tag)
    for kind in NOT_COMPLETED:
        for force in (False, True):
            wanted: Any = kind()
            answer = client.set_flow_run_state(run.id, wanted, force=force)
            assert answer.status is SetStateStatus.ABORT
            assert "start a new run" in str(answer.details)
    state = read_state(client, run)
    assert (state.name, state.message) == ("Completed", done.message)


def test_runs_of_others_are_prefects_business(client: SyncPrefectClient) -> None:
    run = start_run(client, Running(), Completed(), tag="somebody's")
    wanted: Any = Cancelled()
    client.set_flow_run_state(run.id, wanted, force=True)
    assert read_state(client, run).is_cancelled()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("before", [(), (Pending(),), (Running(), Crashed(), AwaitingRetry())])
def test_a_run_is_cancelled_at_once_before_its_work_begins(
    client: SyncPrefectClient, before: tuple[Any, ...], force: bool
) -> None:
    run = start_run(client, *before)
    client.update_flow_run(run.id, infrastructure_pid="4711")
    wanted: Any = Cancelling()
    client.set_flow_run_state(run.id, wanted, force=force)
    state = read_state(client, run)
    assert state.is_cancelled()
    assert state.message.startswith("Cancelled at 20")
    assert state.message.endswith("which know no users; its work had not started.")
    # The process that a worker has started for it comes too late.
    for late in (Pending, Running):
        wanted = late()
        assert client.set_flow_run_state(run.id, wanted).status is SetStateStatus.ABORT
    wanted = AwaitingRetry()
    assert client.set_flow_run_state(run.id, wanted).status is SetStateStatus.ACCEPT


def test_who_asked_for_a_cancellation_is_told(client: SyncPrefectClient) -> None:
    run = start_run(client, Pending(), Cancelling(message="with its request, run 'm1'"))
    assert "with its request, run 'm1'; its work had not" in read_state(client, run).message


def test_a_job_in_a_cluster_is_left_to_prefect_which_removes_it(client: SyncPrefectClient) -> None:
    run = start_run(client, Pending())
    client.update_flow_run_labels(run.id, {"prefect.worker.type": "kubernetes"})
    set_states(client, run, Cancelling())
    assert read_state(client, run).is_cancelling()
    set_states(client, run, Cancelled())


def test_only_a_run_that_waits_is_told_why(client: SyncPrefectClient) -> None:
    run = start_run(client)
    waiting: Any = Scheduled(name=WAITING_STATE, message="the work pool gpu is paused")
    for state, status in ((None, SetStateStatus.ACCEPT), (Pending(), SetStateStatus.ABORT)):
        if state is not None:
            set_states(client, run, state)
        for force in (False, True):
            assert client.set_flow_run_state(run.id, waiting, force=force).status is status
    assert read_state(client, run).type is StateType.PENDING
    client.delete_flow_run(run.id)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"model": "s3://lab/openfield.zip", "movies": ["s3://lab/m1.mp4"]}, "m1 · openfield"),
        ({"movies": ["s3://lab/m1.mp4"]}, "merry-tody"),
        ({"annotations": ["s3://lab/session-7/run.json"]}, "session-7 · behavior"),
        ({"cell_sets": ["s3://lab/c1.isxd"], "annotations": "s3://lab/b/"}, "c1 · neural"),
        ({"movies": 7, "model": None}, "merry-tody"),
    ],
)
def test_a_run_is_named_for_what_it_works_on_from_the_start(
    client: SyncPrefectClient, parameters: dict[str, Any], name: str
) -> None:
    run = client.create_flow_run_from_deployment(
        deploy_stub(client), parameters=parameters, name="merry-tody"
    )
    assert run.name == name
    assert client.read_flow_run(run.id).parameters == parameters
    client.delete_flow_run(run.id)


def test_a_long_request_goes_on_whole(client: SyncPrefectClient) -> None:
    movies = [f"s3://lab/{uuid4().hex}/{number}.mp4" for number in range(5000)]
    run = client.create_flow_run_from_deployment(
        deploy_stub(client), parameters={"movies": movies, "model": "s3://lab/openfield.zip"}
    )
    assert run.parameters["movies"] == movies
    assert run.name == "0, 1, 2, 4997 more · openfield"
    client.delete_flow_run(run.id)
