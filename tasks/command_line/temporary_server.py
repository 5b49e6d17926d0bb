"""The Prefect server of a run for which PREFECT_API_URL names none: it ends with its run.

Prefect stops it when the command comes to its end by itself. A command that a signal ends
leaves it behind, some 250 MB, with its database open.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import prefect
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

from tasks.processes.lifeline import start_module

_SHUTDOWN_TIMEOUT_S = 1
"""Seconds that requests may take which are under way when the server is asked to end."""


@contextmanager
def end_server_with_command() -> Iterator[None]:
    """Let the server that Prefect starts in the block end when this process does, however."""
    chosen: Any = SubprocessASGIServer
    original = chosen._run_uvicorn_command  # noqa: SLF001 - nothing public starts the process
    chosen._run_uvicorn_command = _start_server  # noqa: SLF001
    try:
        yield
    finally:
        chosen._run_uvicorn_command = original  # noqa: SLF001


def _start_server(server: SubprocessASGIServer) -> "subprocess.Popen[bytes]":
    """Start the server as Prefect does, but with a lifeline."""
    arguments = [
        *("--app-dir", str(Path(prefect.__file__).parents[1])),
        *("--factory", "prefect.server.api.server:create_app"),
        *("--host", "127.0.0.1", "--port", str(server.port)),
        *("--log-level", "error", "--lifespan", "on"),
        *("--timeout-graceful-shutdown", str(_SHUTDOWN_TIMEOUT_S)),
    ]
    as_prefect_has_it = {
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return start_module("uvicorn", arguments, {**os.environ, **as_prefect_has_it, **settings})
