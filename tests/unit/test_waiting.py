"""Waiting ends with what is found, or after a silence; not after a time."""

import subprocess
import sys
from itertools import count

import pytest

from tests.support import waiting
from tests.support.waiting import wait_for, wait_for_exit


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for progress twice a second."""
    monkeypatch.setattr(waiting, "_LOOK_INTERVAL_S", 0.5)


def test_what_is_found_is_returned() -> None:
    numbers = count()
    assert wait_for(lambda: next(numbers) > 2 and "found") == "found"


def test_after_a_silence_the_test_fails_with_what_was_seen_last() -> None:
    with pytest.raises(pytest.fail.Exception, match="last seen: stuck"):
        wait_for(lambda: False, lambda: "stuck", silence=0.6)


def test_what_is_seen_to_change_is_waited_for() -> None:
    numbers = count()
    assert wait_for(lambda: next(numbers) >= 40, lambda: next(numbers), silence=0.6) is True


def test_a_process_that_is_at_work_is_waited_for() -> None:
    busy = "import time; end = time.process_time() + 1\nwhile time.process_time() < end: pass"
    process = subprocess.Popen([sys.executable, "-c", busy])
    assert wait_for_exit(process) == 0


def test_a_process_that_sleeps_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with pytest.raises(pytest.fail.Exception, match="nothing has happened"):
            wait_for(lambda: process.poll() is not None, silence=3.0)
        process.communicate(b"\n")
