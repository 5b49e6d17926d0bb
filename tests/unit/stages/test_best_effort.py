"""Best-effort requests do not hold up a shutdown."""

import threading
from contextvars import ContextVar

from tasks.stages.best_effort import run_with_timeout

_seen: ContextVar[str] = ContextVar("seen", default="nothing")


def test_what_ends_in_time_is_waited_for() -> None:
    done: list[str] = []
    _seen.set("what its caller sees")
    assert run_with_timeout(lambda: done.append(_seen.get()), 60)
    assert done == ["what its caller sees"]


def test_what_does_not_is_left_alone() -> None:
    answer = threading.Event()
    assert not run_with_timeout(answer.wait, 0.05)
    answer.set()
