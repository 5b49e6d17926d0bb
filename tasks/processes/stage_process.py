"""Run heavy stages in child processes that can really be ended.

A time limit or a cancelled run cannot stop native code in a thread, and DeepLabCut changes its
process' working directory and thread pools. So stages run in child processes: each answers
one call after the other (a loaded model is kept between calls), sends progress, leads a process
group of its own, and ends when its parent does.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from tasks.errors import PoseError, Retriable, StageFailed
from tasks.processes import child
from tasks.processes.child import FunctionCall
from tasks.processes.copied_process import ChildProcess, CopiedProcess, start_copy
from tasks.processes.ended_children import forget_child, watch_child
from tasks.processes.environment import build_child_environment
from tasks.processes.kill_process import kill_process_group
from tasks.processes.owner import describe_owner
from tasks.processes.template_address import find_template_socket
from tasks.processes.watchdog import Patience, Watchdog

R = TypeVar("R")

_PIPE_NUMBER = 500
"""Number of the pipe in a copy: the libraries of its template have opened none as high."""

POLL_INTERVAL_S = 0.5
"""Seconds between two looks at whether a child is still there."""

EXIT_TIMEOUT_S = 10.0
"""Seconds that a child has to end by itself once it has closed its pipe."""

_LAST_LINE_COUNT = 20


class StageProcess:
    """A child process that runs module-level functions, one at a time.

    A function that takes a ``progress`` argument is given one that sends frame counts back.

    Args:
        name: What messages call it.
        log: The file that the child's output goes to.
        env: Environment variables that are set beside those of this process.
        load: Loads, in the child, the libraries of its calls ahead of the first one.
    """

    def __init__(
        self,
        name: str,
        log: Path,
        env: Mapping[str, str],
        load: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self._loader = f"{load.__module__}:{load.__qualname__}" if load else None
        self._log = log
        self._env = dict(env)
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._connection: Connection[Any, Any] | None = None
        self._ended = False

    def start(self) -> None:
        """Start the child ahead of its first call, so that its imports overlap with other work."""
        with self._lock:
            self._ensure_running()

    def call(
        self,
        function: Callable[..., R],
        *args: Any,
        on_progress: Callable[[Any], None] | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> R:
        """Run a function in the child and wait for its result.

        Args:
            function: A module-level function whose arguments and result can be pickled.
            *args: Its arguments, without ``progress``.
            on_progress: Receives what the function's ``progress`` argument is called with.
            patience: How long the child may stay silent before it counts as hung.

        Returns:
            What the function returned.

        Raises:
            PoseError: As the function raised it.
            Retriable: The child was ended by a signal, or was silent for too long.
            StageFailed: The function raised anything else; ``output`` has its last lines.
        """
        call = FunctionCall(function.__module__, function.__qualname__, args)
        with self._lock:
            connection = self._ensure_running()
            try:
                with Watchdog(patience, self._kill_child_group) as watchdog:
                    kind, value = self._send_and_wait(connection, call, on_progress, watchdog)
            except BaseException:
                # Cancelled, or lost: the child may still be busy with what nobody waits for.
                self._kill_child()
                raise
            if kind == "failure":
                # A GPU that failed once fails for good in a process, and HDF5 keeps open what it
                # could not write: the next call gets a new one.
                self._kill_child()
                raise self._build_failure(value)
        if kind == "error":
            raise value
        return value  # type: ignore[no-any-return]

    def _send_and_wait(
        self,
        connection: "Connection[Any, Any]",
        call: FunctionCall,
        on_progress: Any,
        watchdog: Watchdog,
    ) -> tuple[str, Any]:
        """Send a call and wait for what it ends with, passing progress on."""
        with self._explain_loss(watchdog):
            connection.send(call)
        while True:
            with self._explain_loss(watchdog):
                kind, value = self._receive_message(connection, watchdog)
            if kind != "progress":
                return kind, value
            with watchdog.handle_sign_of_life(value):
                if on_progress is not None:
                    on_progress(value)

    def _receive_message(
        self, connection: "Connection[Any, Any]", watchdog: Watchdog
    ) -> tuple[str, Any]:
        # Polling, not a blocking read, lets signals and cancellation through. A dead child may
        # leave others behind that hold the pipe open: its own state counts too. One that hangs in
        # a driver outlives even SIGKILL until that lets it go, and nobody waits for it that long.
        while not connection.poll(POLL_INTERVAL_S):
            if watchdog.has_bitten or self._child is None or self._child.poll() is not None:
                raise EOFError
        return connection.recv()  # type: ignore[no-any-return]

    @contextmanager
    def _explain_loss(self, watchdog: Watchdog) -> Iterator[None]:
        try:
            yield
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise self._attach_output(
                watchdog.explain_kill(self.name) or self._describe_loss()
            ) from error
        except (OSError, TypeError) as error:
            if not self._ended:
                raise
            raise self._describe_loss() from error  # another thread has closed the pipe

    def _ensure_running(self) -> "Connection[Any, Any]":
        self._check_not_ended()
        if self._child is None or self._child.poll() is not None or self._connection is None:
            self._kill_child()
            self._launch_child()
            self._check_not_ended()  # the thread that ended it meanwhile has not seen the child
        assert self._connection is not None
        return self._connection

    def _check_not_ended(self) -> None:
        if self._ended:
            self._kill_child()
            raise self._build_ended_error()

    def _launch_child(self) -> None:
        ours, theirs = Pipe()
        env = build_child_environment(self._env)
        with theirs, self._log.open("ab") as log:
            self._child = self._copy_child(env, theirs.fileno(), log.fileno()) or subprocess.Popen(
                [sys.executable, "-m", child.__name__, *self._words(theirs.fileno())],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        watch_child(self._child)
        self._connection = ours

    def _copy_child(self, env: Mapping[str, str], pipe: int, log: int) -> CopiedProcess | None:
        """Copy a process that has loaded the libraries, where the machine has one."""
        if self._loader is None:
            return None
        template = find_template_socket(child.__name__, self._loader, env)
        if template is None:
            return None
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            fds = {0: nothing.fileno(), 1: log, 2: log, _PIPE_NUMBER: pipe}
            return start_copy(template, self._words(_PIPE_NUMBER), environment=env, fds=fds)

    def _words(self, pipe: int) -> list[str]:
        """Arguments of the child: the pipe's number there, who owns it, and what it loads."""
        return [str(pipe), *describe_owner(), *filter(None, [self._loader])]

    def _describe_loss(self) -> PoseError:
        """Describe how the child ended."""
        if self._ended:
            return self._build_ended_error()
        child, status = self._child, None
        if child is not None:
            with suppress(subprocess.TimeoutExpired):
                # It ends by itself; killed meanwhile, it would seem to have been killed before.
                child.wait(EXIT_TIMEOUT_S)
            status = child.poll()
        self._kill_child()
        if status is not None and status < 0:
            return Retriable(f"the {self.name} process was ended by {_format_signal(-status)}")
        return StageFailed(f"the {self.name} process ended with status {status}")

    def _build_ended_error(self) -> StageFailed:
        return StageFailed(f"the {self.name} process was ended with its run")

    def _build_failure(self, told: str | PoseError) -> PoseError:
        if isinstance(told, str):
            told = StageFailed(" ".join(told.split()))
        return self._attach_output(told)

    def _attach_output(self, error: PoseError) -> PoseError:
        error.output = self.read_last_lines() or None
        return error

    def read_last_lines(self) -> str:
        """Return the end of what the child printed."""
        with suppress(FileNotFoundError):
            text = self._log.read_bytes()[-20_000:].decode("utf-8", "replace")
            lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
            return "\n".join(lines[-_LAST_LINE_COUNT:])
        return ""

    def _kill_child(self) -> None:
        """End the child and everything that it started."""
        child, connection = self._child, self._connection
        self._child = self._connection = None
        if child is not None:
            kill_process_group(child.pid)
            with suppress(subprocess.TimeoutExpired):
                # What hangs in a driver ends when that lets it; nobody waits for it that long.
                child.wait(EXIT_TIMEOUT_S)
            forget_child(child)
            if isinstance(child, CopiedProcess):
                child.close()
        if connection is not None:
            connection.close()

    def _kill_child_group(self) -> None:
        """End the child and what it started, from another thread: the caller then finds out."""
        if (child := self._child) is not None:
            kill_process_group(child.pid)

    def close(self) -> None:
        """End the child; a later call starts a new one."""
        self._kill_child()

    def end(self) -> None:
        """End the child for good: a stage that is tried again must not start another one."""
        self._ended = True
        self._kill_child()


_CRASH_REMEDY = (
    "its native code crashed on this input; where that happens again, encode the movie anew "
    "(ffmpeg -i OLD.mp4 NEW.mp4), or try another worker"
)

_REMEDIES = {
    signal.SIGKILL: "out of memory? give the worker more, or run less at the same time",
    signal.SIGBUS: "the scratch disk (TMPDIR) or /dev/shm is full? make room",
    signal.SIGSEGV: _CRASH_REMEDY,
    signal.SIGABRT: _CRASH_REMEDY,
    signal.SIGILL: _CRASH_REMEDY,
    signal.SIGFPE: _CRASH_REMEDY,
}


def _format_signal(number: int) -> str:
    """A signal's name, and what to do where it comes again."""
    try:
        known = signal.Signals(number)
    except ValueError:
        return f"signal {number}"  # a real-time one has no name
    remedy = _REMEDIES.get(known)
    return f"{known.name} ({remedy})" if remedy else known.name
