"""Reasons why runs wait, in their states: a paused pool, no worker, a limit, or those before them.

Prefect leaves a run that waits "Scheduled" without a word.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun, State, WorkPool, WorkQueue
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled
from prefect.types._datetime import now

from tasks import OWN_TAGS
from tasks.stages.run_states import WAITING_STATE

EXPLAINED_AFTER = timedelta(seconds=3)
"""How long a run must have been due: a worker that is there takes it within a second or two."""

POLLED_WITHIN = timedelta(seconds=30)
"""A queue that no worker has asked for so long has none; Prefect's workers ask every 15 s."""

EXPLAINED_NAMES = {"Scheduled", "Late", "AwaitingRetry", WAITING_STATE}
"""Names of states that say nothing by themselves."""

RUNS_PER_LOOK = 200
"""Runs that the server tells of in one answer."""

MAX_CHANGES = 50
"""States that one look sets: where many runs wait, each that ends changes the place of all."""

COUNTED_STEPS = (1, 2, 3, 4, 5, 10, 20, 50, 100)
"""Numbers of runs before it that a run is told: a new number is a new state."""


@dataclass(frozen=True)
class PoolUse:
    """A work pool, and what goes on in it.

    Attributes:
        pool: The pool.
        queues: Its queues, by name.
        under_way: Runs that a worker has, by the name of their queue.
        due: Runs that wait, by the name of their queue, first to last.
        shared: Names of queues that the same workers take.
    """

    pool: WorkPool
    queues: Mapping[str, WorkQueue]
    under_way: Mapping[str, int]
    due: Mapping[str, Sequence[FlowRun]]
    shared: Collection[str]


def explain_waits(client: SyncPrefectClient, shared: Collection[str] = ()) -> int:
    """Let the state of each run of ours that waits say why.

    Args:
        client: The server.
        shared: Names of queues that the same workers take, those of a lower priority number first.

    Returns:
        How many states were set.
    """
    changed = 0
    for pool, waiting in groupby(find_waiting_runs(client), key=lambda run: run.work_pool_name):
        if pool is None or (use := _read_use(client, pool, list(waiting), shared)) is None:
            continue
        for run, reason in _explain_all(use):
            if changed < MAX_CHANGES and _set_reason(client, run, reason):
                changed += 1
    return changed


def find_waiting_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that are due, by pool, first to last."""
    due = {
        "tags": {"any_": sorted(OWN_TAGS)},
        "state": {"type": {"any_": ["SCHEDULED"]}},
        "next_scheduled_start_time": {"before_": (now("UTC") - EXPLAINED_AFTER).isoformat()},
    }
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(due),
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
        limit=RUNS_PER_LOOK,
    )
    return sorted(runs, key=lambda run: run.work_pool_name or "")  # keeps the order within each


def _read_use(
    client: SyncPrefectClient, name: str, due: Sequence[FlowRun], shared: Collection[str]
) -> PoolUse | None:
    try:
        pool = client.read_work_pool(name)
        queues = client.read_work_queues(work_pool_name=name)
    except ObjectNotFound:
        return None
    busy = client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(
            {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}
        ),
        work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [name]}}),
        limit=RUNS_PER_LOOK,
    )
    return PoolUse(
        pool,
        {queue.name: queue for queue in queues},
        {queue: sum(run.work_queue_name == queue for run in busy) for queue in _queues_of(busy)},
        {queue: [run for run in due if run.work_queue_name == queue] for queue in _queues_of(due)},
        shared,
    )


def explain_run(
    client: SyncPrefectClient, run: FlowRun, shared: Collection[str] = ()
) -> str | None:
    """Explain why a run waits, without changing its state; None where nothing is known.

    Args:
        client: The server.
        run: A run that is due, or will be.
        shared: Names of queues that the same workers take.
    """
    if run.work_pool_name is None or run.work_queue_name is None:
        return None
    due = [one for one in find_waiting_runs(client) if one.work_pool_name == run.work_pool_name]
    use = _read_use(client, run.work_pool_name, due, shared)
    if use is None:
        return f"There is no work pool {run.work_pool_name}: run `make deploy`."
    queue = [one.id for one in use.due.get(run.work_queue_name, ())]
    place = queue.index(run.id) if run.id in queue else len(queue)
    return explain_wait(use, run.work_queue_name, place)


def _queues_of(runs: Sequence[FlowRun]) -> set[str]:
    return {run.work_queue_name for run in runs if run.work_queue_name}


def _explain_all(use: PoolUse) -> Iterator[tuple[FlowRun, str]]:
    """Each run that waits with its reason, if one is known."""
    for name, runs in use.due.items():
        for place, run in enumerate(runs):
            if reason := explain_wait(use, name, place):
                yield run, reason


def explain_wait(use: PoolUse, queue_name: str, place: int) -> str | None:
    """Explain why a run waits, in a sentence; None while a worker is about to take it.

    Args:
        use: Its work pool.
        queue_name: Its queue.
        place: How many runs of that queue come before it.
    """
    pool, queue = use.pool, use.queues.get(queue_name)
    if pool.is_paused:
        return f"The work pool {pool.name} is paused: switch it on at Work Pools → {pool.name}."
    if queue is not None and queue.is_paused:
        return f"The queue {queue.name} is paused: switch it on at Work Pools → {pool.name}."
    if queue is None or queue.last_polled is None or _is_old(queue):
        return f"No worker asks for runs of the queue {queue_name}: start one with `make worker`."
    under_way = sum(use.under_way.values())
    if pool.concurrency_limit is not None and under_way >= pool.concurrency_limit:
        return f"The work pool {pool.name} takes {pool.concurrency_limit} at a time, and has them."
    if queue.concurrency_limit is not None and (
        use.under_way.get(queue_name, 0) >= queue.concurrency_limit
    ):
        return f"The queue {queue.name} takes {queue.concurrency_limit} at a time, and has them."
    return _explain_turn(use, queue_name, place)


def _is_old(queue: WorkQueue) -> bool:
    return queue.last_polled is not None and now("UTC") - queue.last_polled > POLLED_WITHIN


def _explain_turn(use: PoolUse, queue_name: str, place: int) -> str | None:
    together = list(use.shared) if queue_name in use.shared else [queue_name]
    first = together[: together.index(queue_name)]
    before = place + sum(len(use.due.get(name, ())) for name in first)
    under_way = sum(use.under_way.get(name, 0) for name in together)
    if not under_way:
        return None
    place_text = f"{_count(before, 'run')} before it" if before else "next in turn"
    busy = f"its workers are busy with {_count(under_way, 'run')}"
    return f"{place_text[0].upper()}{place_text[1:]}; {busy}."


def _count(number: int, what: str) -> str:
    """Count things: exactly if they are few, else at least, so that it changes seldom."""
    least = max((step for step in COUNTED_STEPS if step <= number), default=number)
    return f"{'' if least == number else 'at least '}{least} {what}{'s' if number != 1 else ''}"


def _set_reason(client: SyncPrefectClient, run: FlowRun, reason: str) -> bool:
    """Let a run's state give a reason, if it still waits and does not give it already."""
    state = run.state
    if state is None or state.name not in EXPLAINED_NAMES:
        return False
    if state.name == WAITING_STATE and state.message == reason:
        return False
    due = state.state_details.scheduled_time or run.next_scheduled_start_time
    told: State[Any] = Scheduled(name=WAITING_STATE, message=reason, scheduled_time=due)
    client.set_flow_run_state(run.id, told)
    return True
