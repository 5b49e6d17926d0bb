"""A lab's Prefect server in tests: deployed to, with a stub in the place of pose estimation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import Event
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)

from deployments import automations, deploy
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


QUICK_SECONDS = 10
"""Seconds without a heartbeat: not the 100 of the file, but the fewest that Prefect takes."""


def deploy_without_inbox(
    client: SyncPrefectClient, patch: pytest.MonkeyPatch, notify: str = ""
) -> None:
    """Deploy what the files say, without an inbox, and forget what other tests have left."""
    for run in client.read_flow_runs():
        client.delete_flow_run(run.id)
    patch.setenv(INBOX.name, "")
    patch.setenv(NOTIFICATION_BLOCK.name, notify)
    assert deploy.main([]) == 0


def use_quick_automations(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let what is deployed then wait seconds where the file says minutes."""
    patch.setattr(
        automations, "AUTOMATIONS_FILE", _write_quick_copy(automations.AUTOMATIONS_FILE, folder)
    )


def _write_quick_copy(file: Path, folder: Path) -> Path:
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    for value in values:
        if value["trigger"]["posture"] == "Proactive":
            value["trigger"]["within"] = QUICK_SECONDS
    changed = folder / file.name
    changed.write_text(yaml.safe_dump(values), encoding="utf-8")
    return changed


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
