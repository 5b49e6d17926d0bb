"""End a command when SIGTERM ends one of the processes that it has started.

Batch systems, editors and people do not know which of a run's processes is the one to end: in a
list of processes the largest is the estimator. A run of which one process was asked to end would
start another in its place.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.processes.copied_process import ChildProcess

POLL_INTERVAL_S = 0.3
"""Seconds between two looks at the processes."""

_watched: set[ChildProcess] = set()


def watch_child(child: ChildProcess) -> None:
    """Let a child's end by SIGTERM count."""
    _watched.add(child)


def forget_child(child: ChildProcess) -> None:
    """Let a child's end count no more, unless SIGTERM has ended it already."""
    if child.returncode != -signal.SIGTERM:
        _watched.discard(child)


@contextmanager
def end_with_children(is_ending: Callable[[], bool]) -> Iterator[None]:
    """Send this process SIGTERM, once, when a child that the block has started is ended by one.

    Without such a block, as in a worker's runs, a stage whose process is lost is tried again.

    Args:
        is_ending: Whether this process has been asked to end itself, so that nothing is to be done.
    """
    stopped = threading.Event()
    watch = (stopped, is_ending)
    thread = threading.Thread(target=_watch_until, args=watch, name="children", daemon=True)
    _watched.clear()
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        _watched.clear()


def _watch_until(stopped: threading.Event, is_ending: Callable[[], bool]) -> None:
    while not stopped.wait(POLL_INTERVAL_S):
        if any(child.poll() == -signal.SIGTERM for child in list(_watched)):
            # One signal to all processes of a run may reach this one last.
            if not (stopped.wait(POLL_INTERVAL_S) or is_ending()):
                os.kill(os.getpid(), signal.SIGTERM)
            return
