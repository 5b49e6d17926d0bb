"""Slow questions: asked once, answered in a process that may die of them, and never for ever."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from deployments.web.starting import inquiries
from deployments.web.starting.inquiries import Inquiry, InquiryLane
from tasks.errors import BadInput, Retriable
from tests.support.waiting import wait_for


def answer(value: int) -> tuple[int, int]:
    return value, os.getpid()


def refuse() -> NoReturn:
    raise BadInput("that is no movie")


def fail_once() -> NoReturn:
    raise Retriable("no answer")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def talk(progress: Callable[[int], None]) -> None:
    progress(0)
    while True:
        signal.pause()


def talk_for_ever(progress: Callable[[int], None]) -> None:
    while True:
        progress(0)


@pytest.fixture
def lane() -> Iterator[InquiryLane]:
    found = InquiryLane("test")
    yield found
    found.close()


def wait(inquiry: Inquiry) -> Inquiry:
    wait_for(inquiry.ended.is_set)
    return inquiry


def test_the_same_question_is_asked_once(lane: InquiryLane) -> None:
    first = lane.ask("one", answer, 1)
    assert lane.ask("one", answer, 2) is first
    assert wait(first).answer[0] == 1
    second = wait(lane.ask("two", answer, 2))
    assert second.answer == (2, first.answer[1])
    assert first.answer[1] != os.getpid()
    assert lane.find("one") is first
    assert lane.find("three") is None


def test_what_may_pass_is_asked_again_and_what_may_not_is_kept(lane: InquiryLane) -> None:
    refused, failed = wait(lane.ask("a", refuse)), wait(lane.ask("b", fail_once))
    assert (refused.problem, failed.problem) == ("that is no movie", "no answer")
    assert lane.ask("a", refuse) is refused
    assert lane.ask("b", fail_once) is not failed


def test_a_question_that_kills_its_process_leaves_the_next_one_alone(lane: InquiryLane) -> None:
    assert "SIGKILL" in wait(lane.ask("a", die)).problem
    assert wait(lane.ask("b", answer, 3)).answer[0] == 3


def test_what_goes_on_is_told_and_ends_with_the_page() -> None:
    lane = InquiryLane("test")
    asked, waiting = lane.ask("a", talk, steps=("thinking",)), lane.ask("b", answer, 1)
    wait_for(lambda: asked.text == "thinking")
    assert waiting.text == "waiting for its turn"
    lane.close()
    assert "was ended" in wait(asked).problem
    with pytest.raises(Retriable, match="too many"):
        lane.ask("c", answer, 1)


def test_an_answer_that_takes_too_long_is_given_up(
    lane: InquiryLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "LONGEST_SECONDS", 0.0)
    assert wait(lane.ask("a", talk_for_ever, steps=("thinking",))).problem.startswith("no answer")


def test_too_many_are_refused_and_few_are_kept(
    lane: InquiryLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "MAX_KEPT", 2)
    for number in range(3):
        wait(lane.ask(number, answer, number))
    assert lane.find(0) is None
    monkeypatch.setattr(inquiries, "MAX_WAITING", 0)
    assert lane.ask(2, answer, 2).answer[0] == 2
    with pytest.raises(Retriable, match="too many wait"):
        lane.ask(3, answer, 3)


def test_a_process_that_nobody_asks_anything_ends(
    lane: InquiryLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "IDLE_SECONDS", 0.01)
    first = wait(lane.ask("a", answer, 1)).answer[1]

    def has_ended() -> bool:
        try:
            os.kill(first, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(has_ended)
    assert wait(lane.ask("b", answer, 1)).answer[1] != first
