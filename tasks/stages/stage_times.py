"""Times that each stage of a run takes."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tasks.pose.speed.stage_parts import START_STAGE
from tasks.processes.pool import lease_waits
from tasks.processes.process_table import read_process_age

StageSeconds = dict[str, float | None]
"""Seconds by stage name; None where its result is that of an earlier run."""

stage_seconds: ContextVar[StageSeconds | None] = ContextVar("stage_seconds", default=None)


@contextmanager
def time_run() -> Iterator[StageSeconds]:
    """Collect how many seconds each stage takes that a flow calls in the block, and its start.

    Yields:
        Seconds by stage name. Where this process was started for this run, they include what
        passed from then until now: Python, libraries, and a server.
    """
    with time_stages() as seconds:
        if (age := _measure_start()) is not None:
            seconds[START_STAGE] = age
        yield seconds


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


@contextmanager
def time_stage(name: str) -> Iterator[None]:
    """Note how many seconds a stage takes, without those in which it waits for a child process."""
    started, waits = time.monotonic(), list[float]()
    token = lease_waits.set(waits)
    try:
        yield
    finally:
        lease_waits.reset(token)
        if (seconds := stage_seconds.get()) is not None:
            seconds[name] = time.monotonic() - started - sum(waits)


_COMMAND_LINE = "flows.__main__"
ENGINE_RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
"""Environment variable by which Prefect names the run that it starts a process for."""

_measured: list[float] = []
"""The start of this process, once a run has counted it."""


def is_process_of_run() -> bool:
    """Return whether this process was started for a run, and not for something else."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    return ENGINE_RUN_VARIABLE in os.environ or (main is not None and main.name == _COMMAND_LINE)


def _measure_start() -> float | None:
    """Seconds from this process' start until now; None if it was started for something else."""
    if not is_process_of_run() or _measured:
        return None
    age = read_process_age(os.getpid())
    if age is not None:
        _measured.append(age)
    return age
