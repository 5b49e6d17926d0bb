"""Identity of a process of this machine, by which a note of it shows whether it still runs."""

import os
import platform
from contextlib import suppress
from pathlib import Path

from tasks.processes.process_table import read_process_stat


def identify_this_process() -> str:
    """Identify this process among all others on all machines, past and future."""
    pid = os.getpid()
    return " ".join((_machine_identity(), str(pid), _read_start_time(pid) or ""))


def has_ended(noted: str) -> bool:
    """Return whether a noted process ran here and has ended; False if that is unknown.

    Args:
        noted: What `identify_this_process` returned there.
    """
    here, pid, began = [*noted.split(" "), "", ""][:3]
    if not here or here != _machine_identity() or not pid.isdecimal():
        return False
    if not _has_process(int(pid)):
        return True
    now = _read_start_time(int(pid))
    return now is not None and now != began


def _machine_identity() -> str:
    """This start of this machine, and this container's own processes; empty where it has no name.

    The kernel's first set of processes has the same number on all machines.
    """
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{platform.node()}/{boot}/{Path('/proc/self/ns/pid').readlink()}".replace(" ", "_")
    return ""


def _has_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read_start_time(pid: int) -> str | None:
    """Return a process's start in ticks, or that it has ended; None if it may not be read."""
    stat = read_process_stat(pid)
    if stat is None:
        return None
    return "ended" if stat.is_zombie else stat.start
