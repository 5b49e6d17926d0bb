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
from tasks.pose.network.interface import allocate_batch
from tasks.processes.prefetch import prefetch_items, thread_pool

Batch = NDArray[np.uint8]
BatchAllocator = Callable[[tuple[int, ...]], Batch]

_QUEUED_BATCHES = 3
"""Batches that are decoded ahead of the network."""


class _PendingBatch:
    """A batch whose pictures are being converted."""

    def __init__(self, batch: Batch, pictures: Sequence[Future[None]]) -> None:
        self._batch, self._pictures = batch, pictures

    def wait_for_pictures(self) -> Batch:
        """The batch, once all of its pictures are in their places."""
        for picture in self._pictures:
            picture.result()
        return self._batch[: len(self._pictures)]


@contextmanager
def feed_batches(
    shots: Iterator[LazyImage],
    size: int,
    buffer: BatchAllocator = allocate_batch,
    converters: int = 1,
    queued: int = _QUEUED_BATCHES,
) -> Iterator[Iterator[Batch]]:
    """Decode in a thread, and convert in others, a few batches ahead of the network.

    Args:
        shots: What makes each frame's picture; all have one size.
        size: Frames in a batch.
        buffer: Makes the memory of a batch.
        converters: How many pictures are converted at a time.
        queued: How many batches are decoded ahead of the network.

    Yields:
        An iterator over batches, each of shape (at most `size`, height, width, 3).
    """
    with (
        thread_pool(converters, "converter") as pool,
        prefetch_items(_start_batches(shots, size, buffer, pool), queued, "decoder") as batches,
    ):
        yield (begun.wait_for_pictures() for begun in batches)


def _start_batches(
    shots: Iterator[LazyImage], size: int, buffer: BatchAllocator, pool: ThreadPoolExecutor
) -> Iterator[_PendingBatch]:
    shape: tuple[int, ...] = ()
    for first in shots:
        shape = shape or first().shape
        batch = buffer((size, *shape))
        pictures = chain([first], islice(shots, size - 1))
        yield _PendingBatch(
            batch, [pool.submit(_convert_into, batch, *one) for one in enumerate(pictures)]
        )


def _convert_into(batch: Batch, place: int, shot: LazyImage) -> None:
    batch[place] = shot()
