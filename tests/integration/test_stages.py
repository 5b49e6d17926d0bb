"""Stages on a real Prefect server: messages, and what is tried again."""

from collections.abc import Callable
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

from tasks.errors import BadInput, PoseError, Retriable
from tasks.stages.stage import Stage, stage


def failing(times: int, error: PoseError) -> tuple[Stage[[], str], list[int]]:
    """A stage that fails so many times first, and a list that grows with each try."""
    tries: list[int] = []

    @stage("Fetch", "fetch · mouse1", "store", retries=1)
    def work() -> tuple[str, str]:
        tries.append(1)
        if len(tries) <= times:
            raise error
        return "value", "fetched 3 files"

    return work, tries


def run(work: Callable[[], str]) -> State[str]:
    @flow(name="a-flow")
    def a_flow() -> str:
        return work()

    state: State[str] = a_flow(return_state=True)
    return state


@pytest.mark.usefixtures("prefect_server")
class TestStage:
    def test_gives_its_value_and_tells_its_message(self) -> None:
        work, _ = failing(0, BadInput("never"))

        @flow
        def a_flow() -> tuple[str, State[Any]]:
            return work(), work.task(return_state=True)

        value, state = a_flow()
        assert value == "value"
        assert state.message == "fetched 3 files"

    def test_tries_again_what_may_succeed_later(self) -> None:
        work, tries = failing(1, Retriable("the store is busy"))
        assert run(work).result() == "value"
        assert len(tries) == 2

    def test_gives_up_after_its_tries(self) -> None:
        work, tries = failing(9, Retriable("the store is busy"))
        error = run(work).result(raise_on_failure=False)
        assert isinstance(error, Retriable)
        assert error.stage == "Fetch"
        assert len(tries) == 2

    def test_never_tries_bad_input_again(self) -> None:
        work, tries = failing(9, BadInput("no such object"))
        error = run(work).result(raise_on_failure=False)
        assert isinstance(error, BadInput)
        assert (str(error), error.stage) == ("no such object", "Fetch")
        assert len(tries) == 1
