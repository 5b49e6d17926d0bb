"""Progress of a piece of work, and its bottleneck."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tasks.processes.other_programs import OtherPrograms

T = TypeVar("T")

BOTTLENECK_SHARE = 0.5
"""Share of the time that makes a wait the bound of the work."""


@dataclass(frozen=True)
class EstimationProgress:
    """Progress of an estimation.

    Attributes:
        done: Frames that have a pose.
        bound: What it waits for most: ``decoding``, ``the network``, or a device that other runs
            use.
        combines: Whether all frames are through, so that nothing more is told until poses of the
            whole movie have been put together.
        known: Frames among them whose poses an earlier try had found.
    """

    done: int
    bound: str
    combines: bool = False
    known: int = 0


def queued_progress(*, on_gpu: bool, known: int = 0) -> EstimationProgress:
    """The progress of an estimation while other runs use all the devices that it could run on.

    Args:
        on_gpu: Whether these are GPUs, or the machine's processors.
        known: Frames whose poses an earlier try had found.
    """
    device = "a GPU" if on_gpu else "the processors"
    return EstimationProgress(known, f"{device} that another run uses", known=known)


@dataclass(frozen=True)
class EstimationTimes:
    """Parts of the time that an estimation took, in seconds.

    Attributes:
        queued: Before it began, waiting for a device that other runs used.
        preparation: To make the network ready for frames of this size.
        decoding: Waiting for decoded frames.
        tracking: After the last frame, until poses were put together and animals followed.
        lost: Share of the processors' time, 0 to 1, that other processes had meanwhile, where
            none of it was free; None where the system does not count it.
    """

    queued: float = 0.0
    preparation: float = 0.0
    decoding: float = 0.0
    tracking: float = 0.0
    lost: float | None = None


class EstimationTimer:
    """Measures an estimation that may go on from an earlier try's."""

    def __init__(self) -> None:
        self._started = self._began = time.monotonic()
        self._looped: float | None = None
        self._decoding = 0.0
        self._parts: dict[str, float] = {}
        self._others = OtherPrograms()

    def restart(self) -> None:
        """Leave out the time until now, which went to frames whose poses were known."""
        self._started = time.monotonic()

    def begin(self) -> None:
        """Begin the estimation: the device is there."""
        self._began = self._started = time.monotonic()
        self._others = OtherPrograms()

    def compute_rate(self, frames: int) -> float | None:
        """Frames per second since the last start; None for no frames."""
        seconds = time.monotonic() - self._started
        return frames / seconds if frames and seconds else None

    @property
    def seconds(self) -> float:
        """Seconds since the estimation began."""
        return time.monotonic() - self._began

    @contextmanager
    def measure_part(self, name: str) -> Iterator[None]:
        """Add the time of the block to a part of `EstimationTimes`."""
        before = time.monotonic()
        try:
            yield
        finally:
            self._parts[name] = self._parts.get(name, 0.0) + time.monotonic() - before

    def measure_waits(self, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time until each is there counts as waiting for frames."""
        iterator = iter(items)
        self._looped = time.monotonic()
        while True:
            before = time.monotonic()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._decoding += time.monotonic() - before
            yield item

    @property
    def bottleneck(self) -> str:
        """Name what has slowed the loop over frames most so far."""
        elapsed = time.monotonic() - (self._looped or self._began)
        return "decoding" if self._decoding > BOTTLENECK_SHARE * elapsed else "the network"

    def end(self) -> EstimationTimes:
        """Describe the parts of the time that has passed."""
        share = self._others.share
        return EstimationTimes(
            **{name: round(seconds, 3) for name, seconds in self._parts.items()},
            decoding=round(self._decoding, 3),
            lost=None if share is None else round(share, 3),
        )
