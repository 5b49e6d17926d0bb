"""How long each stage of a run takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Seconds = dict[str, float | None]
"""Seconds by stage name; None where its result is that of an earlier run."""

stage_seconds: ContextVar[Seconds | None] = ContextVar("stage_seconds", default=None)


@contextmanager
def timed_stages() -> Iterator[Seconds]:
    """Collect how many seconds each stage takes that this thread calls in the block.

    Yields:
        Seconds by stage name.
    """
    seconds: Seconds = {}
    token = stage_seconds.set(seconds)
    try:
        yield seconds
    finally:
        stage_seconds.reset(token)
