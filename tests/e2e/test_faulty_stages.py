"""Stages that hang or die of a signal: the movie is tried again, or fails clearly and alone."""

import signal
from math import inf
from pathlib import Path
from typing import Any

import pytest

from tasks.environment_variables import PATIENCE
from tasks.pose.results.run_record import MovieRecord, ResultStatus, RunRecord
from tests.support.commands import run_command
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.results_by_content import results_by_content
from tests.support.small_disk import mount_small_disk
from tests.support.stage_faults import (
    ESTIMATION_MODULE,
    FINISHING_MODULE,
    SignalInjector,
    StageSignal,
    inject_signals,
)

FRAMES = 60
SIGNALS = {
    "killed-once.mp4": StageSignal(signal.SIGKILL, ESTIMATION_MODULE, 1),
    "hangs-once.mp4": StageSignal(signal.SIGSTOP, ESTIMATION_MODULE, 1),
    "crashes.mp4": StageSignal(signal.SIGSEGV, FINISHING_MODULE, inf),
    "aborts-once.mp4": StageSignal(signal.SIGABRT, FINISHING_MODULE, 1),
}


@pytest.fixture(scope="module")
def ran(prefect_server: None, tmp_path_factory: Any) -> tuple[RunRecord, SignalInjector]:
    from flows.pose_estimation import pose_estimation

    folder = tmp_path_factory.mktemp("movies")
    for name in ("plain.mp4", *SIGNALS):
        cut_movie(DEMO_MOVIE, folder / name, FRAMES)
    out = tmp_path_factory.mktemp("out")
    with inject_signals(SIGNALS) as injector, pytest.MonkeyPatch.context() as patch:
        patch.setenv(PATIENCE.name, "40")
        state = pose_estimation(str(DEMO_MODEL), [f"{folder}/"], str(out), return_state=True)
    assert str(state.message).startswith("crashes: ")
    assert "; 1 of 5 movies failed (crashes in " in str(state.message)
    return RunRecord.model_validate_json((out / "run.json").read_bytes()), injector


def movie(record: RunRecord, name: str) -> MovieRecord:
    (found,) = (movie for movie in record.movies if movie.name == name)
    return found


@pytest.mark.parametrize("name", ["killed-once", "hangs-once", "aborts-once"])
def test_what_is_lost_once_is_made_again(ran: tuple[RunRecord, SignalInjector], name: str) -> None:
    record, injector = ran
    assert len(injector.struck[f"{name}.mp4"]) == 1
    found, plain = movie(record, name), movie(record, "plain")
    assert (found.status, found.error) == (ResultStatus.COMPLETE, None)
    assert results_by_content(found, Path) == results_by_content(plain, Path)


def test_what_dies_each_time_is_a_failed_movie_that_says_what_to_do(
    ran: tuple[RunRecord, SignalInjector],
) -> None:
    record, injector = ran
    # Its stage tries twice; the quick look before may be over before a signal comes.
    assert len(injector.struck["crashes.mp4"]) in {2, 3}
    found = movie(record, "crashes")
    assert (found.status, found.outputs) == (ResultStatus.FAILED, {})
    assert "was ended by SIGSEGV (its native code crashed" in str(found.error)
    assert "encode the movie anew" in str(found.error)


def test_nothing_of_it_is_left(ran: tuple[RunRecord, SignalInjector]) -> None:
    _, injector = ran
    for pid in {pid for struck in injector.struck.values() for pid in struck}:
        assert not Path(f"/proc/{pid}").exists()


def test_a_scratch_disk_that_is_too_small_is_told_before_anything_is_fetched(
    tmp_path: Path,
) -> None:
    movie = cut_movie(DEMO_MOVIE, tmp_path / "m.mp4", 10)
    with mount_small_disk(tmp_path / "disk", 256 << 10) as disk:
        words = ("--model", DEMO_MODEL, "--movies", movie, "--output", tmp_path / "out")
        home = {"HOME": str(tmp_path), "PREFECT_API_URL": ""}
        done = run_command("run", *words, TMPDIR=str(disk), **home)
        left = [path.name for path in disk.iterdir()]
    assert done.returncode == 1
    assert "bytes of scratch are needed for the model, one movie at a time and" in done.stderr
    assert "let TMPDIR name a folder on a larger disk" in done.stderr
    assert left == []
    assert not (tmp_path / "out").exists()
