"""Good and bad movies in one request: each is judged alone, and none takes another's results."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest

from tasks.errors import MoviesFailed
from tasks.pose.results.run_record import ResultStatus, RunRecord
from tasks.pose.settings import AnnotationsFormat, Crop, PoseSettings
from tasks.storage.location import Location
from tests.support.movie_files import cut_movie, write_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.stores import StoreSettings

BUCKET = "many-movies"
CROP = Crop(left=64, top=32, width=512, height=416)
SETTINGS = PoseSettings(
    annotations_format=AnnotationsFormat.CSV,
    crop=CROP,
    window_length=0,
    displayed_body_parts=["nose", "body"],
    output_frame_rate=12.5,
    draw_skeleton=True,
    trail_points=5,
    movement=True,
    refine_frames=2,
)


def big(path: Path, frames: int, **options: Any) -> Path:
    return write_movie(path, frames, width=640, height=480, **options)


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Keys in the bucket, and files."""
    folder = tmp_path_factory.mktemp("movies")
    names = ("empty", "text", "small", "truncated", "vfr")
    paths = {name: folder / f"{name}.mp4" for name in names}
    paths["empty"].touch()
    paths["text"].write_text("this is no movie\n" * 100)
    big(paths["truncated"], 20)
    paths["truncated"].write_bytes(paths["truncated"].read_bytes()[:-4000])
    stamps = [0, 40, 90, 100, 300, 310, 500, 533]
    return {
        "a/m1.mp4": cut_movie(DEMO_MOVIE, folder / "m1.mp4", 12),
        "a/m10.mp4": big(folder / "m10.mp4", 7),
        "b/m1.mp4": big(folder / "other.mp4", 9),
        "c/UPPER.MP4": big(folder / "upper.mp4", 5),
        "c/with space + plus %41 ünïcødé 鼠.mp4": big(folder / "odd.mp4", 4),
        "c/ntsc.mp4": big(folder / "ntsc.mp4", 6, codec="mpeg4", rate=Fraction(30000, 1001)),
        "c/vfr.mp4": big(paths["vfr"], len(stamps), stamps=stamps),
        "c/one.mp4": big(folder / "one.mp4", 1),
        "bad/empty.mp4": paths["empty"],
        "bad/text.mp4": paths["text"],
        "bad/small.mp4": write_movie(paths["small"], 5),
        "bad/truncated.mp4": paths["truncated"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def record(movies: dict[str, Path], object_store: StoreSettings, prefect_server: None) -> RunRecord:
    from flows.pose_estimation import pose_estimation

    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for key, path in movies.items():
        client.upload_file(str(path), BUCKET, key)
    client.put_object(Bucket=BUCKET, Key="c/notes.txt", Body=b"beside the movies")
    state = pose_estimation(
        str(DEMO_MODEL),
        [f"s3://{BUCKET}/{part}" for part in ("a/", "b/m1.mp4", "c/", "bad/*.mp4")],
        f"s3://{BUCKET}/out/",
        SETTINGS,
        return_state=True,
    )
    error = state.result(raise_on_failure=False)
    assert state.is_failed()
    assert isinstance(error, MoviesFailed)
    assert not error.only_bad_input
    assert state.message is not None
    assert "; 4 of 12 movies failed (" in state.message
    body = client.get_object(Bucket=BUCKET, Key="out/run.json")["Body"].read()
    return RunRecord.model_validate_json(body)


@pytest.fixture(scope="module")
def annotations(record: RunRecord) -> pd.DataFrame:
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key="out/annotations.csv")["Body"]
    return pd.read_csv(body)


def test_bad_movies_fail_alone_each_with_one_sentence(record: RunRecord) -> None:
    failed = {m.name: str(m.error) for m in record.movies if m.status is ResultStatus.FAILED}
    assert record.status is ResultStatus.PARTIAL
    assert set(failed) == {"empty", "text", "small", "truncated"}
    assert "empty (0 bytes)" in failed["empty"]
    assert "expected an MP4 or AVI movie" in failed["text"]
    assert "the frame has 96 columns and 64 rows" in failed["small"]
    assert all("\n" not in error for error in failed.values())
    kinds = {m.error_kind for m in record.movies if m.status is ResultStatus.FAILED}
    assert kinds == {"bad input"}


def test_movies_are_in_the_request_s_order_naturally_sorted_within_a_prefix(
    record: RunRecord,
) -> None:
    names = [movie.name for movie in record.movies]
    assert names[:3] == ["m1", "m10", "m1-2"]
    assert [movie.number for movie in record.movies] == list(range(12))


def test_each_movie_has_its_own_frames(
    record: RunRecord, annotations: pd.DataFrame, movies: dict[str, Path]
) -> None:
    frames = {m.name: m.frames.poses for m in record.movies if m.frames}
    odd = "with space + plus %41 ünïcødé 鼠"
    expected = {"m10": 7, "m1-2": 9, "UPPER": 5, odd: 4, "ntsc": 6, "vfr": 8, "one": 1}
    assert {name: frames[name] for name in expected} == expected
    rows = annotations.groupby("Movie number").size().to_dict()
    assert rows == {m.number: m.frames.poses for m in record.movies if m.frames}


def test_every_frame_of_a_delivered_movie_is_in_every_result(record: RunRecord) -> None:
    assert all(m.frames.is_complete for m in record.movies if m.frames)


def test_nothing_is_left_of_failed_movies(record: RunRecord) -> None:
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=BUCKET, Prefix="out/")
    listed = [item for page in found for item in page["Contents"]]
    folders = {item["Key"].split("/")[1] for item in listed if item["Key"].count("/") > 1}
    delivered = {m.name for m in record.movies if m.status is ResultStatus.COMPLETE}
    assert folders == delivered | {".dlcflow", "poses", "labeled-data"}
    kept = {item["Key"].split("/")[3] for item in listed if "/.dlcflow/" in item["Key"]}
    assert kept == delivered


def test_without_a_filter_there_is_one_pose_file(record: RunRecord) -> None:
    delivered = [m for m in record.movies if m.status is ResultStatus.COMPLETE]
    stems = {m.name: Location.parse(m.input.location).stem for m in delivered}
    scorer = record.estimator.scorer if record.estimator else ""
    for movie in delivered:
        of_poses = [name for name in movie.outputs if name.endswith(f"{scorer}.h5")]
        assert of_poses == [f"{stems[movie.name]}{scorer}.h5", f"poses/{movie.name}{scorer}.h5"]
        assert movie.pose_file == of_poses[0]


def test_two_frames_of_each_movie_are_ready_to_be_corrected(record: RunRecord) -> None:
    report = boto3.client("s3").get_object(Bucket=BUCKET, Key="out/report.html")["Body"].read()
    assert report.count(b"<h3>Frames to correct</h3>") == 8
    for movie in record.movies:
        if movie.frames is None:
            continue
        assert len(movie.refine) == min(2, movie.frames.poses)
        assert all(frame.file in movie.outputs for frame in movie.refine)
        place = f"labeled-data/{movie.name}/"
        labels = [name for name in movie.outputs if name.startswith(f"{place}machinelabels")]
        assert labels == [f"{place}machinelabels-iter0.h5", f"{place}machinelabels.csv"]


def test_each_movie_has_a_file_for_movement_with_its_times(
    record: RunRecord, annotations: pd.DataFrame, tmp_path: Path
) -> None:
    xarray = pytest.importorskip("xarray")
    movie = next(m for m in record.movies if m.name == "vfr")
    target = tmp_path / "vfr.nc"
    boto3.client("s3").download_file(BUCKET, "out/vfr/vfr.movement.nc", str(target))
    dataset = xarray.load_dataset(target, engine="scipy")
    rows = annotations[annotations["Movie number"] == movie.number]
    np.testing.assert_allclose(dataset.time + movie.start, rows["Time since start (s)"])
    found = dataset.position.sel(keypoints="nose", space="x")[:, 0]
    np.testing.assert_allclose(found, rows["nose x"])


def test_each_movie_s_poses_lie_once_in_a_folder_for_all(record: RunRecord) -> None:
    listed = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="out/poses/")["Contents"]
    names = {item["Key"].removeprefix("out/poses/").split("DLC_")[0] for item in listed}
    assert names == {m.name for m in record.movies if m.status is ResultStatus.COMPLETE}
    assert {"m1", "m1-2"} <= names


def test_annotations_are_in_full_frame_coordinates(
    record: RunRecord, annotations: pd.DataFrame, tmp_path: Path
) -> None:
    name = record.movies[0].pose_file
    assert name is not None
    boto3.client("s3").download_file(BUCKET, f"out/m1/{name}", str(tmp_path / "m1.h5"))
    poses = pd.read_hdf(tmp_path / "m1.h5")
    table = annotations[annotations["Movie number"] == 0]
    scorer = poses.columns[0][0]
    np.testing.assert_allclose(table["nose x"], poses[scorer, "nose", "x"] + CROP.left)
    np.testing.assert_allclose(table["nose y"], poses[scorer, "nose", "y"] + CROP.top)
    outputs = record.outputs | record.movies[0].outputs
    assert outputs["annotations.csv"].coordinates == "frame"
    assert outputs[name].coordinates == "crop"


def test_a_variable_rate_keeps_its_times(record: RunRecord, annotations: pd.DataFrame) -> None:
    movie = next(m for m in record.movies if m.name == "vfr")
    seconds = annotations[annotations["Movie number"] == movie.number]["Time since start (s)"]
    assert not movie.constant_frame_rate
    expected = [0, 0.040, 0.090, 0.100, 0.300, 0.310, 0.500, 0.533]
    np.testing.assert_allclose(seconds - seconds.iloc[0], expected, atol=1e-9)


def test_time_goes_on_by_one_frame_from_movie_to_movie(annotations: pd.DataFrame) -> None:
    seconds = annotations["Time since start (s)"].to_numpy()
    number = annotations["Movie number"].to_numpy()
    border = int(np.argmax(number == 1))
    np.testing.assert_allclose(seconds[border] - seconds[border - 1], 1 / 30, atol=1e-9)
    assert np.all(np.diff(seconds) > 0)
    np.testing.assert_array_equal(annotations["Frame number"], np.arange(len(annotations)))
