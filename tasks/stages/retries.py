"""The decision whether a failed stage is tried again, how often, and after which pause."""

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from tasks.errors import FullDisk, Retriable

STORE_RETRIES = 4
"""Tries after the first for a transfer; boto3 itself tries each of its requests several times."""

PROCESS_RETRIES = 1
"""Tries after the first for a stage whose process was lost."""

RETRY_PAUSES: dict[str, Any] = {
    "retry_delay_seconds": exponential_backoff(2.0),
    "retry_jitter_factor": 0.5,
}
"""Options of a stage: it pauses 2 s, then twice as long each time, with jitter."""


def is_retriable(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Prefect's retry condition: only what the error's type says may succeed later."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, FullDisk) and error.is_waited_for:
        return False
    return isinstance(error, Retriable)
