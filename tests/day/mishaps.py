"""What happens to a service in a day: lost workers, restarts, and a disk that becomes full."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.day.day_service import DayService

FULL_SECONDS = 60.0
"""How long the disk is full."""

FIRST, LAST = 0.1, 0.75
"""Part of the time of drops in which mishaps happen."""

_PIECE = bytes(1 << 16)


@dataclass(frozen=True)
class Mishap:
    """Something that happens.

    Attributes:
        name: What it is.
        after: Seconds from the day's begin.
        happen: Lets it happen, and brings the service back; what is wrong, one sentence each.
    """

    name: str
    after: float
    happen: Callable[[], list[str]]


def plan_mishaps(service: DayService, seconds: float, draws: random.Random) -> list[Mishap]:
    """Plan what happens when.

    Args:
        service: To whom.
        seconds: Time in which movies are dropped.
        draws: Where chance comes from.
    """
    mishaps: list[tuple[str, Callable[[], list[str]]]] = [
        ("the worker is killed", lambda: _bring_back(service, service.kill_worker)),
        ("the worker's machine is lost", lambda: _bring_back(service, service.lose_worker)),
        ("the server is restarted", lambda: _bring_back(service, service.end_server)),
        ("the database is restarted", lambda: _bring_back(service, service.end_database)),
        ("the disk is full for a minute", lambda: _fill_for_a_minute(service.scratch)),
    ]
    draws.shuffle(mishaps)
    share = (LAST - FIRST) / len(mishaps)
    return [
        Mishap(name, seconds * (FIRST + share * (place + draws.random() / 2)), happen)
        for place, (name, happen) in enumerate(mishaps)
    ]


def _bring_back(service: DayService, end: Callable[[], None]) -> list[str]:
    end()
    started = service.up()
    service.hurry()
    return [] if len(started) == 1 else [f"`make up` has started {', '.join(started) or 'nothing'}"]


def _fill_for_a_minute(folder: Path) -> list[str]:
    with fill_disk(folder):
        time.sleep(FULL_SECONDS)
    return []


@contextmanager
def fill_disk(folder: Path) -> Iterator[None]:
    """Leave no room on a folder's disk while the block runs."""
    file = folder / "somebody-s-data"
    with file.open("wb", buffering=0) as filling, suppress(OSError):
        while os.write(filling.fileno(), _PIECE):
            pass
    try:
        yield
    finally:
        file.unlink()
