"""The flow from bucket to bucket on the demo's model and movie: right numbers, whole results."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import av
import boto3
import numpy as np
import pandas as pd
import pytest

from tasks.pose.results.run_record import RunRecord
from tasks.pose.tables.pose_table import H5_KEY
from tests.support.movie_files import MAX_REFERENCES, cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, DEMO_TRUTH
from tests.support.stores import StoreSettings

BUCKET = "demo-run"
PARTS = ("nose", "left_ear", "right_ear", "body", "tail_base")
FRAMES = 149  # where the movie can be cut without a gap
SCORER = "DLC_Resnet50_mouse-openfieldOct1shuffle1_snapshot_best-20"


@pytest.fixture(scope="module")
def client(object_store: StoreSettings) -> Any:
    return boto3.client("s3")


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of the demo's movie."""
    return cut_movie(
        DEMO_MOVIE, tmp_path_factory.mktemp("movie") / "mouse.mp4", FRAMES - MAX_REFERENCES
    )


@pytest.fixture(scope="module")
def record(client: Any, movie: Path, prefect_server: None) -> RunRecord:
    from flows.pose_estimation import pose_estimation

    client.create_bucket(Bucket=BUCKET)
    client.upload_file(str(DEMO_MODEL), BUCKET, "models/mouse.zip")
    client.upload_file(str(movie), BUCKET, "movies/mouse 1.mp4")
    location = pose_estimation(
        model=f"s3://{BUCKET}/models/mouse.zip",
        movies=[f"s3://{BUCKET}/movies/"],
        output=f"s3://{BUCKET}/out",
    )
    assert location == f"s3://{BUCKET}/out/run.json"
    body = client.get_object(Bucket=BUCKET, Key="out/run.json")["Body"].read()
    return RunRecord.model_validate_json(body)


@pytest.fixture(scope="module")
def results(client: Any, record: RunRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for item in client.list_objects_v2(Bucket=BUCKET, Prefix="out/")["Contents"]:
        target = folder / item["Key"].removeprefix("out/")
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(BUCKET, item["Key"], str(target))
    return folder


def test_every_promised_file_is_there_and_no_other(results: Path) -> None:
    found = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    of_movie = (
        f"mouse 1{SCORER}_filtered.h5",
        f"mouse 1{SCORER}.h5",
        f"mouse 1{SCORER}_meta.pickle",
        "labeled.mp4",
        "histogram.svg",
        "likelihood.svg",
        "coordinates.svg",
        "trajectory.png",
    )
    of_run = (
        "run.json",
        "annotations.parquet",
        "report.html",
        "output_metadata.json",
        f"poses/mouse 1{SCORER}_filtered.h5",
    )
    kept = (".dlcflow/movies/mouse 1/estimate.zip", ".dlcflow/movies/mouse 1/results.zip")
    assert found == {*of_run, *(f"mouse 1/{name}" for name in of_movie), *kept}


def test_the_record_tells_size_and_digest_of_every_output(results: Path, record: RunRecord) -> None:
    outputs = record.outputs | record.movies[0].outputs
    assert len(outputs) == 12
    for output in outputs.values():
        data = (results / output.location.removeprefix(f"s3://{BUCKET}/out/")).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (output.size, output.sha256)


def test_the_record_tells_which_bytes_went_in(record: RunRecord, movie: Path) -> None:
    assert record.model_input.sha256 == hashlib.sha256(DEMO_MODEL.read_bytes()).hexdigest()
    assert record.movies[0].input.sha256 == hashlib.sha256(movie.read_bytes()).hexdigest()
    assert record.movies[0].input.etag


def test_the_frame_ledger_agrees_everywhere(results: Path, record: RunRecord) -> None:
    frames = record.movies[0].frames
    assert frames is not None
    assert frames.is_complete
    assert frames.declared == frames.decoded == FRAMES
    assert frames.list_disagreements() == []


def test_positions_are_right_to_within_three_pixels(results: Path) -> None:
    truth = pd.read_csv(DEMO_TRUTH)[:FRAMES]
    found = pd.read_parquet(results / "annotations.parquet")
    errors = [
        np.hypot(found[f"{part} x"] - truth[f"{part} x"], found[f"{part} y"] - truth[f"{part} y"])
        for part in PARTS
    ]
    assert np.median(errors) <= 3
    assert all(np.median(error) <= 3 for error in errors)


def test_annotations_have_the_promised_columns_types_and_times(results: Path) -> None:
    table = pd.read_parquet(results / "annotations.parquet")
    names = [f"{part} {coordinate}" for part in PARTS for coordinate in ("x", "y", "likelihood")]
    counters = ["Frame number", "Movie number", "Local frame number"]
    assert list(table.columns) == [*counters, "Time since start (s)", *names]
    assert isinstance(table.index, pd.RangeIndex)
    assert len(table) == FRAMES
    assert all(table[name].dtype == np.int64 for name in counters)
    assert all(table[name].dtype == np.float64 for name in names)
    np.testing.assert_array_equal(table["Time since start (s)"], np.arange(FRAMES) / 30)


def test_the_annotations_hold_the_filtered_poses(results: Path) -> None:
    table = pd.read_parquet(results / "annotations.parquet")
    poses = pd.read_hdf(results / "mouse 1" / f"mouse 1{SCORER}_filtered.h5", key=H5_KEY)
    raw = pd.read_hdf(results / "mouse 1" / f"mouse 1{SCORER}.h5", key=H5_KEY)
    assert isinstance(poses, pd.DataFrame)
    assert isinstance(raw, pd.DataFrame)
    np.testing.assert_array_equal(table.iloc[:, 4:], poses.astype(np.float64))
    assert not poses.equals(raw)


def test_the_labeled_movie_is_h264_that_starts_at_once(results: Path) -> None:
    data = (results / "mouse 1" / "labeled.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data), "r") as movie:
        video = movie.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert video.average_rate == 30
        assert sum(1 for _ in movie.decode(video)) == FRAMES


def test_output_metadata_has_the_keys_of_the_ideas_tool(results: Path, record: RunRecord) -> None:
    metadata = json.loads((results / "output_metadata.json").read_text())
    assert list(metadata) == ["dlc_pose_estimates.0", "dlc_annotations", "dlc_labeled_movie.0"]
    movie = metadata["dlc_labeled_movie.0"]
    with av.open(results / "mouse 1" / "labeled.mp4") as labeled:
        picture = labeled.streams.video[0]
        # A strip with the colors, the frame and its time stands below the movie's own 480 rows.
        assert picture.width == 640
        assert picture.height > 480
        assert movie["spacingInfo"] == {"numPixels": {"x": 640, "y": picture.height}}
    assert movie["timingInfo"]["numTimes"] == FRAMES
    assert movie["dlc"]["body_parts"] == ",".join(record.model.body_parts)


def test_the_pose_file_opens_in_movement(results: Path, record: RunRecord) -> None:
    from movement.io import load_poses

    assert record.movies[0].pose_file == f"mouse 1{SCORER}_filtered.h5"
    poses = load_poses.from_dlc_file(results / "mouse 1" / record.movies[0].pose_file, fps=30)
    assert poses.sizes["time"] == FRAMES
    assert set(poses.coords["keypoints"].values) == set(PARTS)


def test_previews_are_small(results: Path) -> None:
    pictures = [*results.glob("mouse 1/*.svg"), *results.glob("mouse 1/*.png")]
    assert len(pictures) == 4
    assert all(0 < picture.stat().st_size < 1_000_000 for picture in pictures)


def test_the_verdict_on_a_good_movie_is_a_pass(record: RunRecord) -> None:
    quality = record.movies[0].quality
    assert quality is not None
    assert (quality.verdict, quality.reasons) == ("pass", ())
