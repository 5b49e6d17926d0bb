"""Notifications of object stores about arrivals: S3's event messages, and their wrappers.

The message's form is Amazon's ("Event message structure" in the S3 user guide); MinIO and Ceph send
the same. It comes as it is over HTTP, as a message's body in SQS, and wrapped once more where SNS
stands between. EventBridge has a different form.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from tasks.storage.location import Location

URL_ENCODED_SOURCES = ("aws:s3", "minio:s3")
"""Sources whose keys are URL-encoded; those of Ceph and of EventBridge are raw."""


def parse_notification(body: bytes | str) -> list[Location]:
    """Read a notification.

    Args:
        body: A message as it came: JSON.

    Returns:
        The objects that were written; none for test messages, removals and other kinds of event.
        What one of several records says that cannot be read does not hide the others.

    Raises:
        ValueError: It is no JSON, or no notification of an object store.
    """
    found: dict[Location, None] = {}
    problem = None
    for record in _find_written_records(_parse_message(body)):
        try:
            found |= dict.fromkeys(_parse_locations(record))
        except ValueError as error:
            problem = error
    if problem and not found:
        raise problem
    return list(found)


def _parse_message(body: bytes | str) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"expected an S3 notification, found text that is not JSON ({error})"
        ) from error
    if not isinstance(message, dict):
        raise ValueError(  # noqa: TRY004 - wrong content, not a wrong argument
            f"expected an S3 notification, found {type(message).__name__}"
        )
    return message


def _find_written_records(message: dict[str, Any]) -> Iterable[Any]:
    """Find the written objects in a message of the form that S3 sends."""
    if isinstance(message.get("Message"), str) and "Records" not in message:
        message = _parse_message(message["Message"])  # SNS wraps the text of a message in its own
    if message.get("detail-type") == "Object Created":
        return [{"eventSource": "eventbridge", "s3": message.get("detail")}]
    records = message.get("Records")
    told = records if isinstance(records, list) else []
    return [r for r in told if isinstance(r, dict) and "ObjectCreated" in str(r.get("eventName"))]


def _parse_locations(record: dict[str, Any]) -> Iterator[Location]:
    try:
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        keys = _possible_keys(str(record.get("eventSource")), key)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected a record with s3.bucket.name and s3.object.key ({error})"
        ) from error
    for text in keys:
        yield Location.parse(f"s3://{bucket}/{text}")


def _possible_keys(source: str, key: str) -> list[str]:
    """The key as it is in the store; both that it may be where the source is not known."""
    if source in URL_ENCODED_SOURCES:
        return [unquote_plus(key)]
    if source in {"ceph:s3", "eventbridge"}:
        return [key]
    # An object that is not there does no harm, one that is never looked at would.
    return list(dict.fromkeys((unquote_plus(key), key)))
