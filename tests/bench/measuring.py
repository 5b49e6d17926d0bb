"""Seconds and peak memory of a call, in the process that runs it."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What a stage took.

    Attributes:
        seconds: From its beginning to its end.
        peak: Bytes that its process held at most meanwhile.
        busy: Seconds of all processors that it kept busy, its children's too: what is left of a
            comparison where other programs have their share of the machine.
        gpu: Percent of the time in which the GPU computed.
    """

    seconds: float
    peak: int = 0
    busy: float = 0.0
    gpu: float | None = None


def measure_call(function: Callable[..., Any], *args: Any) -> tuple[Any, Cost]:
    """What a function gives, and what it took."""
    _reset_peak()
    started, busy = time.perf_counter(), _read_cpu_seconds()
    result = function(*args)
    return result, Cost(time.perf_counter() - started, _read_peak(), _read_cpu_seconds() - busy)


def measure_with_progress(
    function: Callable[..., Any], *args: Any, progress: Callable[[int], None]
) -> tuple[Any, Cost]:
    """The same for a stage that tells how far it is."""
    return measure_call(partial(function, progress=progress), *args)


def _read_cpu_seconds() -> float:
    return sum(os.times()[:4])


def _reset_peak() -> None:
    with suppress(OSError):  # some sandboxes have no such file: then it is the process' peak
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _read_peak() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
