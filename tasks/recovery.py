"""Runs whose process, worker or machine was lost, and how they are started again.

Prefect marks such a run Crashed: its worker says so, or its heartbeat stopped. A run is the same
run when it is started again, and repeats nothing that harms: outputs are replaced as a whole. What
must not happen is that one run is carried out twice at a time, or without end. So nothing is
decided before a crash is old enough for all that there is to say about it to have been said, and
every start that recovery made is counted in the run's own history.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.states import AwaitingRetry, Cancelled, Crashed, Failed, Running
from prefect.types._datetime import now

FLOW, TAG = "pose-estimation", "dlcflow"
"""The runs that are started again: those of this flow, from deployments with this tag."""

NO_HEARTBEAT = "No heartbeat"
"""How the state's message begins where the server missed a run's heartbeats (automations.yaml)."""

HEARTBEAT_SECONDS = 30
"""Between two signs of life of a run."""

SETTLES = timedelta(seconds=20)
"""A crash may be reported twice, seconds apart; the second report must not meet a new start."""

SHOWS_LIFE = timedelta(seconds=HEARTBEAT_SECONDS + 15)
"""A run that lives, but was not heard, has given a sign by then."""

STARTS_BY = timedelta(minutes=5)
"""A process worker starts a run within seconds of taking it."""

OLDEST = timedelta(days=1)
"""What crashed longer ago than this is left to whoever looks at it."""

AT_A_TIME = 200
"""Runs that the server tells in one answer."""

_STARTED_AGAIN = "Started again"


def recover_all(restarts: int) -> list[str]:
    """Start crashed runs again that are due, as often as is allowed.

    Args:
        restarts: How many times a run is started again, at most.

    Returns:
        What was done, one sentence for each run.
    """
    with get_client(sync_client=True) as client:
        done: list[str | None] = [_mark_crashed(client, run) for run in _never_started(client)]
        for run in sorted(_crashed(client), key=_settled_at):
            _wait_until(_settled_at(run))
            done.append(recover(client, run, restarts))
    told = [sentence for sentence in done if sentence]
    for sentence in told:
        get_run_logger().info(sentence)
    return told


def recover(client: SyncPrefectClient, run: FlowRun, restarts: int) -> str | None:
    """Decide what becomes of a crashed run, and see to it.

    Args:
        client: The server.
        run: The run, as it was when it was found.
        restarts: How many times it is started again, at most.

    Returns:
        What was done, in a sentence; None where there was nothing to do.
    """
    try:
        states = sorted(client.read_flow_run_states(run.id), key=lambda state: state.timestamp)
    except ObjectNotFound:
        return None
    crash = states[-1]
    if not crash.is_crashed():
        return None  # somebody else was quicker
    if _is_alive(client, run, crash):
        # By force, since no rule of Prefect's foresees it.
        state: State[Any] = Running(
            message="Its heartbeat is back: it was not lost, only not heard."
        )
        client.set_flow_run_state(run.id, state, force=True)
    else:
        state = _next_state(states, restarts)
        if state.is_scheduled():
            _end_tasks(client, run)
        if not _set(client, run, crash, state):
            return None
    return f"{run.name}: {state.message}"


def _next_state(states: Sequence[State[Any]], restarts: int) -> State[Any]:
    """What a run that is lost becomes, by its history."""
    crash = states[-1]
    if _was_cancelled(states):
        return Cancelled(message="Cancelled; it was lost before it could say so itself.")
    made = starts_again(states)
    if made >= restarts:
        times = "once" if made == 0 else f"{made + 1} times"
        return Failed(
            message=f"Given up: it crashed {times}, and is not started again by itself. The last "
            f"crash: {crash.message} Look at its logs and at the machine that it ran on; Retry "
            "starts it again."
        )
    return AwaitingRetry(
        message=f"{_STARTED_AGAIN} after a crash ({made + 1} of at most {restarts} times): "
        f"{crash.message}"
    )


def starts_again(states: Iterable[State[Any]]) -> int:
    """How many times recovery started a run since somebody last started it by hand."""
    count = 0
    for state in states:
        if state.is_scheduled() and state.name == "AwaitingRetry":
            count = count + 1 if (state.message or "").startswith(_STARTED_AGAIN) else 0
    return count


def _was_cancelled(states: Iterable[State[Any]]) -> bool:
    """Whether somebody asked for a run's end since it was last started."""
    asked = False
    for state in states:
        if state.is_scheduled():
            asked = False
        elif state.type == StateType.CANCELLING:
            asked = True
    return asked


def _set(client: SyncPrefectClient, run: FlowRun, crash: State[Any], state: State[Any]) -> bool:
    """Set a run's state once for each of its crashes, however many look at the same time."""
    # The server refuses a second transition of the same id.
    state.state_details.transition_id = uuid5(crash.id, str(state.type))
    return client.set_flow_run_state(run.id, state).status == SetStateStatus.ACCEPT


def _end_tasks(client: SyncPrefectClient, run: FlowRun) -> None:
    """Let no stage of the lost process go on for ever in the UI."""
    filters = FlowRunFilter.model_validate({"id": {"any_": [run.id]}})
    for task in client.read_task_runs(flow_run_filter=filters):
        if task.state and not task.state.is_final():
            client.set_task_run_state(task.id, Crashed(message="Its run crashed."), force=True)


def _is_alive(client: SyncPrefectClient, run: FlowRun, crash: State[Any]) -> bool:
    """Whether a run that the server took for lost has given a sign since."""
    if not (crash.message or "").startswith(NO_HEARTBEAT):
        return False
    events = client.read_events(
        EventFilter(
            event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        ),
        limit=1,
    )
    # When it was received: clocks of two machines may differ.
    return any(event.received > crash.timestamp for event in events.events)


def _crashed(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that crashed lately and can be started again."""
    found = _runs(client, StateType.CRASHED)
    return [run for run in found if run.deployment_id and _age(run) < OLDEST]


def _never_started(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs that a worker took and did not live to start: nobody else will say so.

    Only a worker that starts processes of its own machine does that within seconds; a container
    may wait long for its turn.
    """
    found = [run for run in _runs(client, StateType.PENDING) if _age(run) > STARTS_BY]
    pools = {run.work_pool_name for run in found if run.work_pool_name}
    ours = {name for name in pools if client.read_work_pool(name).type == "process"}
    return [run for run in found if run.work_pool_name in ours]


def _mark_crashed(client: SyncPrefectClient, run: FlowRun) -> str:
    message = "Its worker took it and was gone before it started."
    client.set_flow_run_state(run.id, Crashed(message=message))
    return f"{run.name}: {message}"


def _runs(client: SyncPrefectClient, kind: StateType) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[kind])),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=AT_A_TIME,
    )


def _age(run: FlowRun) -> timedelta:
    return timedelta() if run.state is None else now("UTC") - run.state.timestamp


def _settled_at(run: FlowRun) -> datetime:
    """When a crash is old enough to be decided on."""
    assert run.state is not None
    unheard = (run.state.message or "").startswith(NO_HEARTBEAT)
    return run.state.timestamp + (SHOWS_LIFE if unheard else SETTLES)


def _wait_until(moment: datetime) -> None:
    """Wait, but not for a clock that is wrong."""
    left = (moment - now("UTC")).total_seconds()
    time.sleep(max(0.0, min(left, SHOWS_LIFE.total_seconds())))
