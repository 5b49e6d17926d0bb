"""Movies that the inbox refuses, as events: a look sends them, and people are told of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.events import Event, Resource
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter

from tasks.upkeep.notice import Notice

REFUSAL_EVENT = "dlcflow.inbox.refused"
"""The event's name; its payload says what is refused, where, and why."""

MAX_SINGLE_NOTICES = 10
"""Refusals at a time that have a notice each; more of them share one."""

MAX_LISTED = 20
"""Refusals that a shared notice lists."""


@dataclass(frozen=True)
class Refusal:
    """Something in an inbox that no run could analyze.

    Attributes:
        id: The same for the same movies and the same reason.
        name: The movie or folder, below the inbox.
        inbox: The inbox.
        reason: Why, and what to do.
    """

    id: str
    name: str
    inbox: str
    reason: str


def send_refusals(client: SyncPrefectClient, refusals: Sequence[Refusal]) -> None:
    """Let the server keep refusals; people are told by whoever reads them there."""
    if not refusals:
        return
    events = [
        Event(
            event=REFUSAL_EVENT,
            resource=Resource(
                {
                    "prefect.resource.id": f"dlcflow.refusal.{refusal.id}",
                    "prefect.resource.name": refusal.name,
                }
            ),
            payload={"name": refusal.name, "inbox": refusal.inbox, "reason": refusal.reason},
        )
        for refusal in refusals
    ]
    # `emit_event` leaves events to a thread that nobody hears from; this is answered.
    client.request("POST", "/events", json=[event.model_dump(mode="json") for event in events])


def read_refusals(client: SyncPrefectClient, since: datetime) -> list[tuple[datetime, Refusal]]:
    """Refusals that the server has received since a time, first to last, each with its time."""
    wanted = EventFilter(
        event=EventNameFilter(name=[REFUSAL_EVENT]), occurred=EventOccurredFilter(since=since)
    )
    page = client.read_events(wanted, limit=50)
    events = list(page.events)
    while page.next_page is not None:
        page = client.read_events_page(str(page.next_page))
        events += page.events
    found = [
        (
            event.occurred,
            Refusal(
                event.resource.id.removeprefix("dlcflow.refusal."),
                *(str(event.payload.get(name, "")) for name in ("name", "inbox", "reason")),
            ),
        )
        for event in events
    ]
    return sorted(found, key=lambda pair: pair[0])


def build_refusal_notices(refusals: Sequence[Refusal]) -> list[Notice]:
    """Write the notices of refusals: one each, or one for all where they are many."""
    if len(refusals) <= MAX_SINGLE_NOTICES:
        return [
            Notice(f"dlcflow: {one.name} is refused", f"{one.reason}\nInbox: {one.inbox}")
            for one in refusals
        ]
    more = len(refusals) - MAX_LISTED
    lines = [f"{one.name}: {one.reason}" for one in refusals[:MAX_LISTED]]
    lines += [f"and {more} more; they are on the inbox' page"] if more > 0 else []
    lines.append(f"Inbox: {refusals[0].inbox}")
    return [Notice(f"dlcflow: {len(refusals)} movies are refused", "\n".join(lines))]
