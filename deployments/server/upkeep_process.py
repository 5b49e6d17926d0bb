"""The process that looks after runs, kept beside the server."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

LONGEST_PAUSE = 60.0
"""Seconds before a process that keeps ending is started again; the first pause is 1."""

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what somebody has chosen


@contextmanager
def keep_upkeep(host: str, port: int, password: str | None) -> Iterator[None]:
    """Run the upkeep of a server while the block runs; start it again if it ends.

    Args:
        host: Address that the server listens at.
        port: Port that it listens at.
        password: What the server asks for, ``user:password``.
    """
    environment = os.environ | {
        "PREFECT_API_URL": f"http://{_EVERYWHERE.get(host, host)}:{port}/api",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    if password:
        environment["PREFECT_API_AUTH_STRING"] = password
    ended = threading.Event()
    # Linux ends the process when this thread is gone: the server's end, however that comes.
    thread = threading.Thread(target=_run_until_ended, args=(environment, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _run_until_ended(environment: Mapping[str, str], ended: threading.Event) -> None:
    pause = 1.0
    while not ended.is_set():
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.upkeep", "--parent", str(os.getpid())],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        while process.poll() is None and not ended.wait(0.5):
            pass
        if process.poll() is None:
            process.terminate()
        process.wait()
        ended.wait(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)
