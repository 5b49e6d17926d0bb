"""Something outside that ends or stops a run's stages while they have a movie open."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tasks.environment_variables import TEMPLATES
from tasks.pose.child_libraries import load_for_estimation, load_for_finishing
from tests.support.meanwhile import call_repeatedly

ESTIMATION_MODULE, FINISHING_MODULE = (
    f"{load.__module__}:{load.__qualname__}" for load in (load_for_estimation, load_for_finishing)
)
"""What the one kind of stage process loads ahead, and the other does not, as its command has it."""


@dataclass(frozen=True)
class StageSignal:
    """What a stage process gets while it has a movie open.

    Attributes:
        number: SIGSTOP makes it hang.
        stage: `ESTIMATION_MODULE` or `FINISHING_MODULE`.
        times: How many processes get it.
    """

    number: signal.Signals
    stage: str
    times: float


@dataclass
class SignalInjector:
    """Looks which files the stage processes have open.

    Attributes:
        signals: By the name of a movie's file.
        struck: The processes that got a signal, by the same.
    """

    signals: dict[str, StageSignal]
    struck: dict[str, set[int]] = field(default_factory=dict)

    def send_due_signals(self) -> None:
        """Send what is due."""
        for pid in (int(one.name) for one in Path("/proc").glob("[0-9]*")):
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
                if "tasks.processes.child" in command and _is_child(pid):
                    self._signal_process(pid, command)

    def _signal_process(self, pid: int, command: list[str]) -> None:
        for name in {fd.readlink().name for fd in Path(f"/proc/{pid}/fd").iterdir()}:
            due, struck = self.signals.get(name), self.struck.setdefault(name, set())
            if due and due.stage in command and pid not in struck and len(struck) < due.times:
                struck.add(pid)
                os.kill(pid, due.number)


def _is_child(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(stat.rpartition(")")[2].split()[1]) == os.getpid()


@contextmanager
def inject_signals(signals: dict[str, StageSignal]) -> Iterator[SignalInjector]:
    """Send signals to this process' stages, which are its children, while the block runs."""
    injector = SignalInjector(signals)
    with (
        pytest.MonkeyPatch.context() as patch,
        call_repeatedly(injector.send_due_signals, 0.005),
    ):
        patch.delenv(TEMPLATES.name, raising=False)  # copies of those are a template's children
        yield injector
