"""What object stores tell when an object arrives: S3's event messages, and what wraps them.

The message's form is Amazon's ("Event message structure" in the S3 user guide); MinIO and Ceph send
the same. It comes as it is over HTTP, as a message's body in SQS, and wrapped once more where SNS
stands between. Keys are URL-encoded by AWS, MinIO and moto, and raw from Ceph.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from tasks.storage.location import Location


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object that a store says has been written.

    Attributes:
        location: Where it is.
        etag: Its ETag, where the message has it.
        size: Its bytes, where the message has them.
    """

    location: Location
    etag: str | None
    size: int | None


def arrivals(body: bytes | str) -> list[Arrival]:
    """Read a notification.

    Args:
        body: A message as it came: JSON.

    Returns:
        The objects that were written; none for test messages, removals and other kinds of event.

    Raises:
        ValueError: It is no JSON, or no notification of an object store.
    """
    try:
        message = json.loads(body)
    except ValueError as error:
        raise ValueError(
            f"expected an S3 notification, found text that is no JSON ({error})"
        ) from error
    return list(_arrivals(message))


def _arrivals(message: Any) -> Iterator[Arrival]:
    if not isinstance(message, dict):
        raise ValueError(  # noqa: TRY004 - wrong content, not a wrong argument
            f"expected an S3 notification, found {type(message).__name__}"
        )
    if isinstance(message.get("Message"), str) and "Records" not in message:
        yield from arrivals(message["Message"])  # SNS wraps the text of a message in its own
        return
    records = message.get("Records")
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict) and "ObjectCreated" in str(record.get("eventName")):
            yield from _written(record)


def _written(record: dict[str, Any]) -> Iterator[Arrival]:
    try:
        bucket, about = record["s3"]["bucket"]["name"], record["s3"]["object"]
        keys = dict.fromkeys((unquote_plus(about["key"]), about["key"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected a record with s3.bucket.name and s3.object.key ({error})"
        ) from error
    # Whether a plus or a percent sign is meant cannot be told: an object that is not there does
    # no harm, one that is never looked at would.
    for key in keys:
        yield Arrival(
            Location.parse(f"s3://{bucket}/{key}"),
            str(about["eTag"]).strip('"') if about.get("eTag") else None,
            int(about["size"]) if about.get("size") is not None else None,
        )
