"""From a store's notification to a Prefect event: over HTTP, and through an SQS queue."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import boto3
import pytest
from fastapi.testclient import TestClient

from deployments import receiver
from deployments.debounce import MAX_WAITING, Debouncer
from tasks.environment_variables import INBOX, RECEIVER_TOKEN
from tasks.storage.location import Location
from tests.support.paths import ROOT
from tests.support.stores import StoreSettings, find_free_port
from tests.support.waiting import wait_for, wait_for_exit


def notification(bucket: str, *keys: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "ceph:s3",
                "eventName": "s3:ObjectCreated:Put",
                "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
            }
            for key in keys
        ]
    }


class Heard(list[Location]):
    """What a gatherer has handed on."""

    def __call__(self, found: Sequence[Location]) -> None:
        self.extend(found)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def gatherer(heard: Heard) -> Iterator[receiver.ArrivalDebouncer]:
    gatherer = Debouncer[Location](heard, gathered=0, pause=0)
    yield gatherer
    gatherer.close()


def eventually(found: Callable[[], Any]) -> Any:
    """What is found within a minute: what a receiver is told of takes no longer."""
    return wait_for(found)


def events(inbox: str) -> list[Any]:
    """The locations that events on the server name."""
    from prefect.client.orchestration import get_client

    async def read() -> list[Any]:
        async with get_client() as client:
            name = {"name": ["dlcflow.inbox.arrivals"]}
            body = {"filter": {"event": name, "resource": {"id": [inbox]}}}
            answer = await client._client.post("/events/filter", json=body)
            return [e["payload"]["locations"] for e in answer.json()["events"]]

    return asyncio.run(read())


def test_a_webhook_is_handed_on(gatherer: receiver.ArrivalDebouncer, heard: Heard) -> None:
    client = TestClient(receiver.create_application(gatherer))
    assert client.get("/").json() == {"status": "listening"}
    assert client.head("/").status_code == 200
    answer = client.post("/", json=notification("lab", "inbox/m1.mp4", "inbox/m2.mp4"))
    assert answer.json() == {"arrivals": 2}
    gatherer.close()
    assert list(map(str, heard)) == ["s3://lab/inbox/m1.mp4", "s3://lab/inbox/m2.mp4"]


def test_what_is_no_notification_is_left_aside(gatherer: receiver.ArrivalDebouncer) -> None:
    client = TestClient(receiver.create_application(gatherer))
    assert client.post("/", content=b"hello").json() == {"arrivals": 0}


def test_a_queue_is_not_emptied_for_want_of_an_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INBOX.name, raising=False)
    with pytest.raises(SystemExit, match=r"expected an inbox .* found none"):
        receiver.main(["--queue", "https://sqs.us-east-1.amazonaws.com/1/arrivals"])


def test_a_body_that_is_too_large_is_refused(gatherer: receiver.ArrivalDebouncer) -> None:
    client = TestClient(receiver.create_application(gatherer))
    body = json.dumps(notification("lab", "inbox/m1.mp4")).encode()
    fits = body + b" " * (receiver.MAX_NOTIFICATION_BYTES - len(body))
    assert client.post("/", content=fits).json() == {"arrivals": 1}
    assert client.post("/", content=fits + b" ").status_code == 413


def test_when_too_much_waits_the_store_is_told_to_try_again(heard: Heard) -> None:
    gatherer = Debouncer[Location](heard, gathered=60, pause=60)
    gatherer.add(Location("lab", f"inbox/{number}.mp4") for number in range(MAX_WAITING))
    client = TestClient(receiver.create_application(gatherer))
    assert client.post("/", json=notification("lab", "inbox/m1.mp4")).status_code == 503
    gatherer.close()


def test_a_token_keeps_strangers_out(
    gatherer: receiver.ArrivalDebouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RECEIVER_TOKEN.name, "sesame")
    client = TestClient(receiver.create_application(gatherer))
    assert client.post("/", json={}).status_code == 401
    assert client.post("/?token=sesam", json={}).status_code == 401
    assert client.post("/", json={}, headers={b"Authorization": b"Bearer \xff"}).status_code == 401
    headers = {"Authorization": "Bearer sesame"}
    assert client.post("/", json={}, headers=headers).status_code == 200
    assert client.post("/?token=sesame", json={}).status_code == 200


def test_events_name_what_arrived_in_each_inbox(prefect_server: None) -> None:
    from tasks.inbox.arrivals import emit_arrival_events

    name = uuid4().hex[:8]
    inboxes = [Location.parse(f"s3://lab/{name}/"), Location.parse(f"s3://lab/{name}2/")]
    keys = [f"{name}/a.mp4", f"{name}2/b.AVI", f"{name}2/x/request.yaml"]
    others = [f"{name}/run.json", f"{name}/._c.mp4", f"{name}3/d.mp4", "e.mp4"]
    arrived = [Location("lab", key) for key in keys + others]
    assert emit_arrival_events(inboxes, arrived) == 2
    assert eventually(lambda: events(str(inboxes[0]))) == [[f"s3://lab/{keys[0]}"]]
    assert eventually(lambda: events(str(inboxes[1]))) == [[f"s3://lab/{key}" for key in keys[1:]]]
    assert emit_arrival_events(inboxes, arrived[3:]) == 0


def test_many_arrivals_make_several_events(prefect_server: None) -> None:
    from tasks.inbox.arrivals import LOCATIONS_PER_EVENT, emit_arrival_events

    inbox = Location.parse(f"s3://lab/{uuid4().hex}/")
    arrived = [
        inbox.child(f"{'x' * 900}{number}.mp4") for number in range(2 * LOCATIONS_PER_EVENT + 1)
    ]
    assert emit_arrival_events([inbox], arrived) == 3
    found = eventually(lambda: len(events(str(inbox))) == 3 and events(str(inbox)))
    assert sorted(map(len, found)) == [1, LOCATIONS_PER_EVENT, LOCATIONS_PER_EVENT]


def test_a_server_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from tasks.inbox.arrivals import emit_arrival_events

    inbox = Location.parse("s3://lab/inbox/")
    away = {
        PREFECT_API_URL: f"http://127.0.0.1:{find_free_port()}/api",
        PREFECT_CLIENT_MAX_RETRIES: 0,
    }
    with temporary_settings(away), pytest.raises(ConnectionError, match="Prefect server"):
        emit_arrival_events([inbox], [inbox.child("m1.mp4")])


def test_messages_of_a_queue_are_removed_once_they_are_handed_on(
    object_store: StoreSettings, heard: Heard
) -> None:
    bucket = f"lab-{uuid4().hex[:8]}"
    url = queue_of(bucket)
    put(bucket, "inbox/a mouse+.mp4")
    failing = [ConnectionError("away")]

    def hand_on(found: Sequence[Location]) -> None:
        if failing:
            raise failing.pop()
        heard(found)

    gatherer = Debouncer[Location](hand_on, gathered=0, pause=0.1)
    stop = threading.Event()
    reader = threading.Thread(target=receiver.read_queue, args=(url, gatherer, stop, 1))
    reader.start()
    try:
        assert eventually(lambda: Location(bucket, "inbox/a mouse+.mp4") in heard)
        assert eventually(lambda: left_in(url) == (0, 0))
    finally:
        stop.set()
        reader.join()
        gatherer.close()


def test_a_queue_keeps_its_messages_while_nothing_can_be_handed_on(
    object_store: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "RETRY_PAUSE", 0.0)
    bucket, stop = f"lab-{uuid4().hex[:8]}", threading.Event()
    url = queue_of(bucket)
    added: list[Location] = []

    class Failing:
        """A gatherer that nobody takes anything from, until it has been asked often enough."""

        asked, is_full = 0, False

        @property
        def is_failing(self) -> bool:
            self.asked += 1
            if self.asked == 1:
                put(bucket, "inbox/m1.mp4")
            if self.asked == 20:
                assert not added
            if self.asked == 22:
                stop.set()
            return self.asked < 21

        def add(self, found: Sequence[Location], _: Any) -> None:
            added.extend(found)

    failing: Any = Failing()
    receiver.read_queue(url, failing, stop, 1)
    assert added == [Location(bucket, "inbox/m1.mp4")]


def put(bucket: str, key: str) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"movie")


def queue_of(bucket: str) -> str:
    """Make a bucket, and a queue that it tells of what is put in it."""
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    url = str(sqs.create_queue(QueueName=bucket)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    s3.create_bucket(Bucket=bucket)
    target = {"QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
    configuration: Any = {"QueueConfigurations": [target]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    return url


def left_in(url: str) -> tuple[int, int]:
    sqs = boto3.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    waiting, taken = (int(found[name]) for name in names)
    return waiting, taken


def test_what_was_received_is_handed_on_before_the_end(
    prefect_server: None, object_store: StoreSettings
) -> None:
    from prefect.settings import PREFECT_API_URL

    port, inbox = find_free_port(), f"s3://lab/{uuid4().hex}/"
    child = subprocess.Popen(
        [sys.executable, "-m", "deployments.receiver", "--port", str(port), "--inbox", inbox],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()},
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        assert eventually(lambda: _answers(address))
        key = f"{inbox.removeprefix('s3://lab/')}m1.mp4"
        body = json.dumps(notification("lab", key)).encode()
        urllib.request.urlopen(urllib.request.Request(address, body), timeout=60).close()
    finally:
        child.send_signal(signal.SIGTERM)
    assert wait_for_exit(child) == 0
    assert eventually(lambda: events(inbox)) == [[f"{inbox}m1.mp4"]]


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True
