"""What other programs take of this machine's processors, then and now."""

import hashlib
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

IDLE_SHARE = 0.1
"""Share of the processors' time above which nobody has to wait for one."""

PROBE_SECONDS = 0.5
"""Seconds in which the schedule of other programs shows: each has its turn several times."""

_PROBE_BYTES = 2**20

_STATISTICS = Path("/proc/stat")


@dataclass(frozen=True)
class _Counters:
    """Clock ticks of the processors that this process may use.

    Attributes:
        busy: In which they worked for anybody.
        idle: In which they did not.
    """

    busy: int
    idle: int


class OtherPrograms:
    """Measures what other processes have of the processors while this one works.

    Linux counts the machine's in ``/proc/stat`` (see ``proc(5)``), containers or not.
    """

    def __init__(self) -> None:
        self._counters, self._own = _read_counters(), time.process_time()

    @property
    def share(self) -> float | None:
        """Share of the processors' time, 0 to 1, that others had; 0 where a part of it was free.

        None where the system does not count it.
        """
        now, before = _read_counters(), self._counters
        own = (time.process_time() - self._own) * os.sysconf("SC_CLK_TCK")
        if now is None or before is None:
            return None
        busy, idle = now.busy - before.busy, now.idle - before.idle
        if busy + idle <= 0:
            return None
        if idle > IDLE_SHARE * (busy + idle):
            return 0.0
        return min(1.0, max(0.0, (busy - own) / (busy + idle)))


def _read_counters() -> _Counters | None:
    usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    busy = idle = 0
    with suppress(OSError, ValueError):
        for line in _STATISTICS.read_text(encoding="ascii").splitlines():
            name, *fields = line.split()
            if name in usable:
                user, nice, system, free, waiting, *interrupts = map(int, fields[:8])
                busy += user + nice + system + sum(interrupts)
                idle += free + waiting
    return _Counters(busy, idle) if busy + idle else None


def measure_lost_share(threads: int, seconds: float = PROBE_SECONDS) -> float:
    """Measure which share of the processors this process would not get now.

    Args:
        threads: How many work; as many as the processors that this process may use.
        seconds: For how long.

    Returns:
        Share of their time, 0 to 1, in which threads that want to work cannot.
    """
    data, worked = bytes(_PROBE_BYTES), list[float]()
    started = time.monotonic()

    def work() -> None:
        before = time.thread_time()
        while time.monotonic() < started + seconds:
            hashlib.sha256(data)  # without Python's lock, so that all work at once
        worked.append((time.thread_time() - before) / (time.monotonic() - started))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return min(1.0, max(0.0, 1 - sum(worked) / threads))
