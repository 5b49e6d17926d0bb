"""What a cancelled run says of who cancelled it, by its history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Crashed,
    Pending,
    Running,
    Scheduled,
)

from tasks.stages.cancellation import describe_cancellation, has_no_explanation

NOON = datetime(2026, 11, 26, 12, 3, 11, tzinfo=UTC)
PREFECT = "Flow run was cancelled successfully."
States = tuple[tuple[float, State[Any]], ...]

BEGUN: States = ((-60, Scheduled()), (-50, Pending()), (-40, Running()))


def told(*states: tuple[float, State[Any]], ended: float | None = None) -> str:
    """In words, of states and an end so many seconds after noon."""
    return describe_cancellation(
        [
            state.model_copy(update={"timestamp": NOON + timedelta(seconds=s)})
            for s, state in states
        ],
        None if ended is None else NOON + timedelta(seconds=ended),
    )


def test_it_says_when_and_that_the_server_knows_no_users() -> None:
    assert told(*BEGUN, (0, Cancelling()), (9, Cancelled(message=PREFECT)), ended=4.4) == (
        "Cancelled at 2026-11-26 12:03:11 UTC in the Prefect UI, on a command line or through the "
        "API, which know no users; its work had ended 4 s later."
    )


@pytest.mark.parametrize(
    "who", ["with its request, run 'm/ · openfield' (1)", "Cancelled by Automation 7."]
)
def test_it_says_who_where_that_is_known(who: str) -> None:
    said = told(*BEGUN, (0, Cancelling(message=who)), (9, Cancelled(message=PREFECT)), ended=4)
    assert said == (
        f"Cancelled at 2026-11-26 12:03:11 UTC – {who.rstrip('.')}; its work had ended 4 s later."
    )


@pytest.mark.parametrize("ended", [None, -600])
def test_a_run_that_does_not_say_that_it_ended_was_perhaps_killed(ended: float | None) -> None:
    said = told(*BEGUN, (0, Cancelling()), (31, Cancelled(message=PREFECT)), ended=ended)
    assert said.endswith(
        "; it was killed, or could not report its end; the next run removes what is left."
    )


def test_clocks_that_differ_a_little_do_no_harm() -> None:
    said = told(*BEGUN, (0, Cancelling()), (31, Cancelled(message=PREFECT)), ended=-20)
    assert said.endswith("; its work had ended 0 s later.")


def test_a_run_that_had_not_begun_says_so() -> None:
    waiting = told((-60, Scheduled()), (0, Cancelled()))
    assert waiting.startswith("Cancelled at 2026-11-26 12:03:11 UTC in the Prefect UI")
    assert waiting.endswith("; its work had not started.")
    pending: States = (
        (0, Cancelling()),
        (2, Cancelled(message="Flow run cancelled by worker while …")),
    )
    assert told((-60, Scheduled()), (-1, Pending()), *pending).endswith("had not started.")


def test_the_first_who_asked_counts() -> None:
    asked: States = ((0, Cancelling()), (3, Cancelling()), (5, Cancelled()), (6, Cancelled()))
    assert "12:03:11" in told(*BEGUN, *asked)
    assert "ended 4 s later" in told(*BEGUN, *asked, ended=4)


def test_an_earlier_cancellation_is_another_story() -> None:
    earlier: States = (
        (-30, Cancelling()),
        (-29, Cancelled()),
        (-20, AwaitingRetry()),
        (-19, Running()),
    )
    assert "12:03:11" in told(*BEGUN, *earlier, (0, Cancelling()), (1, Cancelled()))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Cancelled(), True),
        (Cancelled(message=PREFECT), True),
        (Cancelled(message="Flow run cancelled by worker while pending."), True),
        (Cancelled(message="Deployment concurrency limit reached."), False),
        (Cancelled(message="Cancelled at 2026-11-26 12:03:11 UTC – by me."), False),
        (Crashed(message="Process exited."), False),
    ],
)
def test_only_prefect_s_own_words_are_replaced(state: State[Any], expected: bool) -> None:
    assert has_no_explanation(state) is expected
