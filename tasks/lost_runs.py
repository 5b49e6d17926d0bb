"""What the Prefect server knows of runs whose process, worker or machine may be gone."""

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

from tasks import TAG

FLOW = "pose-estimation"
"""The runs that are looked after: those of this flow, from deployments with our tag."""

NO_HEARTBEAT = "No heartbeat"
"""How the state's message begins where the server missed a run's heartbeats (automations.yaml)."""

SHOWS_LIFE = timedelta(seconds=45)
"""A run that lives, but was not heard for a while, gives a sign each 30 seconds."""

SETTLES = timedelta(seconds=20)
"""When all has been said about a crash whose worker is not there to say more."""

LETS_GO_BY = timedelta(minutes=5)
"""When a worker that reported a crash has let go of the run, though its event was lost."""

UNHEARD = timedelta(minutes=2)
"""A run without a sign of life for this long, whose worker is gone too, is lost."""

OLDEST = timedelta(days=1)
"""What crashed longer ago than this is left to whoever looks at it."""

AT_A_TIME = 200
"""Runs that the server tells in one answer."""

_HEARTBEAT = "prefect.flow-run.heartbeat"

_EXECUTED = "prefect.worker.executed-flow-run"
"""What a worker says last of a run, when it has let go of it."""

_WORKER = "prefect.worker.name"
"""The label of a run that says which worker took it."""


def crashed_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that crashed lately and can be started again."""
    found = _runs(client, [StateType.CRASHED])
    return [run for run in found if run.deployment_id and age(run) < OLDEST]


def lost_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that are taken to be under way, and are not: nobody will say so.

    Their worker is gone, and they have given no sign of life. That may happen before the first
    sign, or while somebody cancels them.
    """
    kinds = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    old = [run for run in _runs(client, kinds) if run.deployment_id and age(run) > UNHEARD]
    gone = [run for run in old if _WORKER in run.labels and not _has_worker(client, run)]
    since = now("UTC") - UNHEARD
    return [run for run in gone if not _heard(client, _HEARTBEAT, run, since)]


def is_alive(client: SyncPrefectClient, run: FlowRun, crash: State[Any]) -> bool:
    """Whether a run that the server took for lost has given a sign since."""
    return _is_unheard(crash) and _heard(client, _HEARTBEAT, run, crash.timestamp)


def is_let_go(client: SyncPrefectClient, run: FlowRun, crash: State[Any]) -> bool:
    """Whether nobody holds a crashed run any more, so that it can be started again.

    A worker reports a crash some time before it has let go of the run: seconds, or half a minute on
    a busy machine (measured). Started again before that, the run would be reported as crashed once
    more, and a worker of Prefect's that is given a run which it still holds ends, with all others.
    """
    if _heard(client, _EXECUTED, run, crash.timestamp):
        return True
    passed = now("UTC") - crash.timestamp
    if _is_unheard(crash):
        return passed > SHOWS_LIFE and not _has_worker(client, run)
    return passed > LETS_GO_BY or (passed > SETTLES and not _has_worker(client, run))


def age(run: FlowRun) -> timedelta:
    """For how long a run has been in its state."""
    return timedelta() if run.state is None else now("UTC") - run.state.timestamp


def _is_unheard(crash: State[Any]) -> bool:
    return (crash.message or "").startswith(NO_HEARTBEAT)


def _heard(client: SyncPrefectClient, event: str, run: FlowRun, since: datetime) -> bool:
    """Whether the server has received an event about a run since then.

    It is asked for what it received when: the clocks of two machines may differ.
    """
    about = f"prefect.flow-run.{run.id}"
    of_run = event == _HEARTBEAT
    events = client.read_events(
        EventFilter(
            event=EventNameFilter(name=[event]),
            resource=EventResourceFilter(id=[about]) if of_run else None,
            related=None if of_run else EventRelatedFilter(id=[about]),
        ),
        limit=1,
    )
    return any(event.received > since for event in events.events)


def _has_worker(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether the worker that took a run is there."""
    if not run.work_pool_name:
        return False
    online = WorkerFilter(status=WorkerFilterStatus(any_=[WorkerStatus.ONLINE]))
    try:
        workers = client.read_workers_for_work_pool(run.work_pool_name, online)
    except ObjectNotFound:
        return False
    return run.labels.get(_WORKER) in {worker.name for worker in workers}


def _runs(client: SyncPrefectClient, kinds: Iterable[StateType]) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(kinds))),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=AT_A_TIME,
    )
