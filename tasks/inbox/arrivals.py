"""Turn what object stores tell into Prefect events, which triggers of deployments wait for."""

from collections.abc import Iterable, Iterator, Sequence

from httpx import HTTPError, HTTPStatusError
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource

from tasks.inbox.request_file import REQUEST_FILE
from tasks.messages import format_error
from tasks.pose.clock.times_names import is_times_name
from tasks.pose.movies.reader import MOVIE_SUFFIXES
from tasks.storage.location import Location

ARRIVAL_EVENT = "dlcflow.inbox.arrivals"
"""The event's name; its resource is the inbox, its payload names what has arrived there."""

LOCATIONS_PER_EVENT = 200
"""Locations that one event names at most: a flow run's parameters may have 512 kB."""

TRANSIENT_STATUSES = {401, 403, 404, 408, 409, 425, 429}
"""HTTP statuses that are not the event's fault: wrong credentials, an address, a busy server."""


def emit_arrival_events(inboxes: Iterable[Location], arrived: Sequence[Location]) -> int:
    """Emit an event for every inbox that something has arrived in, and see that it is taken.

    Args:
        inboxes: The inboxes that deployments look at.
        arrived: What has arrived anywhere.

    Returns:
        The number of events.

    Raises:
        ConnectionError: The Prefect server does not take them now.
        ValueError: It refuses them.
    """
    events = [event for inbox in inboxes for event in _build_events(inbox, arrived)]
    if not events:
        return 0
    body = [event.model_dump(mode="json") for event in events]
    try:
        # `emit_event` leaves events to a thread that nobody hears from; this is answered.
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=body)
    except HTTPStatusError as error:
        status = error.response.status_code
        kind = ConnectionError if status >= 500 or status in TRANSIENT_STATUSES else ValueError  # noqa: PLR2004
        raise kind(f"the Prefect server: {format_error(error)}") from error
    except (HTTPError, OSError, RuntimeError) as error:
        raise ConnectionError(f"the Prefect server: {format_error(error)}") from error
    return len(events)


def is_relevant_arrival(inbox: Location, location: Location) -> bool:
    """Return whether an object's arrival may make something in an inbox due."""
    if not str(location).startswith(str(inbox)) or location.name.startswith("."):
        return False
    is_movie = location.suffix.lower() in MOVIE_SUFFIXES
    return location.name == REQUEST_FILE or is_movie or is_times_name(location.name)


def _build_events(inbox: Location, arrived: Sequence[Location]) -> Iterator[Event]:
    there = [str(location) for location in arrived if is_relevant_arrival(inbox, location)]
    for start in range(0, len(there), LOCATIONS_PER_EVENT):
        resource = {"prefect.resource.id": str(inbox), "prefect.resource.name": inbox.name}
        yield Event(
            event=ARRIVAL_EVENT,
            resource=Resource(resource),
            payload={"locations": there[start : start + LOCATIONS_PER_EVENT]},
        )
