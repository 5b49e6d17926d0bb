"""The process that holds the model, started before anything else knows that it is needed.

Nothing here loads Prefect: whoever has seconds to wait for that lets both be loaded side by side.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.processes.environment import OFFLINE, SMALL_HEAP, thread_limits, usable_cpus
from tasks.processes.stage_process import StageProcess
from tasks.run.scratch_folder import scratch_folder

NETWORK_MODULES = (
    "tasks.pose.estimate",
    "tasks.pose.network.pytorch.network",
    "deeplabcut.pose_estimation_pytorch.apis.utils",
)
"""What the estimator loads before its first call; it takes seconds."""


@contextmanager
def estimator_ahead() -> Iterator[None]:
    """Load DeepLabCut from now on, for the run that is made in the block.

    It takes seconds, as Prefect and its server do.
    """
    with scratch_folder() as folder:
        estimator = _estimator(folder)
        try:
            estimator.start()
            _ahead.append(estimator)
            yield
        finally:
            _ahead.clear()
            estimator.close()


_ahead: list[StageProcess] = []


def estimator_for(scratch: Path) -> StageProcess:
    """The estimator of a run: the one that was started ahead, or one that is yet to start.

    Args:
        scratch: The run's scratch folder.

    Returns:
        A process that the run ends.
    """
    return _ahead.pop() if _ahead else _estimator(scratch)


def _estimator(scratch: Path) -> StageProcess:
    return StageProcess(
        "estimation",
        scratch / "estimation.log",
        environment(scratch, threads=usable_cpus()),
        NETWORK_MODULES,
    )


def environment(scratch: Path, *, threads: int) -> dict[str, str]:
    """The environment of a run's child process.

    Args:
        scratch: Where all that libraries leave behind goes: font caches, compiled code.
        threads: How many a numerical library may use.

    Returns:
        Variables that are set beside those of this process.
    """
    folders = {"TMPDIR": str(scratch), "MPLCONFIGDIR": str(scratch)}
    return SMALL_HEAP | OFFLINE | folders | thread_limits(threads)
