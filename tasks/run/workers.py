"""Start a run's child processes, and end them whatever happens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.pose.child_libraries import load_for_finishing
from tasks.processes.environment import count_usable_cpus
from tasks.processes.pool import RunProcesses, StagePool, count_finishers
from tasks.processes.stage_process import StageProcess
from tasks.run.estimator import child_environment, take_estimator
from tasks.stages.progress import cancel_work_at_exit


@contextmanager
def start_run_processes(scratch: Path) -> Iterator[RunProcesses]:
    """Start a run's child processes, and end them whatever happens.

    Args:
        scratch: Where their output goes.

    Yields:
        The processes; they start when that is asked of them, or at their first call.
    """
    estimator = take_estimator(scratch)
    finishers = [
        StageProcess(
            "finishing",
            scratch / f"finishing-{index}.log",
            child_environment(scratch, threads=1),
            load_for_finishing,
        )
        for index in range(count_finishers(count_usable_cpus()))
    ]
    with hold_processes(estimator, finishers) as workers:
        yield workers


@contextmanager
def hold_processes(
    estimator: StageProcess, finishers: list[StageProcess]
) -> Iterator[RunProcesses]:
    """Hold child processes of a run, and end them whatever happens.

    Args:
        estimator: The one that runs the network.
        finishers: Those that do everything else.
    """
    workers = RunProcesses(estimator, StagePool(finishers), threading.Lock())
    try:
        with cancel_work_at_exit(workers.ended):
            yield workers
    finally:
        workers.end()
