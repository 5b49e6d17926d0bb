"""``make deploy``: bring a Prefect server to what this checkout says, however often it is run.

Work pools come from ``infra/work-pools``, deployments from ``deployments/prefect.yaml``. What an
earlier checkout made and this one no longer has is removed; what others made is left alone.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from deployments import definitions
from deployments.definitions import ANALYSIS_QUEUE, SERVICE_QUEUE
from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tasks.environment_variables import (
    read_inbox,
    read_notice_kinds,
    read_notification_block,
)
from tasks.errors import BadInput

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

ROOT = Path(__file__).parents[1]
POOL_FOLDER = ROOT / "infra" / "work-pools"
POOL_TYPES = tuple(sorted(path.stem for path in POOL_FOLDER.glob("*.yaml")))

POOL_NAME = "gpu"

DEFAULT_POOL_TYPE = "process"

MOVIES_QUEUE = "movies"
"""The queue of the movies of spread requests, whose own runs wait for them: a separate worker
takes them, or those that wait could take all places."""

SHARED_QUEUES = ("urgent", "default", "bulk")
"""Queues that one worker takes, the most urgent first."""

QUEUE_PRIORITIES = {
    name: priority
    for priority, name in enumerate(
        (SERVICE_QUEUE, ANALYSIS_QUEUE, SHARED_QUEUES[0], MOVIES_QUEUE, *SHARED_QUEUES[1:]), start=1
    )
}
"""Priorities: what lies in a queue of a lower number is started first."""


def main(arguments: list[str] | None = None) -> int:
    """Reconcile the server that ``PREFECT_API_URL`` names.

    Args:
        arguments: Words of the command line; by default those of this process.

    Returns:
        The exit status: 0, or 1 with a sentence on standard error.
    """
    parser = argparse.ArgumentParser(prog="make deploy", description=__doc__)
    parser.add_argument(
        "--pool", choices=POOL_TYPES, help=f"where runs are made; {DEFAULT_POOL_TYPE} at first"
    )
    options = parser.parse_args(arguments)
    os.environ.update(PREFECT_SETTINGS | os.environ)
    try:
        with connect_to_server() as client:
            reconcile_pool(client, options.pool)
            definitions.reconcile_deployments(client, read_inbox())
            definitions.remove_old_automations(client)
            keep_notice_choice(client)
    except (ValueError, RuntimeError, OSError, BadInput) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def keep_notice_choice(client: "SyncPrefectClient") -> None:
    """Keep on the server whom to tell of what.

    Raises:
        ValueError: There is no such notification block.
        BadInput: There is no such kind of notice.
    """
    from tasks.upkeep.notice import choose_notices  # noqa: PLC0415 - loads Prefect

    choose_notices(client, read_notification_block(), read_notice_kinds())


@contextmanager
def connect_to_server() -> "Iterator[SyncPrefectClient]":
    """Connect to the server that ``PREFECT_API_URL`` names.

    Yields:
        A client of it.

    Raises:
        ConnectionError: There is none, it does not answer, or it refuses the password.
    """
    import httpx  # noqa: PLC0415
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    url = server_url()
    try:
        with get_client(sync_client=True) as client:
            client.api_version()
            yield client
    except httpx.HTTPStatusError as error:
        raise ConnectionError(_describe_refusal(url, error.response.status_code)) from error
    except httpx.TransportError as error:
        raise ConnectionError(
            f"expected a Prefect server at {url} (PREFECT_API_URL), found no answer ({error}); "
            "start it, or correct the address"
        ) from error
    except json.JSONDecodeError as error:
        raise ConnectionError(_describe_refusal(url, 200)) from error


def server_url() -> str:
    """The address of the server, from the environment or Prefect's own profile.

    Raises:
        ConnectionError: None is named.
    """
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415

    url: str | None = PREFECT_API_URL.value()
    if not url:
        raise ConnectionError(
            "expected PREFECT_API_URL to name a Prefect server, found nothing; for example: "
            "export PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    return url


def _describe_refusal(url: str, status: int) -> str:
    if status in (401, 403):
        return (
            f"the Prefect server at {url} refuses the password; set PREFECT_API_AUTH_STRING to "
            "user:password as the server has it"
        )
    return (
        f"expected a Prefect server at {url} (PREFECT_API_URL), found something that answers with "
        f"status {status}; the address of its API usually ends in /api"
    )


def reconcile_pool(client: "SyncPrefectClient", kind: str | None) -> None:
    """Make the work pool and its queues, or bring them up to date.

    Args:
        client: The server.
        kind: Name of a file in ``infra/work-pools``, which is the pool's type; None keeps the type
            of the pool that there is.

    Raises:
        ValueError: There is a pool of this name, but of another type, which cannot be changed.
    """
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate  # noqa: PLC0415
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    try:
        found = client.read_work_pool(POOL_NAME)
    except ObjectNotFound:
        client.create_work_pool(
            WorkPoolCreate(name=POOL_NAME, **_read_pool_template(kind or DEFAULT_POOL_TYPE))
        )
    else:
        kind = kind or found.type
        if found.type != kind or kind not in POOL_TYPES:
            raise ValueError(
                f"the work pool {POOL_NAME} is of type {found.type}, which cannot be changed to "
                f"{kind if kind in POOL_TYPES else DEFAULT_POOL_TYPE}; after its runs have ended, "
                f"remove it with prefect work-pool delete {POOL_NAME}; and deploy again"
            )
        changes = {
            name: value for name, value in _read_pool_template(kind).items() if name != "type"
        }
        if any(getattr(found, name) != value for name, value in changes.items()):
            client.update_work_pool(POOL_NAME, WorkPoolUpdate(**changes))
    _reconcile_queues(client)


def _read_pool_template(kind: str) -> dict[str, object]:
    pool: dict[str, object] = yaml.safe_load(
        (POOL_FOLDER / f"{kind}.yaml").read_text(encoding="utf-8")
    )
    return pool


def _reconcile_queues(client: "SyncPrefectClient") -> None:
    """Make the queues, and put them in order; other queues may follow them."""
    found = {queue.name for queue in client.read_work_queues(work_pool_name=POOL_NAME)}
    for name in QUEUE_PRIORITIES:
        if name not in found:
            client.create_work_queue(name=name, work_pool_name=POOL_NAME)
    # One at a time, the first one first: each moves those behind it down by one.
    for name, priority in QUEUE_PRIORITIES.items():
        queue = client.read_work_queue_by_name(name, work_pool_name=POOL_NAME)
        if queue.priority != priority:
            client.update_work_queue(queue.id, priority=priority)


if __name__ == "__main__":
    sys.exit(main())
