"""Batches in lanes: several are on their way at a time, and come out in the order they went in."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.interface import Lanes
from tasks.processes.prefetch import thread_pool

R = TypeVar("R")
Batch = NDArray[np.uint8]

_EXTRA_BATCHES = 1
"""Batches beyond those on their way, so that a lane that becomes free has its next at once."""


def predict_in_lanes(
    predict: Callable[[Batch], R], batches: Iterable[Batch], lanes: Lanes
) -> Iterator[tuple[int, R]]:
    """Predict batches side by side.

    Args:
        predict: Called once with each batch, in a lane.
        batches: Batches of frames.
        lanes: How many at a time.

    Yields:
        The number of frames of each batch, in their order, and what is predicted of them.
    """
    batches = _prepare_first(batches, lanes)
    if lanes.count == 1:
        yield from ((len(batch), predict(batch)) for batch in batches)
        return
    waiting: deque[tuple[int, Future[R]]] = deque()
    with thread_pool(lanes.count, "lane", lanes.begin) as pool:
        for batch in batches:
            waiting.append((len(batch), pool.submit(predict, batch)))
            if len(waiting) > lanes.count + _EXTRA_BATCHES:
                yield _pop_result(waiting)
        while waiting:
            yield _pop_result(waiting)


def _prepare_first(batches: Iterable[Batch], lanes: Lanes) -> Iterator[Batch]:
    remaining = iter(batches)
    first = next(remaining, None)
    if first is not None:
        lanes.prepare(first)
        yield from chain([first], remaining)


def _pop_result(waiting: deque[tuple[int, Future[R]]]) -> tuple[int, R]:
    """The oldest batch's prediction, once it is there."""
    frames, future = waiting.popleft()
    return frames, future.result()
