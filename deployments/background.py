"""Start a service's parts in the background, find them again, and stop them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.processes.process_table import read_process_stat

ROOT = Path(__file__).parents[1]
STATE_FILE = "state.json"
"""File in the folder that says what is up."""

START_TIMEOUT = 300.0
"""Seconds that a part may take to answer: a busy machine is slow to start."""

STOP_TIMEOUT = 30.0
"""Seconds that a part has to end by itself."""


@dataclass
class ServiceParts:
    """The parts that are up.

    Attributes:
        folder: Where their logs go, and the file that says what is up.
        environment: What each of them gets.
        started: Process of each, when that began, and where it is served, by name.
    """

    folder: Path
    environment: dict[str, str]
    started: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start(self, name: str, words: Sequence[str], url: str = "", answers: str = "") -> None:
        """Start a part, and wait until it answers.

        Args:
            name: What to call it.
            words: Its command.
            url: Where it is served.
            answers: Address that tells when it is ready; by default `url`.

        Raises:
            RuntimeError: It ends, or does not answer.
        """
        print_line(f"starting {name}")
        pid = self._launch_process(name, words)
        self.started[name] = {"pid": pid, "born": read_start_mark(pid), "url": url}
        (self.folder / STATE_FILE).write_text(json.dumps(self.started), encoding="utf-8")
        if answers or url:
            _wait_until_answering(answers or url, name, pid)

    def _launch_process(self, name: str, words: Sequence[str]) -> int:
        with (self.folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                words,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return child.pid

    def run_command(self, what: str, words: Sequence[str]) -> str:
        """Run a command to its end.

        Returns:
            What it said.

        Raises:
            RuntimeError: It failed.
        """
        print_line(what)
        done = subprocess.run(
            words, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        log = self.folder / f"{what.replace(' ', '-')}.log"
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            raise RuntimeError(f"{what} failed: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout.strip()


def _wait_until_answering(url: str, name: str, pid: int) -> None:
    """Wait until a part answers.

    Raises:
        RuntimeError: It has ended, or takes too long.
    """
    until = time.monotonic() + START_TIMEOUT
    while time.monotonic() < until:
        with suppress(urllib.error.HTTPError, OSError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - an address of our own
            return
        if not _is_alive(pid):
            raise RuntimeError(f"{name} has ended by itself")
        time.sleep(0.5)
    raise RuntimeError(f"{name} does not answer at {url}")


def read_start_mark(pid: int) -> str | None:
    """Return the start time of a process, which tells it from a later one with the same number.

    Returns:
        The machine's boot and the process' start in clock ticks since then; None where it is gone.
    """
    stat = read_process_stat(pid)
    if stat is None:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return f"{boot} {stat.start}"


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def end_process(pid: int) -> None:
    """Ask a process group to end, and kill it if it is still there after `STOP_TIMEOUT` seconds."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_TIMEOUT
    while _is_alive(pid) and time.monotonic() < until:
        time.sleep(0.2)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


_assigned_ports: set[int] = set()
"""Ports that have been given to a part, which may not listen yet."""


def find_free_port(port: int) -> int:
    """The port, or the next one that nobody listens at, or will."""
    while port in _assigned_ports or _is_port_taken(port):
        port += 1
    _assigned_ports.add(port)
    return port


def _is_port_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def print_line(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
