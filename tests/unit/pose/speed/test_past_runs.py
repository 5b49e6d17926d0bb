"""What a run's record tells of its speed."""

import ast
from pathlib import Path
from typing import Any

import pytest

from tasks.pose.results.run_record import StageTime
from tasks.pose.speed.past_runs import read_run_seconds, summarize_run
from tasks.pose.speed.stage_parts import (
    ESTIMATE_STAGE,
    MOVIE_PARTS,
    START_STAGE,
    START_STAGES,
    WAIT_STAGE,
)
from tasks.processes.bottleneck import EstimationTimes
from tests.support.paths import ROOT
from tests.support.records import example_failed_movie, example_movie, example_run

STAGES = {
    "Look back": 1,
    "Fetch movie": 2,
    "Check movie": 4,
    "Estimate poses": 8,
    "Draw previews": 16,
    "Label movie": 32,
    "Publish movie": 64,
}
TIMES = EstimationTimes(queued=3, preparation=2, decoding=5, tracking=7, lost=0.5)


def stages(**changes: Any) -> dict[str, StageTime]:
    return {name: StageTime(seconds=seconds) for name, seconds in (STAGES | changes).items()}


def test_each_stage_is_a_part_and_what_none_accounts_for_is_the_end() -> None:
    record = example_run(
        example_movie(stages=stages(), estimation=TIMES),
        seconds=170,
        stages={
            START_STAGE: StageTime(seconds=10),
            "Load model": StageTime(seconds=20),
            WAIT_STAGE: StageTime(seconds=5),
        },
    )
    run = read_run_seconds(record)
    assert (run.start, run.waiting) == (30, 5)
    (movie,) = run.movies
    assert (movie.fetch, movie.check, movie.drawing, movie.publish) == (3, 4, 48, 64)
    assert (movie.queued, movie.decoding, movie.network, movie.tracking) == (3, 5, 3, 7)
    assert run.total == pytest.approx(180)
    assert run.end == pytest.approx(180 - 30 - 5 - (3 + 4 + 18 + 48 + 64))


def test_a_movie_that_failed_takes_no_time_that_is_known() -> None:
    run = read_run_seconds(example_run(example_failed_movie(), seconds=9, stages={}))
    assert run.total == 9


def test_a_run_is_remembered_by_what_later_ones_depend_on() -> None:
    movie = example_movie(
        stages=stages(), estimation=TIMES, resumed=100, crop=(0, 0, 320, 240), width=640, height=480
    )
    past = summarize_run(example_run(movie, seconds=180))
    (one,) = past.movies
    assert (one.frames, one.estimated, one.is_drawn) == (300, 200, True)
    assert (one.pixels, one.network_pixels) == (640 * 480, 320 * 240)
    assert (one.preparation, one.fixed_drawing) == (2, 16)
    assert (past.host, past.cpus, past.device, past.lost) == ("host", 2, "cpu", 0.5)
    assert past.is_fetched
    assert past.is_sent


def test_results_that_were_there_before_are_no_work() -> None:
    reused = dict.fromkeys(STAGES, StageTime(seconds=0, reused=True))
    (one,) = summarize_run(example_run(example_movie(stages=reused))).movies
    assert (one.estimated, one.is_drawn, one.published) == (0, False, 0)


def test_every_stage_of_a_movie_and_before_it_is_accounted_for() -> None:
    """A stage that is added or renamed must find its part."""
    names = {name for file in ("movie", "fetch", "model", "request", "scratch_space") for name in
             _stage_names(ROOT / "tasks" / "run" / f"{file}.py")}  # fmt: skip
    names |= {name for file in ("reuse", "kept_archives", "lock_stage") for name in
              _stage_names(ROOT / "tasks" / "output" / f"{file}.py")}  # fmt: skip
    names |= {"Publish movie", "Withdraw old record"}
    known = {*MOVIE_PARTS, ESTIMATE_STAGE, WAIT_STAGE, *START_STAGES} - {START_STAGE}
    assert names == known


def _stage_names(path: Path) -> list[str]:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "stage"
        and isinstance(call.args[0], ast.Constant)
    ]
