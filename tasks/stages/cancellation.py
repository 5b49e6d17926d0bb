"""Explanations of cancellations: when, by whom, and when the work had ended.

Prefect's open server has one shared login and no users. What it knows is the run's own history.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from tasks.stages.best_effort import run_with_timeout

END_LABEL = "dlcflow.ended"
"""A run's label for when it had cleaned up after a cancellation, by its machine's clock."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much two machines' clocks may differ; what was noted earlier is of an earlier end."""

_PREFECT_MESSAGES = (
    "Flow run was cancelled",
    "Flow run cancelled by worker",
    "Flow run cancellation timed out",
)
"""Prefixes of Prefect's own messages; those of others are left as they are."""


def record_who_cancelled(client: SyncPrefectClient, run: UUID) -> str | None:
    """Let a cancelled run's state say who cancelled it and when.

    Args:
        client: The server.
        run: The run; whatever else became of it is left alone.

    Returns:
        What it now says; None where there was nothing to do.
    """
    try:
        states, found = read_state_history(client, run), client.read_flow_run(run)
    except ObjectNotFound:
        return None
    if not states or not states[-1].is_cancelled() or not has_no_explanation(states[-1]):
        return None
    state: State[Any] = Cancelled(message=describe_cancellation(states, _read_recorded_end(found)))
    client.set_flow_run_state(run, state, force=True)
    return state.message


def record_end() -> None:
    """Note for a cancelled run that its work has ended, all of it; it must not fail by that."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        run = context.flow_run.id
        run_with_timeout(lambda: _record_run_end(run, datetime.now(UTC)))


def _record_run_end(run: UUID, ended: datetime) -> None:
    with suppress(Exception), get_client(sync_client=True) as client:
        if is_cancelled(client, run):
            client.update_flow_run_labels(run, {END_LABEL: ended.isoformat()})


def is_cancelled(client: SyncPrefectClient, run: UUID) -> bool:
    """Return whether a run is cancelled or being cancelled."""
    state = client.read_flow_run(run).state
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def _read_recorded_end(run: FlowRun) -> datetime | None:
    with suppress(KeyError, ValueError):
        return datetime.fromisoformat(str(run.labels[END_LABEL]))
    return None


def read_state_history(client: SyncPrefectClient, run: UUID) -> list[State[Any]]:
    """A run's states, first to last."""
    return sorted(client.read_flow_run_states(run), key=lambda state: state.timestamp)


def describe_cancellation(states: Sequence[State[Any]], ended: datetime | None) -> str:
    """Describe who cancelled a run, when, and how soon its work had ended.

    Args:
        states: The run's history, first to last; the last one says that it is cancelled.
        ended: When it noted that its work had ended.
    """
    asked = _first_cancel_request(states) or states[-1]
    if not any(state.is_running() for state in states):
        end = "its work had not started"
    elif ended is None or ended < asked.timestamp - CLOCK_TOLERANCE:
        end = "it was killed, or could not report its end; the next run removes what is left"
    else:
        seconds = max(0.0, (ended - asked.timestamp).total_seconds())
        end = f"its work had ended {seconds:.0f} s later"
    return f"{describe_cancel_request(asked)}; {end}."


def describe_cancel_request(asked: State[Any]) -> str:
    """The same of a state in which somebody asked for the end of a run."""
    when = f"Cancelled at {asked.timestamp:%Y-%m-%d %H:%M:%S} UTC"
    if has_no_explanation(asked):
        return (
            f"{when} in the Prefect UI, on a command line or through the API, which know no users"
        )
    return f"{when} – {(asked.message or '').rstrip('.')}"


def has_no_explanation(state: State[Any]) -> bool:
    """Return whether a state's message is missing or says neither who nor when."""
    return not state.message or state.message.startswith(_PREFECT_MESSAGES)


def _first_cancel_request(states: Sequence[State[Any]]) -> State[Any] | None:
    """The state in which somebody first asked for the cancellation that came about."""
    found = None
    for state in reversed(states[:-1]):
        if state.is_cancelling():
            found = state
        elif not state.is_cancelled():
            return found
    return found
