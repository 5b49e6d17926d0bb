"""Real servers for tests, as processes of their own: PostgreSQL, and Prefect's as we start it."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from _pytest.outcomes import Skipped

from deployments.database import (
    DatabaseUnavailableError,
    connection_url,
    prepare_database,
    ready_command,
    serve_command,
)
from tests.support.paths import ROOT
from tests.support.stores import find_free_port
from tests.support.waiting import wait_for

T = TypeVar("T")


@contextmanager
def run_postgresql() -> Iterator[str]:
    """Start a database that keeps nothing, or skip; yields its address for Prefect."""
    with tempfile.TemporaryDirectory(prefix="dlcflow-postgresql-") as name:
        folder, port = Path(name), find_free_port()
        try:
            prepare_database(folder)
        except DatabaseUnavailableError as error:
            pytest.skip(str(error))
        # What a test leaves need not outlive a crash of the machine.
        serve = [*serve_command(folder, port), "-c", "fsync=off"]
        with run_process(serve, folder / "log", cwd=ROOT, end=signal.SIGINT):
            ready = ready_command(folder, port)
            wait_for(lambda: subprocess.run(ready, check=False).returncode == 0)
            yield connection_url(folder, port)


def start_database(stack: ExitStack) -> str | None:
    """A database for a busy server, until a stack ends: PostgreSQL, or None for SQLite.

    On SQLite a server whose services and workers write at the same time stops for a minute now
    and then: one waits for another that waits for it.
    """
    try:
        return stack.enter_context(run_postgresql())
    except Skipped:
        return None


@dataclass(frozen=True)
class PrefectServer:
    """A Prefect server.

    Attributes:
        url: Where its pages are.
        environment: What a client of it finds in its environment.
        password: Its basic authentication, ``user:password``; None where it has none.
    """

    url: str
    environment: Mapping[str, str]
    password: str | None

    def get(self, path: str) -> Any:
        """What the API answers."""
        return self._send_request(urllib.request.Request(f"{self.url}/api{path}"))

    def post(self, path: str, body: Any) -> Any:
        """What the API answers."""
        kind = {"Content-Type": "application/json"}
        return self._send_request(
            urllib.request.Request(f"{self.url}/api{path}", _encode_json(body), kind)
        )

    def _send_request(self, request: urllib.request.Request) -> Any:
        if self.password:
            encoded = base64.b64encode(self.password.encode()).decode()
            request.add_header("Authorization", f"Basic {encoded}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def _encode_json(body: Any) -> bytes:
    return json.dumps(body).encode()


@contextmanager
def run_prefect_server(
    folder: Path, database: str | None = None, password: str | None = None, **settings: str
) -> Iterator[PrefectServer]:
    """Start a full Prefect server, with its background services, as we deploy it.

    Args:
        folder: For its settings and its log, and its database where that is SQLite.
        database: Address of another database.
        password: ``user:password`` that it asks for.
        settings: More of its environment.
    """
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PREFECT_"))}
    mine |= {"PREFECT_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    server = mine | settings
    if database:
        server["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    if password:
        server["PREFECT_SERVER_API_AUTH_STRING"] = password
        mine["PREFECT_API_AUTH_STRING"] = password
    # Tests of single chores have no use for somebody who does them, too.
    serve = [sys.executable, "-m", "deployments.server", "--port", str(port), "--no-upkeep"]
    with run_process(serve, folder / "server.log", env=server):
        found = PrefectServer(url, mine | {"PREFECT_API_URL": f"{url}/api"}, password)
        wait_for(lambda: is_answering(f"{url}/api/health"), (folder / "server.log").read_text)
        yield found


@contextmanager
def run_process(
    words: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path = ROOT,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command beside the test, and end it and what it has started.

    Args:
        words: The command.
        log: What it says.
        env: Its environment, instead of this process' own.
        cwd: Where it runs.
        end: How it is asked to end.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(
            words,
            stdout=output,
            stderr=output,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        try:
            yield child
        finally:
            child.send_signal(end)
            with suppress(subprocess.TimeoutExpired):
                child.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@dataclass
class TrapProxy:
    """A proxy that lets nothing out and writes down who wanted to go where.

    Attributes:
        url: Its address.
        caught: The first line of what each sent.
    """

    url: str
    caught: list[str]


@contextmanager
def run_trap_proxy() -> Iterator[TrapProxy]:
    """Listen as a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = TrapProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", [])
        thread = threading.Thread(
            target=_record_requests, args=(listener, found.caught), daemon=True
        )
        thread.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _record_requests(listener: socket.socket, caught: list[str]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # the listener has been shut
            return
        with connection, suppress(OSError):
            connection.settimeout(10)
            caught.append(connection.recv(4096).partition(b"\r\n")[0].decode(errors="replace"))


def is_answering(url: str) -> bool:
    """Whether somebody answers there, whatever it is."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
