"""Two runs of the same request at the same time: one after the other writes, and both deliver."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

from tasks.pose.results.run_record import ResultStatus, RunRecord
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, ROOT


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    cut_movie(DEMO_MOVIE, tmp_path / "m1.mp4", 12)
    return tmp_path / "m1.mp4"


def start(movie: Path, output: Path) -> "subprocess.Popen[str]":
    from prefect.settings import PREFECT_API_URL

    words = [sys.executable, "-m", "flows", "run", "--model", str(DEMO_MODEL)]
    return subprocess.Popen(
        [*words, "--movies", str(movie), "--output", f"{output}/"],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def locked(output: Path) -> list[tuple[Any, Any]]:
    """When each of the runs that wrote there had the lock, first to last."""
    with get_client(sync_client=True) as client:
        runs = [
            run
            for run in client.read_flow_runs()
            if str(run.parameters.get("output")).startswith(str(output))
        ]
        spans = []
        for run in runs:
            chosen = FlowRunFilter.model_validate({"id": {"any_": [run.id]}})
            ended = {
                task.name: task.end_time for task in client.read_task_runs(flow_run_filter=chosen)
            }
            spans.append((ended["lock output"], ended["publish record"]))
    return sorted(spans)


def test_two_runs_of_the_same_request(movie: Path, tmp_path: Path, prefect_server: None) -> None:
    output = tmp_path / "out"
    runs = [start(movie, output) for _ in range(2)]
    told = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    (_, first_ends), (second_begins, _) = locked(output)
    assert first_ends < second_begins
    record = RunRecord.model_validate_json((output / "run.json").read_text())
    assert record.status is ResultStatus.COMPLETE
    assert record.warnings == ()
    assert list((output / ".dlcflow" / "lock").iterdir()) == []
