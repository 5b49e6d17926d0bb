"""Wait as long as there is progress: a busy machine makes a test slower, not wrong.

Progress is what a test can see (a log, a state), and that a process which this one has started is
at work or would be, were a processor free.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

LONGEST_SILENCE_S = 120.0
"""Seconds without progress after which what is waited for never comes."""

_LEAST_WORK = 0.2
"""Processors' worth of work that counts; a server that nobody asks anything does a tenth of it."""

_LOOK_INTERVAL_S = 5.0
_POLL_INTERVAL_S = 0.05


def wait_for(
    look: Callable[[], T],
    describe: Callable[[], object] = lambda: "nothing to read",
    *,
    silence: float = LONGEST_SILENCE_S,
) -> T:
    """Look until something is found.

    Args:
        look: Returns what is waited for, or anything false.
        describe: Returns what can be seen meanwhile; whenever that changes, there is progress.
        silence: Seconds without progress after which the test fails.

    Returns:
        What is found.
    """
    watch = _ProgressWatch(describe, silence)
    while not (found := look()):
        watch.check()
        time.sleep(_POLL_INTERVAL_S)
    return found


def wait_for_exit(
    process: "subprocess.Popen[bytes] | subprocess.Popen[str]",
    describe: Callable[[], object] = lambda: "nothing to read",
) -> int:
    """Wait until a process has ended; returns its exit status."""
    wait_for(lambda: process.poll() is not None, describe)
    return process.wait()


class _ProgressWatch:
    def __init__(self, describe: Callable[[], object], silence: float) -> None:
        self._describe, self._silence = describe, silence
        self._looked = self._progressed = time.monotonic()
        self._seen: object = None
        self._work = _measure_work()

    def check(self) -> None:
        """Fail the test if there was no progress for too long."""
        now = time.monotonic()
        if now - self._looked < _LOOK_INTERVAL_S:
            return
        seen, work = self._describe(), _measure_work()
        done, ended = work - self._work, work < self._work
        if ended or seen != self._seen or done > _LEAST_WORK * (now - self._looked):
            self._progressed = now
        self._looked, self._seen, self._work = now, seen, work
        if now - self._progressed > self._silence:
            pytest.fail(f"for {self._silence:.0f} s nothing has happened; last seen: {seen}")


def _measure_work() -> float:
    """Seconds that the processes below this one have had a processor or have waited for one."""
    return sum(map(_read_work, _iterate_descendants("self")))


def _iterate_descendants(pid: str) -> Iterator[str]:
    for threads in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in threads.read_text(encoding="ascii").split():
                yield child
                yield from _iterate_descendants(child)


def _read_work(pid: str) -> float:
    total = 0
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            had, waited, _ = (thread / "schedstat").read_text(encoding="ascii").split()
            total += int(had) + int(waited)
    return total / 1e9
