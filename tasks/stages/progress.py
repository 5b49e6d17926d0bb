"""Progress for people: a line now and then in the run's log, and a live bar on a terminal."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Self

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from tasks.errors import StageFailed
from tasks.messages import format_duration
from tasks.processes.bottleneck import EstimationProgress
from tasks.stages import live_bars

LOG_INTERVAL = 30.0
"""Seconds between two log lines of one piece of work."""

_FIRST_LOG_DELAY = 5.0

SPEED_MARK = "time: "
"""Beginning of the log's lines on how long a run takes and why, which commands show people."""


@dataclass(frozen=True)
class ProgressUpdate:
    """Progress of a piece of work.

    Attributes:
        what: The work, such as ``estimate · mouse1``.
        done: Units that are done.
        total: Units in all; None where unknown.
        unit: ``frames`` or ``bytes``.
        finished: Whether no more updates follow.
    """

    what: str
    done: int
    total: int | None
    unit: str
    finished: bool = False


progress_listeners: list[Callable[[ProgressUpdate], None]] = []
"""Further listeners; the command line shows a bar."""


_run_ended: ContextVar[threading.Event | None] = ContextVar("ended", default=None)


@contextmanager
def cancel_work_at_exit(ended: threading.Event) -> Iterator[None]:
    """End the work that follows when the block ends, also what goes on in other threads by then.

    A cancelled run must not go on with its transfers: nothing else could stop a thread.

    Args:
        ended: Set when the block ends; setting it earlier ends the work.
    """
    token = _run_ended.set(ended)
    try:
        yield
    finally:
        ended.set()
        _run_ended.reset(token)


def check_running(what: str) -> None:
    """Make sure that the run goes on, before work begins that has waited for its turn.

    Raises:
        StageFailed: The run has ended meanwhile; see `cancel_work_at_exit`.
    """
    if (ended := _run_ended.get()) and ended.is_set():
        raise StageFailed(f"{what}: it ended with its run")


class Progress:
    """Follows one piece of work; called with the units that are done so far.

    Work on a movie also moves that movie's bar in Prefect's UI; it is named ``step · movie``.
    """

    def __init__(self, what: str, total: int | None, unit: str = "frames") -> None:
        self._what, self._total, self._unit = what, total, unit
        self._log = _get_log_function()
        self._movie = live_bars.current_bar()
        self._ended = _run_ended.get()
        self._started = time.monotonic()
        self._logged = self._started - LOG_INTERVAL + _FIRST_LOG_DELAY
        self._done, self._known = 0, 0
        self._bound, self._combines = "", False
        self._stopped = False
        self._adding = threading.Lock()

    def __call__(self, done: int | EstimationProgress) -> None:
        """Tell that `done` units are done, and perhaps what bounds the work.

        Raises:
            StageFailed: The run has ended meanwhile; see `cancel_work_at_exit` and `stop`.
        """
        if self._stopped or (self._ended and self._ended.is_set()):
            raise StageFailed(f"{self._what}: it ended with its run")
        now = time.monotonic()
        if isinstance(done, EstimationProgress):
            self._bound, self._combines, self._known = done.bound, done.combines, done.known
            done = done.done
            if done <= self._known:
                # Waiting for a device and passing over known frames is no work of this try.
                self._started = now
        self._done = done
        self._notify_listeners()
        text = self._format_status(now - self._started)
        if self._movie:
            share = self._done / self._total if self._total else None
            self._movie.report_step(self._what.partition(" ")[0], share, text)
        if now - self._logged >= LOG_INTERVAL:
            self._logged = now
            self._log(f"{self._what}: {text}")

    def add(self, more: int) -> None:
        """Tell that `more` units are done; several threads may."""
        with self._adding:
            self(self._done + more)

    def stop(self) -> None:
        """End the work at its next call: another part of it has failed, or was interrupted."""
        self._stopped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Tell that no more follows."""
        self._notify_listeners(finished=True)

    def _notify_listeners(self, *, finished: bool = False) -> None:
        update = ProgressUpdate(self._what, self._done, self._total, self._unit, finished)
        for listener in progress_listeners:
            listener(update)

    def _format_status(self, seconds: float) -> str:
        own = max(0, self._done - self._known)
        speed = own / seconds if seconds > 0 else 0.0
        parts = [f"{_format_amount(self._done, self._unit)}, {_format_amount(speed, self._unit)}/s"]
        if self._total:
            parts.insert(0, f"{100 * self._done / self._total:.0f} %")
            if speed > 0 and self._done <= self._total:
                parts.append(f"{format_duration((self._total - self._done) / speed)} left")
        if self._combines:
            parts.append("poses are put together")
        elif self._bound:
            parts.append(f"bound by {self._bound}" if own else f"waits for {self._bound}")
        return ", ".join(parts)


def _format_amount(count: float, unit: str) -> str:
    if unit == "bytes":
        return f"{count / 1e6:,.1f} MB"
    return f"{count:,.0f} {unit}" if count >= 10 or count == int(count) else f"{count:.1f} {unit}"  # noqa: PLR2004


def _get_log_function() -> Callable[[str], None]:
    """Write to the run's log; taken once, since transfers tell of themselves in other threads."""
    try:
        return get_run_logger().info
    except MissingContextError:
        return lambda _text: None
