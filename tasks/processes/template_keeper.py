"""Keep templates: start them, replace those that end or whose code has changed, and end them."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks.processes import template
from tasks.processes.environment import REPOSITORY_ROOT, build_child_environment
from tasks.processes.kill_process import kill_process_group
from tasks.processes.template_address import compute_socket_name

CHECK_INTERVAL_S = 10.0
"""Seconds between two looks at whether the code has changed."""

RESTART_PAUSE_S = 60.0
"""Seconds before a template that ended by itself is started again."""


@dataclass(frozen=True)
class TemplateChoice:
    """A template that a machine is to keep.

    Attributes:
        program: Module that its copies run.
        load: Loads their libraries.
        environment: Variables that its copies have beside those of whoever starts them.
    """

    program: str
    load: Callable[[], None]
    environment: Mapping[str, str]

    @property
    def loader(self) -> str:
        """Return the function's name, as ``module:function``."""
        return f"{self.load.__module__}:{self.load.__qualname__}"


@dataclass
class _Kept:
    choice: TemplateChoice
    socket: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None
    started: float = -RESTART_PAUSE_S


@dataclass
class TemplateKeeper:
    """Keeps templates for the runs of this machine while it is open.

    Attributes:
        folder: Where their sockets and logs are; only this user may look into it.
        choices: The templates.
        tell: Is called with a line for people about a template that ended by itself.
    """

    folder: Path
    choices: Sequence[TemplateChoice]
    tell: Callable[[str], None] = print
    _kept: list[_Kept] = field(init=False)
    _checked: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Start nothing yet."""
        self._kept = [_Kept(choice) for choice in self.choices]

    def __enter__(self) -> Self:
        """Start the templates; runs that do not find them yet load their libraries."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.replace_stale()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End the templates; their copies go on."""
        for kept in self._kept:
            self._end(kept)

    @property
    def pids(self) -> set[int]:
        """Numbers of the templates' processes."""
        return {kept.process.pid for kept in self._kept if kept.process}

    def check(self) -> None:
        """Replace what is stale, now and then: this may be called as often as one likes."""
        if time.monotonic() - self._checked >= CHECK_INTERVAL_S:
            self.replace_stale()

    def replace_stale(self) -> None:
        """Start again what has ended, or has loaded code that is not the present one."""
        self._checked = time.monotonic()
        for kept in self._kept:
            environment = build_child_environment(
                {"TMPDIR": str(self.folder), "MPLCONFIGDIR": str(self.folder)}
                | dict(kept.choice.environment)
            )
            wanted = self.folder / compute_socket_name(
                kept.choice.program, kept.choice.loader, environment
            )
            has_ended = kept.process is None or kept.process.poll() is not None
            if kept.socket == wanted and not has_ended:
                continue
            if kept.socket == wanted and self._checked - kept.started < RESTART_PAUSE_S:
                continue
            if kept.socket == wanted and kept.process is not None:
                self.tell(
                    f"the template of {kept.choice.program} ended with status "
                    f"{kept.process.returncode}, and runs load their libraries by themselves; "
                    f"starting it again (its output: {wanted.with_suffix('.log')})"
                )
            self._end(kept)
            self._start(kept, wanted, environment)

    def _start(self, kept: _Kept, socket: Path, environment: Mapping[str, str]) -> None:
        kept.socket, kept.started = socket, time.monotonic()
        with socket.with_suffix(".log").open("wb") as log:
            kept.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", template.__name__, str(socket)),
                    *(kept.choice.program, kept.choice.loader),
                ],
                cwd=REPOSITORY_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, kept: _Kept) -> None:
        if kept.process is not None:
            if kept.process.poll() is None:
                # Its copies lead groups of their own.
                kill_process_group(kept.process.pid)
            kept.process.wait()
        if kept.socket is not None:
            kept.socket.unlink(missing_ok=True)
        kept.process = None
