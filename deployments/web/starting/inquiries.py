"""Slow questions about inputs and requests, asked in child processes, each answered once.

Models and movies may be anybody's: a child may be killed by one, or take too long, and the page
stays as it is.
"""

import logging
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tasks.errors import BadInput, PoseError, Retriable
from tasks.processes.stage_process import StageProcess
from tasks.run.estimator import child_environment

log = logging.getLogger("web")

LONGEST_SECONDS = 600.0
"""Seconds that an answer may take: of a request with thousands of movies."""

MAX_WAITING = 50
"""Questions that wait for their turn; more are refused."""

MAX_KEPT = 300
"""Answers that are kept."""

IDLE_SECONDS = 60.0
"""Seconds after which a process that nobody asks anything is ended."""


@dataclass
class Inquiry:
    """A question, and its answer once there is one.

    Attributes:
        function: What answers it: a module-level function whose argument ``progress``, if it has
            one, takes the number of the step that it begins.
        arguments: Its arguments.
        steps: What its steps are called, from 0.
        text: What goes on.
        answer: Its result; None as long as there is none.
        problem: Why there is none; empty if there is or may be one.
        is_lasting: Whether asking again would give the same.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    steps: tuple[str, ...] = ()
    text: str = "waiting for its turn"
    answer: Any = None
    problem: str = ""
    is_lasting: bool = True
    ended: threading.Event = field(default_factory=threading.Event)


class InquiryLane:
    """Answers questions one after the other, in a process that ends when there are no more.

    Args:
        name: What messages call the process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: OrderedDict[object, Inquiry] = OrderedDict()
        self._waiting: Queue[Inquiry | None] = Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: StageProcess | None = None
        self._is_closed = False

    def ask(
        self,
        key: object,
        function: Callable[..., Any],
        *arguments: Any,
        steps: tuple[str, ...] = (),
    ) -> Inquiry:
        """Ask something, unless it has been asked already.

        Args:
            key: What the answer depends on.
            function: What answers it.
            *arguments: Its arguments.
            steps: What its steps are called.

        Returns:
            The question, which others may have asked.

        Raises:
            Retriable: Too many wait.
        """
        with self._lock:
            known = self._known.get(key)
            if known and not (known.ended.is_set() and known.problem and not known.is_lasting):
                self._known.move_to_end(key)
                return known
            if self._waiting.qsize() >= MAX_WAITING or self._is_closed:
                raise Retriable("too many wait for an answer by now; try again in a minute")
            inquiry = Inquiry(function, arguments, steps)
            self._known[key] = inquiry
            while len(self._known) > MAX_KEPT:
                self._known.popitem(last=False)
            self._waiting.put(inquiry)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._answer_all, name=self._name, daemon=True
                )
                self._thread.start()
        return inquiry

    def find(self, key: object) -> Inquiry | None:
        """A question that has been asked; None if it is not known, or no longer."""
        with self._lock:
            return self._known.get(key)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._is_closed = True
            process, thread = self._process, self._thread
        self._waiting.put(None)
        if process is not None:
            process.end()
        if thread is not None:
            thread.join()

    def _answer_all(self) -> None:
        with tempfile.TemporaryDirectory(
            prefix="dlcflow-page-", ignore_cleanup_errors=True
        ) as name:
            scratch = Path(name)
            process = StageProcess(
                self._name, scratch / "log", child_environment(scratch, threads=1)
            )
            with self._lock:
                self._process = process
                if self._is_closed:
                    return
            try:
                self._answer_with(process, scratch)
            finally:
                process.end()

    def _answer_with(self, process: StageProcess, scratch: Path) -> None:
        while True:
            try:
                inquiry = self._waiting.get(timeout=IDLE_SECONDS)
            except Empty:
                process.close()
                inquiry = self._waiting.get()
            if inquiry is None or self._is_closed:
                return
            self._answer(inquiry, process)
            with suppress(OSError):
                os.truncate(scratch / "log", 0)

    def _answer(self, inquiry: Inquiry, process: StageProcess) -> None:
        until = time.monotonic() + LONGEST_SECONDS

        def note_progress(step: int) -> None:
            if time.monotonic() > until:  # which ends the process
                raise Retriable(f"no answer within {LONGEST_SECONDS / 60:.0f} minutes")
            inquiry.text = inquiry.steps[step]

        inquiry.text = "looking"
        try:
            inquiry.answer = process.call(
                inquiry.function, *inquiry.arguments, on_progress=note_progress
            )
        except PoseError as error:
            inquiry.problem, inquiry.is_lasting = str(error), isinstance(error, BadInput)
        except Exception as error:
            log.exception("a question was not answered")
            inquiry.problem, inquiry.is_lasting = f"it failed: {error}", False
        finally:
            inquiry.ended.set()
