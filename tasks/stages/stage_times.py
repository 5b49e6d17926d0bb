"""Times that each stage of a run takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

StageSeconds = dict[str, float | None]
"""Seconds by stage name; None where its result is that of an earlier run."""

stage_seconds: ContextVar[StageSeconds | None] = ContextVar("stage_seconds", default=None)


@contextmanager
def time_stages() -> Iterator[StageSeconds]:
    """Collect how many seconds each stage takes that this thread calls in the block.

    Yields:
        Seconds by stage name.
    """
    seconds: StageSeconds = {}
    token = stage_seconds.set(seconds)
    try:
        yield seconds
    finally:
        stage_seconds.reset(token)
