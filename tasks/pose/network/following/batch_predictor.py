"""Predictions of frames that share a window, spread over a network's lanes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.following.visible_points import Predictions
from tasks.pose.network.frame_window import Window
from tasks.pose.network.interface import Lanes, Network, WindowSupport
from tasks.processes.prefetch import thread_pool

Pending = Callable[[], Predictions]
"""Predictions that are on their way; called, it waits for them."""


class BatchPredictor:
    """Predicts frames and windows of them.

    Args:
        network: The network, with the movie begun.
        lanes: Its lanes.
        support: How many windows go to it at a time.
        at_once: How many whole frames go to it at a time.
        sample: The movie's first frame: the network is prepared with it, so that it is prepared in
            the same way where an estimation goes on.
        pool: The network's lanes; None for the calling thread.

    Attributes:
        prepared: Widths and heights of windows that the network is prepared for.
    """

    def __init__(
        self,
        network: Network,
        lanes: Lanes,
        support: WindowSupport,
        at_once: int,
        sample: Image,
        pool: Executor | None,
    ) -> None:
        self._network, self._lanes, self._support = network, lanes, support
        self._at_once, self._sample, self._pool = at_once, sample, pool
        self.prepared: set[tuple[int, int]] = set()

    def begin_frames(self, frames: Sequence[Image]) -> Pending:
        """Begin to predict whole frames; there may be none."""
        parts = [
            self._submit(self._network.predict, self._stack(part))
            for part in _split(frames, self._at_once)
        ]
        return lambda: _join_predictions([part() for part in parts])

    def begin_windows(self, frames: Sequence[Image], window: Window) -> Pending:
        """Begin to predict a window of frames."""
        place = (window.left, window.top)
        parts = [
            self._submit(self._support.predict, self._stack(part), place)
            for part in _split([window.cut(frame) for frame in frames], self._support.at_once)
        ]
        return lambda: _join_predictions([part() for part in parts])

    def prepare_for(self, size: tuple[int, int]) -> None:
        """Prepare the network for windows of a width and height."""
        picture = Window(0, 0, *size).cut(self._sample)
        self._support.prepare(np.stack([picture] * self._support.at_once))
        self.prepared.add(size)

    def _stack(self, pictures: Sequence[Image]) -> NDArray[np.uint8]:
        memory = self._lanes.buffer((len(pictures), *pictures[0].shape))
        return np.stack(pictures, out=memory)

    def _submit(self, call: Callable[..., Any], *values: Any) -> Pending:
        if self._pool is None:
            found: Predictions = call(*values)
            return lambda: found
        future: Future[Any] = self._pool.submit(call, *values)
        return future.result


@contextmanager
def open_lanes(lanes: Lanes) -> Iterator[Executor | None]:
    """Open a network's lanes; None where batches go through in the calling thread."""
    if lanes.count == 1:
        yield None
        return
    with thread_pool(lanes.count, "lane", lanes.begin) as pool:
        yield pool


def select_frame(predictions: Predictions, index: int) -> Predictions:
    """Select a single frame's predictions."""
    return {name: values[index : index + 1] for name, values in predictions.items()}


def replace_frames(
    predictions: Predictions, frames: NDArray[np.intp], others: Predictions
) -> Predictions:
    """Replace some frames' predictions by others.

    Args:
        predictions: Of several frames.
        frames: Which of them are replaced.
        others: Predictions of these.
    """
    found = {name: values.copy() for name, values in predictions.items()}
    for name, values in others.items():
        found[name][frames] = values
    return found


def _split(frames: Sequence[Image], size: int) -> Iterator[Sequence[Image]]:
    return (frames[start : start + size] for start in range(0, len(frames), size))


def _join_predictions(parts: Sequence[Mapping[str, NDArray[Any]]]) -> Predictions:
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )
