"""What a cancelled run's last state says: when it was cancelled, by whom, when its work had ended.

Prefect's open server has one shared login and no users. What it knows is the run's own history.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

ENDS_BY = 30.0
"""Seconds that Prefect gives a cancelled run before it kills it."""

_SAYS_NOTHING = ("Flow run was cancelled", "Flow run cancelled by worker")
"""How Prefect's own messages begin; those of others are left as they are."""


def tell_who_cancelled(client: SyncPrefectClient, run: UUID) -> str | None:
    """Let a cancelled run's state say who cancelled it and when.

    Args:
        client: The server.
        run: The run; whatever else became of it is left alone.

    Returns:
        What it now says; None where there was nothing to do.
    """
    try:
        states = history(client, run)
    except ObjectNotFound:
        return None
    if not states or not states[-1].is_cancelled() or not says_nothing(states[-1]):
        return None
    state: State[Any] = Cancelled(message=in_words(states))
    client.set_flow_run_state(run, state, force=True)
    return state.message


def history(client: SyncPrefectClient, run: UUID) -> list[State[Any]]:
    """A run's states, first to last."""
    return sorted(client.read_flow_run_states(run), key=lambda state: state.timestamp)


def in_words(states: Sequence[State[Any]]) -> str:
    """Who cancelled a run, when, and how soon its work had ended.

    Args:
        states: The run's history, first to last; the last one says that it is cancelled.
    """
    cancelled = states[-1]
    asked = _asked(states) or cancelled
    seconds = (cancelled.timestamp - asked.timestamp).total_seconds()
    return f"{who_and_when(asked)}; {_end(states, seconds)}."


def who_and_when(asked: State[Any]) -> str:
    """The same of a state in which somebody asked for the end of a run."""
    when = f"Cancelled at {asked.timestamp:%Y-%m-%d %H:%M:%S} UTC"
    if says_nothing(asked):
        return (
            f"{when} in the Prefect UI, on a command line or through the API, which know no users"
        )
    return f"{when} – {(asked.message or '').rstrip('.')}"


def says_nothing(state: State[Any]) -> bool:
    """Whether a state has no message, or one of Prefect's own that says neither who nor when."""
    return not state.message or state.message.startswith(_SAYS_NOTHING)


def _asked(states: Sequence[State[Any]]) -> State[Any] | None:
    """The state in which somebody first asked for the cancellation that came about."""
    found = None
    for state in reversed(states[:-1]):
        if state.is_cancelling():
            found = state
        elif not state.is_cancelled():
            return found
    return found


def _end(states: Sequence[State[Any]], seconds: float) -> str:
    if not any(state.is_running() for state in states):
        return "its work had not begun"
    if seconds < ENDS_BY:
        return f"its work had ended {seconds:.0f} s later"
    return f"it was killed after {seconds:.0f} s, and the next run removes what is left of it"
