"""Work in background threads, a few pieces ahead of its consumer."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")

_POLL_INTERVAL_S = 0.5
"""Seconds between two looks at whether anybody still wants more."""

_END_OF_ITEMS = object()


class _Failure:
    """Exception that ended the work early."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


@contextmanager
def thread_pool(
    count: int, name: str, begin: Callable[[], object] | None = None
) -> Iterator[ThreadPoolExecutor]:
    """Threads that share work; at the end, also of a failure, none of them is at work any more.

    Args:
        count: How many.
        name: What to call them.
        begin: Called in each before its work.
    """
    pool = ThreadPoolExecutor(count, name, initializer=begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def prefetch_items(items: Iterator[T], count: int, name: str) -> Iterator[Iterator[T]]:
    """Go through an iterator in a thread.

    Args:
        items: What is gone through, by that thread alone.
        count: How many finished items may wait.
        name: What to call the thread.

    Yields:
        The same items in the same order; what the iterator raises is raised after those before.
        At the end of the block the thread has ended, whatever is left.
    """
    waiting: queue.Queue[object] = queue.Queue(count)
    stopped = threading.Event()

    def put_item(item: object) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                waiting.put(item, timeout=_POLL_INTERVAL_S)
                return

    def fill_queue() -> None:
        try:
            for item in items:
                put_item(item)
                if stopped.is_set():
                    return
            put_item(_END_OF_ITEMS)
        except BaseException as error:  # noqa: BLE001 - raised again where the items are used
            put_item(_Failure(error))

    thread = threading.Thread(target=fill_queue, name=name)
    thread.start()
    try:
        yield _take_items(waiting)
    finally:
        stopped.set()
        thread.join()


def _take_items(waiting: "queue.Queue[object]") -> Iterator[T]:
    while (item := waiting.get()) is not _END_OF_ITEMS:
        if isinstance(item, _Failure):
            raise item.error
        yield item  # type: ignore[misc]
