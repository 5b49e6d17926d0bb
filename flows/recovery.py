"""Start runs again whose process, worker or machine was lost."""

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import NonNegativeInt

from tasks.recovery.restart import (
    delete_late_recoveries,
    is_recovery_running,
    recover_runs,
    summarize_actions,
)
from tasks.stages.stage import end_with_message

MAX_RESTARTS = 3
"""A run that has crashed more often than that has a reason that another start does not mend."""


@flow(name="recovery", flow_run_name="crashed runs", persist_result=False)
@end_with_message
def recovery(restarts: NonNegativeInt = MAX_RESTARTS) -> tuple[int, str]:
    """Start crashed runs of pose-estimation, behavior and neural again.

    Args:
        restarts: How many times a run is started again, at most; 0 for never.

    Returns:
        How many runs were dealt with, and what was done.
    """
    delete_late_recoveries()
    if is_recovery_running():
        return 0, "Another look is under way, and will find the same."
    done = recover_runs(restarts)
    for sentence in done:
        get_run_logger().info(sentence)
    return len(done), summarize_actions(done)
