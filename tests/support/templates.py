"""Start Python processes as copies of one that has loaded their libraries.

DeepLabCut takes ten seconds of a processor to load, and each run starts a process that loads it.
In tests such a process is a fork of a template, which has loaded the same modules in the same
environment and has done nothing else; from there on the module runs as after ``python -m``. Unlike
copies of a worker's templates (`tasks.processes.template`) they are children of the test's process,
as the command line's are. The start as users have it is tested in `tests/unit/processes`, and
wherever a test starts the command line or a worker.
"""

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tasks.pose.child_libraries import load_for_estimation
from tasks.processes import stage_process
from tasks.processes.child import load_ahead
from tasks.processes.environment import (
    OFFLINE_ENVIRONMENT,
    REPOSITORY_ROOT,
    SMALL_HEAP_ENVIRONMENT,
    thread_limits,
)
from tasks.processes.template import CopyRequest, run_program

_SET_CHILD_SUBREAPER = 36  # of prctl(2)
_LONGEST_REQUEST = 1 << 18
_MOST_FDS = 16

_READ_WHEN_LOADED = (
    *("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "NO_ALBUMENTATIONS_UPDATE", "DO_NOT_TRACK"),
    *("MPLBACKEND", "LD_PRELOAD"),
)
"""What libraries read once, when they are loaded: a template must have it, too."""


class Template:
    """A process that has loaded modules, and is copied."""

    def __init__(
        self, program: str, modules: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.support.templates", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                [*command, program, *modules],
                env={**os.environ, **environment},
                cwd=REPOSITORY_ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start_copy(self, request: Mapping[str, Any], fds: Sequence[int]) -> int:
        """Start a copy, a child of this process; returns its number."""
        with self._lock, _adopt_orphans():
            socket.send_fds(self._socket, [json.dumps(request).encode()], fds)
            return int(self._socket.recv(64))

    def end(self) -> None:
        """End the template; its copies go on."""
        self._socket.close()
        self._process.wait()


@contextmanager
def _adopt_orphans() -> Iterator[None]:
    """Make this process the parent of what a child of it leaves behind."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


_templates: dict[tuple[Any, ...], Template] = {}
_lock = threading.Lock()


def _find_template(
    program: str, modules: Sequence[str], environment: Mapping[str, str]
) -> Template:
    chosen = {name: environment[name] for name in _READ_WHEN_LOADED if name in environment}
    key = (program, *modules, *sorted(chosen.items()))
    with _lock:
        if key not in _templates:
            _templates[key] = Template(program, modules, chosen)
        return _templates[key]


@atexit.register
def end_templates() -> None:
    """End all templates of this process."""
    while _templates:
        _templates.popitem()[1].end()


class CopiedProcess(subprocess.Popen[Any]):
    """A process as `subprocess.Popen` starts it, but for its libraries, which are there."""

    def __init__(self, *args: Any, modules: Sequence[str] = (), **options: Any) -> None:
        self._modules = modules
        super().__init__(*args, **options)

    def _execute_child(self, *given: Any) -> None:
        args, _, _, _, pass_fds, cwd, env = given[:7]
        p2cread, _, _, c2pwrite, _, errwrite = given[10:16]
        _, program, *words = args[1:]
        environment = dict(os.environ if env is None else env)
        wanted = {0: p2cread, 1: c2pwrite, 2: errwrite, **{fd: fd for fd in pass_fds}}
        fds = {number: number if fd == -1 else fd for number, fd in wanted.items()}
        request = {
            "program": program,
            "words": [str(word) for word in words],
            "folder": str(cwd or Path.cwd()),
            "environment": environment,
            "numbers": list(fds),
            "leads_session": given[-2],
        }
        template = _find_template(program, self._modules, environment)
        self.pid = template.start_copy(request, list(fds.values()))
        self._child_created = True
        self._close_pipe_fds(*given[10:16])  # type: ignore[attr-defined]


class CopiedStage(CopiedProcess):
    """A stage's process; the modules that its template has loaded are those that it asks for."""

    def __new__(cls, args: Sequence[str], **options: Any) -> Any:
        """One that asks for none is started as ever."""
        return super().__new__(cls) if args[6:] else subprocess.Popen(args, **options)

    def __init__(self, args: Sequence[str], **options: Any) -> None:
        super().__init__(args, modules=args[6:], **options)


NETWORK_ENVIRONMENT = SMALL_HEAP_ENVIRONMENT | OFFLINE_ENVIRONMENT | thread_limits(1)
"""For processes that are not a run's: what networks of tests do takes longer in more threads."""


def run_copy(program: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run a module of ours in a process that has loaded DeepLabCut; its outcome, whatever it is.

    Args:
        program: The module, which reads its arguments from the command line.
        words: Its arguments.
    """
    command = [sys.executable, "-m", program, *map(str, words)]
    with CopiedProcess(
        command,
        modules=[f"{load_for_estimation.__module__}:{load_for_estimation.__qualname__}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY_ROOT,
        env=os.environ | NETWORK_ENVIRONMENT,
    ) as process:
        output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


@contextmanager
def copy_stages() -> Iterator[None]:
    """Have the processes of stages copied in the block, in this process' runs."""
    copied = SimpleNamespace(**vars(subprocess) | {"Popen": CopiedStage})
    with patch.object(stage_process, "subprocess", copied):
        yield


# --- in a template -----------------------------------------------------------------------------


def serve_copies(fd: int, modules: Sequence[str]) -> None:
    """Load libraries, then start a copy for each request.

    Args:
        fd: The socket of the requests.
        modules: Functions that load them, as ``module:function``.
    """
    load_ahead(modules)
    requests = socket.socket(fileno=fd)
    while True:
        data, fds, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, _MOST_FDS)
        if not data:
            return
        request = json.loads(data)
        pid = _fork_orphan(leads_session=request["leads_session"])
        if not pid:
            requests.close()
            program = request.pop("program")
            os._exit(run_program(program, CopyRequest(**request), fds))
        for one in fds:
            os.close(one)
        requests.send(str(pid).encode())


def _fork_orphan(*, leads_session: bool) -> int:
    """Fork a process whose parent is gone; returns its number, and 0 in itself.

    Its number is known only once it leads its session: before that, nobody could kill its group.
    """
    read, write = os.pipe()
    between = os.fork()
    if not between:
        middle = os.getpid()
        if os.fork():
            os._exit(0)
        os.close(read)
        while os.getppid() == middle:
            time.sleep(0.001)
        if leads_session:
            os.setsid()
        os.write(write, str(os.getpid()).encode())
        os.close(write)
        return 0
    os.waitpid(between, 0)
    os.close(write)
    with open(read, "rb") as numbers:  # noqa: PTH123
        return int(numbers.read())


if __name__ == "__main__":
    serve_copies(int(sys.argv[1]), sys.argv[3:])
