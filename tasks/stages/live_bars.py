"""One live progress bar for each movie in Prefect's UI: how far, how fast, what bounds it."""

import contextvars
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from tasks.messages import escape_markdown, lead_with_cause, unescape_markdown
from tasks.stages.best_effort import run_with_timeout

UPDATE_INTERVAL = 2.0
"""Seconds between two updates of what the UI shows."""

STEP_PERCENTS = {"fetch": (0, 10), "estimate": (10, 70), "label": (70, 95), "publish": (95, 100)}
"""The percent of a movie's work at which a step begins and ends."""

_MAX_TEXT_LENGTH = 300
"""Characters of a reason that fit beside a bar."""


@dataclass
class MovieBar:
    """One movie's bar; changed by the movie's own thread, sent by another.

    Attributes:
        name: The movie.
        percent: How much of its work is done, 0 to 100.
        text: What goes on.
        artifact: The bar's id; None where nobody can be shown one.
    """

    name: str
    percent: float = 0.0
    text: str = "waiting"
    artifact: UUID | None = None
    changed: threading.Event = field(default_factory=threading.Event)

    def report_step(self, step: str, share: float | None, text: str) -> None:
        """Tell how far a step is.

        Args:
            step: One of `STEP_PERCENTS`; others do not move the bar.
            share: How much of it is done, 0 to 1; None where that is not known.
            text: The step's own account of it.
        """
        if step in STEP_PERCENTS:
            begin, end = STEP_PERCENTS[step]
            reached = begin + (end - begin) * min(1.0, share or 0.0)
            self.percent = max(self.percent, reached)
        self._set_text(f"{step}: {text}")

    def report_end(self, text: str, percent: float = 100.0) -> None:
        """Tell how the movie's work ended."""
        self.percent = percent
        self._set_text(text[:_MAX_TEXT_LENGTH])

    def _set_text(self, text: str) -> None:
        self.text = text
        self.changed.set()

    @property
    def description(self) -> str:
        """Text next to the bar."""
        return f"**{escape_markdown(self.name)}** · {escape_markdown(self.text)}"


_DESCRIPTION = re.compile(r"\*\*(?P<name>(?:\\.|[^\\*])*)\*\* · (?P<text>.*)", re.DOTALL)


def parse_description(text: str) -> tuple[str, str]:
    """Read what `MovieBar.description` wrote: the movie, and what goes on; plain text, both."""
    found = _DESCRIPTION.fullmatch(text)
    parts = (found["name"], found["text"]) if found else ("", text)
    name, what = (unescape_markdown(part) for part in parts)
    return name, what


_active_bars: list[MovieBar] = []
"""The movies whose work is under way in this process."""

_current_bar: contextvars.ContextVar[MovieBar | None] = contextvars.ContextVar(
    "movie", default=None
)


def current_bar() -> MovieBar | None:
    """The movie whose work this thread does."""
    return _current_bar.get()


@contextmanager
def update_live_bars() -> Iterator[None]:
    """Keep the bars of the movies of a run up to date while the block runs.

    In a background thread: a slow Prefect server must not slow the work that it shows.
    """
    ended = threading.Event()
    # Which server there is, Prefect keeps in context variables.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_send_until_ended, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=UPDATE_INTERVAL)


def _send_until_ended(ended: threading.Event) -> None:
    with get_client(sync_client=True) as client:
        while not ended.wait(UPDATE_INTERVAL):
            for movie in [one for one in list(_active_bars) if one.changed.is_set()]:
                _send_update(movie, client)


def _send_update(movie: MovieBar, client: Any) -> None:
    movie.changed.clear()
    if movie.artifact is None:
        return
    update = ArtifactUpdate(data=round(movie.percent, 1), description=movie.description)
    try:
        client.update_artifact(artifact_id=movie.artifact, artifact=update)
    except Exception:  # noqa: BLE001 - a picture of the work, never a part of it
        movie.changed.set()


def _send_last_update(movie: MovieBar) -> None:
    def connect_and_send() -> None:
        with suppress(Exception), get_client(sync_client=True) as client:
            _send_update(movie, client)

    if movie.artifact is not None:
        run_with_timeout(connect_and_send)


@contextmanager
def show_live_bar(name: str) -> Iterator[MovieBar]:
    """Show a bar for a movie while the block does its work, which tells of itself through it.

    Args:
        name: The movie.

    Yields:
        The bar; the code that ends the work sets its last state.
    """
    movie = MovieBar(name)
    movie.artifact = _create_artifact(movie)
    token = _current_bar.set(movie)
    _active_bars.append(movie)
    try:
        yield movie
    except Exception as error:
        movie.report_end(f"failed: {lead_with_cause(str(error))}", movie.percent)
        raise
    finally:
        _active_bars.remove(movie)
        _current_bar.reset(token)
        _send_last_update(movie)


def _create_artifact(movie: MovieBar) -> UUID | None:
    if TaskRunContext.get() is None:
        return None
    try:
        made: Any = create_progress_artifact(0.0, description=movie.description)
    except Exception as error:  # noqa: BLE001 - as above
        get_run_logger().warning("The progress of %s could not be shown: %s", movie.name, error)
        return None
    return UUID(str(made))
