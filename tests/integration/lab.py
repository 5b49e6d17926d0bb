"""A lab's Prefect server in tests: deployed to, with a stub in the place of pose estimation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import Event
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)

from deployments import deploy
from deployments.deploy import POOL_NAME
from tasks import PREFECT_TAG
from tasks.environment_variables import INBOX, NOTIFICATION_BLOCK

T = TypeVar("T")

STUB_ENTRYPOINT = "tests.support.stub_flow.pose_estimation"


@contextmanager
def connect_as_client(environment: dict[str, str]) -> Iterator[SyncPrefectClient]:
    """Make this process a client of a server."""
    settings = {
        PREFECT_API_URL: environment["PREFECT_API_URL"],
        PREFECT_API_AUTH_STRING: environment["PREFECT_API_AUTH_STRING"],
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
    }
    with temporary_settings(settings), deploy.connect_to_server() as client:
        yield client


def deploy_without_inbox(
    client: SyncPrefectClient, patch: pytest.MonkeyPatch, notify: str = ""
) -> None:
    """Deploy what the files say, without an inbox, and forget what other tests have left."""
    for run in client.read_flow_runs():
        client.delete_flow_run(run.id)
    patch.setenv(INBOX.name, "")
    patch.setenv(NOTIFICATION_BLOCK.name, notify)
    assert deploy.main([]) == 0


def deploy_stub(
    client: SyncPrefectClient,
    queue: str = "default",
    tag: str = PREFECT_TAG,
    flow: str = "pose-estimation",
) -> Any:
    """Deploy the stub as somebody's own copy of a flow; its id."""
    flow_id = client.create_flow_from_name(flow)
    return client.create_deployment(
        flow_id,
        f"stub for {tag} in {queue}",
        entrypoint=STUB_ENTRYPOINT,
        tags=[tag],
        work_pool_name=POOL_NAME,
        work_queue_name=queue,
        pull_steps=[],
        parameter_openapi_schema={},
        enforce_parameter_schema=False,
    )


def emit_event(client: SyncPrefectClient, event: str, about: str, *related: dict[str, str]) -> None:
    """Send an event to this server: a process' own events all go to the first that it meets."""
    told = Event.model_validate(
        {"event": event, "resource": {"prefect.resource.id": about}, "related": list(related)}
    )
    body = [told.model_dump(mode="json")]
    client.request("POST", "/events", json=body)


def set_states(client: SyncPrefectClient, run: FlowRun, *states: Any) -> None:
    """Let a run go through states."""
    for state in states:
        client.set_flow_run_state(run.id, state)


def read_states(client: SyncPrefectClient, run: FlowRun) -> list[State[Any]]:
    """A run's states, in order."""
    return sorted(client.read_flow_run_states(run.id), key=lambda state: state.timestamp)


def state_names(states: Sequence[State[Any]]) -> list[str]:
    return [str(state.name) for state in states]
