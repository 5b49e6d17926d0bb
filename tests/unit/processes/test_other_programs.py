"""What other programs take of the processors, from what Linux counts."""

import os
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.processes import other_programs
from tasks.processes.other_programs import OtherPrograms, measure_lost_share


@pytest.fixture
def statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a machine with four processors, two of which this process may use."""
    monkeypatch.setattr(other_programs, "_STATISTICS", tmp_path / "stat")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(os, "sysconf", lambda _name: 100)
    return tmp_path / "stat"


def write(path: Path, busy: int, idle: int) -> None:
    of_others = "cpu2 9999 0 0 9999 0 0 0 0 0 0\n"
    path.write_text(
        "cpu  1 2 3 4 5 6 7 8 9 10\n"
        f"cpu0 {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu1 0 0 {busy} {idle} 0 0 0 0 0 0\n{of_others}"
        "intr 1 2 3\n"
    )


@pytest.mark.parametrize(
    ("own", "busy", "idle", "share"),
    [
        (20.0, 1000, 0, 0.0),  # all that was done was ours
        (5.0, 1000, 0, 0.75),
        (5.0, 900, 100, 0.65),
        (5.0, 800, 200, 0.0),  # there was more to have
        (25.0, 1000, 0, 0.0),  # clocks are read one after the other
    ],
)
def test_what_this_process_did_not_have_was_others_unless_it_was_free(
    statistics: Path,
    own: float,
    busy: int,
    idle: int,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [3.0]
    monkeypatch.setattr("tasks.processes.other_programs.time.process_time", lambda: now[0])
    write(statistics, 70, 50)
    others = OtherPrograms()
    now[0] += own
    write(statistics, 70 + busy, 50 + idle)
    assert others.share == pytest.approx(share)


def test_a_system_that_does_not_count_is_no_fault(statistics: Path) -> None:
    others = OtherPrograms()
    assert others.share is None
    statistics.write_text("cpu0 what ever\n")
    assert OtherPrograms().share is None


def test_a_moment_without_a_tick_tells_nothing(statistics: Path) -> None:
    write(statistics, 5, 5)
    assert OtherPrograms().share is None


@pytest.mark.parametrize(("had", "lost"), [(1.0, 0.0), (0.25, 0.75)])
def test_what_threads_do_not_get_is_lost(
    had: float, lost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count()  # each look at a clock takes a tick
    clock = SimpleNamespace(
        monotonic=lambda: 0.01 * next(ticks), thread_time=lambda: had * 0.01 * next(ticks)
    )
    monkeypatch.setattr(other_programs, "time", clock)
    assert measure_lost_share(2, seconds=1) == pytest.approx(lost, abs=0.1)
