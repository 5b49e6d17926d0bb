"""The history of looks at the inbox, kept short: people's runs are what a list is read for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.types._datetime import now

from tasks import UPKEEP_TAG

KEPT_LOOK = timedelta(minutes=1)
"""How long a look stays that ended well: what it found is on the inbox' page, what it started is
in the list."""

KEPT_FAILED_LOOK = timedelta(days=1)
"""How long a look stays that failed."""

KEPT_FAILED_LOOKS = 3
"""Failed looks that stay: while a store is away, one fails every five minutes."""

MISSED_AFTER = timedelta(minutes=6)
"""How long after its time a look that no worker took is made up for by a later one."""


def shorten_history(client: SyncPrefectClient) -> int:
    """Remove the runs of looks that nobody needs any more.

    Args:
        client: The server.

    Returns:
        How many were removed.
    """
    present = now("UTC")
    ended = _looks(["COMPLETED", "CANCELLED"], end_time=present - KEPT_LOOK)
    old = _looks(["FAILED", "CRASHED"], end_time=present - KEPT_FAILED_LOOK)
    # Those of the schedule; one that somebody has asked for waits for its worker.
    missed = _looks(["SCHEDULED"], expected_start_time=present - MISSED_AFTER)
    missed["tags"]["all_"].append("auto-scheduled")
    chosen = [ended, old, missed, *_choose_more_failed(client)]
    return sum(_delete_all(client, runs) for runs in chosen)


def _looks(kinds: Sequence[str], **before: datetime) -> dict[str, Any]:
    """A filter for looks in states of some types, with a time before another."""
    times = {name: {"before_": time.isoformat()} for name, time in before.items()}
    return {"tags": {"all_": [UPKEEP_TAG]}, "state": {"type": {"any_": list(kinds)}}} | times


def _choose_more_failed(client: SyncPrefectClient) -> list[dict[str, Any]]:
    """Filters for the failed looks beyond the latest ones."""
    failed = client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(_looks(["FAILED", "CRASHED"])),
        sort=FlowRunSort.END_TIME_DESC,
        offset=KEPT_FAILED_LOOKS,
        limit=50,
    )
    return [{"id": {"any_": [str(run.id) for run in failed]}}] if failed else []


def _delete_all(client: SyncPrefectClient, runs: dict[str, Any]) -> int:
    """Remove the runs that a filter finds; how many."""
    path: Any = "/flow_runs/bulk_delete"  # which the client's list of addresses lacks
    total = 0
    while deleted := client.request("POST", path, json={"flow_runs": runs}).json()["deleted"]:
        total += len(deleted)  # the server removes fifty at a time
    return total
