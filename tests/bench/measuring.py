"""Seconds and peak memory of a call, in the process that runs it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What a stage took: seconds, and bytes that its process held at most meanwhile."""

    seconds: float
    peak: int


def measured(function: Callable[..., Any], *args: Any) -> tuple[Any, Cost]:
    """What a function gives, and what it took."""
    _forget_peak()
    started = time.perf_counter()
    result = function(*args)
    return result, Cost(time.perf_counter() - started, _peak())


def with_progress(
    function: Callable[..., Any], *args: Any, progress: Callable[[int], None]
) -> tuple[Any, Cost]:
    """The same for a stage that tells how far it is."""
    return measured(function, *args, progress)


def _forget_peak() -> None:
    with suppress(OSError):  # some sandboxes have no such file: then it is the process' peak
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
