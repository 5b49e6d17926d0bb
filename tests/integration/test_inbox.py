"""Looks at an inbox in a real store, which start runs on a real Prefect server."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import boto3
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

from tests.stores import Settings

MODEL = "s3://{}/models/m.zip"
REQUEST = "model: ../models/m.zip\noutput: ../results/\nsettings: {dot_size: 3}\n"


@pytest.fixture(scope="module")
def deployment(prefect_server: None) -> str:
    """A deployment that nobody works for: its runs stay scheduled."""

    async def create() -> None:
        async with get_client() as client:
            flow_id = await client.create_flow_from_name("pose-estimation")
            await client.create_deployment(
                flow_id, "pose-estimation", enforce_parameter_schema=False
            )

    asyncio.run(create())
    return "pose-estimation/pose-estimation"


@pytest.fixture
def bucket(object_store: Settings) -> str:
    name = f"lab-{uuid4().hex[:8]}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    put(name, "models/m.zip", b"zip")
    put(name, "inbox/day1/m1.mp4", b"movie 1")
    put(name, "inbox/day1/m2.mp4", b"movie 2")
    time.sleep(1.1)  # the store tells times in whole seconds
    put(name, "inbox/request.yaml", REQUEST.encode())
    return name


def put(bucket: str, key: str, body: bytes) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def look(bucket: str, deployment: str) -> str:
    from flows.inbox import inbox

    return str(inbox(f"s3://{bucket}/inbox", deployment=deployment))


def runs(bucket: str) -> list[Any]:
    async def read() -> list[Any]:
        async with get_client() as client:
            tags = FlowRunFilterTags(all_=["inbox"])
            found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tags))
            return [run for run in found if bucket in run.parameters["model"]]

    return sorted(asyncio.run(read()), key=lambda run: run.parameters["output"])


def test_movies_are_started_once_when_two_looks_find_them_the_same(
    bucket: str, deployment: str
) -> None:
    assert look(bucket, deployment) == "2 waiting"
    assert runs(bucket) == []
    assert look(bucket, deployment) == "2 started"
    assert look(bucket, deployment) == "2 started"
    started = runs(bucket)
    assert [run.parameters["output"] for run in started] == [
        f"s3://{bucket}/results/day1/m1/",
        f"s3://{bucket}/results/day1/m2/",
    ]
    assert started[0].parameters["movies"] == [f"s3://{bucket}/inbox/day1/m1.mp4"]
    assert started[0].parameters["model"] == MODEL.format(bucket)
    assert started[0].parameters["settings"] == {"dot_size": 3}


def test_many_looks_at_once_start_one_run_each(bucket: str, deployment: str) -> None:
    look(bucket, deployment)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: look(bucket, deployment), range(3)))
    assert len(runs(bucket)) == 2


def test_a_look_that_forgets_starts_nothing_twice(bucket: str, deployment: str) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    boto3.client("s3").delete_object(Bucket=bucket, Key="inbox/.dlcflow-inbox.json")
    look(bucket, deployment)
    look(bucket, deployment)
    assert len(runs(bucket)) == 2


def test_a_replaced_movie_is_new_and_a_finished_one_is_left(bucket: str, deployment: str) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    put(bucket, "results/day1/m1/run.json", b"{}")
    put(bucket, "inbox/day1/m2.mp4", b"movie 2, again")
    assert look(bucket, deployment) == "1 waiting, 1 current"
    assert look(bucket, deployment) == "1 started, 1 current"
    assert len(runs(bucket)) == 3


def test_what_cannot_be_started_is_told(bucket: str, deployment: str) -> None:
    put(bucket, "inbox/day2/m3.avi", b"movie 3")
    put(bucket, "inbox/day2/request.yaml", b"windows: 3")
    assert look(bucket, deployment) == "2 waiting, 1 refused"


def arrive(bucket: str, deployment: str, key: str) -> str:
    from flows.inbox import arrival

    inbox = f"s3://{bucket}/inbox/"
    return str(arrival(f"s3://{bucket}/inbox/{key}", inbox, deployment=deployment))


def test_an_arrival_starts_its_run_at_once_and_only_once(bucket: str, deployment: str) -> None:
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"
    arrive(bucket, deployment, "day1/m1.mp4")
    look(bucket, deployment)
    look(bucket, deployment)
    outputs = [run.parameters["output"] for run in runs(bucket)]
    assert outputs == [f"s3://{bucket}/results/day1/m1/", f"s3://{bucket}/results/day1/m2/"]


def test_an_arrival_of_what_is_gone_starts_nothing(bucket: str, deployment: str) -> None:
    assert arrive(bucket, deployment, "day1/m7.mp4") == "no movies"
    assert arrive(bucket, deployment, "request.yaml") == "no movies"
    assert runs(bucket) == []


def test_a_request_that_arrives_last_starts_its_folder(bucket: str, deployment: str) -> None:
    time.sleep(1.1)
    put(bucket, "inbox/day1/request.yaml", b"batch: folder")
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"
    assert arrive(bucket, deployment, "day1/request.yaml") == "1 started"
    (run,) = runs(bucket)
    assert len(run.parameters["movies"]) == 2
