"""What becomes of a crashed run, on a real server: started again, given up, or left alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

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

from deployments.deploy import POOL_NAME, reconcile_pool
from tasks.recovery import lost_runs
from tasks.recovery.lost_runs import NO_HEARTBEAT_MESSAGE, is_alive
from tasks.recovery.restart import (
    mark_ended_runs,
    mark_silent_runs,
    recover_run,
    recover_runs,
)
from tests.integration.lab import (
    connect_as_client,
    deploy_stub,
    emit_event,
    read_states,
    set_states,
    state_names,
)
from tests.support.waiting import wait_for

RESTARTS = 2

HEARTBEAT = "prefect.flow-run.heartbeat"


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with connect_as_client(lab_server) as client:
        reconcile_pool(client, "process")
        yield client


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing needs time to settle."""
    for name in ("CRASH_SETTLING_TIME", "HEARTBEAT_WAIT", "LOST_AFTER"):
        monkeypatch.setattr(lost_runs, name, timedelta())


@pytest.fixture
def run(client: SyncPrefectClient) -> FlowRun:
    """A run that a worker has started."""
    run = client.create_flow_run_from_deployment(deploy_stub(client))
    set_states(client, run, Pending(), Running())
    return run


def now_is(client: SyncPrefectClient, run: FlowRun) -> tuple[str, str]:
    state = client.read_flow_run(run.id).state
    assert state
    return str(state.name), state.message or ""


def test_a_crashed_run_is_started_again_and_says_why(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    set_states(client, run, Crashed(message="Process exited with status code: -9."))
    assert "1 of at most 2" in str(recover_run(client, run, RESTARTS))
    name, message = now_is(client, run)
    assert name == "AwaitingRetry"
    assert message == (
        "Started again after a crash (1 of at most 2 times): Process exited with status code: -9."
    )
    assert recover_run(client, run, RESTARTS) is None


@pytest.mark.parametrize("flow", ["behavior", "neural"])
def test_runs_that_follow_poses_are_started_again(client: SyncPrefectClient, flow: str) -> None:
    run = client.create_flow_run_from_deployment(deploy_stub(client, flow=flow))
    set_states(client, run, Pending(), Running(), Crashed(message="Out of memory."))
    recover_runs(client, RESTARTS)
    assert now_is(client, run)[0] == "AwaitingRetry"


def test_many_looks_at_once_start_it_once(client: SyncPrefectClient, run: FlowRun) -> None:
    set_states(client, run, Crashed())
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: recover_run(client, run, RESTARTS), range(8)))
    assert len([sentence for sentence in done if sentence]) == 1
    assert state_names(read_states(client, run)).count("AwaitingRetry") == 1


def test_it_is_given_up_after_so_many_times(client: SyncPrefectClient, run: FlowRun) -> None:
    for _ in range(RESTARTS):
        set_states(client, run, Crashed())
        recover_run(client, run, RESTARTS)
        set_states(client, run, Pending(), Running())
    set_states(client, run, Crashed(message="Out of memory."))
    recover_run(client, run, RESTARTS)
    name, message = now_is(client, run)
    assert name == "Failed"
    assert message.startswith("Given up: it crashed 3 times")
    assert "Out of memory." in message


def test_a_retry_by_hand_counts_anew(client: SyncPrefectClient, run: FlowRun) -> None:
    for _ in range(RESTARTS + 1):
        set_states(client, run, Crashed())
        recover_run(client, run, RESTARTS)
    assert now_is(client, run)[0] == "Failed"
    set_states(
        client, run, AwaitingRetry(message="Retry from the UI"), Pending(), Running(), Crashed()
    )
    recover_run(client, run, RESTARTS)
    assert "(1 of at most 2 times)" in now_is(client, run)[1]


def test_none_is_started_again_where_that_is_not_wanted(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    set_states(client, run, Crashed())
    recover_run(client, run, 0)
    assert now_is(client, run)[1].startswith("Given up: it crashed once")


@pytest.mark.parametrize("state", [Failed(), Completed(), Cancelled(), Running()])
def test_what_did_not_crash_is_left_alone(
    client: SyncPrefectClient, run: FlowRun, state: Any
) -> None:
    set_states(client, run, state)
    before = state_names(read_states(client, run))
    assert recover_run(client, run, RESTARTS) is None
    assert state_names(read_states(client, run)) == before


def test_a_run_that_was_only_not_heard_goes_on(client: SyncPrefectClient, run: FlowRun) -> None:
    set_states(client, run, Crashed(message=f"{NO_HEARTBEAT_MESSAGE} for 100 s."))
    emit_event(client, "prefect.flow-run.heartbeat", f"prefect.flow-run.{run.id}")
    crash = read_states(client, run)[-1]
    wait_for(lambda: is_alive(client, run, crash))
    recover_run(client, run, RESTARTS)
    name, message = now_is(client, run)
    assert name == "Running"
    assert message.startswith("Heartbeats have resumed")


def test_a_run_that_is_not_heard_any_more_is_started_again(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    set_states(client, run, Crashed(message=f"{NO_HEARTBEAT_MESSAGE} for 100 s."))
    recover_run(client, run, RESTARTS)
    assert now_is(client, run)[0] == "AwaitingRetry"


def take(client: SyncPrefectClient, run: FlowRun, worker: str, kind: str = "process") -> None:
    """Let a worker have taken a run."""
    labels: dict[str, Any] = {"prefect.worker.name": worker, "prefect.worker.type": kind}
    client.update_flow_run_labels(run.id, labels)


def work(client: SyncPrefectClient, run: FlowRun, worker: str, kind: str = "process") -> None:
    """Let a worker have taken a run, and be there."""
    take(client, run, worker, kind)
    client.send_worker_heartbeat(POOL_NAME, worker, heartbeat_interval_seconds=60)


def test_a_worker_that_is_there_says_when_it_has_let_go(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    work(client, run, "busy")
    set_states(client, run, Crashed())
    assert recover_run(client, client.read_flow_run(run.id), RESTARTS) is None
    related = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
    related["prefect.resource.role"] = "flow-run"
    emit_event(client, "prefect.worker.executed-flow-run", "prefect.worker.process.busy", related)
    wait_for(lambda: recover_run(client, client.read_flow_run(run.id), RESTARTS))
    assert now_is(client, run)[0] == "AwaitingRetry"


def test_a_run_that_hangs_is_not_started_beside_itself(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    work(client, run, "holds it")
    set_states(client, run, Crashed(message=f"{NO_HEARTBEAT_MESSAGE} for 100 s."))
    assert recover_run(client, client.read_flow_run(run.id), RESTARTS) is None
    assert now_is(client, run)[0] == "Crashed"
    set_states(client, run, Failed())  # or looks of other tests would wait for it


def test_a_look_finds_ours_alone(client: SyncPrefectClient, run: FlowRun) -> None:
    others = client.create_flow_run_from_deployment(deploy_stub(client, tag="somebody's"))
    set_states(client, others, Running(), Crashed())
    set_states(client, run, Crashed())
    told = recover_runs(client, RESTARTS)
    assert any(sentence.startswith(f"{run.name}: Started again") for sentence in told)
    assert now_is(client, others)[0] == "Crashed"
    assert recover_runs(client, RESTARTS) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [(Pending(), ["Crashed", "AwaitingRetry"]), (Cancelling(), ["Cancelled"])],
)
def test_what_nobody_is_left_to_say_is_said(
    client: SyncPrefectClient, run: FlowRun, state: Any, expected: list[str]
) -> None:
    take(client, run, "gone")
    set_states(client, run, Crashed(), AwaitingRetry(), Running(), state)
    mark_ended_runs(client)
    recover_runs(client, RESTARTS)
    assert state_names(read_states(client, run))[-len(expected) :] == expected


def test_a_run_that_goes_on_without_its_worker_is_left_alone(
    client: SyncPrefectClient, run: FlowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(client, run, "gone")
    heard = datetime.now(UTC)
    emit_event(client, "prefect.flow-run.heartbeat", f"prefect.flow-run.{run.id}")
    wait_for(lambda: lost_runs._has_event_since(client, "prefect.flow-run.heartbeat", run, heard))
    assert run.id in lost(client)
    monkeypatch.setattr(lost_runs, "state_age", lambda run: timedelta(hours=1))
    monkeypatch.setattr(lost_runs, "LOST_AFTER", timedelta(minutes=1))
    assert run.id not in lost(client)


def lost(client: SyncPrefectClient) -> set[UUID]:
    return {one.id for one in lost_runs.find_lost_runs(client)}


@pytest.mark.parametrize("flow", ["one-movie", "inbox", "arrival"])
def test_runs_of_all_our_flows_are_found_when_lost_and_only_requests_started_again(
    client: SyncPrefectClient, flow: str
) -> None:
    run = client.create_flow_run_from_deployment(deploy_stub(client, flow=flow))
    set_states(client, run, Pending())  # and its machine dies, before anybody could say who has it
    assert run.id in lost(client)
    mark_ended_runs(client)
    recover_runs(client, RESTARTS)
    assert state_names(read_states(client, run))[-2:] == ["Pending", "Crashed"]
    assert run.id not in {one.id for one in lost_runs.find_crashed_runs(client)}


def test_a_run_that_was_taken_for_lost_while_the_server_was_away_goes_on(
    client: SyncPrefectClient, run: FlowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_runs, "HEARTBEAT_WAIT", timedelta(hours=1))
    take(client, run, "not heard yet")
    mark_ended_runs(client)
    recover_runs(client, RESTARTS)
    assert now_is(client, run)[1].startswith(NO_HEARTBEAT_MESSAGE)
    emit_event(client, "prefect.flow-run.heartbeat", f"prefect.flow-run.{run.id}")
    wait_for(lambda: recover_run(client, run, RESTARTS))
    assert now_is(client, run)[0] == "Running"
    set_states(client, run, Completed())


def test_a_job_is_not_held_by_the_worker_that_made_it(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    for message in (f"{NO_HEARTBEAT_MESSAGE} for 100 s.", "Job has failed."):
        work(client, run, "in a pod", "kubernetes")
        set_states(client, run, Crashed(message=message))
        recover_run(client, client.read_flow_run(run.id), RESTARTS)
        assert now_is(client, run)[0] == "AwaitingRetry"
        set_states(client, run, Pending(), Running())


def test_a_job_that_has_only_just_crashed_is_given_time_to_end(
    client: SyncPrefectClient, run: FlowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_runs, "CRASH_SETTLING_TIME", timedelta(hours=1))
    take(client, run, "in a pod", "kubernetes")
    set_states(client, run, Crashed())
    # What its worker says as soon as the job is there may come late.
    related = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
    related["prefect.resource.role"] = "flow-run"
    emit_event(client, "prefect.worker.executed-flow-run", "prefect.worker.kubernetes.pod", related)
    said, since = "prefect.worker.executed-flow-run", datetime.now(UTC) - timedelta(hours=1)
    wait_for(lambda: lost_runs._has_event_since(client, said, run, since))
    assert recover_run(client, client.read_flow_run(run.id), RESTARTS) is None
    set_states(client, run, Failed())


def test_a_job_that_waits_for_a_gpu_is_not_lost_with_the_worker_that_made_it(
    client: SyncPrefectClient,
) -> None:
    run = client.create_flow_run_from_deployment(deploy_stub(client))
    take(client, run, "replaced", "kubernetes")
    set_states(client, run, Pending())
    assert run.id in lost(client)  # nobody has made it a job
    client.update_flow_run(run.id, infrastructure_pid="dlcflow:job")
    assert run.id not in lost(client)
    set_states(client, run, Cancelling())
    assert run.id not in lost(client)
    set_states(client, run, Cancelled())


def test_a_job_that_was_not_heard_for_long_is_lost_whoever_made_it(
    client: SyncPrefectClient, run: FlowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(client, run, "in a pod", "kubernetes")
    client.update_flow_run(run.id, infrastructure_pid="dlcflow:job")
    assert run.id not in lost(client)
    monkeypatch.setattr(lost_runs, "LOST_AFTER_WITHOUT_HOLDER", timedelta())
    assert run.id in lost(client)
    set_states(client, run, Completed())


def test_a_run_whose_heartbeat_stops_is_marked_and_one_that_has_ended_well_is_not(
    client: SyncPrefectClient, run: FlowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [client.create_flow_run_from_deployment(deploy_stub(client)) for _ in range(2)]
    for other in others:
        set_states(client, other, Pending(), Running())
    ended, mute = others
    set_states(client, ended, Completed(message="1 movie"))
    since = datetime.now(UTC) - timedelta(minutes=1)
    for one in (run, ended):  # the last heartbeat of a short run comes after its end
        emit_event(client, "prefect.flow-run.heartbeat", f"prefect.flow-run.{one.id}")
        wait_for(partial(lost_runs._has_event_since, client, HEARTBEAT, one, since))
    assert run.name not in " ".join(mark_silent_runs(client))
    monkeypatch.setattr(lost_runs, "SILENT_AFTER", timedelta())
    assert run.name in " ".join(mark_silent_runs(client))
    assert now_is(client, run)[0] == "Crashed"
    assert now_is(client, run)[1].startswith(NO_HEARTBEAT_MESSAGE)
    assert now_is(client, ended) == ("Completed", "1 movie")
    assert now_is(client, mute)[0] == "Running"  # it may be told to give none
    set_states(client, run, Failed())
    set_states(client, mute, Failed())
