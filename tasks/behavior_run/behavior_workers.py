"""The child processes of a behavior run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.behavior.load_libraries import load_for_behavior
from tasks.processes.environment import count_usable_cpus
from tasks.processes.pool import RunProcesses
from tasks.processes.stage_process import StageProcess
from tasks.run.estimator import child_environment
from tasks.run.workers import hold_processes

MAX_TABLES_AT_ONCE = 4


@contextmanager
def start_behavior_processes(scratch: Path) -> Iterator[RunProcesses]:
    """Start a run's child processes, and end them whatever happens.

    Args:
        scratch: Where their output goes.

    Yields:
        The processes; there is no network, so that the estimator never starts.
    """
    environment = child_environment(scratch, threads=1)
    children = [
        StageProcess("behavior", scratch / f"behavior-{index}.log", environment, load_for_behavior)
        for index in range(max(1, min(MAX_TABLES_AT_ONCE, count_usable_cpus() // 2)))
    ]
    unused = StageProcess("estimation", scratch / "estimation.log", environment)
    with hold_processes(unused, children) as workers:
        workers.finishers.start()
        yield workers
