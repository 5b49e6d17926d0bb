"""A run's first request waits for a server that is being restarted; a command's does not."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from prefect.client import base
from prefect.client.base import PrefectHttpxSyncClient

from tasks.stages.patient_requests import wait_for_restarts
from tasks.stages.stage_times import ENGINE_RUN_VARIABLE
from tests.support.stores import find_free_port


class Restart:
    """A server that listens only once somebody has tried in vain.

    Attributes:
        port: Where it will.
        pauses: Pauses between tries.
    """

    def __init__(self) -> None:
        self.port = find_free_port()
        self.pauses: list[float] = []
        self.server: HTTPServer | None = None

    def wait(self, seconds: float) -> None:
        """Take the place of a pause, in which the server comes back."""
        self.pauses.append(seconds)
        if self.server is None:
            self.server = HTTPServer(("127.0.0.1", self.port), Answer)
            threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self) -> int:
        """Send the first request of a client; the status of its answer."""
        with PrefectHttpxSyncClient(enable_csrf_support=False, raise_on_all_errors=False) as client:
            return client.get(f"http://127.0.0.1:{self.port}/").status_code


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def restart(monkeypatch: pytest.MonkeyPatch) -> Iterator[Restart]:
    wait_for_restarts()
    found = Restart()
    monkeypatch.setattr(base, "time", type("Time", (), {**vars(time), "sleep": found.wait}))
    yield found
    if found.server:
        found.server.shutdown()
        found.server.server_close()


def test_a_run_waits(restart: Restart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_RUN_VARIABLE, "1")
    assert restart.ask() == 200
    assert len(restart.pauses) == 1


def test_a_command_finds_a_wrong_address_at_once(
    restart: Restart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENGINE_RUN_VARIABLE, raising=False)
    with pytest.raises(httpx.ConnectError):
        restart.ask()
    assert restart.pauses == []
