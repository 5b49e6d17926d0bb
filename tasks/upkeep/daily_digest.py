"""One notice of a whole day, for those who do not want one for each run."""

from collections import Counter
from datetime import datetime

from prefect.client.orchestration import SyncPrefectClient

from tasks.upkeep.ended_runs import EndedRun, find_ended_runs, run_link
from tasks.upkeep.notice import Notice
from tasks.upkeep.refusals import read_refusals

DIGEST_HOUR = 7
"""Hour of the day, in the server's time zone, at which the digest is sent."""

MAX_LISTED = 20
"""Runs, and refusals, that a digest lists."""

MAX_REASON_LENGTH = 200
"""Characters of a reason."""


def build_digest(client: SyncPrefectClient, since: datetime) -> Notice | None:
    """Write the notice of what has happened since a time; None where nothing has.

    Args:
        client: The server.
        since: Where it begins.
    """
    runs = [one for one in find_ended_runs(client, since) if not one.is_look]
    refused = [refusal for _, refusal in read_refusals(client, since)]
    if not runs and not refused:
        return None
    counts = Counter(one.kind for one in runs)
    told = [f"{counts['finished']} finished", f"{counts['verdict']} to look at"]
    told += [f"{counts['failed']} failed", f"{len(refused)} movies refused"]
    lines = [f"Since {since.astimezone():%Y-%m-%d %H:%M}: {', '.join(told)}."]
    notable = [one for kind in ("failed", "verdict") for one in runs if one.kind == kind]
    lines += [_describe(one) for one in notable[:MAX_LISTED]]
    if len(notable) > MAX_LISTED:
        lines.append(f"- and {len(notable) - MAX_LISTED} more runs")
    lines += [f"- {one.name} is refused: {_shorten(one.reason)}" for one in refused[:MAX_LISTED]]
    if len(refused) > MAX_LISTED:
        lines.append(f"- and {len(refused) - MAX_LISTED} more movies, on the inbox' page")
    return Notice(f"dlcflow: {', '.join(told)}", "\n".join(lines))


def _describe(one: EndedRun) -> str:
    return f"- {one.run.name} {one.word}: {_shorten(one.message)} ({run_link(one.run)})"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_REASON_LENGTH else f"{text[:MAX_REASON_LENGTH].rstrip()}…"
