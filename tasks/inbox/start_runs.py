"""Ask the Prefect server which batches have been started, and start those that are due."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from tasks.errors import BadInput, Retriable
from tasks.inbox.inbox_batch import InboxBatch, Standing, summarize_batches
from tasks.inbox.standing import FINAL_STATE_TYPES, InboxRun, apply_known_run
from tasks.messages import format_error
from tasks.recovery.lost_runs import MAX_CRASH_AGE, state_age
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.run_names import format_request_name
from tasks.stages.stage import stage

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

Batch = TypeVar("Batch", bound=InboxBatch)

RUNS_PER_PAGE = 200
"""Flow runs that the server tells of at a time, at most."""

REFUSED_STATUS = 409
"""HTTP status of a run whose parameters do not fit its deployment."""


@stage("Ask for runs", "ask for runs", retries=STORE_RETRIES)
def find_started_runs(found: Sequence[Batch], deployment: str) -> tuple[list[Batch], str]:
    """Ask the Prefect server which batches have been started already."""
    told = match_started_runs(found, deployment)
    return told, summarize_batches(told)


def match_started_runs(found: Sequence[Batch], deployment: str) -> list[Batch]:
    """Say of each batch what the Prefect server knows of its run; no task of Prefect's.

    Args:
        found: The batches.
        deployment: The deployment that starts their runs.

    Raises:
        Retriable: The server cannot be reached.
    """
    open_ = [b for b in found if b.standing in {Standing.DUE, Standing.WAITING}]
    with connect_to_server() as client:
        runs = _runs_by_key(client, deployment, [batch.run_key for batch in open_])
        due = any(b.standing is Standing.DUE and b.run_key not in runs for b in open_)
        busy = _runs_by_output(client, deployment) if due else {}
    return [apply_known_run(batch, runs.get(batch.run_key), busy) for batch in found]


def find_movie_run(location: str) -> InboxRun | None:
    """Find the latest run whose request names a movie; None where the server knows none.

    Args:
        location: The movie.

    Raises:
        Retriable: The server cannot be reached.
    """
    with connect_to_server() as client:
        for offset in range(0, MAX_SEARCHED_RUNS, RUNS_PER_PAGE):
            page = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[POSE_FLOW])),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=RUNS_PER_PAGE,
                offset=offset,
            )
            for run in page:
                if location in run.parameters.get("movies", ()):
                    return _to_inbox_run(run)
            if len(page) < RUNS_PER_PAGE:
                break
    return None


POSE_FLOW = "pose-estimation"
"""Name of the flow that analyzes movies."""

MAX_SEARCHED_RUNS = 2000
"""Runs that are searched for a movie's, the latest."""


@contextmanager
def connect_to_server() -> Iterator["SyncPrefectClient"]:
    """A client of the Prefect server, whose failures are worth another try."""
    try:
        with get_client(sync_client=True) as client:
            yield client
    except HTTPError as error:
        raise Retriable(f"the Prefect server: {format_error(error)}") from error


def _runs_by_key(
    client: "SyncPrefectClient", deployment: str, keys: Sequence[str]
) -> dict[str, InboxRun]:
    """The flow runs that have been started under keys, by key."""
    pages = [keys[i : i + RUNS_PER_PAGE] for i in range(0, len(keys), RUNS_PER_PAGE)]
    keys_of = (FlowRunFilterIdempotencyKey(any_=list(page)) for page in pages)
    filters = [FlowRunFilter(idempotency_key=keys) for keys in keys_of]
    answers = (_read_page(client, deployment, wanted) for wanted in filters)
    return {str(r.idempotency_key): _to_inbox_run(r) for answer in answers for r in answer}


def _runs_by_output(client: "SyncPrefectClient", deployment: str) -> dict[str, InboxRun]:
    """The flow runs that have not ended, by where they put their results."""
    ended = [StateType(text) for text in FINAL_STATE_TYPES if text != StateType.CRASHED.value]
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=ended)))
    found: dict[str, InboxRun] = {}
    for offset in count(0, RUNS_PER_PAGE):
        page = _read_page(client, deployment, wanted, offset)
        known = {f"{str(r.parameters.get('output')).rstrip('/')}/": _to_inbox_run(r) for r in page}
        found |= {output: run for output, run in known.items() if run.is_under_way}
        if len(page) < RUNS_PER_PAGE:
            break
    return found


def _read_page(
    client: "SyncPrefectClient", deployment: str, wanted: FlowRunFilter, offset: int = 0
) -> list[FlowRun]:
    flow = FlowFilter(name=FlowFilterName(any_=[deployment.partition("/")[0]]))
    return client.read_flow_runs(
        flow_filter=flow,
        flow_run_filter=wanted,
        sort=FlowRunSort.ID_DESC,
        limit=RUNS_PER_PAGE,
        offset=offset,
    )


def _to_inbox_run(run: FlowRun) -> InboxRun:
    state = run.state
    if state is None:
        return InboxRun(str(run.id), "PENDING", "")
    # What is older is left to people.
    lately = state.is_crashed() and state_age(run) < MAX_CRASH_AGE
    return InboxRun(str(run.id), state.type.value, state.message or "", comes_back=lately)


@stage("Start runs", "start runs", retries=STORE_RETRIES)
def start_due_runs(found: Sequence[Batch], deployment: str) -> tuple[list[Batch], str]:
    """Start one flow run for every batch that is due; a batch that has one gets no other."""
    count_due = sum(batch.standing is Standing.DUE for batch in found)
    if not count_due:
        return list(found), "none is due"
    with connect_to_server() as client:
        where = find_deployment_id(client, deployment)
        # One after the other: two at once find an SQLite database locked, and wait for seconds.
        told = [_start_if_due(client, where, batch) for batch in found]
    return told, f"{count_due} runs"


def find_deployment_id(client: "SyncPrefectClient", name: str) -> UUID:
    """Find a deployment by the names of its flow and itself.

    Raises:
        BadInput: The server has none of this name.
    """
    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound as error:
        raise BadInput(f"there is no deployment {name}; run `make deploy`") from error


def _start_if_due(client: "SyncPrefectClient", deployment: UUID, batch: Batch) -> Batch:
    """Start a batch' run if it is due."""
    if batch.standing is not Standing.DUE:
        return batch
    try:
        run = client.create_flow_run_from_deployment(
            deployment,
            parameters=batch.parameters,
            idempotency_key=batch.run_key,
            tags=["inbox"],
            # As it calls itself when it begins.
            name=format_request_name(batch.inputs, batch.instrument),
            work_queue_name=batch.queue,
        )
    except PrefectHTTPStatusError as error:
        if error.response.status_code != REFUSED_STATUS:
            raise
        return batch.with_standing(
            Standing.REFUSED, f"the server refuses it: {format_error(error)}"
        )
    return replace(batch.with_standing(Standing.STARTED, f"now: {batch.reason}"), run=str(run.id))
