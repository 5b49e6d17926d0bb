"""States that Prefect itself does not have."""

from collections.abc import Iterable
from dataclasses import dataclass

WAITING_STATE = "Waiting"
"""A run or a stage that waits for something which its message names."""

LOOK_STATE, FAIL_STATE = "Completed: look", "Completed: fail"
"""A run that delivered everything, of which a movie's verdict asks for a look, or fails."""

ATTENTION_STATES = {LOOK_STATE: "needs a look", FAIL_STATE: "has poses that fail"}
"""States of completed runs that a person should look at, with what to say of such a run."""


@dataclass(frozen=True)
class NamedEnd:
    """How something ended well, where that has a name other than Prefect's.

    Attributes:
        name: The state's name.
        message: What became of it, in a sentence.
    """

    name: str
    message: str


def end_by_verdicts(verdicts: Iterable[str], message: str) -> NamedEnd | str:
    """Name an end for the worst of its verdicts; one that passes needs no other name.

    Args:
        verdicts: ``pass``, ``look``, or ``fail``, as records have them.
        message: What became of it, in a sentence.
    """
    found = set(verdicts)
    for verdict, name in (("fail", FAIL_STATE), ("look", LOOK_STATE)):
        if verdict in found:
            return NamedEnd(name, message)
    return message
