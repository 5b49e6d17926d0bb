"""Looks at an inbox in a real store, which start runs on a real Prefect server."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterTags,
)
from prefect.client.schemas.sorting import ArtifactSort
from prefect.states import Cancelled, Completed, Crashed, Failed, Running

import flows.inbox
from tasks.inbox import fingerprints, start_runs
from tasks.inbox import look as look_module
from tasks.inbox.batches import MovieGroup
from tasks.inbox.inbox_batch import summarize_batches
from tasks.inbox.look import parse_arrivals, parse_inbox
from tasks.inbox.memory import MEMORY_FILE
from tasks.inbox.request_file import FolderRequest
from tasks.stages.artifacts import artifact_key
from tasks.stages.stage import Stage
from tasks.storage import s3_client
from tasks.storage.location import Location
from tests.support.records import example_failed_movie, example_movie, example_run
from tests.support.stores import StoreSettings

MODEL = "s3://{}/models/m.zip"
REQUEST = "model: ../models/m.zip\noutput: ../results/\nsettings: {dot_size: 3}\n"


@pytest.fixture(scope="module")
def deployment(prefect_server: None) -> str:
    """A deployment that nobody works for: its runs stay scheduled."""

    async def create() -> None:
        async with get_client() as client:
            await client.create_work_pool(_pool())
            for name in ("pose-estimation", "behavior", "neural"):
                await client.create_deployment(
                    await client.create_flow_from_name(name),
                    name,
                    enforce_parameter_schema=False,
                    work_pool_name="inbox-test",
                )

    def _pool() -> Any:
        from prefect.client.schemas.actions import WorkPoolCreate

        return WorkPoolCreate(name="inbox-test", type="process")

    asyncio.run(create())
    return "pose-estimation/pose-estimation"


@pytest.fixture
def bucket(object_store: StoreSettings) -> str:
    name = f"lab-{uuid4().hex[:8]}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    put(name, "models/m.zip", b"zip")
    put(name, "inbox/day1/m1.mp4", b"movie 1")
    put(name, "inbox/day1/m2.mp4", b"movie 2")
    put(name, "inbox/request.yaml", REQUEST.encode())
    return name


def put(bucket: str, key: str, body: bytes) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def look(bucket: str, deployment: str, quiet: float = 0) -> str:
    """What the flow does, stage by stage: an engine around it would cost a second each time."""
    place = parse_inbox(f"s3://{bucket}/inbox")
    found = value(look_module.look_at_inbox, place, FolderRequest(), quiet)
    value(look_module.write_memory, place, found)
    return start(found.batches, deployment)


def arrive(bucket: str, deployment: str, *keys: str) -> str:
    place = parse_inbox(f"s3://{bucket}/inbox")
    arrived = parse_arrivals(place, [f"s3://{bucket}/inbox/{key}" for key in keys])
    found = value(look_module.look_at_arrivals, place, FolderRequest(), arrived, 60)
    return start(found.batches, deployment)


def start(found: Sequence[MovieGroup], deployment: str) -> str:
    known = value(start_runs.find_started_runs, found, deployment)
    return summarize_batches(value(start_runs.start_due_runs, known, deployment))


def value(stage: Stage[..., Any], *arguments: Any) -> Any:
    state = stage.task.fn(*arguments)
    assert state.is_completed(), state.message
    return state.data


def runs(bucket: str) -> list[Any]:
    async def read() -> list[Any]:
        async with get_client() as client:
            tags = FlowRunFilterTags(all_=["inbox"])
            found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tags))
            return [run for run in found if bucket in run.parameters["output"]]

    return sorted(asyncio.run(read()), key=lambda run: run.parameters["output"])


def end(run: Any, state: Any) -> None:
    async def write() -> None:
        async with get_client() as client:
            await client.set_flow_run_state(run.id, state, force=True)

    asyncio.run(write())


def deliver(bucket: str, run: Any, *, failed: bool = False) -> None:
    """Write the run record that a run would, of its inputs as they are now."""
    (text,) = run.parameters["movies"]
    make = example_failed_movie if failed else example_movie
    movie = make("m", 0, input=_input(text))
    request = {
        "model": run.parameters["model"],
        "movies": [text],
        "output": run.parameters["output"],
        "settings": run.parameters["settings"],
    }
    record = example_run(movie, request=request, model_input=_input(run.parameters["model"]))
    end(run, Failed() if failed else Completed())
    key = Location.parse(run.parameters["output"]).child("run.json").key
    put(bucket, key, record.to_json().encode())


def _input(text: str) -> dict[str, Any]:
    where = Location.parse(text)
    head = boto3.client("s3").head_object(Bucket=where.bucket, Key=where.key)
    size, etag = head["ContentLength"], head["ETag"]
    return {"location": text, "size": size, "etag": etag, "version": None, "sha256": None}


@contextmanager
def requests_to_the_store() -> Iterator[Counter[str]]:
    """Count what is asked of the store, by operation."""

    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def count(model: Any, **_: Any) -> None:
        with lock:
            counts[model.name] += 1

    events = s3_client.get_client().meta.events
    events.register("before-call.s3", count)
    try:
        yield counts
    finally:
        events.unregister("before-call.s3", count)


def test_movies_are_started_once_when_two_looks_find_them_the_same(
    bucket: str, deployment: str
) -> None:
    place = f"s3://{bucket}/inbox"
    assert flows.inbox.inbox(place, deployment=deployment, quiet=0) == "2 waiting"
    assert runs(bucket) == []
    assert flows.inbox.inbox(place, deployment=deployment, quiet=0) == "2 started"
    assert look(bucket, deployment) == "2 started"
    started = runs(bucket)
    assert [run.parameters["output"] for run in started] == [
        f"s3://{bucket}/results/day1/m1/",
        f"s3://{bucket}/results/day1/m2/",
    ]
    assert started[0].parameters["movies"] == [f"s3://{bucket}/inbox/day1/m1.mp4"]
    assert started[0].parameters["model"] == MODEL.format(bucket)
    assert started[0].parameters["settings"] == {"dot_size": 3}
    assert [run.name for run in started] == ["m1 · m", "m2 · m"]
    assert f"| [day1/m1]({_ui(started[0])}) | 1 |" in shown(bucket)


def _ui(run: Any) -> str:
    from prefect.utilities.urls import url_for

    return str(url_for("flow-run", run.id))


def shown(bucket: str) -> str:
    """The page of the last look."""

    async def read() -> Any:
        key = ArtifactFilterKey(any_=[artifact_key("inbox", f"s3://{bucket}/inbox/")])
        async with get_client() as client:
            return await client.read_artifacts(
                artifact_filter=ArtifactFilter(key=key), sort=ArtifactSort.CREATED_DESC
            )

    return str(asyncio.run(read())[0].data)


def test_complete_poses_go_on_to_behavior_and_that_to_neural_once(
    bucket: str, deployment: str
) -> None:
    from tests.support.records import example_behavior_run

    place = f"s3://{bucket}/inbox"
    asked = "behavior: {max_gap: 1}\nneural: {cell_sets: ['../cells/*.isxd'], alpha: 0.01}\n"
    put(bucket, "inbox/request.yaml", f"{REQUEST}{asked}".encode())
    for expected in ("2 waiting", "2 started"):
        assert flows.inbox.inbox(place, deployment=deployment, quiet=0) == expected
    first, second = runs(bucket)
    put(bucket, "results/day1/m1/annotations.parquet", b"table 1")
    deliver(bucket, first)
    deliver(bucket, second, failed=True)
    told = "1 failed, 1 current; behavior: 1 started"
    assert [flows.inbox.inbox(place, deployment=deployment, quiet=0) for _ in range(2)] == [
        told
    ] * 2
    (follower,) = [run for run in runs(bucket) if "annotations" in run.parameters]
    record = f"s3://{bucket}/results/day1/m1/run.json"
    output = f"s3://{bucket}/results/day1/m1/behavior/"
    settings = {"max_gap": 1}
    assert follower.parameters == {
        "annotations": [record],
        "output": output,
        "settings": settings,
    }
    assert follower.name == "m1 · behavior"
    assert f"| [day1/m1 · behavior]({_ui(follower)}) | 1 |" in shown(bucket)
    table = _input(f"s3://{bucket}/results/day1/m1/annotations.parquet")
    made = example_behavior_run(table, output=output, settings=settings)
    put(bucket, "results/day1/m1/behavior/run.json", made.to_json().encode())
    end(follower, Completed())
    put(bucket, "results/day1/m1/behavior/m1/behavior.parquet", b"states")
    told = "1 failed, 1 current; behavior: 1 current; neural: 1 refused"
    assert flows.inbox.inbox(place, deployment=deployment, quiet=0) == told
    put(bucket, "cells/a.isxd", b"cells")
    told = "1 failed, 1 current; behavior: 1 current; neural: 1 started"
    assert [flows.inbox.inbox(place, deployment=deployment, quiet=0) for _ in range(2)] == [
        told
    ] * 2
    (last,) = [run for run in runs(bucket) if "cell_sets" in run.parameters]
    assert last.parameters == {
        "cell_sets": [f"s3://{bucket}/cells/*.isxd"],
        "annotations": f"{output}run.json",
        "output": f"s3://{bucket}/results/day1/m1/neural/",
        "event_sets": [],
        "settings": {"alpha": 0.01},
    }
    assert f"| [day1/m1 · neural]({_ui(last)}) | 1 |" in shown(bucket)
    put(bucket, "results/day1/m1/annotations.parquet", b"another table")
    told = "1 failed, 1 current; behavior: 1 started"
    assert flows.inbox.inbox(place, deployment=deployment, quiet=0) == told


def test_the_flow_of_an_arrival_does_the_same(bucket: str, deployment: str) -> None:
    place = f"s3://{bucket}/inbox/"
    movies = [f"{place}day1/m1.mp4", f"{place}day1/gone.mp4", "s3:/odd", "s3://other/m.mp4"]
    assert flows.inbox.arrival(movies, place, deployment=deployment) == "1 started"
    assert len(runs(bucket)) == 1


def test_two_looks_in_a_row_are_no_proof_that_a_movie_is_quiet(
    bucket: str, deployment: str
) -> None:
    for _ in range(3):
        assert look(bucket, deployment, quiet=3600) == "2 waiting"


def test_many_looks_and_arrivals_at_once_start_one_run_each(bucket: str, deployment: str) -> None:
    look(bucket, deployment)
    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(look, bucket, deployment) for _ in range(2)]
        keys = ("day1/m1.mp4", "day1/m2.mp4")
        arrivals = [pool.submit(arrive, bucket, deployment, *keys) for _ in range(2)]
        assert {future.result() for future in looks + arrivals} == {"2 started"}
    assert len(runs(bucket)) == 2


@pytest.mark.parametrize("spoilt", [None, b"", b'{"seen": [1]}', b"{" * 9000])
def test_a_look_that_forgets_starts_nothing_twice(
    bucket: str, deployment: str, spoilt: bytes | None
) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    if spoilt is None:
        boto3.client("s3").delete_object(Bucket=bucket, Key=f"inbox/{MEMORY_FILE}")
    else:
        put(bucket, f"inbox/{MEMORY_FILE}", spoilt)
    look(bucket, deployment)
    look(bucket, deployment)
    assert len(runs(bucket)) == 2


def test_where_the_server_has_forgotten_only_what_has_no_result_is_started_again(
    bucket: str, deployment: str
) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    first, second = runs(bucket)
    deliver(bucket, first)

    async def forget() -> None:
        async with get_client() as client:
            for run in (first, second):
                await client.delete_flow_run(run.id)

    asyncio.run(forget())
    assert look(bucket, deployment) == "1 started, 1 current"
    (again,) = runs(bucket)
    assert again.parameters == second.parameters


def test_a_result_is_current_as_long_as_its_inputs_are_the_same(
    bucket: str, deployment: str
) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    for run in runs(bucket):
        deliver(bucket, run)
    assert look(bucket, deployment) == "2 current"
    time.sleep(1.1)  # the store tells times in whole seconds
    put(bucket, "inbox/day1/m1.mp4", b"movie 1")  # the same content again
    assert look(bucket, deployment) == "2 current"
    put(bucket, "inbox/day1/m2.mp4", b"movie 2, again")
    assert look(bucket, deployment) == "1 waiting, 1 current"
    assert look(bucket, deployment) == "1 started, 1 current"
    put(bucket, "models/m.zip", b"another")
    assert look(bucket, deployment) == "1 started, 1 waiting"  # m2's older run is under way
    assert len(runs(bucket)) == 4


def test_a_record_written_in_the_same_second_as_its_inputs_is_judged_by_content(
    bucket: str, deployment: str
) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    run = runs(bucket)[0]
    deliver(bucket, run)
    put(bucket, "inbox/day1/m1.mp4", b"movie 1, within the same second")
    assert look(bucket, deployment) == "1 started, 1 waiting"


def test_what_failed_is_told_and_started_again_when_it_is_asked_for_again(
    bucket: str, deployment: str
) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    first, second = runs(bucket)
    deliver(bucket, first, failed=True)
    end(second, Cancelled())
    assert look(bucket, deployment) == "2 failed"
    time.sleep(1.1)
    put(bucket, "inbox/request.yaml", REQUEST.encode())
    assert look(bucket, deployment) == "2 started"
    assert len(runs(bucket)) == 4


def test_two_runs_never_write_to_one_place(bucket: str, deployment: str) -> None:
    arrive(bucket, deployment, "day1/m1.mp4")
    (first,) = runs(bucket)
    end(first, Running())
    put(bucket, "inbox/day1/m1.mp4", b"movie 1, again")
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 waiting"
    assert look(bucket, deployment) == "2 waiting"
    deliver(bucket, first)
    put(bucket, "inbox/day1/m1.mp4", b"movie 1, again, again")
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"


def test_a_run_that_crashed_is_waited_for_until_nobody_starts_it_again(
    bucket: str, deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(bucket, deployment, "day1/m1.mp4")
    (first,) = runs(bucket)
    end(first, Crashed())
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"
    put(bucket, "inbox/day1/m1.mp4", b"movie 1, again")
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 waiting"
    monkeypatch.setattr(start_runs, "MAX_CRASH_AGE", timedelta())
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"
    assert len(runs(bucket)) == 2


def test_what_another_version_remembered_is_read_again(
    bucket: str, deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    for run in runs(bucket):
        deliver(bucket, run)
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "_SETTINGS_WITHOUT_EFFECT", {"dot_size"})
        assert look(bucket, deployment) == "2 current"
    assert look(bucket, deployment) == "2 current"


def test_what_cannot_be_started_is_told_and_does_not_hold_up_the_rest(
    bucket: str, deployment: str
) -> None:
    put(bucket, "inbox/day2/m3.avi", b"movie 3")
    put(bucket, "inbox/day2/request.yaml", b"windows: 3")
    put(bucket, "inbox/day3/m4.avi", b"movie 4")
    put(bucket, "inbox/day3/request.yaml", b"model: no-such.zip")
    put(bucket, "inbox/day4/m5.avi", b"movie 5")
    put(bucket, "inbox/day4/request.yaml", b"model: s3://no-such-bucket/m.zip")
    put(bucket, "inbox/day5/m6.avi", b"")
    put(bucket, "inbox/day6/m7.avi", b"movie 7")
    put(bucket, "inbox/day6/request.yaml", b"#" * (2**20 + 1))
    put(bucket, "inbox/day7/m8.avi", b"movie 8")
    put(bucket, "results/day7/m8/run.json", b"somebody else's")
    assert look(bucket, deployment) == "2 waiting, 6 refused"


def test_a_model_may_come_after_the_movies(bucket: str, deployment: str) -> None:
    boto3.client("s3").delete_object(Bucket=bucket, Key="models/m.zip")
    assert look(bucket, deployment) == "2 refused"
    put(bucket, "models/m.zip", b"zip")
    assert look(bucket, deployment) == "2 started"


def test_an_upload_under_way_is_not_seen(bucket: str, deployment: str) -> None:
    s3_store = boto3.client("s3")
    where: Any = {"Bucket": bucket, "Key": "inbox/day1/m3.mp4"}
    upload = s3_store.create_multipart_upload(**where)["UploadId"]
    part = s3_store.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"movie 3")
    assert look(bucket, deployment) == "2 waiting"
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3_store.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)  # type: ignore[arg-type]
    assert look(bucket, deployment) == "2 started, 1 waiting"


def test_a_local_movie_that_grows_is_left_alone(deployment: str, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (tmp_path / "m.zip").write_bytes(b"zip")
    (folder / "request.yaml").write_text("model: ../m.zip\noutput: ../results")

    def looked() -> str:
        found = value(look_module.look_at_inbox, parse_inbox(str(folder)), FolderRequest(), 0)
        value(look_module.write_memory, parse_inbox(str(folder)), found)
        return start(found.batches, deployment)

    for size in (1, 2, 3):
        (folder / "m1.mp4").write_bytes(b"x" * size)
        assert looked() == "1 waiting"
    assert looked() == "1 started"


def test_a_queue_can_be_asked_for(bucket: str, deployment: str) -> None:
    put(bucket, "inbox/day1/request.yaml", b"queue: bulk")
    arrive(bucket, deployment, "day1/m1.mp4")
    (run,) = runs(bucket)
    assert run.work_queue_name == "bulk"


def test_a_neighbor_whose_name_begins_alike_is_another_inbox(bucket: str, deployment: str) -> None:
    put(bucket, "inbox2/day1/m1.mp4", b"movie 1")
    put(bucket, "inbox2/request.yaml", REQUEST.encode())
    look(bucket, deployment)
    look(bucket, deployment)
    assert len(runs(bucket)) == 2
    assert arrive(bucket, deployment, "../inbox2/day1/m1.mp4") == "no movies"


def test_an_arrival_starts_its_run_at_once_and_only_once(bucket: str, deployment: str) -> None:
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"
    arrive(bucket, deployment, "day1/m1.mp4")
    look(bucket, deployment)
    look(bucket, deployment)
    outputs = [run.parameters["output"] for run in runs(bucket)]
    assert outputs == [f"s3://{bucket}/results/day1/m1/", f"s3://{bucket}/results/day1/m2/"]


def test_arrivals_in_many_folders_are_looked_at_together(bucket: str, deployment: str) -> None:
    odd = ["day2/a b+c%41 ü.MP4", "day3/x/{{ 1 }}.avi", "day3/[x].mp4"]
    for key in odd:
        put(bucket, f"inbox/{key}", b"movie")
    assert arrive(bucket, deployment, "day1/m1.mp4", *odd) == "4 started"
    movies = {run.parameters["movies"][0] for run in runs(bucket)}
    assert movies == {f"s3://{bucket}/inbox/{key}" for key in ("day1/m1.mp4", *odd)}
    assert look(bucket, deployment) == "4 started, 1 waiting"


def test_an_arrival_of_what_is_gone_starts_nothing(bucket: str, deployment: str) -> None:
    assert arrive(bucket, deployment, "day1/m7.mp4") == "no movies"
    assert arrive(bucket, deployment, "request.yaml") == "no movies"
    assert arrive(bucket, deployment) == "no movies"
    assert runs(bucket) == []


def test_a_request_that_arrives_last_starts_its_folder(bucket: str, deployment: str) -> None:
    time.sleep(1.1)
    put(bucket, "inbox/day1/request.yaml", b"batch: folder")
    assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"
    assert arrive(bucket, deployment, "day1/request.yaml") == "1 started"
    (run,) = runs(bucket)
    assert len(run.parameters["movies"]) == 2


def test_a_part_of_a_folder_that_arrives_does_not_start_it(bucket: str, deployment: str) -> None:
    put(bucket, "inbox/day1/request.yaml", b"batch: folder")
    # A request that is a second newer than all its movies would start them.
    put(bucket, "inbox/day1/m2.mp4", b"movie 2")
    assert arrive(bucket, deployment, "day1/m1.mp4", "day1/m2.mp4") == "1 waiting"


def test_looks_ask_little_of_the_store(bucket: str, deployment: str) -> None:
    for number in range(30):
        put(bucket, f"inbox/day{number % 3}/x{number}.mp4", b"movie")
    look(bucket, deployment)
    look(bucket, deployment)
    for run in runs(bucket):
        deliver(bucket, run)
    with requests_to_the_store() as counts:
        assert look(bucket, deployment) == "32 current"
    # Each record is read once only, and the memory is written when it has changed.
    assert counts == {
        "ListObjectsV2": 1 + 3,
        "GetObject": 2 + 32,
        "HeadObject": 1 + 1,
        "PutObject": 1,
    }
    with requests_to_the_store() as counts:
        assert look(bucket, deployment) == "32 current"
    assert counts == {"ListObjectsV2": 1 + 3, "GetObject": 2, "HeadObject": 1}


def test_an_arrival_asks_little_of_the_store(bucket: str, deployment: str) -> None:
    for number in range(30):
        put(bucket, f"inbox/day2/x{number}.mp4", b"movie")
    with requests_to_the_store() as counts:
        assert arrive(bucket, deployment, "day1/m1.mp4") == "1 started"
    assert sum(counts.values()) < 10


def test_the_memory_holds_what_is_open_and_what_was_read(bucket: str, deployment: str) -> None:
    look(bucket, deployment)
    look(bucket, deployment)
    deliver(bucket, runs(bucket)[0])
    look(bucket, deployment)
    body = boto3.client("s3").get_object(Bucket=bucket, Key=f"inbox/{MEMORY_FILE}")["Body"].read()
    memory = json.loads(body)
    assert (len(memory["seen"]), len(memory["made"])) == (1, 1)
