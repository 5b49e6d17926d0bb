"""A second run does what has to be done, and nothing else; what it delivers is the same."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tasks.command_line.dry_run import plan_request
from tasks.command_line.dry_run_report import DryRunReport
from tasks.pose.results.run_record import MovieRecord, RunRecord
from tasks.pose.settings import PoseSettings
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.stores import StoreSettings

BUCKET = "reuse"
MADE = {
    "Filter poses",
    "Judge quality",
    "Draw previews",
    "Label movie",
    "Export poses",
    "Publish movie",
}
LOOKED = {"Fetch movie", "Check movie", "Estimate poses"}
TIMES = {"run.json", "report.html"}


@pytest.fixture(scope="module")
def client(object_store: StoreSettings, prefect_server: None) -> Any:
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.upload_file(str(DEMO_MODEL), BUCKET, "mouse.zip")
    return client


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("movies")
    return {
        name: cut_movie(DEMO_MOVIE, folder / f"{name}.mp4", frames)
        for name, frames in (("m1", 6), ("m2", 4), ("other", 9))
    }


@pytest.fixture(scope="module")
def first(client: Any, files: dict[str, Path]) -> dict[str, bytes]:
    """What a first run delivers."""
    for name in ("m1", "m2"):
        client.upload_file(str(files[name]), BUCKET, f"in/{name}.mp4")
    record = run(client)
    assert all(stage.reused is False for m in record.movies for stage in m.stages.values())
    return results(client)


@pytest.fixture(scope="module")
def objects(client: Any, first: dict[str, bytes]) -> dict[str, Any]:
    """All that is in the bucket after the first run."""
    listed = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    found = {one["Key"]: client.get_object(Bucket=BUCKET, Key=one["Key"]) for one in listed}
    return {
        k: {"Body": one["Body"].read(), "Metadata": one["Metadata"]} for k, one in found.items()
    }


@pytest.fixture(autouse=True)
def as_before(client: Any, objects: dict[str, Any]) -> Iterator[None]:
    """After a test, what was there before it."""
    yield
    for item in client.list_objects_v2(Bucket=BUCKET)["Contents"]:
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    for key, content in objects.items():
        client.put_object(Bucket=BUCKET, Key=key, **content)


def run(client: Any, **settings: Any) -> RunRecord:
    """Run the request; what a dry run has told of it before is what it does."""
    from flows.pose_estimation import pose_estimation

    given = PoseSettings(**settings)
    request = (f"s3://{BUCKET}/mouse.zip", [f"s3://{BUCKET}/in/"], f"s3://{BUCKET}/out/", given)
    before = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    told = plan_request(*request)
    assert client.list_objects_v2(Bucket=BUCKET)["Contents"] == before
    pose_estimation(*request)
    body = client.get_object(Bucket=BUCKET, Key="out/run.json")["Body"].read()
    record = RunRecord.model_validate_json(body)
    assert_told(told, record)
    return record


def assert_told(told: DryRunReport, record: RunRecord) -> None:
    assert not told.refused
    assert told.time is not None
    assert told.time.seconds > 0
    assert [movie.name for movie in told.movies] == [movie.name for movie in record.movies]
    for forecast, movie in zip(told.movies, record.movies, strict=True):
        ran = {name for name, stage in movie.stages.items() if not stage.reused}
        if forecast.is_certain:
            assert (forecast.facts is not None) == ("Fetch movie" in ran)
            assert set(forecast.made) == {text for stage, text in TOLD.items() if stage in ran}
        if forecast.facts:
            assert movie.frames is not None
            assert forecast.facts.frames == movie.frames.poses


TOLD = {
    "Estimate poses": "the network's poses",
    "Filter poses": "filtered poses",
    "Judge quality": "verdict",
    "Draw previews": "previews",
    "Label movie": "labeled movie",
    "Export poses": "files for other programs",
}


def results(client: Any) -> dict[str, bytes]:
    found = client.list_objects_v2(Bucket=BUCKET, Prefix="out/")["Contents"]
    keys = [item["Key"] for item in found if "/.dlcflow/" not in item["Key"]]
    return {
        key.removeprefix("out/"): client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
    }


def same(one: dict[str, bytes], other: dict[str, bytes]) -> bool:
    return differing(one, other) <= TIMES


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def made(movie: MovieRecord) -> set[str]:
    """The stages of a movie that did some work, beside looking back and keeping."""
    ran = {name for name, stage in movie.stages.items() if not stage.reused}
    return ran & (MADE | LOOKED)


def versions(client: Any) -> dict[str, Any]:
    found = client.list_objects_v2(Bucket=BUCKET, Prefix="out/m")["Contents"]
    return {item["Key"]: item["LastModified"] for item in found}


def test_the_same_again_makes_and_fetches_nothing(client: Any, first: dict[str, bytes]) -> None:
    before = versions(client)
    record = run(client)
    assert [made(movie) for movie in record.movies] == [set(), set()]
    assert versions(client) == before
    assert record.estimator is not None
    assert record.estimator.device == "cpu"
    assert same(results(client), first)


def test_another_look_is_drawn_and_nothing_else(client: Any, first: dict[str, bytes]) -> None:
    record = run(client, dot_size=11)
    assert {frozenset(made(m)) for m in record.movies} == {
        frozenset({"Fetch movie", "Label movie", "Publish movie"})
    }
    changed = {"m1/labeled.mp4", "m2/labeled.mp4"}
    assert differing(results(client), first) - TIMES == changed


def test_other_thresholds_judge_anew_and_nothing_else(client: Any, first: dict[str, bytes]) -> None:
    record = run(client, quality={"low_look": 0.9, "low_fail": 1.0})
    assert {frozenset(made(m)) for m in record.movies} == {
        frozenset({"Judge quality", "Publish movie"})
    }
    assert same(results(client), first)


def test_another_filter_runs_without_the_network(client: Any, first: dict[str, bytes]) -> None:
    record = run(client, window_length=3)
    assert {frozenset(made(m)) for m in record.movies} == {frozenset({"Fetch movie"} | MADE)}
    unfiltered = run(client, window_length=0)
    assert all("Estimate poses" not in made(movie) for movie in unfiltered.movies)
    found = results(client)
    assert unfiltered.estimator is not None
    raw = f"m1{unfiltered.estimator.scorer}.h5"
    assert [name for name in found if name.startswith(("m1/m1", "poses/m1"))] == [
        f"m1/{raw}",
        f"m1/{raw.removesuffix('.h5')}_meta.pickle",
        f"poses/{raw}",
    ]
    assert found[f"m1/{raw}"] == found[f"poses/{raw}"] == first[f"m1/{raw}"]


def test_a_file_for_another_program_costs_no_inference_and_no_movie(
    client: Any, first: dict[str, bytes]
) -> None:
    record = run(client, movement=True)
    assert {frozenset(made(m)) for m in record.movies} == {
        frozenset({"Export poses", "Publish movie"})
    }
    new = {"m1/m1.movement.nc", "m2/m2.movement.nc"}
    assert differing(results(client), first) - TIMES == new
    again = run(client, movement=True)
    assert [made(movie) for movie in again.movies] == [set(), set()]
    run(client)
    assert same(results(client), first)


def test_what_has_vanished_or_changed_is_made_again(client: Any, first: dict[str, bytes]) -> None:
    metadata = client.head_object(Bucket=BUCKET, Key="out/m2/histogram.svg")["Metadata"]
    damaged = bytes(len(first["m2/histogram.svg"]))
    client.put_object(
        Bucket=BUCKET, Key="out/m2/histogram.svg", Body=damaged, Metadata=metadata
    )  # of the same size, and with the digest of what was there
    client.delete_object(Bucket=BUCKET, Key="out/m1/labeled.mp4")
    (raw,) = [name for name in first if name.startswith("m1/") and name.endswith("-20.h5")]
    client.delete_object(Bucket=BUCKET, Key=f"out/{raw}")
    client.delete_object(Bucket=BUCKET, Key="out/annotations.parquet")
    record = run(client)
    assert [made(movie) for movie in record.movies] == [
        {"Fetch movie", "Label movie", "Export poses", "Publish movie"},
        {"Publish movie"},
    ]
    assert same(results(client), first)


def test_without_what_is_kept_all_is_made_again(client: Any, first: dict[str, bytes]) -> None:
    for name in ("movies/m1/estimate.zip", "movies/m1/results.zip"):
        client.delete_object(Bucket=BUCKET, Key=f"out/.dlcflow/{name}")
    client.put_object(Bucket=BUCKET, Key="out/.dlcflow/movies/m2/results.zip", Body=b"no zip")
    record = run(client)
    assert [made(movie) for movie in record.movies] == [
        LOOKED | MADE,
        {"Fetch movie"} | MADE,
    ]
    assert same(results(client), first)


def test_a_movie_replaced_under_its_name_is_new(
    client: Any, first: dict[str, bytes], files: dict[str, Path]
) -> None:
    client.upload_file(str(files["other"]), BUCKET, "in/m1.mp4")
    record = run(client)
    assert [made(movie) for movie in record.movies] == [LOOKED | MADE, set()]
    other = hashlib.sha256(files["other"].read_bytes()).hexdigest()
    assert record.movies[0].input.sha256 == other


def test_the_same_bytes_uploaded_anew_are_the_same_movie(
    client: Any, files: dict[str, Path]
) -> None:
    """In parts, which gives another ETag."""
    where = {"Bucket": BUCKET, "Key": "in/m1.mp4"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    part = client.upload_part(**where, UploadId=upload, PartNumber=1, Body=files["m1"].read_bytes())
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    assert [made(movie) for movie in run(client).movies] == [{"Fetch movie"}, set()]
