"""What becomes of a crashed run, on a real server: started again, given up, or left alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
)

from deployments.deploy import POOL, reconcile_pool
from tasks import lost_runs, recovery
from tasks.lost_runs import NO_HEARTBEAT, is_alive
from tasks.recovery import recover, recover_all
from tests.integration.lab import as_client, deploy_stub, emit, eventually, names, put, states

RESTARTS = 2


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with as_client(lab_server) as client:
        reconcile_pool(client, "process")
        yield client


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing needs time to settle."""
    for name in ("SETTLES", "SHOWS_LIFE", "UNHEARD"):
        monkeypatch.setattr(lost_runs, name, timedelta())
    monkeypatch.setattr(recovery, "INTERVAL", 0.1)


@pytest.fixture
def run(client: SyncPrefectClient) -> FlowRun:
    """A run that a worker has started."""
    run = client.create_flow_run_from_deployment(deploy_stub(client))
    put(client, run, Pending(), Running())
    return run


def now_is(client: SyncPrefectClient, run: FlowRun) -> tuple[str, str]:
    state = client.read_flow_run(run.id).state
    assert state
    return str(state.name), state.message or ""


def test_a_crashed_run_is_started_again_and_says_why(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    put(client, run, Crashed(message="Process exited with status code: -9."))
    assert "1 of at most 2" in str(recover(client, run, RESTARTS))
    name, message = now_is(client, run)
    assert name == "AwaitingRetry"
    assert message == (
        "Started again after a crash (1 of at most 2 times): Process exited with status code: -9."
    )
    assert recover(client, run, RESTARTS) is None


def test_many_looks_at_once_start_it_once(client: SyncPrefectClient, run: FlowRun) -> None:
    put(client, run, Crashed())
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: recover(client, run, RESTARTS), range(8)))
    assert len([sentence for sentence in done if sentence]) == 1
    assert names(states(client, run)).count("AwaitingRetry") == 1


def test_it_is_given_up_after_so_many_times(client: SyncPrefectClient, run: FlowRun) -> None:
    for _ in range(RESTARTS):
        put(client, run, Crashed())
        recover(client, run, RESTARTS)
        put(client, run, Pending(), Running())
    put(client, run, Crashed(message="Out of memory."))
    recover(client, run, RESTARTS)
    name, message = now_is(client, run)
    assert name == "Failed"
    assert message.startswith("Given up: it crashed 3 times")
    assert "Out of memory." in message


def test_a_retry_by_hand_counts_anew(client: SyncPrefectClient, run: FlowRun) -> None:
    for _ in range(RESTARTS + 1):
        put(client, run, Crashed())
        recover(client, run, RESTARTS)
    assert now_is(client, run)[0] == "Failed"
    put(client, run, AwaitingRetry(message="Retry from the UI"), Pending(), Running(), Crashed())
    recover(client, run, RESTARTS)
    assert "(1 of at most 2 times)" in now_is(client, run)[1]


def test_none_is_started_again_where_that_is_not_wanted(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    put(client, run, Crashed())
    recover(client, run, 0)
    assert now_is(client, run)[1].startswith("Given up: it crashed once")


@pytest.mark.parametrize("state", [Failed(), Completed(), Cancelled(), Running()])
def test_what_did_not_crash_is_left_alone(
    client: SyncPrefectClient, run: FlowRun, state: Any
) -> None:
    put(client, run, state)
    before = names(states(client, run))
    assert recover(client, run, RESTARTS) is None
    assert names(states(client, run)) == before


def test_a_run_that_was_only_not_heard_goes_on(client: SyncPrefectClient, run: FlowRun) -> None:
    put(client, run, Crashed(message=f"{NO_HEARTBEAT} for 100 s."))
    emit(client, "prefect.flow-run.heartbeat", f"prefect.flow-run.{run.id}")
    crash = states(client, run)[-1]
    eventually(lambda: is_alive(client, run, crash))
    recover(client, run, RESTARTS)
    name, message = now_is(client, run)
    assert name == "Running"
    assert message.startswith("Its heartbeat is back")


def test_a_run_that_is_not_heard_any_more_is_started_again(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    put(client, run, Crashed(message=f"{NO_HEARTBEAT} for 100 s."))
    recover(client, run, RESTARTS)
    assert now_is(client, run)[0] == "AwaitingRetry"


def work(client: SyncPrefectClient, run: FlowRun, worker: str) -> None:
    """Let a worker have taken a run, and be there."""
    client.update_flow_run_labels(run.id, {"prefect.worker.name": worker})
    client.send_worker_heartbeat(POOL, worker, heartbeat_interval_seconds=60)


def test_a_worker_that_is_there_says_when_it_has_let_go(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    work(client, run, "busy")
    put(client, run, Crashed())
    assert recover(client, client.read_flow_run(run.id), RESTARTS) is None
    related = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
    related["prefect.resource.role"] = "flow-run"
    emit(client, "prefect.worker.executed-flow-run", "prefect.worker.process.busy", related)
    eventually(lambda: recover(client, client.read_flow_run(run.id), RESTARTS))
    assert now_is(client, run)[0] == "AwaitingRetry"


def test_a_run_that_hangs_is_not_started_beside_itself(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    work(client, run, "holds it")
    put(client, run, Crashed(message=f"{NO_HEARTBEAT} for 100 s."))
    assert recover(client, client.read_flow_run(run.id), RESTARTS) is None
    assert now_is(client, run)[0] == "Crashed"
    put(client, run, Failed())  # or looks of other tests would wait for it


def test_a_look_finds_ours_alone(client: SyncPrefectClient, run: FlowRun) -> None:
    others = client.create_flow_run_from_deployment(deploy_stub(client, tag="somebody's"))
    put(client, others, Running(), Crashed())
    put(client, run, Crashed())
    told = recover_all(RESTARTS)
    assert any(sentence.startswith(f"{run.name}: Started again") for sentence in told)
    assert now_is(client, others)[0] == "Crashed"
    assert recover_all(RESTARTS) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [(Pending(), ["Crashed", "AwaitingRetry"]), (Cancelling(), ["Cancelled"])],
)
def test_what_nobody_is_left_to_say_is_said(
    client: SyncPrefectClient, run: FlowRun, state: Any, expected: list[str]
) -> None:
    client.update_flow_run_labels(run.id, {"prefect.worker.name": "gone"})
    put(client, run, Crashed(), AwaitingRetry(), state)
    recover_all(RESTARTS)
    assert names(states(client, run))[-len(expected) :] == expected


def test_a_run_that_goes_on_without_its_worker_is_left_alone(
    client: SyncPrefectClient, run: FlowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.update_flow_run_labels(run.id, {"prefect.worker.name": "gone"})
    heard = datetime.now(UTC)
    emit(client, "prefect.flow-run.heartbeat", f"prefect.flow-run.{run.id}")
    eventually(lambda: lost_runs._heard(client, "prefect.flow-run.heartbeat", run, heard))
    assert run.id in {one.id for one in lost_runs.lost_runs(client)}
    monkeypatch.setattr(lost_runs, "age", lambda run: timedelta(hours=1))
    monkeypatch.setattr(lost_runs, "UNHEARD", timedelta(minutes=1))
    assert run.id not in {one.id for one in lost_runs.lost_runs(client)}
