"""Restarts of runs whose process, worker, or machine was lost.

Prefect marks such a run Crashed: its worker says so, or its heartbeat stopped. It is the same run
when it is started again, from the start, and repeats nothing that harms: outputs are replaced as a
whole. What must not happen is that a run is carried out twice at a time, or without end. So a crash
is decided on once nobody holds the run any more, and each start that recovery made is counted in
the run's own history.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid5

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment, flow_run
from prefect.states import AwaitingRetry, Cancelled, Crashed, Failed, Running, to_state_create
from prefect.types._datetime import now

from tasks import PREFECT_TAG
from tasks.recovery.lost_runs import (
    NO_HEARTBEAT_MESSAGE,
    RELEASE_TIMEOUT,
    find_cancelled_runs,
    find_crashed_runs,
    find_lost_runs,
    is_alive,
    is_released,
    state_age,
)
from tasks.stages.cancellation import (
    describe_cancel_request,
    has_no_explanation,
    read_state_history,
    record_who_cancelled,
)

RECOVERY_FLOW = "recovery"
"""The flow that looks after crashed runs."""

POLL_INTERVAL = 3.0
"""Seconds between two looks at crashes that are not decided."""

MAX_UNDECIDED_AGE = RELEASE_TIMEOUT + timedelta(minutes=1)
"""A crash that is older than this is left to the next look."""

_MAX_REPORTED_RUNS = 10
"""Runs that a state's message tells of."""

_RESTART_PREFIX = "Started again"


def recover_runs(restarts: int) -> list[str]:
    """Start crashed runs again, as often as is allowed, and go on until all are decided.

    Args:
        restarts: How many times a run is started again, at most.

    Returns:
        What was done, one sentence for each run.
    """
    done: list[str | None] = []
    with get_client(sync_client=True) as client:
        # After a time without the server even this run may look lost.
        done += [
            _mark_lost(client, run) for run in find_lost_runs(client) if str(run.id) != flow_run.id
        ]
        done += [
            _report_cancellation(client, run)
            for run in find_cancelled_runs(client)
            if run.state and has_no_explanation(run.state)
        ]
        while True:
            done += [recover_run(client, run, restarts) for run in find_crashed_runs(client)]
            if not any(state_age(run) < MAX_UNDECIDED_AGE for run in find_crashed_runs(client)):
                return [sentence for sentence in done if sentence]
            time.sleep(POLL_INTERVAL)


def delete_late_recoveries() -> None:
    """Remove the looks that came due while there was no worker: this one sees what they would.

    A limit of one look at a time would not do in their place: where the server keeps its places in
    memory, that of a look which is lost together with the server stays taken, and no look is left
    that would free it.
    """
    if not deployment.id:
        return
    late = {
        "deployment_id": {"any_": [deployment.id]},
        "tags": {"all_": ["auto-scheduled"]},
        "state": {"name": {"any_": ["Scheduled", "Late"]}},
        "expected_start_time": {"before_": now("UTC").isoformat()},
    }
    with get_client(sync_client=True) as client:
        while _delete_runs(client, late):
            pass  # the server removes fifty at a time


def is_recovery_running() -> bool:
    """Return whether an earlier look still runs: it goes on until all crashes are decided."""
    with get_client(sync_client=True) as client:
        looks = client.read_flow_runs(
            flow_filter=FlowFilter.model_validate({"name": {"any_": [RECOVERY_FLOW]}}),
            flow_run_filter=FlowRunFilter.model_validate(
                {"state": {"type": {"any_": ["RUNNING"]}}, "tags": {"all_": [PREFECT_TAG]}}
            ),
        )
    lately = [run for run in looks if state_age(run) < MAX_UNDECIDED_AGE and run.start_time]
    first = min(lately, key=lambda run: (run.start_time, run.id), default=None)
    return first is not None and str(first.id) != flow_run.id


def _delete_runs(client: SyncPrefectClient, runs: dict[str, Any]) -> list[str]:
    """Remove some of the runs that a filter finds; their ids."""
    path: Any = "/flow_runs/bulk_delete"  # which the client's list of addresses lacks
    answer = client.request("POST", path, json={"flow_runs": runs})
    return list(answer.json()["deleted"])


def summarize_actions(done: Sequence[str]) -> str:
    """Summarize the actions taken, short enough for a state's message."""
    more = [f"And {len(done) - _MAX_REPORTED_RUNS} more."] if len(done) > _MAX_REPORTED_RUNS else []
    return " ".join([*done[:_MAX_REPORTED_RUNS], *more]) or "No run had crashed."


def recover_run(client: SyncPrefectClient, run: FlowRun, restarts: int) -> str | None:
    """Decide what becomes of a crashed run, and see to it.

    Args:
        client: The server.
        run: The run, as it was when it was found.
        restarts: How many times it is started again, at most.

    Returns:
        What was done, in a sentence; None where there is nothing to do, or not yet.
    """
    try:
        states = read_state_history(client, run.id)
    except ObjectNotFound:
        return None
    crash = states[-1]
    if not crash.is_crashed():
        return None  # somebody else was quicker
    if is_alive(client, run, crash):
        state: State[Any] = Running(message="Heartbeats have resumed: the run was never lost.")
        # By force, since no rule of Prefect's foresees it.
        client.set_flow_run_state(run.id, state, force=True)
    elif is_released(client, run, crash):
        state = _next_state(states, restarts)
        if not _set_state_once(client, run, crash, state):
            return None
        _end_task_runs(client, run, crash)
    else:
        return None
    return f"{run.name}: {state.message}"


def _next_state(states: Sequence[State[Any]], restarts: int) -> State[Any]:
    """Choose the next state of a lost run by its history."""
    crash, made = states[-1], count_restarts(states)
    if made < restarts:
        return AwaitingRetry(
            message=f"{_RESTART_PREFIX} after a crash ({made + 1} of at most {restarts} times): "
            f"{crash.message}"
        )
    times = "once" if made == 0 else f"{made + 1} times"
    return Failed(
        message=f"Given up: it crashed {times}, and will not be restarted automatically. The last "
        f"crash: {crash.message} Look at its logs and at the machine that it ran on; Retry starts "
        "it again."
    )


def count_restarts(states: Iterable[State[Any]]) -> int:
    """Count recovery's restarts of a run since a person last started it."""
    count = 0
    for state in states:
        if state.is_scheduled() and state.name == "AwaitingRetry":
            count = count + 1 if (state.message or "").startswith(_RESTART_PREFIX) else 0
    return count


def _set_state_once(
    client: SyncPrefectClient, run: FlowRun, crash: State[Any], state: State[Any]
) -> bool:
    """Set a run's state once for each of its crashes, however many look at the same time."""
    wanted = to_state_create(state)
    # The server refuses to make a transition twice. The client's own method would call each new.
    wanted.state_details.transition_id = uuid5(crash.id, wanted.type.value)
    answer = client.request(
        "POST",
        "/flow_runs/{id}/set_state",
        path_params={"id": run.id},
        json={"state": wanted.model_dump(mode="json")},
    )
    return bool(answer.json()["status"] == SetStateStatus.ACCEPT.value)


def _end_task_runs(client: SyncPrefectClient, run: FlowRun, crash: State[Any]) -> None:
    """Let no stage of the lost process go on for ever in the UI."""
    filters = FlowRunFilter.model_validate({"id": {"any_": [run.id]}})
    for task in client.read_task_runs(flow_run_filter=filters):
        state = task.state
        if state and not state.is_final() and state.timestamp < crash.timestamp:
            client.set_task_run_state(task.id, Crashed(message="Its run crashed."), force=True)


def _report_cancellation(client: SyncPrefectClient, run: FlowRun) -> str | None:
    """Say who cancelled a run where its worker does not: one in a cluster, or none yet."""
    told = record_who_cancelled(client, run.id)
    return told and f"{run.name}: {told}"


def _mark_lost(client: SyncPrefectClient, run: FlowRun) -> str:
    """Let a run's state be what nobody is left to say; what crashed is decided on later."""
    if run.state and run.state.is_cancelling():
        told = (
            f"{describe_cancel_request(run.state)}; its worker was gone before it could report "
            "the end."
        )
        state: State[Any] = Cancelled(message=told)
    else:
        # It may have been only the server that was away: the next sign of life puts that right.
        state = Crashed(message=f"{NO_HEARTBEAT_MESSAGE}, and nothing is left to report its end.")
    client.set_flow_run_state(run.id, state)
    return f"{run.name}: {state.message}"
