"""Waits for room on a disk that is full: others' data goes again, and a run need not fail of it."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeVar

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.states import Running

from tasks.errors import FullDisk
from tasks.full_disk import FEW_FREE_BYTES, NO_FREE_BYTES, count_free_bytes, describe_any_full_disk
from tasks.messages import strip_full_stop
from tasks.stages.progress import check_running
from tasks.stages.run_states import WAITING_STATE

LONGEST_WAIT = 900.0
"""Seconds that a run waits for room before it fails."""

POLL_INTERVAL = 5.0
"""Seconds between two looks at the disk."""

T = TypeVar("T")


def run_with_room(function: Callable[[], T]) -> T:
    """Call a function, and again after each time that a disk was full and has room again.

    In a run that a worker has started: on a command line somebody sees at once that it fails.

    Args:
        function: What may be called again.

    Returns:
        What it returns.

    Raises:
        FullDisk: The disk was full for too long.
    """
    until = None
    while True:
        try:
            return function()
        except OSError as error:
            full = describe_any_full_disk(error, Path(gettempdir()))
            if full is None or not is_unattended():
                raise
        except FullDisk as error:
            full = error
            if full.is_waited_for or not is_unattended():
                raise
        until = until or time.monotonic() + LONGEST_WAIT
        if not _wait_for_room(full, until):
            full.is_waited_for = True
            raise full
        show_task_state("Running", "there is room on the disk again")


def is_unattended() -> bool:
    """Return whether a worker has started this run: nobody waits for its command's end."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def _wait_for_room(full: FullDisk, until: float) -> bool:
    """Wait until a disk has more room than it had, or enough; return whether it has."""
    folder = full.folder or Path(gettempdir())
    before = count_free_bytes(folder)
    minutes = f"{LONGEST_WAIT / 60:.0f} minutes"
    text = f"{strip_full_stop(str(full))}; waiting for room, {minutes} at the most"
    with suppress(MissingContextError):
        get_run_logger().warning("%s", text)
    show_task_state(WAITING_STATE, text)
    while time.monotonic() < until:
        time.sleep(POLL_INTERVAL)
        check_running("waiting for room on the disk")
        free = count_free_bytes(folder)
        if free >= FEW_FREE_BYTES or free > before + NO_FREE_BYTES:
            return True
    return False


def show_task_state(name: str, text: str) -> bool:
    """Show beside a stage in the UI what it does; Prefect may not know the stage yet.

    Args:
        name: The state's name.
        text: Its message.

    Returns:
        Whether it is shown, or there is no stage to show it at.
    """
    context = TaskRunContext.get()
    if context is None:
        return True
    with suppress(Exception), get_client(sync_client=True) as client:
        shown: Any = Running(name=name, message=text)
        client.set_task_run_state(context.task_run.id, shown, force=True)
        return True
    return False
