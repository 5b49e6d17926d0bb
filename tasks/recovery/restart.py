"""Restarts of runs whose process, worker, or machine was lost.

Prefect marks such a run Crashed: its worker says so, or its heartbeat stopped. It is the same run
when it is started again, from the start, and repeats nothing that harms: outputs are replaced as a
whole. What must not happen is that a run is carried out twice at a time, or without end. So a crash
is decided on once nobody holds the run any more, and each start that recovery made is counted in
the run's own history.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid5

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Crashed, Failed, Running, to_state_create

from tasks.recovery.lost_runs import (
    NO_HEARTBEAT_MESSAGE,
    SILENT_AFTER,
    find_cancelled_runs,
    find_crashed_runs,
    find_lost_runs,
    find_silent_runs,
    is_alive,
    is_released,
)
from tasks.stages.cancellation import (
    describe_cancel_request,
    has_no_explanation,
    read_state_history,
    record_who_cancelled,
)

_RESTART_PREFIX = "Started again"


def recover_runs(client: SyncPrefectClient, restarts: int) -> list[str]:
    """Look once at crashed runs, and start those again that nobody holds.

    Args:
        client: The server.
        restarts: How many times a run is started again, at most.

    Returns:
        What was done, one sentence for each run.
    """
    done = [recover_run(client, run, restarts) for run in find_crashed_runs(client)]
    return [sentence for sentence in done if sentence]


def mark_ended_runs(client: SyncPrefectClient) -> list[str]:
    """Look once at runs whose end nobody has told, or not why they ended.

    Args:
        client: The server.

    Returns:
        What was done, one sentence for each run.
    """
    done = [_mark_lost(client, run) for run in find_lost_runs(client)]
    told = [
        _report_cancellation(client, run)
        for run in find_cancelled_runs(client)
        if run.state and has_no_explanation(run.state)
    ]
    return done + [sentence for sentence in told if sentence]


def mark_silent_runs(client: SyncPrefectClient) -> list[str]:
    """Look once at runs that have given heartbeats and give none any more.

    Prefect's own automation for that takes a heartbeat which arrives after a run's end for the
    last sign of a run that goes on. Here the run itself is asked.

    Args:
        client: The server.

    Returns:
        What was done, one sentence for each run.
    """
    silence = SILENT_AFTER.total_seconds()
    crash: State[Any] = Crashed(
        message=f"{NO_HEARTBEAT_MESSAGE} for {silence:.0f} s; its worker is gone, or cannot reach "
        "this server."
    )
    silent = find_silent_runs(client)
    for run in silent:
        client.set_flow_run_state(run.id, crash)
    return [f"{run.name}: {crash.message}" for run in silent]


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
