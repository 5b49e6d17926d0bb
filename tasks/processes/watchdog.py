"""Limits on a stage's silence, and the watchdog that ends a process that exceeds them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from tasks.environment_variables import PATIENCE, read_patience
from tasks.errors import Retriable
from tasks.processes.bottleneck import EstimationProgress

SECONDS_PER_FRAME = 0.002
"""Seconds more for each frame, where work on a whole movie says nothing until it is done.

Filtering, judging and drawing take some ten microseconds a frame.
"""

SECONDS_PER_COMBINED_FRAME = 0.05
"""The same where poses are put together: following several animals takes some milliseconds."""

TICK_S = 0.5
"""Seconds between two looks at how long a process has been silent."""


@dataclass(frozen=True)
class Patience:
    """Limits on the silence of one call.

    Attributes:
        what: The movie, as messages call it; empty where it is about none.
        frames: The length of what is worked on.
    """

    what: str = ""
    frames: int = 0

    def compute_limit(self, last: Any) -> float:
        """Seconds of silence that are too many.

        Before the first frame, after the last one, and where no frames are told, files are read and
        written that are the larger the longer the movie is.

        Args:
            last: The last progress reported, frames or an `EstimationProgress`; None where
                there was none.
        """
        done = last.done if isinstance(last, EstimationProgress) else last
        if isinstance(last, EstimationProgress) and last.combines:
            # As many as there are, not as many as the movie says that it has.
            return read_patience() + SECONDS_PER_COMBINED_FRAME * last.done
        between = done is not None and 0 < done < self.frames
        return read_patience() + (0 if between else SECONDS_PER_FRAME * self.frames)


class Watchdog:
    """Watches how long a process is silent while the block runs, and ends it when it is too long.

    It counts its own ticks, not what a clock says: while this process is stopped itself, or its
    machine asleep, nobody's silence counts.

    Args:
        patience: What is too long.
        end: Ends the process; called from a thread.

    Attributes:
        has_bitten: Whether it has been silent for too long, and was ended.
    """

    def __init__(self, patience: Patience, end: Callable[[], None]) -> None:
        self._patience, self._end = patience, end
        self._last: Any = None
        self._silent, self._listening = 0.0, True
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch_silence, name="watchdog", daemon=True)
        self._limit = patience.compute_limit(None)
        self.has_bitten = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @contextmanager
    def handle_sign_of_life(self, value: Any) -> Iterator[None]:
        """A sign of life; while the block deals with it, nobody listens for the next one."""
        self._listening = False
        try:
            yield
        finally:
            self._last, self._silent, self._listening = value, 0.0, True

    def explain_kill(self, name: str) -> Retriable | None:
        """Say what has been ended, and why; nothing where it was not for its silence.

        Args:
            name: What the process is called.
        """
        if not self.has_bitten:
            return None
        frames = f"{self._patience.what}, {self._patience.frames:,} frames".removeprefix(", ")
        whose = f" (the limit for {frames})" if self._patience.frames else ""
        return Retriable(
            f"the {name} process gave no sign of life for {self._limit:,.0f} s{whose} and was "
            f"ended; if it was only slow, set {PATIENCE} to more seconds than "
            f"{read_patience():,.0f} where workers start"
        )

    def _watch_silence(self) -> None:
        while not self._stopped.wait(TICK_S):
            if self._listening:
                self._silent += TICK_S
            self._limit = self._patience.compute_limit(self._last)
            if self._silent > self._limit:
                self.has_bitten = True
                self._end()
                return
