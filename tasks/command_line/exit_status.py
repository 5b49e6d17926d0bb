"""Exit statuses of commands, the signals that end commands, and their last messages.

Nothing here loads Prefect: it may end while that is loaded.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.errors import BadInput, PoseError

COMPLETE, FAILED, BAD_INPUT = 0, 1, 2
"""Exit statuses of commands that come to their end."""

_SIGNAL_STATUS = 128
"""Offset that shells add to the number of the signal that ended a command."""

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; ``kill``, ``timeout`` and batch systems; a terminal that is closed."""

END_TIMEOUT_S = 5.0
"""Seconds from a signal until a command that still cleans up is ended all the same."""


class Interrupted(KeyboardInterrupt):
    """A signal asked this command to end."""


class EndSignals:
    """The signals that have asked this command to end.

    Attributes:
        first: The number of the first one; None until it comes.
        last_resort: Called, in a thread, some seconds after the first one.
        describe_continuation: Describes where the same command goes on, as far as it is known.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.last_resort: Callable[[], None] | None = None
        self.describe_continuation: Callable[[], str] = lambda: _CONTINUATION

    @property
    def has_come(self) -> bool:
        """Return whether there was one."""
        return self.first is not None

    def raise_if_any(self) -> None:
        """Raise what a signal has raised already, since libraries may swallow any exception.

        Raises:
            Interrupted: There was one.
        """
        if self.has_come:
            raise Interrupted

    def handle(self, number: int, _frame: object = None) -> None:
        """Raise where the main thread is: Python's handler."""
        self.note(number)
        raise Interrupted

    def note(self, number: int) -> None:
        """Remember the first signal, and see to it that the command ends."""
        if self.first is not None:
            return
        self.first = number
        if self.last_resort is not None:
            timer = threading.Timer(END_TIMEOUT_S, self.last_resort)
            timer.daemon = True
            timer.start()


@contextmanager
def handle_end_signals() -> Iterator[EndSignals]:
    """Let every signal that asks this command to end raise `Interrupted` in the main thread.

    None is lost, whatever handlers and exceptions libraries put in between: Prefect's own handler
    of SIGTERM is in place while a flow runs.

    Yields:
        The signals that come in the block.
    """
    signals = EndSignals()
    # A command that nohup has started goes on after its terminal.
    chosen = [one for one in END_SIGNALS if _is_heeded(one)]
    before = {number: signal.signal(number, signals.handle) for number in chosen}
    read, write = os.pipe()
    os.set_blocking(write, False)  # as Python asks for
    previous = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    listener = threading.Thread(target=_note_signals, args=(read, signals), daemon=True)
    listener.start()
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(previous)
        os.close(write)
        listener.join()
        os.close(read)
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_heeded(number: signal.Signals) -> bool:
    return number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN


def _note_signals(read: int, signals: EndSignals) -> None:
    """Note signals as they come, also those that another handler than ours is called for."""
    while numbers := os.read(read, 64):
        for number in numbers:
            if number in END_SIGNALS:
                signals.note(number)


def print_refusal(error: PoseError, *, as_object: bool = False) -> int:
    """Print why nothing was done, and return the exit status.

    Args:
        error: Why.
        as_object: Whether to print a JSON object on standard output, too, for programs.
    """
    sys.stderr.write(f"error: {error}\n")
    status = BAD_INPUT if isinstance(error, BadInput) else FAILED
    if as_object:
        from tasks.command_line.run_outcome import describe_refusal  # noqa: PLC0415 - seldom

        refused = isinstance(error, BadInput)
        sys.stdout.write(describe_refusal(str(error), status, is_refused=refused).to_json())
    return status


_CONTINUATION = "run the same command again to continue"


def print_interruption(signals: EndSignals | None) -> int:
    """Print that the command was ended by a signal, and return the exit status.

    Args:
        signals: The signals that have come; None where they were not noted yet.
    """
    number = (signals and signals.first) or signal.SIGINT
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    rest = signals.describe_continuation() if signals else _CONTINUATION
    sys.stderr.write(f"error: interrupted{by}; {rest}\n")
    return _SIGNAL_STATUS + number
