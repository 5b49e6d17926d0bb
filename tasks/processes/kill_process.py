"""The end of a child process that does not end by itself, with everything that it started."""

import os
import signal
from contextlib import suppress


def kill_process_group(leader: int) -> None:
    """Kill a process and those that it started, unless they have ended.

    Args:
        leader: Number of the process, which leads a group.
    """
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
