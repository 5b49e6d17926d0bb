"""What the log of a failed run says: the cause, once."""

import logging
from typing import Any

import pytest
from prefect.states import Completed, Failed

from tasks.errors import BadInput
from tasks.stages.run_logs import CauseFilter
from tasks.stages.run_states import FAIL_STATE, LOOK_STATE, NamedEnd, end_by_verdicts


def log(message: str, error: Exception | None = None) -> logging.LogRecord | None:
    """A record as it is logged; None where it is not."""
    info: Any = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("prefect.flow_runs", logging.INFO, "", 0, message, None, info)
    return record if CauseFilter().filter(record) else None


@pytest.mark.parametrize("cause", ["m1.mp4: it's empty", 'm1.mp4: "x" is no part'])
def test_a_failure_says_its_cause_and_nothing_else(cause: str) -> None:
    state: Any = Failed(message=cause)
    record = log(f"Finished in state {state}")
    assert record is not None
    assert (record.getMessage(), record.levelname) == (cause, "ERROR")


def test_the_end_of_what_went_well_stays_as_it_is() -> None:
    state: Any = Completed(message="1 movie")
    record = log(f"Finished in state {state}")
    assert record is not None
    assert (record.getMessage(), record.levelno) == (f"Finished in state {state}", logging.INFO)


def test_what_a_person_can_mend_has_no_traceback() -> None:
    again = "Task run failed with state: Failed(message='m1.mp4: it is empty', type=FAILED)"
    assert log(again) is None
    assert log("Engine execution exited with unexpected exception", BadInput("m1")) is None
    assert log(f"{again} - Retry 1/4 will start 2 second(s) from now") is not None
    assert log("Engine execution exited with unexpected exception", KeyError("x")) is not None


@pytest.mark.parametrize(
    ("verdicts", "name"),
    [(["pass", "look"], LOOK_STATE), (["fail", "look"], FAIL_STATE), (["pass"], None), ([], None)],
)
def test_the_worst_verdict_names_the_state(verdicts: list[str], name: str | None) -> None:
    end = end_by_verdicts(verdicts, "2 movies")
    assert end == (NamedEnd(name, "2 movies") if name else "2 movies")
