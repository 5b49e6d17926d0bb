"""The thread that renews a lock goes on whatever fails: a run that lives must not seem dead."""

import logging
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.output import lock
from tasks.output.lock import OutputLock
from tasks.storage.store_errors import StoreUnavailable


class Claim:
    """A claim that cannot be renewed at first, and is lost in the end."""

    successor = None

    def __init__(self, error: Exception) -> None:
        self.answers: list[Exception | bool] = [error, error, True, False]

    def renew_and_check(self) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("error", [StoreUnavailable("away"), BadInput("wrong settings")])
def test_a_lock_is_renewed_until_it_is_lost(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_INTERVAL", 0.001)
    claim: Any = Claim(error)
    lost: list[bool] = []
    OutputLock()._renew_until_ended(claim, lambda: lost.append(True), logging.getLogger(__name__))
    assert (lost, claim.answers) == ([True], [])
