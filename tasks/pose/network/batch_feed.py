"""Frames on their way to a network: decoded in one thread, converted in others, put into batches.

Where a movie is decoded faster than one processor converts its pictures to RGB, several convert:
each picture goes to its place in a batch as soon as it is decoded, in memory that a GPU can read.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import LazyImage
from tasks.pose.network.interface import memory
from tasks.processes.prefetch import ahead, threads

Batch = NDArray[np.uint8]
Buffer = Callable[[tuple[int, ...]], Batch]

_QUEUED_BATCHES = 3
"""Batches that are decoded ahead of the network."""


class _Begun:
    """A batch whose pictures are being converted."""

    def __init__(self, batch: Batch, pictures: Sequence[Future[None]]) -> None:
        self._batch, self._pictures = batch, pictures

    def complete(self) -> Batch:
        """The batch, once all of its pictures are in their places."""
        for picture in self._pictures:
            picture.result()
        return self._batch[: len(self._pictures)]


@contextmanager
def feeding(
    shots: Iterator[LazyImage], size: int, buffer: Buffer = memory, converters: int = 1
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
    with (
        threads(converters, "converter") as pool,
        ahead(_begun(shots, size, buffer, pool), _QUEUED_BATCHES, "decoder") as batches,
    ):
        yield (begun.complete() for begun in batches)


def _begun(
    shots: Iterator[LazyImage], size: int, buffer: Buffer, pool: ThreadPoolExecutor
) -> Iterator[_Begun]:
    shape: tuple[int, ...] = ()
    for first in shots:
        shape = shape or first().shape
        batch = buffer((size, *shape))
        pictures = chain([first], islice(shots, size - 1))
        yield _Begun(batch, [pool.submit(_put, batch, *one) for one in enumerate(pictures)])


def _put(batch: Batch, place: int, shot: LazyImage) -> None:
    batch[place] = shot()
