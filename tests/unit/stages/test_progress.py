"""Progress: what listeners and the log are told."""

import logging
import threading
from collections.abc import Iterator

import pytest

from tasks.errors import StageFailed
from tasks.messages import format_duration
from tasks.processes.bottleneck import EstimationProgress, queued_progress
from tasks.stages import progress
from tasks.stages.progress import Progress, ProgressUpdate, cancel_work_at_exit


@pytest.fixture
def told() -> Iterator[list[ProgressUpdate]]:
    updates: list[ProgressUpdate] = []
    progress.progress_listeners.append(updates.append)
    yield updates
    progress.progress_listeners.remove(updates.append)


class Log:
    """What a piece of work writes into the run's log, by a clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        monkeypatch.setattr("tasks.stages.progress.time.monotonic", lambda: self.now)
        monkeypatch.setattr(progress, "_get_log_function", lambda: self.lines.append)

    def of(
        self,
        *steps: tuple[float, int | EstimationProgress],
        total: int | None,
        unit: str = "frames",
    ) -> list[str]:
        work = Progress("estimate · m1", total, unit)
        for self.now, done in steps:
            work(done)
        return self.lines


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log(monkeypatch)


def test_listeners_are_told_of_every_step_and_of_the_end(told: list[ProgressUpdate]) -> None:
    with Progress("fetch · m1", 30, "bytes") as work:
        work(10)
        work.add(5)
        work.add(-5)
    assert told == [
        ProgressUpdate("fetch · m1", 10, 30, "bytes"),
        ProgressUpdate("fetch · m1", 15, 30, "bytes"),
        ProgressUpdate("fetch · m1", 10, 30, "bytes"),
        ProgressUpdate("fetch · m1", 10, 30, "bytes", finished=True),
    ]


def test_the_end_is_told_even_when_the_work_fails(told: list[ProgressUpdate]) -> None:
    with pytest.raises(ValueError, match="broken"), Progress("fetch", None):
        raise ValueError("broken")
    assert [update.finished for update in told] == [True]


def test_without_a_run_there_is_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Progress("fetch", 10)(10)
    assert caplog.records == []


def test_the_log_gets_a_line_after_a_few_seconds_and_then_now_and_then(log: Log) -> None:
    lines = log.of(*((second, second * 10) for second in range(70)), total=1000)
    assert lines == [
        "estimate · m1: 5 %, 50 frames, 10 frames/s, 1 min 35 s left",
        "estimate · m1: 35 %, 350 frames, 10 frames/s, 1 min 5 s left",
        "estimate · m1: 65 %, 650 frames, 10 frames/s, 35 s left",
    ]


@pytest.mark.parametrize(
    ("done", "total", "unit", "line"),
    [
        (0, 100, "frames", "0 %, 0 frames, 0 frames/s"),
        (5, None, "frames", "5 frames, 0.5 frames/s"),
        (5, 0, "frames", "5 frames, 0.5 frames/s"),
        (120, 100, "frames", "120 %, 120 frames, 12 frames/s"),
        (12_345_678, 24_691_356, "bytes", "50 %, 12.3 MB, 1.2 MB/s, 10 s left"),
        (
            1_000_000,
            36_000_000,
            "frames",
            "3 %, 1,000,000 frames, 100,000 frames/s, 5 min 50 s left",
        ),
    ],
)
def test_a_line_says_how_far_how_fast_and_how_long(
    log: Log, done: int, total: int | None, unit: str, line: str
) -> None:
    assert log.of((10, done), total=total, unit=unit) == [f"estimate · m1: {line}"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (60, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (90_061, "25 h 1 min"),
    ],
)
def test_durations_are_told_as_people_say_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_work_that_outlives_its_run_is_ended() -> None:
    with cancel_work_at_exit(threading.Event()):
        work = Progress("fetch · m1", 100, "bytes")
        work.add(10)
    with pytest.raises(StageFailed, match="fetch · m1: it ended with its run"):
        work.add(10)
    Progress("fetch · m1", 100, "bytes").add(10)


def test_several_threads_add_to_one_sum() -> None:
    work = Progress("publish · m1", None, "bytes")

    def add() -> None:
        for _ in range(2_000):
            work.add(1)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert work._done == 16_000


def test_work_of_which_a_part_has_failed_is_ended() -> None:
    work = Progress("publish · m1", 100, "bytes")
    work.add(10)
    work.stop()
    with pytest.raises(StageFailed, match="publish · m1: it ended"):
        work.add(10)


def test_it_is_told_that_poses_are_put_together() -> None:
    progress = Progress("estimate · m1", 100)
    progress(EstimationProgress(100, "", combines=True))
    assert progress._format_status(10.0).endswith("10 frames/s, 0 s left, poses are put together")


def test_the_rate_counts_frames_of_this_try_alone(log: Log) -> None:
    """Nor does the time in which those of an earlier one were passed over."""
    log.of(
        *((second, EstimationProgress(800, "decoding", known=800)) for second in range(4)),
        *((second, EstimationProgress(770 + 10 * second, "x", known=800)) for second in (4, 5)),
        total=1000,
    )
    assert log.lines == [
        "estimate · m1: 82 %, 820 frames, 10 frames/s, 18 s left, bound by x",
    ]


@pytest.mark.parametrize(("on_gpu", "device"), [(True, "a GPU"), (False, "the processors")])
def test_a_wait_names_what_it_is_for(log: Log, on_gpu: bool, device: str) -> None:
    """Time that is spent waiting does not lower the rate."""
    queued = queued_progress(on_gpu=on_gpu)
    log.of((5, queued), (3600, queued), (3640, EstimationProgress(100, "x")), total=1000)
    waiting = f"0 %, 0 frames, 0 frames/s, waits for {device} that another run uses"
    done = "10 %, 100 frames, 2.5 frames/s, 6 min 0 s left, bound by x"
    assert log.lines == [f"estimate · m1: {text}" for text in (waiting, waiting, done)]
