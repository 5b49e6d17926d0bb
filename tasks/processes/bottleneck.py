"""Progress of a piece of work, and its bottleneck."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

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


class WaitTimer:
    """Measures how long a loop waits for what it works on."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._waited = 0.0

    def measure_waits(self, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time until each is there counts as waiting."""
        iterator = iter(items)
        while True:
            before = time.monotonic()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._waited += time.monotonic() - before
            yield item

    @property
    def bottleneck(self) -> str:
        """Name what has slowed the loop most so far."""
        elapsed = time.monotonic() - self._started
        return "decoding" if self._waited > BOTTLENECK_SHARE * elapsed else "the network"
