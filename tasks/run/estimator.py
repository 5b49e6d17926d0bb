"""The process that holds the model, started before anything else knows that it is needed.

Nothing here loads Prefect, so that Prefect and the network are loaded at the same time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.pose.child_libraries import load_for_estimation
from tasks.processes.environment import (
    OFFLINE_ENVIRONMENT,
    SMALL_HEAP_ENVIRONMENT,
    count_usable_cpus,
    thread_limits,
)
from tasks.processes.stage_process import StageProcess
from tasks.run.scratch_folder import create_scratch_folder


@contextmanager
def preload_estimator() -> Iterator[None]:
    """Load DeepLabCut from now on, for the run that is made in the block.

    It takes seconds, as Prefect and its server do.
    """
    with create_scratch_folder() as folder:
        estimator = _create_estimator(folder)
        try:
            estimator.start()
            _preloaded.append(estimator)
            yield
        finally:
            _preloaded.clear()
            estimator.close()


_preloaded: list[StageProcess] = []


def take_estimator(scratch: Path) -> StageProcess:
    """The estimator of a run: the one that was started ahead, or one that is yet to start.

    Args:
        scratch: The run's scratch folder.

    Returns:
        A process that the run ends.
    """
    return _preloaded.pop() if _preloaded else _create_estimator(scratch)


def _create_estimator(scratch: Path) -> StageProcess:
    return StageProcess(
        "estimation",
        scratch / "estimation.log",
        child_environment(scratch, threads=count_usable_cpus()),
        load_for_estimation,
    )


def child_environment(scratch: Path, *, threads: int) -> dict[str, str]:
    """The environment of a run's child process.

    Args:
        scratch: Where all that libraries leave behind goes: font caches, compiled code.
        threads: How many a numerical library may use.

    Returns:
        Variables that are set beside those of this process.
    """
    folders = {"TMPDIR": str(scratch), "MPLCONFIGDIR": str(scratch)}
    return library_environment(threads) | folders


def library_environment(threads: int) -> dict[str, str]:
    """The part of a child's environment that libraries read when they are loaded.

    Args:
        threads: How many a numerical library may use.
    """
    return SMALL_HEAP_ENVIRONMENT | OFFLINE_ENVIRONMENT | thread_limits(threads)
