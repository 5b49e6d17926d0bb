"""A request spread over workers, one of which is killed, gives what one worker gives."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from deployments import deploy
from tasks.environment_variables import INBOX
from tasks.errors import MoviesFailed
from tasks.pose.results.run_record import ResultStatus, RunRecord
from tasks.pose.settings import PoseSettings
from tests.support.meanwhile import call_repeatedly
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, ROOT

FRAMES = {"m1": 12, "m2": 9, "m10": 7}
PLAIN = PoseSettings()
SPREAD = PoseSettings(spread_from=2)


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movies")
    for name, frames in FRAMES.items():
        cut_movie(DEMO_MOVIE, folder / f"{name}.mp4", frames)
    (folder / "broken.mp4").write_text("this is no movie")
    return folder


@pytest.fixture(scope="module")
def workers(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["list[subprocess.Popen[bytes]]"]:
    """Two process workers, as on two machines, each with one run at a time."""
    from prefect.settings import PREFECT_API_URL

    logs = tmp_path_factory.mktemp("workers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
        patch.setenv("PREFECT_WORKER_QUERY_SECONDS", "1")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv(INBOX.name, "s3://lab/inbox/")
        assert deploy.main([]) == 0
        started = [_worker(logs / f"{index}.log") for index in range(2)]
        try:
            yield started
        finally:
            for worker in started:
                with suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()


def _worker(log: Path) -> "subprocess.Popen[bytes]":
    words = ["worker", "start", "--pool", "gpu", "--type", "process", "--limit", "1"]
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            cwd="/",
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def _runs_of(workers: "list[subprocess.Popen[bytes]]") -> list[int]:
    """The processes of flow runs that workers have started."""
    children = {
        int(pid)
        for worker in workers
        for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    }
    return sorted(children)


def _is_at_work(run: int) -> bool:
    """Whether a flow run's process has a stage's process."""
    with suppress(OSError):
        found = [path.read_text() for path in Path(f"/proc/{run}/task").glob("*/children")]
        stages = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in " ".join(found).split()]
        return any(b"tasks.processes.child" in stage for stage in stages)
    return False


@contextmanager
def killing_one(workers: "list[subprocess.Popen[bytes]]") -> Iterator[list[int]]:
    """Kill the first flow run that a worker starts, once it is at work."""
    killed: list[int] = []

    def look() -> None:
        if killed:
            return
        for pid in filter(_is_at_work, _runs_of(workers)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return

    with call_repeatedly(look, 0.1):
        yield killed


def run(movies: Path, output: Path, settings: PoseSettings) -> RunRecord:
    from flows.pose_estimation import pose_estimation

    state: Any = pose_estimation(
        str(DEMO_MODEL), [f"{movies}/"], f"{output}/", settings, return_state=True
    )
    assert isinstance(state.result(raise_on_failure=False), MoviesFailed)
    return RunRecord.model_validate_json((output / "run.json").read_text())


@pytest.fixture(scope="module")
def alone(movies: Path, prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("alone")
    run(movies, output, PLAIN)
    return output


@pytest.fixture(scope="module")
def spread(
    movies: Path,
    workers: "list[subprocess.Popen[bytes]]",
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    output = tmp_path_factory.mktemp("spread")
    with killing_one(workers) as killed:
        run(movies, output, SPREAD)
    assert len(killed) == 1
    return output


def record(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def test_the_files_are_the_same_byte_for_byte(alone: Path, spread: Path) -> None:
    names = [
        {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        for folder in (alone, spread)
    ]
    assert names[0] == names[1]
    differ = {
        name for name in names[0] if (alone / name).read_bytes() != (spread / name).read_bytes()
    }
    # What is kept for later runs tells places and times, too.
    results = {name for name in differ if not name.startswith(".dlcflow/")}
    assert results == {"run.json", "report.html"}


def test_the_records_differ_in_times_and_ids_alone(alone: Path, spread: Path) -> None:
    assert same(record(alone), str(alone)) == same(record(spread), str(spread))


VARIABLE = {
    *("seconds", "frames_per_second", "started", "finished", "stages", "flow_run", "etag"),
    *("estimation", "bottleneck"),  # where the seconds went
}


def same(value: Any, folder: str) -> Any:
    """What must not depend on where and when a run was made."""
    if isinstance(value, dict):
        kept = {
            k: v for k, v in value.items() if k not in {*VARIABLE, "spread_from", "report.html"}
        }
        return {k: same(v, folder) for k, v in kept.items()}
    if isinstance(value, list):
        return [same(item, folder) for item in value]
    return value.replace(folder, "OUT") if isinstance(value, str) else value


def test_a_movie_that_fails_says_why_as_ever(spread: Path) -> None:
    movies = RunRecord.model_validate(record(spread)).movies
    (failed,) = [movie for movie in movies if movie.status is ResultStatus.FAILED]
    assert (failed.name, failed.failed_stage) == ("broken", "Check movie")
    assert failed.error_kind == "bad input"
    assert failed.input.size == len("this is no movie")


def test_nothing_is_left_of_what_runs_handed_over(spread: Path) -> None:
    kept = {str(path.relative_to(spread / ".dlcflow")) for path in files_in(spread / ".dlcflow")}
    names = ("m1", "m2", "m10")
    assert kept == {f"movies/{name}/{kind}.zip" for name in names for kind in KEPT}


KEPT = ("estimate", "results")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
