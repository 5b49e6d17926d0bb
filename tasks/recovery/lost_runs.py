"""Evidence on the Prefect server that a run's process, worker, or machine is gone."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, WorkerStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import (
    EventFilter,
    EventNameFilter,
    EventRelatedFilter,
    EventResourceFilter,
)
from prefect.exceptions import ObjectNotFound
from prefect.types._datetime import now

from tasks import OWN_TAGS

RESTARTED_FLOWS = ("pose-estimation", "behavior", "neural")
"""Crashed runs of these flows are started again; lost ones of all with our tag are found."""

NO_HEARTBEAT_MESSAGE = "No heartbeat"
"""Start of the state's message if a run's heartbeats were missed."""

SILENT_AFTER = timedelta(seconds=100)
"""Three heartbeats of 30 seconds."""

HEARTBEAT_WAIT = timedelta(seconds=45)
"""A run that lives, but was not heard for a while, gives a sign each 30 seconds."""

CRASH_SETTLING_TIME = timedelta(seconds=20)
"""Time after which a crash without a worker is fully reported."""

RELEASE_TIMEOUT = timedelta(minutes=5)
"""Time after which a worker that reported a crash has released the run without an event."""

LOST_AFTER = timedelta(minutes=2)
"""A run without a sign of life for this long, whose worker is gone too, is lost."""

LOST_AFTER_WITHOUT_HOLDER = timedelta(minutes=10)
"""So is one without for this long whose worker would not know: three heartbeats, should it send as
few as Prefect does by default."""

MAX_CRASH_AGE = timedelta(days=1)
"""Crashes longer ago than this are left to people."""

RUNS_PER_PAGE = 200
"""Runs that the server tells in one answer."""

_HEARTBEAT_EVENT = "prefect.flow-run.heartbeat"

_EXECUTED_EVENT = "prefect.worker.executed-flow-run"
"""A worker's last event about a run, which it has then released."""

_WORKER_NAME_LABEL, _WORKER_TYPE_LABEL = "prefect.worker.name", "prefect.worker.type"
"""The labels of a run that say which worker took it, and of what type that is."""

_HOLDING_WORKER_TYPES = {"process", "docker"}
"""Types of workers that hold a run until it ends. That of Kubernetes lets go once the run's job is
there."""


def find_crashed_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that crashed lately and can be started again."""
    flows = FlowFilter(name=FlowFilterName(any_=list(RESTARTED_FLOWS)))
    found = _read_runs(client, [StateType.CRASHED], flows)
    return [run for run in found if run.deployment_id and state_age(run) < MAX_CRASH_AGE]


def find_cancelled_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that were cancelled lately, and whose worker has had time to say so."""
    found = _read_runs(client, [StateType.CANCELLED])
    return [run for run in found if HEARTBEAT_WAIT < state_age(run) < MAX_CRASH_AGE]


def find_lost_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that are taken to be under way, and are not: nobody will say so.

    Their worker is gone, and they have given no sign of life. That may happen before the first
    sign, or while somebody cancels them.
    """
    kinds = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    return [run for run in _read_runs(client, kinds) if run.deployment_id and _is_lost(client, run)]


def find_silent_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that have given heartbeats since they began, and have stopped."""
    running = _read_runs(client, [StateType.RUNNING])
    return [
        run
        for run in running
        if run.start_time
        and state_age(run) > SILENT_AFTER
        and _has_event_since(client, _HEARTBEAT_EVENT, run, run.start_time)
        and not _has_event_since(client, _HEARTBEAT_EVENT, run, now("UTC") - SILENT_AFTER)
    ]


def _is_lost(client: SyncPrefectClient, run: FlowRun) -> bool:
    if state_age(run) <= LOST_AFTER or _can_wait_for_gpu(run):
        return False
    if _is_held(run) or run.state_type == StateType.PENDING:
        return not _has_online_worker(client, run) and _is_silent(client, run, LOST_AFTER)
    # Without a label, somebody runs it by other means than a worker.
    return _WORKER_NAME_LABEL in run.labels and _is_silent(client, run, LOST_AFTER_WITHOUT_HOLDER)


def _can_wait_for_gpu(run: FlowRun) -> bool:
    """Return whether a run has a job that may wait for a GPU for days."""
    if _is_held(run) or not run.infrastructure_pid:
        return False
    return run.state_type == StateType.PENDING or run.start_time is None


def _is_held(run: FlowRun) -> bool:
    """Return whether the worker that took a run holds it until it ends."""
    return run.labels.get(_WORKER_TYPE_LABEL) in _HOLDING_WORKER_TYPES


def _is_silent(client: SyncPrefectClient, run: FlowRun, time: timedelta) -> bool:
    """Return whether a run has long been in its state without a sign of life."""
    return state_age(run) > time and not _has_event_since(
        client, _HEARTBEAT_EVENT, run, now("UTC") - time
    )


def is_alive(client: SyncPrefectClient, run: FlowRun, crash: State[Any]) -> bool:
    """Return whether a run that the server took for lost has since sent a sign of life."""
    return _has_missed_heartbeats(crash) and _has_event_since(
        client, _HEARTBEAT_EVENT, run, crash.timestamp
    )


def is_released(client: SyncPrefectClient, run: FlowRun, crash: State[Any]) -> bool:
    """Return whether no worker holds a crashed run, so that it can be started again.

    A worker reports a crash some time before it has let go of the run: seconds, or half a minute on
    a busy machine (measured). Started again before that, the run would be reported as crashed once
    more, and a worker of Prefect's that is given a run which it still holds ends, with all others.
    A worker that holds no runs has nothing to let go of: whether it is there says nothing.
    """
    passed = now("UTC") - crash.timestamp
    settles = HEARTBEAT_WAIT if _has_missed_heartbeats(crash) else CRASH_SETTLING_TIME
    if not _is_held(run):
        return passed > settles
    if _has_event_since(client, _EXECUTED_EVENT, run, crash.timestamp):
        return True
    reported = not _has_missed_heartbeats(crash) and passed > RELEASE_TIMEOUT
    return reported or (passed > settles and not _has_online_worker(client, run))


def state_age(run: FlowRun) -> timedelta:
    """For how long a run has been in its state."""
    return timedelta() if run.state is None else now("UTC") - run.state.timestamp


def _has_missed_heartbeats(crash: State[Any]) -> bool:
    return (crash.message or "").startswith(NO_HEARTBEAT_MESSAGE)


def _has_event_since(client: SyncPrefectClient, event: str, run: FlowRun, since: datetime) -> bool:
    """Return whether the server has received an event about a run since a time.

    It is asked for what it received when: the clocks of two machines may differ.
    """
    about = f"prefect.flow-run.{run.id}"
    of_run = event == _HEARTBEAT_EVENT
    events = client.read_events(
        EventFilter(
            event=EventNameFilter(name=[event]),
            resource=EventResourceFilter(id=[about]) if of_run else None,
            related=None if of_run else EventRelatedFilter(id=[about]),
        ),
        limit=1,
    )
    return any(event.received > since for event in events.events)


def _has_online_worker(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Return whether the worker that took a run is online."""
    if not run.work_pool_name:
        return False
    online = WorkerFilter(status=WorkerFilterStatus(any_=[WorkerStatus.ONLINE]))
    try:
        workers = client.read_workers_for_work_pool(run.work_pool_name, online)
    except ObjectNotFound:
        return False
    return run.labels.get(_WORKER_NAME_LABEL) in {worker.name for worker in workers}


def _read_runs(
    client: SyncPrefectClient, kinds: Iterable[StateType], flow: FlowFilter | None = None
) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=flow,
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(any_=sorted(OWN_TAGS)),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(kinds))),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=RUNS_PER_PAGE,
    )
