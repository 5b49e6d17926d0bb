"""Things that come one by one are handed on together, and none is lost while nobody takes them."""

import threading
from collections.abc import Callable, Sequence

import pytest

from deployments.debounce import MAX_WAITING, Debouncer


class Taker:
    """Takes what is handed on, and lets a test wait for it."""

    def __init__(self, *errors: Exception) -> None:
        self.taken: list[list[str]] = []
        self._errors = list(errors)
        self._changed = threading.Condition()

    def __call__(self, things: Sequence[str]) -> None:
        with self._changed:
            self._changed.notify_all()
            if self._errors:
                raise self._errors.pop(0)
            self.taken.append(list(things))

    def wait_for(self, enough: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(enough, timeout=60)


def test_what_comes_together_is_handed_on_together_and_once() -> None:
    taker = Taker()
    gatherer = Debouncer(taker, gathered=30, pause=30)
    gatherer.add(["a", "b"])
    gatherer.add(["b", "c"])
    gatherer.close()
    assert taker.taken == [["a", "b", "c"]]


def test_it_does_not_wait_for_more_than_is_asked() -> None:
    taker = Taker()
    gatherer = Debouncer(taker, gathered=0, pause=0)
    gatherer.add(["a"])
    taker.wait_for(lambda: taker.taken == [["a"]])
    gatherer.add(["a"])
    taker.wait_for(lambda: taker.taken == [["a"], ["a"]])
    gatherer.close()
    assert taker.taken == [["a"], ["a"]]


def test_what_is_not_taken_is_tried_again_and_done_only_then() -> None:
    taker, done = Taker(ConnectionError("away"), ConnectionError("still")), []
    gatherer = Debouncer(taker, gathered=0, pause=0)
    gatherer.add(["a"], lambda: done.append(list(taker.taken)))
    taker.wait_for(lambda: bool(taker.taken))
    gatherer.close()
    assert taker.taken == [["a"]]
    assert done == [[["a"]]]


def test_that_nobody_takes_is_told_until_somebody_does() -> None:
    there, told = threading.Event(), []

    def take(_: Sequence[str]) -> None:
        told.append(gatherer.is_failing)
        if not there.is_set():
            there.set()
            raise ConnectionError("away")

    gatherer = Debouncer(take, gathered=0, pause=0)
    done = threading.Event()
    gatherer.add(["a"], done.set)
    assert done.wait(60)
    gatherer.close()
    assert told == [False, True]
    assert not gatherer.is_failing


def test_what_nobody_will_ever_take_is_not_tried_again() -> None:
    taker, done = Taker(ValueError("never")), []
    gatherer = Debouncer(taker, gathered=0, pause=0)
    gatherer.add(["a"], lambda: done.append("a"))
    gatherer.close()
    assert taker.taken == []
    assert done == ["a"]


def test_the_end_does_not_wait_for_who_is_away(caplog: pytest.LogCaptureFixture) -> None:
    gatherer = Debouncer(Taker(*[ConnectionError("away")] * 9), gathered=60, pause=60)
    gatherer.add(["a"])
    gatherer.close()
    assert "1 arrivals were lost" in caplog.text


def test_too_much_is_told() -> None:
    gatherer = Debouncer(Taker(), gathered=60, pause=60)
    full = []
    for things in ([str(number) for number in range(MAX_WAITING - 1)], ["one more"]):
        gatherer.add(things)
        full.append(gatherer.is_full)
    gatherer.close()
    assert full == [False, True]
