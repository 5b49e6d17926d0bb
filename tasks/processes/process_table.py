"""Read what Linux says of a process: the only reader of ``/proc/PID/stat``."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessStat:
    """One process, as ``/proc/PID/stat`` describes it (see ``proc(5)``).

    Attributes:
        parent: Number of its parent process.
        start: Clock ticks from the machine's start to its own. With its number, this tells it from
            a later process of the same number.
        is_zombie: Whether it has ended and its parent has not taken notice yet.
    """

    parent: int
    start: str
    is_zombie: bool


def read_process_stat(pid: int) -> ProcessStat | None:
    """Read a process' entry.

    Args:
        pid: Its number.

    Returns:
        The entry; None where there is no such process, or where it may not be read.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything, spaces and parentheses too.
    fields = text.rpartition(")")[2].split()
    return ProcessStat(parent=int(fields[1]), start=fields[19], is_zombie=fields[0] == "Z")


def read_process_age(pid: int) -> float | None:
    """Read how long ago a process started.

    Args:
        pid: Its number.

    Returns:
        Seconds; None where there is no such process, or the system's clocks disagree.
    """
    if (stat := read_process_stat(pid)) is None:
        return None
    started = int(stat.start) / os.sysconf("SC_CLK_TCK")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return age if age >= 0 else None
