"""From a store's notification to a Prefect event: over HTTP, and through an SQS queue."""

import asyncio
import json
import threading
import time
from typing import Any
from uuid import uuid4

import boto3
import pytest
from fastapi.testclient import TestClient

from deployments import receiver
from tests.stores import Settings


def notification(bucket: str, key: str) -> dict[str, Any]:
    about = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": about}]}


def events(location: str) -> list[Any]:
    """The events that reached the server; they travel in the background."""
    from prefect.client.orchestration import get_client

    async def read() -> list[Any]:
        async with get_client() as client:
            resource = {"id": [location]}
            body = {"filter": {"event": {"name": ["dlcflow.object.arrived"]}, "resource": resource}}
            answer = await client._client.post("/events/filter", json=body)
            return list(answer.json()["events"])

    for _ in range(100):
        if found := asyncio.run(read()):
            return found
        time.sleep(0.2)
    return []


def test_a_webhook_becomes_an_event(prefect_server: None) -> None:
    client, key = TestClient(receiver.application()), f"inbox/{uuid4().hex}.mp4"
    assert client.get("/").json() == {"status": "listening"}
    answer = client.post("/", json=notification("lab", key))
    assert answer.json() == {"status": "announced"}
    (event,) = events(f"s3://lab/{key}")
    assert event["payload"]["location"] == f"s3://lab/{key}"


def test_what_is_no_notification_is_left_aside(prefect_server: None) -> None:
    client = TestClient(receiver.application())
    assert client.post("/", content=b"hello").json() == {"status": "left aside"}
    assert client.post("/", content=b"x" * (receiver.LARGEST + 1)).status_code == 413


def test_a_token_keeps_strangers_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(receiver.TOKEN, "sesame")
    client = TestClient(receiver.application())
    assert client.post("/", json={}).status_code == 401
    headers = {"Authorization": "Bearer sesame"}
    assert client.post("/", json={}, headers=headers).status_code == 200


def test_an_object_put_in_a_bucket_becomes_an_event(
    prefect_server: None, object_store: Settings
) -> None:
    bucket, key = f"lab-{uuid4().hex[:8]}", "inbox/a mouse.mp4"
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    url = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    s3.create_bucket(Bucket=bucket)
    target = {"QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
    configuration: Any = {"QueueConfigurations": [target]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    stop = threading.Event()
    reader = threading.Thread(target=receiver.read_queue, args=(url, stop), kwargs={"wait": 1})
    reader.start()
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=b"movie")
        found = events(f"s3://{bucket}/{key}")
    finally:
        stop.set()
        reader.join()
    assert json.dumps(found[0]["payload"])
    assert found[0]["resource"]["prefect.resource.name"] == "a mouse.mp4"
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "0"
