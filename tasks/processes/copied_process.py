"""Start a process as a copy of a template, and see how it ends."""

import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from tasks.processes.process_table import read_process_stat
from tasks.processes.template import CopyRequest
from tasks.processes.template_address import shorten_address

START_TIMEOUT_S = 20.0
"""Seconds that a template has to fork; one that takes longer is not used."""

_POLL_INTERVAL_S = 0.05


class ChildProcess(Protocol):
    """The part of `subprocess.Popen` that copies have, too."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raises `subprocess.TimeoutExpired`."""


class CopiedProcess:
    """A copy of a template.

    Args:
        connection: The connection that it was asked for by.
        pid: Its number.
        words: Its arguments, for messages.

    Attributes:
        pid: Its number.
        returncode: Its exit status, negative for a signal; None while it runs.
    """

    def __init__(self, connection: socket.socket, pid: int, words: Sequence[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._words = list(words)
        self._lock = threading.Lock()
        self._has_template = True
        stat = read_process_stat(pid)
        self._start = stat.start if stat else None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        with self._lock:
            if self.returncode is None:
                self.returncode = self._read_status()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self._words, timeout)
            if self._has_template:
                select.select([self._connection], [], [], _POLL_INTERVAL_S)
            else:
                time.sleep(_POLL_INTERVAL_S)
        return status

    def close(self) -> None:
        """Let go of it: once it has ended, its number may be another process' from now on."""
        with self._lock:
            self.returncode = self._read_status() if self.returncode is None else self.returncode
            self._connection.close()

    def _read_status(self) -> int | None:
        try:
            told = self._connection.recv(64)
        except BlockingIOError:
            return None
        except OSError:
            told = b""
        if told:
            return int(told)
        # The template is gone, or this let go of it; the copy may go on.
        self._has_template = False
        stat = read_process_stat(self.pid)
        is_running = stat is not None and stat.start == self._start and not stat.is_zombie
        return None if is_running else 1


def start_copy(
    template: Path,
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    fds: Mapping[int, int],
    folder: str | Path | None = None,
    leads_session: bool = True,
) -> CopiedProcess | None:
    """Start a copy of a template.

    Args:
        template: The template's socket.
        words: Arguments of the module that its copies run.
        environment: All of the copy's environment.
        fds: Descriptors of this process by the numbers that they have in the copy.
        folder: Working directory; by default this process'.
        leads_session: Whether the copy leads a session and a process group.

    Returns:
        The copy; None where no template answers there.
    """
    request = CopyRequest(
        words=[str(word) for word in words],
        folder=str(folder or Path.cwd()),
        environment=dict(environment),
        numbers=list(fds),
        leads_session=leads_session,
    )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(START_TIMEOUT_S)
        with shorten_address(template) as address:
            connection.connect(address)
        # In a file: an environment may be longer than a message.
        with open(os.memfd_create("request"), "wb") as file:  # noqa: PTH123
            file.write(json.dumps(asdict(request)).encode())
            file.flush()
            socket.send_fds(connection, [b"copy"], [file.fileno(), *fds.values()])
        told = connection.recv(64)
        connection.setblocking(False)
        if told:
            return CopiedProcess(connection, int(told), request.words)
    except OSError:
        pass
    with suppress(OSError):
        connection.close()
    return None
