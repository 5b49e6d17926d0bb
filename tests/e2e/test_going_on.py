"""A run that is killed, whatever it does just then, goes on where it was: same bytes in the end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from prefect.settings import PREFECT_API_URL

from tasks.pose.results.run_record import RunRecord
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, ROOT
from tests.support.stores import StoreSettings
from tests.support.waiting import wait_for

BUCKET = "going-on"
FRAMES = 150
REQUEST = (f"s3://{BUCKET}/mouse.zip", [f"s3://{BUCKET}/in/m.mp4"])


@pytest.fixture(scope="module")
def client(
    object_store: StoreSettings, prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.upload_file(str(DEMO_MODEL), BUCKET, "mouse.zip")
    movie = cut_movie(DEMO_MOVIE, tmp_path_factory.mktemp("movies") / "m.mp4", FRAMES)
    client.upload_file(str(movie), BUCKET, "in/m.mp4")
    return client


def run(output: str) -> None:
    from flows.pose_estimation import pose_estimation

    pose_estimation(*REQUEST, f"s3://{BUCKET}/{output}/")


def results(client: Any, output: str) -> dict[str, bytes]:
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{output}/")["Contents"]
    return {
        item["Key"].removeprefix(f"{output}/"): body
        for item in found
        if "/.dlcflow/" not in item["Key"]
        for body in [client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()]
    }


def names(client: Any, output: str) -> set[str]:
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{output}/").get("Contents", [])
    return {item["Key"].removeprefix(f"{output}/") for item in found}


@pytest.fixture(scope="module")
def undisturbed(client: Any) -> dict[str, bytes]:
    run("whole")
    return results(client, "whole")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Starts a run in a process group of its own."""
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DLCFLOW_CHECKPOINT_SECONDS", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = "import sys, tests.e2e.test_going_on as t; t.run(sys.argv[1])"

    def started(output: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / "run.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-c", code, output],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    return started


def kill_when(process: "subprocess.Popen[bytes]", is_due: Any) -> None:
    def look() -> bool:
        assert process.poll() is None, "it ended before"
        return bool(is_due())

    wait_for(look)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def checkpoints(client: Any, output: str) -> set[str]:
    return {name for name in names(client, output) if name.endswith(".npz")}


def test_estimation_goes_on_from_its_last_checkpoint(
    client: Any, undisturbed: dict[str, bytes], start: Any
) -> None:
    kill_when(start("killed"), lambda: len(checkpoints(client, "killed")) >= 1)
    assert "run.json" not in names(client, "killed")
    run("killed")
    found = results(client, "killed")
    record = RunRecord.model_validate_json(found["run.json"])
    resumed = record.movies[0].resumed
    assert resumed is not None
    assert 0 < resumed < FRAMES
    assert not checkpoints(client, "killed")
    assert_same(found, undisturbed)


def assert_same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert found.keys() == expected.keys()
    different = {name for name in found if found[name] != expected[name]}
    assert different == {"run.json", "report.html"}
    assert json.loads(found["run.json"])["status"] == "complete"


def test_what_was_finished_is_not_done_again(
    client: Any, undisturbed: dict[str, bytes], start: Any
) -> None:
    kept = ".dlcflow/movies/m/estimate.zip"
    kill_when(start("later"), lambda: kept in names(client, "later"))
    run("later")
    found = results(client, "later")
    stages = RunRecord.model_validate_json(found["run.json"]).movies[0].stages
    assert stages["Estimate poses"].reused
    assert not checkpoints(client, "later")
    assert not stages["Label movie"].reused
    assert_same(found, undisturbed)


def test_files_of_a_run_before_the_killed_one_do_not_stay(
    client: Any, undisturbed: dict[str, bytes], start: Any
) -> None:
    """The killed one has taken the record away that names them."""
    from flows.pose_estimation import pose_estimation
    from tasks.pose.settings import PoseSettings

    csv = PoseSettings.model_validate({"annotations_format": "csv"})
    pose_estimation(*REQUEST, f"s3://{BUCKET}/before/", csv)
    assert "annotations.csv" in names(client, "before")
    kill_when(start("before"), lambda: "run.json" not in names(client, "before"))
    run("before")
    assert_same(results(client, "before"), undisturbed)
