"""Start runs again whose process, worker or machine was lost."""

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import NonNegativeInt

from tasks.recovery.restart import drop_late_looks, in_short, is_looked_after, recover_all
from tasks.stages.stage import ends_clearly

RESTARTS = 3
"""A run that has crashed more often than that has a reason that another start does not mend."""


@flow(name="recovery", flow_run_name="crashed runs", persist_result=False)
@ends_clearly
def recovery(restarts: NonNegativeInt = RESTARTS) -> tuple[int, str]:
    """Start crashed runs of pose-estimation again.

    Args:
        restarts: How many times a run is started again, at most; 0 for never.

    Returns:
        How many runs were dealt with, and what was done.
    """
    drop_late_looks()
    if is_looked_after():
        return 0, "Another look is under way, and sees what this one would."
    done = recover_all(restarts)
    for sentence in done:
        get_run_logger().info(sentence)
    return len(done), in_short(done)
