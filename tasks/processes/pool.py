"""A pool of child processes, and the child processes of a run."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from tasks.processes.stage_process import StageProcess

MOVIES_AT_ONCE = 3
"""Movies of a run under way: one is fetched and one is labeled while one is on the GPU."""

MAX_FINISHERS = 4
"""Processes beside the estimator: more movies than this are never finished at the same time."""


def count_finishers(cpus: int) -> int:
    """Count the processes that finish movies on a machine: one for every four processors."""
    return max(1, min(MAX_FINISHERS, cpus // 4))


lease_waits: ContextVar[list[float] | None] = ContextVar("lease_waits", default=None)
"""Gets the seconds of each wait for a child of a pool: they are no part of the work itself."""


class StagePool:
    """Several children that share a kind of work."""

    def __init__(self, processes: list[StageProcess]) -> None:
        self._all = processes
        self._idle: queue.LifoQueue[StageProcess] = queue.LifoQueue()
        for process in processes:
            self._idle.put(process)

    def start(self) -> None:
        """Start the children ahead of their first calls."""
        for process in self._all:
            process.start()

    @contextmanager
    def lease(self) -> Iterator[StageProcess]:
        """Hold one child while the block runs; wait where all are busy."""
        before = time.monotonic()
        process = self._idle.get()
        if (waits := lease_waits.get()) is not None:
            waits.append(time.monotonic() - before)
        try:
            yield process
        finally:
            self._idle.put(process)

    def end(self) -> None:
        """End all children for good."""
        for process in self._all:
            process.end()


@dataclass(frozen=True)
class RunProcesses:
    """The child processes of a run.

    Attributes:
        estimator: Holds the model; one movie at a time is on the GPU.
        finishers: Filter, preview and label beside it.
        gpu: Held while a movie is estimated.
        ended: Set once they are ended: no other work of the run goes on, either.
    """

    estimator: StageProcess
    finishers: StagePool
    gpu: threading.Lock
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        """End them for good, whatever they are doing, and the run's transfers."""
        self.ended.set()
        self.estimator.end()
        self.finishers.end()
