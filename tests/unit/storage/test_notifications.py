"""S3's event messages, as AWS, MinIO, Ceph and SNS send them."""

import json
from typing import Any

import pytest

from tasks.storage.notifications import Arrival, arrivals


def message(key: str = "inbox/m1.mp4", event: str = "ObjectCreated:Put", **about: Any) -> str:
    record = {
        "eventName": event,
        "s3": {"bucket": {"name": "lab"}, "object": {"key": key} | about},
    }
    return json.dumps({"Records": [record]})


def found(body: str | bytes) -> list[str]:
    return [str(arrival.location) for arrival in arrivals(body)]


def test_an_object_that_was_written_has_arrived() -> None:
    (arrival,) = arrivals(message(eTag='"0a1b"', size=7))
    assert arrival == Arrival(arrival.location, "0a1b", 7)
    assert str(arrival.location) == "s3://lab/inbox/m1.mp4"


@pytest.mark.parametrize(
    "event", ["s3:ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:*"]
)
def test_every_way_of_writing_counts(event: str) -> None:
    assert found(message(event=event)) == ["s3://lab/inbox/m1.mp4"]


@pytest.mark.parametrize("event", ["ObjectRemoved:Delete", "s3:TestEvent", ""])
def test_other_events_are_no_arrivals(event: str) -> None:
    assert found(message(event=event)) == []


def test_encoded_and_raw_keys_are_both_named() -> None:
    assert found(message("a+b%2Fm1.mp4")) == ["s3://lab/a b/m1.mp4", "s3://lab/a+b%2Fm1.mp4"]


def test_sns_wraps_the_message() -> None:
    wrapped = json.dumps({"Type": "Notification", "Message": message()})
    assert found(wrapped) == ["s3://lab/inbox/m1.mp4"]


@pytest.mark.parametrize("body", ["{}", '{"Event": "s3:TestEvent"}', '{"Records": null}', b"{}"])
def test_messages_without_records_tell_of_nothing(body: str | bytes) -> None:
    assert found(body) == []


@pytest.mark.parametrize(
    "body",
    ["", "hello", "[]", "3", message("\n"), '{"Records": [{"eventName": "ObjectCreated:Put"}]}'],
)
def test_what_is_no_notification_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"expected|location"):
        arrivals(body)
