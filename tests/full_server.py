"""A Prefect server as `prefect server start` runs it, for tests of workers and automations.

It asks for a password, and it is quicker than a real one to believe that a worker is gone, so that
tests need not wait for it.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.__main__ import QUIET
from tests.paths import ROOT

PATIENCE = 300.0

PASSWORD = "lab:secret"

IMPATIENT = {
    "PREFECT_API_AUTH_STRING": PASSWORD,
    "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE": "2",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "2",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


@contextmanager
def full_server(folder: Path) -> Iterator[dict[str, str]]:
    """Start a server with a database in a folder.

    Args:
        folder: Where it keeps what it keeps, and its log.

    Yields:
        The environment that a client of it needs.
    """
    address = f"http://127.0.0.1:{_free_port()}"
    environment = QUIET | IMPATIENT
    environment |= {"PREFECT_API_URL": f"{address}/api", "PREFECT_HOME": str(folder / "prefect")}
    words = ("prefect", "server", "start", "--no-ui", "--port", address.rpartition(":")[2])
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=_without_prefect(os.environ) | environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(f"{address}/api/health", server)
        yield environment
    finally:
        server.terminate()
        server.wait(60)


def _without_prefect(environment: "os._Environ[str]") -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("PREFECT_")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"{url} does not answer")
