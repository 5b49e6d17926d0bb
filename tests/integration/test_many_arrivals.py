"""Many arrivals at once, told twice, out of order and not at all: each movie is done once."""

import random
import time
from collections import Counter
from typing import Any

import boto3
import pytest
from fastapi.testclient import TestClient
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.states import Completed

from deployments import receiver
from deployments.debounce import Debouncer
from tasks.inbox import look as look_module
from tasks.inbox.arrivals import emit_arrival_events
from tasks.inbox.look import parse_arrivals, parse_inbox
from tasks.inbox.request_file import FolderRequest
from tasks.storage.location import Location
from tests.integration.test_deploy import INBOX, client
from tests.integration.test_inbox import start, value
from tests.integration.test_receiver import notification
from tests.support.meanwhile import call_repeatedly
from tests.support.stores import StoreSettings
from tests.support.waiting import wait_for

__all__ = ["client"]

MOVIES = [f"inbox/day{number % 7}/m{number}.mp4" for number in range(120)]
DEPLOYMENT = "pose-estimation/pose-estimation"


@pytest.fixture
def bucket(object_store: StoreSettings) -> str:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="lab")
    s3.put_object(Bucket="lab", Key="models/many.zip", Body=b"zip")
    request = b"model: ../models/many.zip\noutput: ../many/"
    s3.put_object(Bucket="lab", Key="inbox/request.yaml", Body=request)
    return "lab"


def runs(flow: str, *states: str) -> list[Any]:
    wanted = FlowFilter(name=FlowFilterName(any_=[flow]))
    state = FlowRunFilterState(name=FlowRunFilterStateName(any_=list(states)))
    with get_client(sync_client=True) as client:
        return list(
            client.read_flow_runs(
                flow_filter=wanted, flow_run_filter=FlowRunFilter(state=state), limit=200
            )
        )


def work() -> None:
    """Stand in for a worker: do what runs of `arrival` would, without a process for each."""
    for run in runs("arrival", "Scheduled", "Late"):
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, Completed(), force=True)
        arrive(run.parameters["locations"])


def arrive(locations: list[str]) -> None:
    place = parse_inbox(INBOX)
    arrived = parse_arrivals(place, locations)
    found = value(look_module.look_at_arrivals, place, FolderRequest(), arrived, 60)
    start(found.batches, DEPLOYMENT)


def look() -> str:
    place = parse_inbox(INBOX)
    found = value(look_module.look_at_inbox, place, FolderRequest(), 0)
    value(look_module.write_memory, place, found)
    return start(found.batches, DEPLOYMENT)


def started() -> Counter[str]:
    found = runs("pose-estimation", "Scheduled", "Late")
    return Counter(r.parameters["movies"][0] for r in found if "/many/" in r.parameters["output"])


def test_each_is_started_once_and_none_is_lost(client: SyncPrefectClient, bucket: str) -> None:
    chance = random.Random(7)
    told = chance.sample(MOVIES, int(0.9 * len(MOVIES)))
    notifications = told * 2
    chance.shuffle(notifications)
    gatherer = Debouncer[Location](
        lambda a: emit_arrival_events([Location.parse(INBOX)], a), pause=1
    )
    webhook = TestClient(receiver.create_application(gatherer))
    with call_repeatedly(work, 0.5):
        for key in MOVIES:
            boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=key.encode())
        for key in notifications:
            webhook.post("/", json=notification(bucket, key))
            time.sleep(0.01)
        gatherer.close()
        wait_for(lambda: len(started()) == len(told), lambda: len(started()))
    look()
    look()
    assert started() == Counter({f"s3://{bucket}/{key}": 1 for key in MOVIES})
    few = [r for r in runs("arrival", "Completed") if len(r.parameters["locations"]) > 2]
    assert 1 <= len(few) < len(told) / 4
