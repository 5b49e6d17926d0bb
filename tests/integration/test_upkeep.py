"""What is done for runs by the process beside the server: reasons for waits, a short history."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Failed, Pending, Running, Scheduled

from deployments.deploy import POOL_NAME, SHARED_QUEUES
from tasks import UPKEEP_TAG
from tasks.upkeep import history, waits
from tasks.upkeep.history import shorten_history
from tasks.upkeep.waits import explain_run, explain_waits
from tests.integration.lab import (
    connect_as_client,
    deploy_stub,
    deploy_without_inbox,
    read_states,
    set_states,
)


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with connect_as_client(lab_server) as client, pytest.MonkeyPatch.context() as patch:
        deploy_without_inbox(client, patch)
        patch.setattr(waits, "EXPLAINED_AFTER", timedelta())
        yield client
        deploy_without_inbox(client, patch)


def start(client: SyncPrefectClient, queue: str = "default") -> FlowRun:
    return client.create_flow_run_from_deployment(deploy_stub(client, queue))


def ask_for_runs(client: SyncPrefectClient, *queues: str) -> None:
    """Look for runs as a worker does that has no place for one."""
    client.get_scheduled_flow_runs_for_work_pool(POOL_NAME, work_queue_names=list(queues))


def reason(client: SyncPrefectClient, run: FlowRun) -> str:
    explain_waits(client, SHARED_QUEUES)
    state = client.read_flow_run(run.id).state
    assert state is not None
    assert state.name == "Waiting"
    assert state.is_scheduled()
    assert explain_run(client, run, SHARED_QUEUES) == state.message
    return state.message or ""


def change_pool(client: SyncPrefectClient, **changes: Any) -> None:
    client.update_work_pool(POOL_NAME, WorkPoolUpdate(**changes))


def test_a_run_that_waits_says_why(client: SyncPrefectClient) -> None:
    run = start(client)
    assert reason(client, run).startswith("No worker asks for runs of the queue default")
    before = len(read_states(client, run))
    assert explain_waits(client, SHARED_QUEUES) == 0
    assert len(read_states(client, run)) == before
    change_pool(client, is_paused=True)
    assert "work pool gpu is paused" in reason(client, run)
    change_pool(client, is_paused=False)
    queue = client.read_work_queue_by_name("default", work_pool_name=POOL_NAME)
    client.update_work_queue(queue.id, is_paused=True)
    assert "queue default is paused" in reason(client, run)
    client.update_work_queue(queue.id, is_paused=False)
    ask_for_runs(client, "default")
    busy = start(client)
    set_states(client, busy, Pending(), Running())
    assert reason(client, run) == "Next in turn; its workers are busy with 1 run."
    change_pool(client, concurrency_limit=1)
    assert "takes 1 at a time, and has them" in reason(client, run)
    change_pool(client, concurrency_limit=None)
    client.update_work_queue(queue.id, concurrency_limit=1)
    assert "queue default takes 1 at a time" in reason(client, run)
    client.update_work_queue(queue.id, concurrency_limit=3)
    ask_for_runs(client, "default", "bulk")
    urgent, last = start(client, "urgent"), start(client, "bulk")
    assert reason(client, last) == "2 runs before it; its workers are busy with 1 run."
    # Its time has not changed by that, and a worker takes it as any other.
    found = client.read_flow_run(run.id)
    assert found.next_scheduled_start_time == run.next_scheduled_start_time
    set_states(client, run, Pending(), Running(), Completed())
    assert client.read_flow_run(run.id).state_name == "Completed"
    for one in (run, busy, urgent, last):
        client.delete_flow_run(one.id)


def test_a_run_of_somebody_elses_and_one_of_later_say_nothing(client: SyncPrefectClient) -> None:
    others = client.create_flow_run_from_deployment(deploy_stub(client, tag="somebody's"))
    later: Any = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1))
    own = client.create_flow_run_from_deployment(deploy_stub(client), state=later)
    assert explain_waits(client, SHARED_QUEUES) == 0
    for one in (others, own):
        client.delete_flow_run(one.id)


@pytest.mark.parametrize(
    ("number", "words"), [(1, "1 run"), (4, "4 runs"), (7, "at least 5 runs"), (10, "10 runs")]
)
def test_a_place_among_many_is_told_in_steps(number: int, words: str) -> None:
    assert waits._count(number, "run") == words


def looks(client: SyncPrefectClient, count: int, state: Any, *tags: str) -> list[FlowRun]:
    """Looks at the inbox in a state."""
    stub = deploy_stub(client, flow="inbox", tag=UPKEEP_TAG)
    create = partial(client.create_flow_run_from_deployment, stub, state=state, tags=list(tags))
    return [create() for _ in range(count)]


def test_looks_that_ended_well_or_were_missed_leave_no_trace(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = datetime.now(UTC)
    ended = looks(client, 51, Completed())  # the server removes fifty at a time
    failed = looks(client, 5, Failed())
    missed, later = (
        looks(client, 1, Scheduled(scheduled_time=present + when), "auto-scheduled")
        for when in (timedelta(hours=-1), timedelta(minutes=5))
    )
    people: Any = Completed()
    kept = [
        *later,
        *looks(client, 1, Running()),
        client.create_flow_run_from_deployment(deploy_stub(client), state=people),
    ]
    monkeypatch.setattr(history, "KEPT_LOOK", timedelta(hours=1))
    assert shorten_history(client) == len(missed) + len(failed) - history.KEPT_FAILED_LOOKS
    monkeypatch.setattr(history, "KEPT_LOOK", timedelta())
    assert shorten_history(client) == len(ended)
    left = {run.id for run in client.read_flow_runs()}
    assert left == {run.id for run in kept} | {run.id for run in failed[2:]}
