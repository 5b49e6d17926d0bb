"""The flow `behavior` on the results of a pose run in a bucket: whole results, and made once."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest

from tasks.behavior.analyze import FIGURE_ENDINGS, RESULT_FILE_BEGINNINGS
from tasks.behavior.behavior_record import BehaviorRecord
from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.errors import MoviesFailed
from tasks.pose.movies.reader import open_movie, probe_movie
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MOVIE
from tests.support.records import example_model, example_movie, example_output, example_run
from tests.support.stores import StoreSettings
from tests.support.tracks import make_table

BUCKET = "behavior"
SETTINGS = BehaviorSettings(max_rest_speed=50, labeled_movie=True, zones=f"s3://{BUCKET}/zones.csv")
ZONES = "ID,Name,Type,X 0,Y 0,X 1,Y 1\n0,<b>left</b>,rectangle,0,0,60,200\n"


@pytest.fixture(scope="module")
def client(object_store: StoreSettings, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bucket with what a pose run of two mice has left, and a table that is none."""
    folder = tmp_path_factory.mktemp("behavior")
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    cut_movie(DEMO_MOVIE, folder / "mouse1.mp4", 24)
    frames = sum(1 for _ in open_movie(folder / "mouse1.mp4"))
    times = np.arange(frames) / 30
    resting = np.full((frames, 2), 50.0)
    moving = np.column_stack([50 + 90 * times, np.full(frames, 80.0)])
    make_table(times, {"m1 nose": resting, "m1 tail": resting, "m2 nose": moving}).to_parquet(
        folder / "annotations.parquet"
    )
    movie = example_movie(
        input={**example_movie().input.model_dump(), "location": f"s3://{BUCKET}/mouse1.mp4"}
    )
    record = example_run(
        movie,
        model=example_model(individuals=("m1", "m2"), multi_animal=True),
        outputs={"annotations.parquet": example_output("s3://elsewhere/annotations.parquet")},
    )
    (folder / "run.json").write_text(record.to_json())
    for name in ("annotations.parquet", "run.json"):
        client.upload_file(str(folder / name), BUCKET, f"session 7/{name}")
    client.upload_file(str(folder / "mouse1.mp4"), BUCKET, "mouse1.mp4")
    client.put_object(Bucket=BUCKET, Key="zones.csv", Body=ZONES.encode())
    client.put_object(Bucket=BUCKET, Key="broken.parquet", Body=b"PAR1 no table")
    return client


def run(*annotations: str, settings: BehaviorSettings = SETTINGS) -> Any:
    from flows.behavior import behavior

    return behavior(
        [f"s3://{BUCKET}/{name}" for name in annotations],
        f"s3://{BUCKET}/out",
        settings,
        return_state=True,
    )


def read(client: Any, key: str) -> bytes:
    data: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data


@pytest.fixture(scope="module")
def record(client: Any, prefect_server: None) -> BehaviorRecord:
    state = run("session 7/run.json")
    assert state.is_completed(), state.message
    assert state.result() == f"s3://{BUCKET}/out/run.json"
    return BehaviorRecord.model_validate_json(read(client, "out/run.json"))


def test_an_inbox_sees_in_the_record_what_it_was_made_from(
    client: Any, record: BehaviorRecord
) -> None:
    from tasks.inbox.fingerprints import (
        compute_behavior_digest,
        compute_movies_digest,
        parse_behavior_origin,
    )
    from tasks.storage.location import Location
    from tasks.storage.lookup import LocationStore

    place = f"s3://{BUCKET}/session 7/"
    (info,) = [
        one
        for one in LocationStore().list(Location.parse(place))
        if one.location.name == "annotations.parquet"
    ]
    table = compute_movies_digest([info])
    zones = hashlib.sha256(ZONES.encode()).hexdigest()
    expected = table, compute_behavior_digest(table, SETTINGS, zones), ""
    assert parse_behavior_origin(record.to_json().encode()) == expected


def test_each_animal_has_its_columns_and_states(client: Any, record: BehaviorRecord) -> None:
    table = pd.read_parquet(io.BytesIO(read(client, "out/session 7/behavior.parquet")))
    assert table["m1 state"].dropna().unique().tolist() == ["rest"]
    assert table["m2 state"].dropna().unique().tolist() == ["movement"]
    assert table["m2 Speed (px/s)"].dropna().to_numpy() == pytest.approx(90)
    bouts = pd.read_csv(io.BytesIO(read(client, "out/session 7/bouts.csv")))
    assert bouts["individual"].tolist() == ["m1", "m2"]
    zones = pd.read_csv(io.BytesIO(read(client, "out/session 7/zones.csv")))
    assert zones["share of known time"].tolist() == pytest.approx([1, 4 / len(table)])


def test_the_record_lists_what_was_published(client: Any, record: BehaviorRecord) -> None:
    (table,) = record.tables
    assert table.pose_run == f"s3://{BUCKET}/session 7/run.json"
    assert {"bouts.csv", "locomotion.json", "labeled-0.mp4", "speed-m1.svg"} <= set(table.outputs)
    for name, output in table.outputs.items():
        assert len(read(client, f"out/session 7/{name}")) == output.size
        assert output.size < 1_000_000
        assert name.startswith(RESULT_FILE_BEGINNINGS) or name.endswith(FIGURE_ENDINGS)
    assert "speed backward" in record.definitions
    assert (
        json.loads(read(client, "out/session 7/locomotion.json"))["animals"][1]["all"]["frames"]
        == table.frames
    )
    assert any("was changed since" in warning for warning in record.warnings)


def test_the_report_names_methods_and_escapes_names(client: Any, record: BehaviorRecord) -> None:
    page = read(client, "out/report.html").decode()
    assert "divided by the time since it" in page
    assert "<b>left</b>" not in page


def test_the_labeled_movie_has_every_frame(
    client: Any, record: BehaviorRecord, tmp_path: Path
) -> None:
    path = tmp_path / "labeled.mp4"
    path.write_bytes(read(client, "out/session 7/labeled-0.mp4"))
    assert probe_movie(path).declared_frames == record.tables[0].frames


def test_the_same_request_again_makes_nothing(client: Any, record: BehaviorRecord) -> None:
    own, foreign = "out/session 7/labeled-0.mp4", "out/session 7/raw.mp4"
    for key in (own, foreign):  # as a killed run, and somebody's upload, leave them
        client.create_multipart_upload(Bucket=BUCKET, Key=key)
    assert run("session 7/").is_completed()
    listed = client.list_multipart_uploads(Bucket=BUCKET, Prefix="out/")
    (left,) = listed["Uploads"]
    assert left["Key"] == foreign
    client.abort_multipart_upload(Bucket=BUCKET, Key=foreign, UploadId=left["UploadId"])
    again = BehaviorRecord.model_validate_json(read(client, "out/run.json"))
    assert again.tables[0].reused
    assert again.tables[0].outputs == record.tables[0].outputs


def test_a_broken_table_is_the_unit_of_failure(client: Any, record: BehaviorRecord) -> None:
    settings = BehaviorSettings(min_movement_speed=10)
    state = run("broken.parquet", "session 7/annotations.parquet", settings=settings)
    error = state.result(raise_on_failure=False)
    assert isinstance(error, MoviesFailed)
    assert not error.only_bad_input
    assert "broken.parquet: expected an annotations table as Parquet" in str(state.message)
    told = BehaviorRecord.model_validate_json(read(client, "out/run.json"))
    assert [table.status for table in told.tables] == ["failed", "complete"]
    assert told.tables[0].error_kind == "bad input"
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix="out/session 7/")["Contents"]
    assert "out/session 7/labeled-0.mp4" not in {one["Key"] for one in listed}
