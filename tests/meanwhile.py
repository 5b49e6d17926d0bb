"""Something that goes on beside a test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def meanwhile(call: Callable[[], object], every: float) -> Iterator[None]:
    """Make a call again and again in a thread, which has ended at the end of the block.

    Args:
        call: What is called.
        every: Seconds between two calls, and before the first one.
    """
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(every):
            call()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
