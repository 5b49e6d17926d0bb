"""What the service's processes hold while a day goes by: memory, and temporary folders."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.processes.process_table import read_process_stat

SETTLED_SECONDS = 45.0
"""Age at which a process has loaded what it needs."""

_PAGE = os.sysconf("SC_PAGE_SIZE")

ProcessId = tuple[int, str]
"""A process' number and start, which tell it from all others."""


@dataclass
class LongLife:
    """The memory of a process over its life.

    Attributes:
        part: The part that it belongs to.
        samples: Seconds, and bytes that it holds in memory, one after the other.
    """

    part: str
    samples: list[tuple[float, int]] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Bytes by which it has grown since the first third of its life."""
        settled = [held for _, held in self.samples]
        third = max(1, len(settled) // 3)
        return settled[-1] - max(settled[:third])


@dataclass
class ProcessWatch:
    """What is seen of processes.

    Attributes:
        lives: Processes that have settled, by number and start.
    """

    lives: dict[ProcessId, LongLife] = field(default_factory=dict)

    def sample(self, parts: Mapping[str, Mapping[str, Any]], now: float) -> None:
        """Look at the processes of each part.

        Args:
            parts: The service's parts.
            now: Seconds since the day's begin.
        """
        for name, part in parts.items():
            for pid in (part["pid"], *find_descendants(part["pid"])):
                stat, held = read_process_stat(pid), read_memory(pid)
                if stat is None or held is None or stat.is_zombie or not _is_settled(stat.start):
                    continue
                life = self.lives.setdefault((pid, stat.start), LongLife(name))
                life.samples.append((now, held))

    def find_growth(self, now: float, shortest: float) -> dict[str, tuple[int, int]]:
        """Find how much each part holds now, and by how much its processes have grown.

        Args:
            now: Seconds since the day's begin, of the last sample.
            shortest: Seconds that a process must have been watched: runs come and go.

        Returns:
            Bytes and bytes, by part.
        """
        found: dict[str, tuple[int, int]] = {}
        for life in self.lives.values():
            (first, _), (last, held) = life.samples[0], life.samples[-1]
            if last < now or last - first < shortest:
                continue
            total, growth = found.get(life.part, (0, 0))
            found[life.part] = total + held, growth + max(0, life.growth)
        return found


def _is_settled(start: str) -> bool:
    ticks = os.sysconf("SC_CLK_TCK")
    with open("/proc/uptime", encoding="ascii") as file:  # noqa: PTH123
        up = float(file.read().split()[0])
    return up - int(start) / ticks > SETTLED_SECONDS


def read_memory(pid: int) -> int | None:
    """Bytes of memory that a process has of its own or shares; None where it has ended."""
    with suppress(OSError, IndexError):
        words = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return int(words[1]) * _PAGE
    return None


def find_descendants(pid: int) -> set[int]:
    """Processes that a process has started, and that they have started."""
    parents = {one: stat.parent for one in list_processes() if (stat := read_process_stat(one))}
    found, new = set[int](), {pid}
    while new:
        new = {one for one, parent in parents.items() if parent in new} - found
        found |= new
    return found


def list_processes() -> list[int]:
    """Numbers of all processes."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def find_marked(mark: str) -> dict[int, str]:
    """Processes that have something in their environment, with their commands.

    Args:
        mark: ``NAME=value``.
    """
    found = {}
    for pid in list_processes():
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            stat = read_process_stat(pid)
            if mark.encode() in environment and stat and not stat.is_zombie:
                found[pid] = read_command(pid)
    return found


def read_command(pid: int) -> str:
    """Read a process' command; that of a copied process is its template's."""
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        return command.decode(errors="replace").strip()
    return ""


def identify(pids: Iterable[int]) -> set[ProcessId]:
    """Numbers and starts of those processes that run."""
    stats = ((pid, read_process_stat(pid)) for pid in pids)
    return {(pid, stat.start) for pid, stat in stats if stat and not stat.is_zombie}


def list_temporary(folder: Path) -> list[str]:
    """Names of what lies in the folder of temporary files."""
    return sorted(path.name for path in folder.iterdir())
