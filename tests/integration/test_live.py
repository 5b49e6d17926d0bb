"""A movie's bar on a real Prefect server: it moves, says what goes on, and never fails the work."""

import time
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client

from tasks.processes.bottleneck import EstimationProgress, queued_progress
from tasks.stages import live_bars as live_bars_module
from tasks.stages.live_bars import show_live_bar, update_live_bars
from tasks.stages.progress import Progress


def bars(name: str) -> list[Any]:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts()
    return [one for one in found if one.type == "progress" and name in str(one.description)]


@pytest.fixture
def name(prefect_server: None) -> str:
    return f"m-{uuid4().hex[:8]}"


def run(work: Any) -> Any:
    @task
    def movie() -> None:
        work()

    @flow
    def a_flow() -> None:
        with update_live_bars():
            movie()

    return a_flow(return_state=True)


def test_a_bar_ends_with_how_the_movie_went(name: str) -> None:
    def work() -> None:
        with show_live_bar(name) as bar:
            bar.report_end("720 frames, pass")

    run(work)
    (bar,) = bars(name)
    assert bar.data == 100
    assert bar.description == f"**{name}** · 720 frames, pass"
    assert bar.task_run_id is not None


def test_a_bar_of_a_movie_that_failed_stays_where_it_was(name: str) -> None:
    def work() -> None:
        with show_live_bar(name):
            with Progress(f"estimate · {name}", 100) as progress:
                progress(EstimationProgress(50, "decoding"))
            raise ValueError("the disk is full")

    assert run(work).is_failed()
    (bar,) = bars(name)
    assert bar.data == 40
    assert bar.description == f"**{name}** · failed: the disk is full"


def test_a_movie_and_its_failure_bring_no_links_or_html_of_theirs(name: str) -> None:
    def work() -> None:
        with show_live_bar(f"{name}_[a](//b)"):
            raise ValueError("<img\nsrc=x>")

    run(work)
    (bar,) = bars(name)
    assert bar.description == rf"**{name}\_\[a\]\(//b\)** · failed: \<img src=x\>"


def test_a_bar_moves_while_the_movie_is_worked_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_bars_module, "UPDATE_INTERVAL", 0.02)

    def shown(text: str) -> bool:
        """Whether the bar says so within a while; it is sent by another thread."""
        for _ in range(200):
            if text in bars(name)[0].description:
                return True
            time.sleep(0.1)
        return False

    def work() -> None:
        with show_live_bar(name), Progress(f"estimate · {name}", 100) as progress:
            progress(queued_progress(on_gpu=True))
            assert shown("waits for a GPU that another run uses")
            progress(EstimationProgress(50, "decoding"))
            assert shown("bound by decoding")
            (bar,) = bars(name)
            assert bar.data == 40
            assert "50 %, 50 frames" in bar.description

    assert run(work).is_completed()


def test_without_a_run_there_is_no_bar_and_no_error() -> None:
    with update_live_bars(), show_live_bar("m") as bar:
        bar.report_step("estimate", 0.5, "half")
        assert bar.artifact is None
        assert bar.percent == 40


@pytest.mark.parametrize(
    ("step", "share", "percent"),
    [
        ("fetch", 1.0, 10),
        ("estimate", None, 10),
        ("estimate", 0.5, 40),
        ("label", 2.0, 95),
        ("publish", 0.0, 95),
        ("judge", 1.0, 0),
    ],
)
def test_each_step_has_its_part_of_the_bar(step: str, share: float | None, percent: int) -> None:
    bar = live_bars_module.MovieBar("m")
    bar.report_step(step, share, "")
    assert bar.percent == percent


def test_a_step_that_is_tried_again_never_moves_the_bar_back() -> None:
    bar = live_bars_module.MovieBar("m")
    bar.report_step("estimate", 1.0, "")
    bar.report_step("fetch", 0.0, "")
    assert bar.percent == 70
