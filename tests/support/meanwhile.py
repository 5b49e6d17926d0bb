"""Something that goes on beside a test."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def call_repeatedly(call: Callable[[], object], every: float) -> Iterator[None]:
    """Make a call again and again in a thread, which has ended at the end of the block.

    Args:
        call: What is called; the first error that it raises ends it, and is raised after the block.
        every: Seconds between two calls, and before the first one.
    """
    ended = threading.Event()

    def call_until_ended() -> None:
        while not ended.wait(every):
            call()

    with ThreadPoolExecutor(1, "meanwhile") as thread:
        going_on = thread.submit(call_until_ended)
        try:
            yield
        finally:
            ended.set()
            going_on.result()
