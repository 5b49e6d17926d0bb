"""Start a service's parts in the background, find them again, and stop them."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tasks.environment_variables import INBOX
from tasks.processes.process_table import read_process_stat
from tasks.storage.local_files import open_replacement

ROOT = Path(__file__).parents[1]
STATE_FILE = "state.json"
"""File in the folder that says what is up."""

SETTINGS_FILE = "env"
"""File in the folder that a shell can source, to use what is up."""

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

    def start(
        self,
        name: str,
        words: Sequence[str],
        url: str = "",
        is_ready: Callable[[], bool] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bool:
        """Start a part unless it is running, and wait until it is ready.

        Args:
            name: What to call it.
            words: Its command.
            url: Where it is served.
            is_ready: Returns whether it is ready; by default, whether `url` answers.
            environment: What this part gets in addition.

        Returns:
            Whether it had to be started.

        Raises:
            RuntimeError: It ends, or does not get ready.
        """
        if is_running(self.started.get(name, {})):
            print_line(f"{name} is running")
            return False
        print_line(f"starting {name}")
        pid = self._launch_process(name, words, self.environment | dict(environment or {}))
        self.started[name] = {"pid": pid, "born": read_start_mark(pid), "url": url}
        write_state(self.folder, self.started)
        if is_ready or url:
            _wait_until_ready(is_ready or partial(is_answering, url), name, pid)
        return True

    def _launch_process(
        self, name: str, words: Sequence[str], environment: Mapping[str, str]
    ) -> int:
        # What an earlier process of this part has logged may say why it ended.
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                words,
                cwd=ROOT,
                env=environment,
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


def _wait_until_ready(is_ready: Callable[[], bool], name: str, pid: int) -> None:
    """Wait until a part is ready.

    Raises:
        RuntimeError: It has ended, or takes too long.
    """
    until = time.monotonic() + START_TIMEOUT
    while time.monotonic() < until:
        if is_ready():
            return
        if not _is_alive(pid):
            raise RuntimeError(f"{name} has ended by itself")
        time.sleep(0.5)
    raise RuntimeError(f"{name} is not ready after {START_TIMEOUT:.0f} s")


def is_answering(url: str) -> bool:
    """Return whether a web address answers, without an error status."""
    with suppress(urllib.error.HTTPError, OSError):
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - an address of our own
        return True
    return False


def read_state(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what was started in a folder: process, start mark, and address of each part, by name."""
    state = folder / STATE_FILE
    if not state.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(state.read_text(encoding="utf-8"))
    return found


def write_state(folder: Path, state: Mapping[str, Mapping[str, Any]]) -> None:
    """Write down what was started in a folder; who reads it meanwhile finds all of it."""
    with open_replacement(folder / STATE_FILE) as file:
        file.write(json.dumps(state).encode())


def write_settings(parts: ServiceParts) -> None:
    """Write the environment variables with which a shell uses the running service."""
    aws = (name for name in parts.environment if name.startswith("AWS_"))
    names = [name for name in ("PREFECT_API_URL", INBOX.name, *aws) if name in parts.environment]
    lines = [f"export {name}={shlex.quote(parts.environment[name])}\n" for name in names]
    file = parts.folder / SETTINGS_FILE
    file.touch(mode=0o600)
    file.write_text("".join(lines), encoding="utf-8")


def read_settings(folder: Path) -> dict[str, str]:
    """Return the environment variables with which programs use the service; empty if none is up."""
    file = folder / SETTINGS_FILE
    words = shlex.split(file.read_text(encoding="utf-8")) if file.exists() else []
    return dict(word.split("=", 1) for word in words if "=" in word)


def is_running(part: Mapping[str, Any]) -> bool:
    """Return whether a part's process runs; its number may be another's by now."""
    mark = part.get("born")
    return bool(mark) and mark == read_start_mark(part["pid"])


def read_start_mark(pid: int) -> str | None:
    """Return the start time of a process, which tells it from a later one with the same number.

    Returns:
        The machine's boot and the process' start in clock ticks since then; None if it has ended,
        even if its parent has not noticed yet.
    """
    stat = read_process_stat(pid)
    if stat is None or stat.is_zombie:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return f"{boot} {stat.start}"


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    return read_start_mark(pid) is not None


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
