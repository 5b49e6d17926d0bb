"""``make worker``: run on this machine what the server that ``PREFECT_API_URL`` names hands out.

Four of Prefect's workers: one for the queue ``service``, so that looks at the inbox and arrivals
start at once while hours of estimation are under way; one for the queue ``analysis``, so
that runs on behavior and neural activity, which need no GPU, wait for no estimation either; one for
the queue ``movies``, so that a request which is spread over workers never waits for places that
requests like it have taken; and one for all other queues. Each has a limit of runs at a time, the
last two the same one, which ``--runs`` sets. A worker that ends by itself is started again. Beside
them stand processes that have loaded Prefect, PyTorch and DeepLabCut, and that runs are forked
from, so that a run begins at once. The first SIGTERM or SIGINT lets the workers finish the runs
that they have; a second one ends those runs too.
"""

import argparse
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from uuid import uuid4

from deployments import copied_engine
from deployments.definitions import ANALYSIS_QUEUE, SERVICE_QUEUE
from deployments.deploy import MOVIES_QUEUE, POOL_NAME, QUEUE_PRIORITIES, server_url
from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tasks.environment_variables import TEMPLATES
from tasks.processes.process_table import read_process_stat
from tasks.processes.template_keeper import TemplateChoice, TemplateKeeper
from tasks.run.run_templates import list_stage_templates
from tasks.run.scratch_folder import create_scratch_folder

ROOT = Path(__file__).parents[1]

RUNS_AT_ONCE = 3
"""Runs at a time: one is on the GPU while others fetch, label and push."""

LIGHT_RUNS_AT_ONCE = 4
"""Light runs at a time, beside the others."""

ANALYSES_AT_ONCE = 2
"""Runs on behavior or neural activity at a time, beside the others."""

HEARTBEAT_SECONDS = 30
"""Between two signs of life that a run gives; Prefect takes no less."""

SERVER_ERROR = "500"
"""Status with which the server answers while its database is being restarted: tried again, too."""

WORKER_HEARTBEAT_SECONDS = 10
"""Between two signs of life of a worker, of which it may miss three; Prefect's own 30 would leave a
work pool green for a minute and a half after its last worker has gone."""

QUERY_SECONDS = 1
"""Between two looks for runs; Prefect's own 10 are long for somebody who waits for an arrival."""

CHECK_INTERVAL = 0.5
"""Seconds between two looks at the workers."""

LONGEST_RESTART_PAUSE = 60.0
"""Seconds before a worker that keeps ending is started again; the first pause is 1."""

CLEANUP_SECONDS = 15.0
"""Seconds that runs which are being ended have to clean up after themselves."""


def main(arguments: list[str] | None = None) -> int:
    """Keep the workers running until a signal comes, and they have ended.

    Args:
        arguments: Words of the command line; by default those of this process.

    Returns:
        The exit status: 0, or 1 where runs had to be ended, or no server is named.
    """
    parser = argparse.ArgumentParser(prog="make worker", description=__doc__)
    parser.add_argument(
        "--runs", type=_parse_positive, default=RUNS_AT_ONCE, help="estimations at a time"
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=float("inf"),
        metavar="SECONDS",
        help="seconds that runs may continue after the first signal (default: until they end)",
    )
    parser.add_argument(
        "--no-templates",
        action="store_true",
        help="keep no processes that have loaded Prefect and DeepLabCut: each run then loads them",
    )
    options = parser.parse_args(arguments)
    if not os.environ.get("PREFECT_API_URL"):
        try:
            server_url()  # a profile of Prefect's may name one
        except ConnectionError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
    _adopt_orphans()
    environment = _build_environment()
    with _keep_templates(environment, is_wanted=not options.no_templates) as templates:
        workers = create_workers(options.runs, environment)
        supervisor = Supervisor(workers, options.grace, templates)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, supervisor.handle_signal)
        return supervisor.run_until_ended()


@contextmanager
def _keep_templates(
    environment: dict[str, str], *, is_wanted: bool
) -> Iterator[TemplateKeeper | None]:
    """Keep processes that have loaded what runs need, and have the runs find them.

    Args:
        environment: What workers and runs get, to which the templates' folder is added.
        is_wanted: False where each run is to load its libraries.

    Yields:
        The templates; None where there are none, or another process keeps them.
    """
    if not is_wanted:
        environment.pop(TEMPLATES.name, None)
    if not is_wanted or environment.get(TEMPLATES.name):
        yield None
        return
    engine = TemplateChoice(copied_engine.__name__, copied_engine.load_flows, environment)
    with (
        create_scratch_folder() as folder,
        TemplateKeeper(
            folder / "templates", [engine, *list_stage_templates()], _print_line
        ) as keeper,
    ):
        environment[TEMPLATES.name] = str(keeper.folder)
        yield keeper


def _parse_positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number


@dataclass
class WorkerProcess:
    """One of Prefect's workers.

    Attributes:
        name: What to call it.
        words: Its command.
        environment: What it and its runs get.
        process: It, once started.
        started: When that was.
        ended: How often it has ended soon after its start.
    """

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    ended: int = 0

    @property
    def is_alive(self) -> bool:
        """Return whether the process is running."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, out of reach of a terminal's Ctrl-C, which is ours to pass on."""
        self.started = time.monotonic()
        # Each has a unique name: by it the server knows whether the one that took a run is alive.
        name = f"{socket.gethostname()} {self.name} {uuid4().hex[:8]}"
        self.process = subprocess.Popen(
            [*self.words, "--name", name],
            cwd=ROOT,
            env=self.environment,
            start_new_session=True,
            preexec_fn=_reset_signals,  # noqa: PLW1509 - this process has one thread
        )

    def drain(self) -> None:
        """Let it finish what it has, and end."""
        if self.process and self.is_alive:
            self.process.terminate()

    def restart_if_ended(self) -> None:
        """Start it again if it has ended, the later the more often it did."""
        lived = time.monotonic() - self.started
        if self.process is None or self.is_alive or lived < self.restart_pause:
            return
        self.ended = self.ended + 1 if lived < 2 * LONGEST_RESTART_PAUSE else 1
        _print_line(
            f"the worker {self.name} ended with status {self.process.returncode}; starting it"
        )
        self.start()

    @property
    def restart_pause(self) -> float:
        """Seconds from one start to the next, at least."""
        return min(LONGEST_RESTART_PAUSE, 2.0**self.ended)


@dataclass
class Supervisor:
    """Starts workers, and ends with them.

    Attributes:
        workers: Those that it starts.
        grace: Seconds that runs may go on after the first signal.
        templates: What runs are copied from; None where they load their libraries.
        signals: How many signals have come.
        until: When runs are ended, once a signal has come.
    """

    workers: Sequence[WorkerProcess]
    grace: float
    templates: TemplateKeeper | None = None
    signals: int = 0
    until: float = field(default=float("inf"))

    def handle_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Note a signal; the second one ends the runs."""
        self.signals += 1
        self.until = time.monotonic() + (self.grace if self.signals == 1 else 0)

    def run_until_ended(self) -> int:
        """Start the workers and wait for their end; the exit status."""
        for worker in self.workers:
            worker.start()
        while not self.signals:
            time.sleep(CHECK_INTERVAL)
            self._reap_orphans()
            for worker in self.workers:
                worker.restart_if_ended()
            if self.templates:
                self.templates.check()
        _print_line(
            "no more runs are started; waiting for those under way (repeat the signal to end them)"
        )
        for worker in self.workers:
            worker.drain()
        while any(worker.is_alive for worker in self.workers):
            time.sleep(CHECK_INTERVAL)
            if time.monotonic() > self.until:
                return self._end_runs()
        return 0

    def _reap_orphans(self) -> None:
        """Let those go that have ended after their worker, which would have waited for them."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        with suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, flags)) and ended.si_pid not in self._kept_pids:
                os.waitpid(ended.si_pid, 0)

    @property
    def _kept_pids(self) -> set[int]:
        """Numbers of the workers and templates, which this process waits for by itself."""
        workers = {worker.process.pid for worker in self.workers if worker.process}
        return workers | (self.templates.pids if self.templates else set())

    def _end_runs(self) -> int:
        """End the runs, whose workers tell the server and then end too; at last, kill what is left.

        A run that is told to end removes its scratch folder and ends its own children.
        """
        _print_line("ending the runs")
        _send_signal(_find_descendants() - self._kept_pids, signal.SIGTERM)
        until = time.monotonic() + CLEANUP_SECONDS
        while any(worker.is_alive for worker in self.workers) and time.monotonic() < until:
            time.sleep(CHECK_INTERVAL)
        _send_signal(_find_descendants(), signal.SIGKILL)
        return 1


def create_workers(runs: int, environment: Mapping[str, str]) -> list[WorkerProcess]:
    """The workers of a machine.

    Args:
        runs: Estimations at a time, those of spread requests' movies apart.
        environment: What they and their runs get.
    """
    apart = (SERVICE_QUEUE, ANALYSIS_QUEUE, MOVIES_QUEUE)
    others = [name for name in QUEUE_PRIORITIES if name not in apart]
    return [
        _create_worker("service", [SERVICE_QUEUE], LIGHT_RUNS_AT_ONCE, environment),
        _create_worker("analysis", [ANALYSIS_QUEUE], ANALYSES_AT_ONCE, environment),
        _create_worker("movies", [MOVIES_QUEUE], runs, environment),
        _create_worker("runs", others, runs, environment),
    ]


def _create_worker(
    name: str, queues: Iterable[str], limit: int, environment: Mapping[str, str]
) -> WorkerProcess:
    words = [sys.executable, "-m", "deployments.steady_worker", "worker", "start"]
    words += ["--pool", POOL_NAME, "--type", "process"]
    words += ["--limit", str(limit)]
    # The pool is what `make deploy` makes; one that Prefect made up would have no queues of ours.
    words += ["--no-create-pool-if-not-found", "--install-policy", "never"]
    for queue in queues:
        words += ["--work-queue", queue]
    return WorkerProcess(name, words, environment)


def _build_environment() -> dict[str, str]:
    """Build the environment of the workers and of their runs."""
    ours = PREFECT_SETTINGS | {
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": SERVER_ERROR,
        "PREFECT_WORKER_HEARTBEAT_SECONDS": str(WORKER_HEARTBEAT_SECONDS),
        "PREFECT_WORKER_QUERY_SECONDS": str(QUERY_SECONDS),
    }
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # Runs start in separate folders, and find the code through this.
    return ours | os.environ | {"PYTHONPATH": path}


def _reset_signals() -> None:
    """In a worker, before it starts: a shell's `&` leaves SIGINT ignored, which keeps it deaf.

    It also hears when this process is gone without having said so.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)


def _adopt_orphans() -> None:
    """Become the parent of runs whose worker was killed, so that they can be found."""
    ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1)


_PDEATHSIG, _CHILD_SUBREAPER = 1, 36
"""Numbers of Linux' prctl."""


def _find_descendants() -> set[int]:
    """Processes that this one started, and that they started."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    parents = {pid: stat.parent for pid in pids if (stat := read_process_stat(pid))}
    found, new = set[int](), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def _send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
