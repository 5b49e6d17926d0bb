"""A pipe by which a process learns that the one that started it has ended, however that ended.

The kernel closes the starter's end when that process is gone, also after SIGKILL. Unlike
``prctl(PR_SET_PDEATHSIG)`` it does not depend on which thread started the process.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.processes.ended_children import watch_child

EXIT_TIMEOUT_S = 3.0
"""Seconds from SIGTERM to SIGKILL for a process whose starter is gone."""

_ROOT = Path(__file__).resolve().parents[2]


def start_module(
    module: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a Python module as ``python -m`` does, in a process that ends with this one.

    Args:
        module: Its name.
        arguments: What follows it on the command line.
        environment: All of the process' environment variables.

    Returns:
        The process. A SIGTERM that ends it ends this command, too: see
        `tasks.processes.ended_children`.
    """
    theirs, ours = os.pipe()  # ours is kept open until this process ends, and no child inherits it
    path = os.pathsep.join(filter(None, (str(_ROOT), environment.get("PYTHONPATH"))))
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs), module, *arguments],
            env={**environment, "PYTHONPATH": path},
            pass_fds=[theirs],
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    watch_child(child)
    return child


# --- in the child ----------------------------------------------------------------------------


def _end_after_starter(pipe: int) -> None:
    """Wait until the other end of a pipe is closed, then end this process."""
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(EXIT_TIMEOUT_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_after_starter, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
