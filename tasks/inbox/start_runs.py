"""Ask the Prefect server which batches have been started, and start those that are due."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any
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
from tasks.inbox.batches import Batch, Standing, in_one_sentence
from tasks.inbox.standing import ENDED, Run, recalled
from tasks.messages import reason_of
from tasks.recovery.lost_runs import OLDEST, age
from tasks.stages.run_names import request_name
from tasks.stages.stage import STORE_RETRIES, stage

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

A_PAGE = 200
"""Flow runs that the server tells of at a time, at most."""

REFUSED = 409
"""HTTP status of a run whose parameters do not fit its deployment."""


@stage("Ask for runs", "ask for runs", retries=STORE_RETRIES)
def recall(found: Sequence[Batch], deployment: str) -> tuple[list[Batch], str]:
    """Ask the Prefect server which batches have been started already."""
    open_ = [b for b in found if b.standing in {Standing.DUE, Standing.WAITING}]
    with _server() as client:
        runs = _runs_by_key(client, deployment, [batch.key for batch in open_])
        due = any(b.standing is Standing.DUE and b.key not in runs for b in open_)
        busy = _runs_by_output(client, deployment) if due else {}
    told = [recalled(batch, runs.get(batch.key), busy) for batch in found]
    return told, in_one_sentence(told)


@contextmanager
def _server() -> Iterator["SyncPrefectClient"]:
    """A client of the Prefect server, whose failures are worth another try."""
    try:
        with get_client(sync_client=True) as client:
            yield client
    except HTTPError as error:
        raise Retriable(f"the Prefect server: {reason_of(error)}") from error


def _runs_by_key(
    client: "SyncPrefectClient", deployment: str, keys: Sequence[str]
) -> dict[str, Run]:
    """The flow runs that have been started under keys, by key."""
    pages = [keys[i : i + A_PAGE] for i in range(0, len(keys), A_PAGE)]
    filters = [FlowRunFilter(idempotency_key=_any_of(page)) for page in pages]
    answers = (_page(client, deployment, wanted) for wanted in filters)
    return {str(r.idempotency_key): _run(r) for answer in answers for r in answer}


def _any_of(keys: Sequence[str]) -> FlowRunFilterIdempotencyKey:
    return FlowRunFilterIdempotencyKey(any_=list(keys))


def _runs_by_output(client: "SyncPrefectClient", deployment: str) -> dict[str, Run]:
    """The flow runs that have not ended, by where they put their results."""
    ended = [StateType(text) for text in ENDED if text != StateType.CRASHED.value]
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=ended)))
    found: dict[str, Run] = {}
    for offset in count(0, A_PAGE):
        page = _page(client, deployment, wanted, offset)
        known = {f"{str(r.parameters.get('output')).rstrip('/')}/": _run(r) for r in page}
        found |= {output: run for output, run in known.items() if run.is_under_way}
        if len(page) < A_PAGE:
            break
    return found


def _page(
    client: "SyncPrefectClient", deployment: str, wanted: FlowRunFilter, offset: int = 0
) -> list[FlowRun]:
    flow = FlowFilter(name=FlowFilterName(any_=[deployment.partition("/")[0]]))
    return client.read_flow_runs(
        flow_filter=flow,
        flow_run_filter=wanted,
        sort=FlowRunSort.ID_DESC,
        limit=A_PAGE,
        offset=offset,
    )


def _run(run: FlowRun) -> Run:
    state = run.state
    if state is None:
        return Run(str(run.id), "PENDING", "")
    # What is older is left to whoever looks at it.
    lately = state.is_crashed() and age(run) < OLDEST
    return Run(str(run.id), state.type.value, state.message or "", comes_back=lately)


@stage("Start runs", "start runs", retries=STORE_RETRIES)
def start(found: Sequence[Batch], deployment: str) -> tuple[list[Batch], str]:
    """Start one flow run for every batch that is due; a batch that has one gets no other."""
    count_due = sum(batch.standing is Standing.DUE for batch in found)
    if not count_due:
        return list(found), "none is due"
    with _server() as client:
        where = _deployment_id(client, deployment)
        # One after the other: two at once find an SQLite database locked, and wait for seconds.
        told = [_started(client, where, batch) for batch in found]
    return told, f"{count_due} runs"


def _deployment_id(client: "SyncPrefectClient", name: str) -> UUID:
    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound as error:
        raise BadInput(f"there is no deployment {name}; run `make deploy`") from error


def _started(client: "SyncPrefectClient", deployment: UUID, batch: Batch) -> Batch:
    """Start a batch' run if it is due."""
    if batch.standing is not Standing.DUE:
        return batch
    try:
        run = client.create_flow_run_from_deployment(
            deployment,
            parameters=_parameters(batch),
            idempotency_key=batch.key,
            tags=["inbox"],
            name=_name(batch),
            work_queue_name=batch.queue,
        )
    except PrefectHTTPStatusError as error:
        if error.response.status_code != REFUSED:
            raise
        return batch.stands(Standing.REFUSED, f"the server refuses it: {reason_of(error)}")
    return replace(batch.stands(Standing.STARTED, f"now: {batch.reason}"), run=str(run.id))


def _name(batch: Batch) -> str:
    """What a run is called while it waits: what it calls itself when it begins."""
    return request_name([str(movie.location) for movie in batch.movies], batch.model)


def _parameters(batch: Batch) -> dict[str, Any]:
    return {
        "model": batch.model,
        "movies": [str(movie.location) for movie in batch.movies],
        "output": batch.output,
        "settings": batch.settings,
    }
