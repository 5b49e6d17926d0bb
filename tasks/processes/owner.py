"""The process that another one works for, and the end of the one with the other."""

import os
import signal
import time

from tasks.processes.kill_process import kill_process_group
from tasks.processes.process_table import read_process_stat


def describe_owner() -> list[str]:
    """Return the words by which a process that works for this one knows it: number and start."""
    stat = read_process_stat(os.getpid())
    return [str(os.getpid()), stat.start if stat else ""]


def end_with_owner(owner: int, start: str, pipe: int | None = None) -> None:
    """Have this process' group ended when its owner is gone, whatever hangs in this process.

    By a separate process: native code that hangs may not let this one's threads run.

    Args:
        owner: Number of the process that this one works for. It started this one, unless this one
            is a copy of a template.
        start: The owner's start, as `read_process_stat` has it.
        pipe: A descriptor of this process that must be closed when it ends.
    """
    child = os.getpid()
    if os.fork():
        return
    if pipe is not None:
        os.close(pipe)
    # It ends after the other: in a list of processes the two look alike.
    signal.signal(signal.SIGTERM, lambda *_: _pass_sigterm_on(child))
    while os.getppid() == child:
        stat = read_process_stat(owner)
        if stat is None or stat.start != start or stat.is_zombie:
            kill_process_group(child)
        time.sleep(1)
    os._exit(0)


def _pass_sigterm_on(child: int) -> None:
    if os.getppid() == child:
        os.kill(child, signal.SIGTERM)
