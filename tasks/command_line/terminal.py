"""Terminal output of a run: an early check, live progress, and the outcome."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from tasks.command_line.exit_status import (
    BAD_INPUT,
    COMPLETE,
    FAILED,
    EndSignals,
    print_interruption,
)
from tasks.command_line.run_log import find_console_handlers
from tasks.command_line.run_outcome import describe_refusal, read_outcome
from tasks.errors import BadInput, MoviesFailed
from tasks.output.kept_progress import kept_progress
from tasks.output.lock import release_locks
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.settings import PoseSettings
from tasks.run.request import resolve_locations
from tasks.run.scratch_folder import remove_own_folders
from tasks.stages.best_effort import run_with_timeout
from tasks.stages.progress import ProgressUpdate, progress_listeners
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore


def check_request_locations(
    model: str, movies: Sequence[str], output: str, settings: PoseSettings
) -> Location:
    """Check a request's locations before a Prefect server is started.

    Returns:
        Where results go.

    Raises:
        BadInput: A location cannot be used.
        Retriable: The store cannot be reached; the same command can be tried again.
    """
    found = resolve_locations(model, movies, output, settings, warns_of_order=False)
    return found.output


@contextmanager
def exit_on_signals(signals: EndSignals) -> Iterator[None]:
    """Let a signal end the process within seconds while the block runs.

    It may end the run's own Prefect server too, and Prefect then tries for minutes to reach the
    server that is gone. The flow has cleaned up after itself before that.

    Raises:
        Interrupted: There was a signal before.
    """
    signals.last_resort = partial(_exit_at_once, signals)
    signals.describe_continuation = kept_progress.describe_continuation
    try:
        signals.raise_if_any()
        yield
    finally:
        signals.last_resort = None


def _exit_at_once(signals: EndSignals) -> None:
    remove_own_folders()
    run_with_timeout(release_locks, RELEASE_TIMEOUT_S)
    status = print_interruption(signals)
    sys.stderr.flush()
    os._exit(status)


RELEASE_TIMEOUT_S = 2.0
"""Seconds for a store to take note that a run which ends has given its lock back."""


def print_outcome(
    state: State[Any],
    output: Location,
    delivered: Mapping[str, str],
    log: Path | None,
    *,
    as_object: bool = False,
) -> int:
    """Print how a run ended, and where its results are.

    Args:
        state: Its final state.
        output: Where results go.
        delivered: Published files to name, below `output`, by what to call them.
        log: File that has the whole log; None if there is none.
        as_object: Whether to print a JSON object on standard output, for programs.

    Returns:
        The exit status. The last line on standard output is the location of the run record, or
        all of it is the object.
    """
    error = None if state.is_completed() else state.result(raise_on_failure=False)
    lines = [f"{'error: ' if error is not None else ''}{state.message}"]
    is_delivered = error is None or isinstance(error, MoviesFailed)
    if is_delivered:
        lines += [f"{name:14}  {output.child(path)}" for name, path in delivered.items()]
    if log:
        lines += [f"{'log':14}  {log}"]
    sys.stderr.writelines(f"{line}\n" for line in lines)
    sys.stderr.flush()
    status = _choose_exit_status(error)
    if as_object:
        message = state.message or ""
        outcome = describe_refusal(message, status, is_refused=isinstance(error, BadInput))
        if is_delivered:
            written = str(log) if log else None
            outcome = read_outcome(LocationStore(), output, message, status, written)
        sys.stdout.write(outcome.to_json())
    elif is_delivered:
        sys.stdout.write(f"{output.child(RUN_RECORD_FILE)}\n")
    return status


def _choose_exit_status(error: Any) -> int:
    if error is None:
        return COMPLETE
    bad = isinstance(error, BadInput) or (isinstance(error, MoviesFailed) and error.only_bad_input)
    return BAD_INPUT if bad else FAILED


@contextmanager
def show_live_progress() -> Iterator[None]:
    """Show a bar for each piece of work while the block runs, if this is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    console = Console(stderr=True)
    # Prefect's handlers each have a separate console, which would write across the bars.
    for handler in find_console_handlers():
        handler.console = console
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bars:
        listener = _ProgressBars(bars)
        progress_listeners.append(listener)
        try:
            yield
        finally:
            progress_listeners.remove(listener)


class _ProgressBars:
    """One bar for each piece of work that is under way."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, update: ProgressUpdate) -> None:
        if update.finished:
            if update.what in self._tasks:
                self._bars.remove_task(self._tasks.pop(update.what))
            return
        if update.what not in self._tasks:
            self._tasks[update.what] = self._bars.add_task(
                update.what, total=update.total, speed=""
            )
        bar = self._tasks[update.what]
        self._bars.update(bar, completed=update.done, speed=self._format_speed(bar, update))

    def _format_speed(self, bar: TaskID, update: ProgressUpdate) -> str:
        speed = self._bars.tasks[self._bars.task_ids.index(bar)].speed or 0.0
        if update.unit == "bytes":
            return f"{speed / 1e6:.1f} MB/s"
        return f"{speed:.1f} {update.unit}/s"
