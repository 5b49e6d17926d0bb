"""The seconds that the parts of a run take, and how long the run takes with them.

A run's movies share its processes: some movies are under way at a time, one of them has the
network, and each of the others' stages takes a process that finishes movies. `RunSeconds.total`
follows them through, so that work which goes on beside other work costs nothing.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto


class Resource(StrEnum):
    """What a part of a movie's work needs to itself."""

    ESTIMATOR = auto()
    FINISHER = auto()
    NOTHING = auto()


@dataclass(frozen=True)
class MovieSeconds:
    """Seconds that the parts of a movie's work take.

    Attributes:
        fetch: Looking for earlier results, and bringing the movie to the local disk.
        check: Opening it.
        queued: Waiting for a device that other runs use.
        decoding: The network's waits for frames.
        network: The rest of the estimation.
        tracking: Putting poses together, and following animals.
        drawing: Filter, verdict, previews, labeled movie and files for other programs.
        publish: Keeping and publishing results.
    """

    fetch: float = 0.0
    check: float = 0.0
    queued: float = 0.0
    decoding: float = 0.0
    network: float = 0.0
    tracking: float = 0.0
    drawing: float = 0.0
    publish: float = 0.0

    @property
    def estimation(self) -> float:
        """Seconds in which no other movie of the run can be estimated."""
        return self.queued + self.decoding + self.network + self.tracking

    @property
    def steps(self) -> tuple[tuple[Resource, float], ...]:
        """The parts in order, and what each needs."""
        return (
            (Resource.NOTHING, self.fetch),
            (Resource.FINISHER, self.check),
            (Resource.ESTIMATOR, self.estimation),
            (Resource.FINISHER, self.drawing),
            (Resource.NOTHING, self.publish),
        )


@dataclass(frozen=True)
class RunLayout:
    """What a run's movies share.

    Attributes:
        at_once: Movies that are under way at a time.
        estimators: Networks at work at a time.
        finishers: Processes that do everything but the network.
    """

    at_once: int = 1
    estimators: int = 1
    finishers: int = 1


@dataclass(frozen=True)
class RunSeconds:
    """Seconds that the parts of a run take.

    Attributes:
        start: Until the first movie's turn: programs, libraries and the model are loaded.
        waiting: Waiting for other runs that write to the same output.
        movies: Each movie's parts.
        end: What remains when all movies are done: annotations, report and record.
        layout: What the movies share.
    """

    start: float = 0.0
    waiting: float = 0.0
    movies: tuple[MovieSeconds, ...] = ()
    end: float = 0.0
    layout: RunLayout = field(default_factory=RunLayout)

    @property
    def total(self) -> float:
        """Seconds from the run's start to its end."""
        return self.start + self.waiting + schedule_movies(self.movies, self.layout) + self.end


def schedule_movies(movies: Sequence[MovieSeconds], layout: RunLayout) -> float:
    """Compute when the last of a run's movies is done: each part begins as soon as it can.

    Args:
        movies: Their parts, in the order in which they begin.
        layout: What they share.

    Returns:
        Seconds since the first one began.
    """
    free = {
        Resource.ESTIMATOR: [0.0] * layout.estimators,
        Resource.FINISHER: [0.0] * layout.finishers,
    }
    waiting = iter(enumerate(movies))
    ready: list[tuple[float, int, Iterator[tuple[Resource, float]]]] = []

    def begin_next(now: float) -> None:
        if (movie := next(waiting, None)) is not None:
            heapq.heappush(ready, (now, movie[0], iter(movie[1].steps)))

    for _ in range(layout.at_once):
        begin_next(0.0)
    now = 0.0
    while ready:
        now, number, steps = heapq.heappop(ready)
        step = next(steps, None)
        if step is None:
            begin_next(now)
            continue
        resource, seconds = step
        end = now + seconds
        if seconds and resource in free:
            end = max(now, heapq.heappop(free[resource])) + seconds
            heapq.heappush(free[resource], end)
        heapq.heappush(ready, (end, number, steps))
    return now
