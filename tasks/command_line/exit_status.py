"""Exit statuses of commands, and the messages of commands that did nothing.

Nothing here loads Prefect: it may end while that is loaded.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.errors import BadInput, PoseError

COMPLETE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses; the last is what shells give for a command that Ctrl-C ended."""


@contextmanager
def remember_interrupts() -> Iterator[Callable[[], None]]:
    """Let no Ctrl-C be lost while libraries load: code of theirs may swallow any exception.

    Yields:
        A function that raises `KeyboardInterrupt` if Ctrl-C was pressed in the block.
    """
    interrupts: list[int] = []

    def handle_interrupt(number: int, _frame: object) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    def raise_if_interrupted() -> None:
        if interrupts:
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, handle_interrupt)
    try:
        yield raise_if_interrupted
    finally:
        signal.signal(signal.SIGINT, previous)


def print_refusal(error: PoseError) -> int:
    """Say why nothing was done, and return the exit status."""
    sys.stderr.write(f"error: {error}\n")
    return BAD_INPUT if isinstance(error, BadInput) else FAILED


def print_interruption() -> int:
    """Say that the run was stopped by its user, and return the exit status."""
    sys.stderr.write("error: interrupted; run the same command again to continue\n")
    return INTERRUPTED
