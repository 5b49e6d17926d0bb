"""Runs on the Prefect server: those under way, and new ones."""

from typing import TYPE_CHECKING
from uuid import UUID

from deployments.web.starting.run_request import RunRequest
from tasks import PREFECT_TAG
from tasks.errors import BadInput
from tasks.inbox.start_runs import REFUSED_STATUS, find_deployment_id
from tasks.messages import format_error
from tasks.storage.store_errors import NoSuchObject

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

DEPLOYMENT = "pose-estimation/pose-estimation"
"""The deployment whose runs the form starts."""

MAX_ACTIVE = 100
"""Runs under way that a page lists."""

MAX_ENDED = 10
"""Runs that have ended which a page lists."""

_ACTIVE_STATES = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
_ENDED_STATES = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

_INNER_FLOWS = ("one-movie",)
"""Flows whose runs are parts of another's."""


def create_run(client: "SyncPrefectClient", request: RunRequest, key: str) -> UUID:
    """Create a request's run.

    Args:
        client: The server.
        request: The request.
        key: Names the press of a button: there is one run for it, however often it is sent.

    Raises:
        BadInput: There is no such deployment, or it refuses the request.
    """
    from prefect.exceptions import PrefectHTTPStatusError  # noqa: PLC0415 - loaded with the client

    try:
        run = client.create_flow_run_from_deployment(
            find_deployment_id(client, DEPLOYMENT),
            parameters=request.parameters,
            idempotency_key=f"page {key}",
            tags=["page"],
            name=request.name,
        )
    except PrefectHTTPStatusError as error:
        if error.response.status_code != REFUSED_STATUS:
            raise
        raise BadInput(f"the server refuses it: {format_error(error)}") from error
    return run.id


def cancel_run(client: "SyncPrefectClient", run: UUID) -> None:
    """Cancel a run that has not ended.

    Raises:
        NoSuchObject: The server has no such run.
        BadInput: It has ended.
    """
    from prefect.states import Cancelled, Cancelling  # noqa: PLC0415

    found = find_run(client, run)
    if found.state is None or found.state.is_final():
        raise BadInput(f"{found.name}: it has ended already")
    waits = found.state.is_scheduled()
    client.set_flow_run_state(run, Cancelled() if waits else Cancelling())


def find_run(client: "SyncPrefectClient", run: UUID) -> "FlowRun":
    """Find a run.

    Raises:
        NoSuchObject: The server has no such run.
    """
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    try:
        return client.read_flow_run(run)
    except ObjectNotFound as error:
        raise NoSuchObject(
            "This run is not known: the server has removed it, or never had it."
        ) from error


def list_runs(client: "SyncPrefectClient") -> tuple[list["FlowRun"], list["FlowRun"]]:
    """List runs of ours, without parts of others: those under way, and the last that have ended."""
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415

    first = FlowRunSort.EXPECTED_START_TIME_ASC
    active = _read_runs(client, _ACTIVE_STATES, first, MAX_ACTIVE)
    ended = _read_runs(client, _ENDED_STATES, FlowRunSort.END_TIME_DESC, MAX_ENDED)
    return active, ended


def _read_runs(
    client: "SyncPrefectClient", states: tuple[str, ...], sort: str, limit: int
) -> list["FlowRun"]:
    from prefect.client.schemas.filters import FlowFilter, FlowRunFilter  # noqa: PLC0415
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415

    chosen = {"tags": {"any_": [PREFECT_TAG]}, "state": {"type": {"any_": list(states)}}}
    inner = FlowFilter.model_validate({"name": {"any_": list(_INNER_FLOWS)}})
    quiet = {flow.id for flow in client.read_flows(flow_filter=inner)}
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(chosen), sort=FlowRunSort(sort), limit=limit
    )
    return [run for run in found if run.flow_id not in quiet]
