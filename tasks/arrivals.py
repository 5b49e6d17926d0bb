"""Turn what object stores tell into Prefect events, which triggers of deployments wait for."""

from prefect.events import emit_event

from tasks.storage.notifications import arrivals

ARRIVED = "dlcflow.object.arrived"
"""The event's name; its resource is the object's location."""


def announce(body: bytes | str) -> int:
    """Emit an event for every object that a notification tells of.

    Args:
        body: The notification.

    Returns:
        The number of events.

    Raises:
        ValueError: It is no notification.
    """
    found = arrivals(body)
    for arrival in found:
        emit_event(
            event=ARRIVED,
            resource={
                "prefect.resource.id": str(arrival.location),
                "prefect.resource.name": arrival.location.name,
            },
            payload={"location": str(arrival.location), "etag": arrival.etag, "size": arrival.size},
        )
    return len(found)
