"""Batches side by side: each once, in order, none lost, and nothing at work after the end."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tasks.pose.network.batch_lanes import Batch, predict_in_lanes
from tasks.pose.network.interface import Lanes


def batches(count: int, size: int = 3) -> Iterator[Batch]:
    for index in range(count):
        yield np.full((size, 1, 1, 3), index, np.uint8)


def mark(batch: Batch) -> int:
    return int(batch[0, 0, 0, 0])


@pytest.mark.parametrize("lanes", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 40])
def test_every_batch_once_and_in_order(lanes: int, count: int) -> None:
    def predict(batch: Batch) -> int:
        time.sleep(0.002 * (mark(batch) % 3))  # later ones are ready earlier
        return mark(batch)

    found = list(predict_in_lanes(predict, batches(count), Lanes(lanes)))
    assert found == [(3, index) for index in range(count)]


def test_lanes_are_at_work_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=30)
    found = list(predict_in_lanes(lambda _: together.wait() >= 0, batches(6), Lanes(3)))
    assert found == [(3, True)] * 6


def test_one_lane_is_the_callers_thread() -> None:
    found = {
        thread
        for _, thread in predict_in_lanes(lambda _: threading.get_ident(), batches(3), Lanes())
    }
    assert found == {threading.get_ident()}


def test_the_first_batch_prepares_and_each_thread_begins_once() -> None:
    told: list[Any] = []
    lanes = Lanes(
        2,
        begin=lambda: told.append(threading.get_ident()),
        prepare=lambda batch: told.append(mark(batch)),
    )
    list(predict_in_lanes(mark, batches(20), lanes))
    assert told[0] == 0
    assert 1 <= len(told[1:]) == len(set(told[1:])) <= 2
    assert threading.get_ident() not in told


def test_only_a_few_batches_are_taken_ahead() -> None:
    taken: list[int] = []

    def counted() -> Iterator[Batch]:
        for batch in batches(100):
            taken.append(mark(batch))
            yield batch

    found = predict_in_lanes(mark, counted(), Lanes(2))
    next(found)
    assert len(taken) <= 5
    found.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_failure_is_raised_and_ends_every_lane(lanes: int) -> None:
    before, done = threading.active_count(), []

    def predict(batch: Batch) -> int:
        if mark(batch) == 4:
            raise ValueError("no such batch")
        done.append(mark(batch))
        return mark(batch)

    found: list[Any] = []
    with pytest.raises(ValueError, match="no such batch"):
        found.extend(predict_in_lanes(predict, batches(100), Lanes(lanes)))
    assert threading.active_count() == before
    assert len(done) < 20
