"""A command ends with a child that SIGTERM has ended; other runs try its work again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.errors import Retriable
from tasks.processes.ended_children import POLL_INTERVAL_S, end_with_children
from tasks.processes.stage_process import StageProcess
from tests.unit.processes import in_child


@contextmanager
def count_signals() -> Iterator[list[int]]:
    """Count SIGTERM in place of ending with it."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        yield seen
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[StageProcess]:
    process = StageProcess("finishing", tmp_path / "log", {})
    yield process
    process.close()


def lose_child(process: StageProcess, number: int) -> None:
    with pytest.raises(Retriable):
        process.call(in_child.end_by, number)


def test_one_that_sigterm_ends_ends_the_command_once(process: StageProcess) -> None:
    with count_signals() as seen, end_with_children(lambda: False):
        lose_child(process, signal.SIGTERM)
        assert process.call(in_child.add, 2, 3) == 5
        while not seen:
            time.sleep(0.02)
        time.sleep(3 * POLL_INTERVAL_S)
    assert seen == [signal.SIGTERM]


def test_sigterm_to_the_process_that_watches_one_ends_both(process: StageProcess) -> None:
    """The two have the same command, and the child may be idle."""
    with count_signals() as seen, end_with_children(lambda: False):
        child = process.call(in_child.pid)
        (watching,) = map(int, Path(f"/proc/{child}/task/{child}/children").read_text().split())
        os.kill(watching, signal.SIGTERM)
        while not seen or Path(f"/proc/{watching}").exists():
            time.sleep(0.02)
    assert seen == [signal.SIGTERM]


@pytest.mark.parametrize("case", ["killed", "ended by us", "the command ends"])
def test_others_do_not(process: StageProcess, case: str) -> None:
    with count_signals() as seen, end_with_children(lambda: case == "the command ends"):
        if case == "ended by us":
            process.start()
            process.close()
        else:
            lose_child(process, signal.SIGKILL if case == "killed" else signal.SIGTERM)
        time.sleep(3 * POLL_INTERVAL_S)
    assert seen == []
