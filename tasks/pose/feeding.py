"""Frames on their way to a network: decoded in one thread, converted in others, put into batches.

Where a movie is decoded faster than one processor converts its pictures to RGB, several convert:
each picture goes to its place in a batch as soon as it is decoded, in memory that a GPU can read.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies import Shot
from tasks.pose.network import memory

Batch = NDArray[np.uint8]
Buffer = Callable[[tuple[int, ...]], Batch]

_QUEUED_BATCHES = 3
"""Batches that are decoded ahead of the network."""

_POLL = 0.5
"""Seconds between two looks at whether anybody still wants frames."""


class _Begun:
    """A batch whose pictures are being converted."""

    def __init__(self, batch: Batch, pictures: Sequence[Future[None]]) -> None:
        self._batch, self._pictures = batch, pictures

    def complete(self) -> Batch:
        """The batch, once all of its pictures are in their places."""
        for picture in self._pictures:
            picture.result()
        return self._batch[: len(self._pictures)]


_Item = _Begun | BaseException | None


@contextmanager
def feeding(
    shots: Iterator[Shot], size: int, buffer: Buffer = memory, converters: int = 1
) -> Iterator[Iterator[Batch]]:
    """Decode in a thread, and convert in others, a few batches ahead of the network.

    Args:
        shots: What makes each frame's picture; all have one size.
        size: Frames in a batch.
        buffer: Makes the memory of a batch.
        converters: How many pictures are converted at a time.

    Yields:
        An iterator over batches, each of shape (at most `size`, height, width, 3).
    """
    batches: queue.Queue[_Item] = queue.Queue(_QUEUED_BATCHES)
    stopped = threading.Event()

    def put(item: _Item) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                batches.put(item, timeout=_POLL)
                return

    def decode(pool: ThreadPoolExecutor) -> None:
        try:
            for begun in _begun(shots, size, buffer, pool):
                put(begun)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the frames are used
            put(error)

    pool = ThreadPoolExecutor(converters, "converter")
    thread = threading.Thread(target=decode, args=(pool,), name="decoder")
    thread.start()
    try:
        yield _taken(batches)
    finally:
        stopped.set()
        thread.join()
        pool.shutdown(cancel_futures=True)


def _begun(
    shots: Iterator[Shot], size: int, buffer: Buffer, pool: ThreadPoolExecutor
) -> Iterator[_Begun]:
    shape: tuple[int, ...] = ()
    for first in shots:
        shape = shape or first().shape
        batch = buffer((size, *shape))
        pictures = chain([first], islice(shots, size - 1))
        yield _Begun(batch, [pool.submit(_put, batch, *one) for one in enumerate(pictures)])


def _put(batch: Batch, place: int, shot: Shot) -> None:
    batch[place] = shot()


def _taken(batches: "queue.Queue[_Item]") -> Iterator[Batch]:
    while (item := batches.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item.complete()
