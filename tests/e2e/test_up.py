"""`make up`: a dropped movie becomes results, which outlive killed parts and `make down`."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployments.demo.inputs import MOVIE_FILE
from tests.integration.test_receiver import notification
from tests.support.movie_files import cut_movie
from tests.support.paths import ROOT
from tests.support.waiting import wait_for

BUCKET = "dlcflow-demo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def parts(folder: Path) -> Iterator[dict[str, str]]:
    """Where the parts are served that `make up` starts."""
    assert _command("up", folder).returncode == 0
    try:
        state = json.loads((folder / "state.json").read_text())
        yield {name: part["url"] for name, part in state.items()}
    finally:
        _command("down", folder)


def _command(word: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    mine = {
        k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PREFECT_", "DLCFLOW_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "deployments.up", word, "--folder", str(folder)],
        cwd=ROOT,
        env=mine,
        capture_output=True,
        text=True,
        check=False,
    )


def _store(parts: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=parts["store"],
        region_name="us-east-1",
        aws_access_key_id="demo",
        aws_secret_access_key="demo",
    )


def _post(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_a_movie_dropped_into_the_inbox_is_analyzed(
    parts: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    movie = cut_movie(MOVIE_FILE, tmp_path / "short.mp4", 8)
    store = _store(parts)
    store.upload_file(str(movie), BUCKET, "inbox/day1/short.mp4")
    _post(parts["receiver"], notification(BUCKET, "inbox/day1/short.mp4"))

    def record() -> Any:
        listed = store.list_objects_v2(Bucket=BUCKET, Prefix="results/inbox/day1/short/run.json")
        return listed.get("Contents")

    wait_for(record, lambda: (folder / "worker.log").read_text()[-3000:])
    body = store.get_object(Bucket=BUCKET, Key="results/inbox/day1/short/run.json")["Body"].read()
    found = json.loads(body)
    assert found["status"] == "complete"
    assert found["request"]["settings"]["draw_skeleton"] is True
    assert found["flow_run"]["name"] == "short · mouse-openfield-model"
    assert found["flow_run"]["url"].startswith(parts["server"])


def test_the_next_look_is_scheduled(parts: dict[str, str]) -> None:
    def scheduled() -> Any:
        body = {"flows": {"name": {"any_": ["inbox"]}}}
        return _post(f"{parts['server']}/api/flow_runs/filter", body)

    wait_for(scheduled)


def _kill(folder: Path, *names: str) -> None:
    state = json.loads((folder / "state.json").read_text())
    for name in names:
        os.killpg(state[name]["pid"], signal.SIGKILL)


def _list_objects(parts: dict[str, str]) -> dict[str, tuple[str, int]]:
    listed = _store(parts).list_objects_v2(Bucket=BUCKET)["Contents"]
    # A run goes on removing its hidden files for a moment after its record is there.
    return {o["Key"]: (o["ETag"], o["Size"]) for o in listed if ".dlcflow" not in o["Key"]}


def test_up_again_starts_only_what_has_ended(parts: dict[str, str], folder: Path) -> None:
    before, objects = json.loads((folder / "state.json").read_text()), _list_objects(parts)
    _kill(folder, "worker", "store")
    done = _command("up", folder)
    assert done.returncode == 0, done.stdout
    assert re.findall(r"^starting (\w+)$", done.stdout, re.MULTILINE) == ["store", "worker"]
    after = json.loads((folder / "state.json").read_text())
    assert {name: part["url"] for name, part in after.items()} == parts
    assert after["server"] == before["server"]
    # The store was killed, and has loaded what it had answered for.
    assert _list_objects(parts) == objects
    body = _store(parts).get_object(Bucket=BUCKET, Key="results/inbox/day1/short/run.json")
    assert json.loads(body["Body"].read())["status"] == "complete"


def test_down_ends_it_all(parts: dict[str, str], folder: Path) -> None:
    done = _command("down", folder)
    assert done.returncode == 0
    assert not (folder / "state.json").exists()
    for url in filter(lambda url: url.startswith("http"), parts.values()):
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(url, timeout=5)
    assert "nothing is up" in _command("down", folder).stdout


def test_history_is_kept_in_postgresql(folder: Path) -> None:
    assert (folder / "database" / "data" / "PG_VERSION").exists()
    assert not (folder / "prefect" / "prefect.db").exists()
