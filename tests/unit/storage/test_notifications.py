"""S3's event messages, as AWS, MinIO, Ceph, SNS and EventBridge send them."""

import json
from typing import Any

import pytest

from tasks.storage.notifications import parse_notification


def record(
    key: Any = "inbox/m1.mp4", event: str = "ObjectCreated:Put", source: str = "aws:s3"
) -> dict[str, Any]:
    about = {"bucket": {"name": "lab"}, "object": {"key": key, "size": 7, "eTag": "0a1b"}}
    return {"eventVersion": "2.2", "eventSource": source, "eventName": event, "s3": about}


def message(*records: Any) -> str:
    return json.dumps({"Records": records or [record()]})


def found(body: str | bytes) -> list[str]:
    return [str(location) for location in parse_notification(body)]


def test_an_object_that_was_written_has_arrived() -> None:
    assert found(message()) == ["s3://lab/inbox/m1.mp4"]
    assert found(message().encode()) == ["s3://lab/inbox/m1.mp4"]


@pytest.mark.parametrize(
    "event", ["s3:ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:*"]
)
def test_every_way_of_writing_counts(event: str) -> None:
    assert found(message(record(event=event))) == ["s3://lab/inbox/m1.mp4"]


@pytest.mark.parametrize("event", ["ObjectRemoved:Delete", "s3:TestEvent", ""])
def test_other_events_are_no_arrivals(event: str) -> None:
    assert found(message(record(event=event))) == []


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("aws:s3", ["a b/m%1.mp4"]),
        ("minio:s3", ["a b/m%1.mp4"]),
        ("ceph:s3", ["a+b%2Fm%251.mp4"]),
        ("somebody", ["a b/m%1.mp4", "a+b%2Fm%251.mp4"]),
    ],
)
def test_keys_are_read_as_their_store_writes_them(source: str, keys: list[str]) -> None:
    body = message(record("a+b%2Fm%251.mp4", source=source))
    assert found(body) == [f"s3://lab/{key}" for key in keys]


def test_what_a_message_says_twice_counts_once() -> None:
    body = message(record("a.mp4"), record("b.mp4"), record("a.mp4"))
    assert found(body) == ["s3://lab/a.mp4", "s3://lab/b.mp4"]


def test_a_record_that_cannot_be_read_does_not_hide_the_others() -> None:
    body = message(record("line%0Abreak.mp4"), record(3), None, record("b.mp4"))
    assert found(body) == ["s3://lab/b.mp4"]


def test_sns_wraps_the_message() -> None:
    wrapped = json.dumps({"Type": "Notification", "Message": message()})
    assert found(wrapped) == ["s3://lab/inbox/m1.mp4"]


def test_event_bridge_has_a_form_of_its_own() -> None:
    detail = {"bucket": {"name": "lab"}, "object": {"key": "inbox/a+b.mp4", "size": 7}}
    body = {"detail-type": "Object Created", "source": "aws.s3", "detail": detail}
    assert found(json.dumps(body)) == ["s3://lab/inbox/a+b.mp4"]
    assert found(json.dumps(body | {"detail-type": "Object Deleted"})) == []


@pytest.mark.parametrize(
    "body", ["{}", '{"Service": "Amazon S3", "Event": "s3:TestEvent"}', '{"Records": null}', b"{}"]
)
def test_messages_without_records_tell_of_nothing(body: str | bytes) -> None:
    assert found(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "3",
        "[" * 100_000,
        message(record("%0A")),
        message(record({})),
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        '{"detail-type": "Object Created"}',
        '{"Message": "hello"}',
    ],
)
def test_what_is_no_notification_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"expected|location"):
        parse_notification(body)
