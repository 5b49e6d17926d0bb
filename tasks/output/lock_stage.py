"""The stage that waits for the lock on the output location and shows what it waits for."""

from dataclasses import replace
from time import monotonic

from prefect.logging import get_run_logger

from tasks.output.lock import OutputLock
from tasks.processes.pool import RunProcesses
from tasks.run_data import ResolvedRequest
from tasks.stages.disk_room import show_task_state
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.run_states import WAITING_STATE
from tasks.stages.stage import stage
from tasks.storage.claims import Holder
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NotSupported


@stage("Lock output", "lock output", retries=STORE_RETRIES)
def lock_output(
    request: ResolvedRequest, writer: OutputLock, workers: RunProcesses
) -> tuple[ResolvedRequest, str]:
    """Wait until no other run writes to the output location, and keep others from it.

    Returns:
        The request, with a warning where the store cannot lock.
    """
    warnings, told = acquire_output_lock(request.store, request.output, writer, workers)
    return replace(request, warnings=(*request.warnings, *warnings)), told


def acquire_output_lock(
    store: ObjectStore, output: Location, writer: OutputLock, workers: RunProcesses
) -> tuple[tuple[str, ...], str]:
    """Wait for the lock on an output location, inside a stage that shows what it waits for.

    Returns:
        Warnings, where the store cannot lock, and what the stage says of it.
    """
    wait = _WaitReport(output, workers)
    try:
        writer.acquire(store, output, wait.report_holder, workers.end)
    except NotSupported as error:
        warning = (
            f"two runs at once could write to {output}, since it cannot be locked; start only one "
            f"run at a time there. {error}"
        )
        get_run_logger().warning("%s", warning)
        return (warning,), warning
    return (), wait.short_summary


class _WaitReport:
    """Report of a wait for other runs."""

    def __init__(self, output: Location, workers: RunProcesses) -> None:
        self._output, self._workers = output, workers
        self._started, self._shown = monotonic(), False
        self._holders: dict[str, Holder] = {}

    def report_holder(self, holder: Holder) -> None:
        """Tell whom it waits for, in the log and beside the stage, once for each holder.

        What was started ahead is ended: a run that waits for hours needs no memory for it.
        """
        text = f"Waits for {holder}, which writes to {self._output}"
        if holder.token not in self._holders:
            self._holders[holder.token] = holder
            self._shown = False
            get_run_logger().info("%s", text)
            self._workers.estimator.close()
        self._shown = self._shown or show_task_state(WAITING_STATE, text)

    @property
    def short_summary(self) -> str:
        """Summarize how long the run waited, and for which runs."""
        if not self._holders:
            return f"no other run writes to {self._output}"
        others = "; ".join(str(holder) for holder in self._holders.values())
        return f"waited {monotonic() - self._started:.0f} s for {others}"
