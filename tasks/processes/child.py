"""The child's side of a stage process: serve calls, send progress, and end with the parent."""

import ctypes
import gc
import importlib
import inspect
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from tasks.errors import PoseError
from tasks.full_disk import describe_full_disk
from tasks.processes.fast_imports import pause_garbage_collection
from tasks.processes.owner import end_with_owner

PROGRESS_INTERVAL_S = 0.2
"""Seconds between two progress messages from a child."""


@dataclass(frozen=True)
class FunctionCall:
    """One function call, sent to a child by name."""

    module: str
    function: str
    args: tuple[Any, ...]


# --- in the child ----------------------------------------------------------------------------


class _ProgressSender:
    """Sends what it is called with, a few times a second; of what comes in between, the last.

    The last one always arrives, within the interval: how long the parent waits depends on it.
    """

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._held: list[Any] = []
        self._timer: threading.Timer | None = None
        self._ended = False

    def __call__(self, value: Any) -> None:
        with self._lock:
            self._held = [value]
            if self._timer is None:
                self._send_held()

    def _send_held(self) -> None:
        """Send what is held, and nothing more for a while."""
        self._timer = None
        if self._held and not self._ended:
            self._connection.send(("progress", self._held.pop()))
            self._timer = threading.Timer(PROGRESS_INTERVAL_S, self._send_on_timer)
            self._timer.daemon = True
            self._timer.start()

    def _send_on_timer(self) -> None:
        with self._lock, suppress(OSError):  # a parent that is gone wants nothing more
            self._send_held()

    def end(self) -> None:
        """Send no more: what comes next on the pipe is the result."""
        with self._lock:
            self._ended = True


def _resolve_function(call: FunctionCall) -> Callable[..., Any]:
    function: Any = importlib.import_module(call.module)
    for part in call.function.split("."):
        function = getattr(function, part)
    return function  # type: ignore[no-any-return]


def _run_call(call: FunctionCall, connection: "Connection[Any, Any]") -> tuple[str, Any]:
    progress = _ProgressSender(connection)
    try:
        function = _resolve_function(call)
        wants_progress = "progress" in inspect.signature(function).parameters
        extra = {"progress": progress} if wants_progress else {}
        return "result", function(*call.args, **extra)
    except PoseError as error:
        return "error", error
    except Exception as error:  # noqa: BLE001 - the edge of a stage: all that it raises is told
        told = describe_full_disk(error, Path(os.environ.get("TMPDIR") or gettempdir()))
        with suppress(OSError):  # the log lies on the same disk
            traceback.print_exc()
        return "failure", told or f"{type(error).__name__}: {error}"
    finally:
        progress.end()


def load_ahead(loaders: Sequence[str]) -> None:
    """Call functions that load libraries, without looking for garbage meanwhile.

    Args:
        loaders: Each as ``module:function``.
    """
    with pause_garbage_collection():
        for loader in loaders:
            module, _, function = loader.partition(":")
            _resolve_function(FunctionCall(module, function, ()))()


def _serve_calls(fd: int, owner: int, start: str, loaders: Sequence[str]) -> None:
    end_with_owner(owner, start, fd)
    load_ahead(loaders)
    connection: Connection[Any, Any] = Connection(fd)
    while True:
        try:
            call = connection.recv()
        except EOFError:
            return
        answer = _run_call(call, connection)
        try:
            connection.send(answer)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            connection.send(("failure", f"its result cannot be sent back: {error}"))
        del call, answer
        _release_memory()


def _release_memory() -> None:
    """Give memory that is free back to the system: what a long movie took, the next need not.

    While a stage runs it is kept (see `SMALL_HEAP`).
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    _serve_calls(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
