"""Hands on many things together: soon after the first one, then every few seconds."""

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

log = logging.getLogger(__name__)

FIRST_DELAY = 0.5
"""Seconds that the first thing waits for others."""

DELIVERY_PAUSE = 2.0
"""Seconds between one time and the next."""

PAUSE_PER_ITEM = 0.1
"""Seconds more for each thing, so that a flood makes few and large ones: who takes them needs that
long to start a run for each, and an SQLite server is locked by two that do so at once."""

LONGEST_DELIVERY_PAUSE = 10.0
"""Seconds between one time and the next, at most."""

LONGEST_RETRY_PAUSE = 60.0
"""Seconds between tries while what should take them does not."""

MAX_WAITING = 10_000
"""Things that may wait."""


class Debouncer(Generic[T]):
    """Gathers things, and passes them on from a background thread.

    What could not be handed on is tried again, together with what has come since.
    """

    def __init__(
        self,
        hand_on: Callable[[Sequence[T]], object],
        gathered: float = FIRST_DELAY,
        pause: float = DELIVERY_PAUSE,
    ) -> None:
        """Begin.

        Args:
            hand_on: Takes the things. Raises ConnectionError when it cannot do so now; after any
                other error they are not tried again.
            gathered: Seconds that the first thing waits for others.
            pause: Seconds between one time and the next, to which a flood adds.
        """
        self._hand_on = hand_on
        self._gathered, self._pause = gathered, pause
        self._lock = threading.Lock()
        self._waiting: dict[T, None] = {}
        self._done: list[Callable[[], object]] = []
        self._filled, self._closing = threading.Event(), threading.Event()
        self._failures = 0
        self._thread = threading.Thread(
            target=self._deliver_until_closed, name="gatherer", daemon=True
        )
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Return whether so much is waiting that no more should come now."""
        return len(self._waiting) >= MAX_WAITING

    @property
    def is_failing(self) -> bool:
        """Return whether the last delivery failed, so that what is waiting has to be sent again."""
        return self._failures > 0

    def add(self, things: Iterable[T], done: Callable[[], object] | None = None) -> None:
        """Take things; those that wait already count once.

        Args:
            things: What to hand on.
            done: Called when they have been handed on, from the gatherer's thread; raises nothing.
        """
        with self._lock:
            self._waiting |= dict.fromkeys(things)
            if done:
                self._done.append(done)
            self._filled.set()

    def close(self) -> None:
        """Hand on what waits, in one last try, and end."""
        self._closing.set()
        self._filled.set()
        self._thread.join()
        if self._waiting:
            log.error(
                "%d arrivals were lost; the scheduled look will find them", len(self._waiting)
            )

    def _deliver_until_closed(self) -> None:
        while not self._closing.is_set():
            self._filled.wait()
            self._closing.wait(self._gathered)
            pause = min(self._pause + PAUSE_PER_ITEM * len(self._waiting), LONGEST_DELIVERY_PAUSE)
            self._failures = 0 if self._deliver_all() else self._failures + 1
            self._closing.wait(min(pause * 2**self._failures, LONGEST_RETRY_PAUSE))
        self._deliver_all()

    def _deliver_all(self) -> bool:
        with self._lock:
            things, self._waiting = self._waiting, {}
            done, self._done = self._done, []
            self._filled.clear()
        try:
            if things:
                self._hand_on(list(things))
        except ConnectionError as error:
            log.warning("%d arrivals wait: %s", len(things), error)
            self._put_back(things, done)
            return False
        except Exception:  # without this thread nothing would ever be handed on again
            log.exception(
                "%d arrivals were refused; the scheduled look will find them", len(things)
            )
        for call in done:
            call()
        return True

    def _put_back(self, things: dict[T, None], done: list[Callable[[], object]]) -> None:
        with self._lock:
            self._waiting = things | self._waiting
            self._done = done + self._done
            self._filled.set()
