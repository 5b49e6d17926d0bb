"""`make worker` on a real server: what it runs at a time, and what it does when something ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from deployments import copied_engine
from deployments.worker import create_workers as workers_of
from deployments.worker import main
from tasks.run.run_templates import list_stage_templates
from tasks.run.scratch_folder import WORK_PREFIX
from tests.integration.lab import (
    connect_as_client,
    deploy_stub,
    deploy_without_inbox,
    read_states,
    state_names,
)
from tests.support.paths import ROOT
from tests.support.servers import run_process
from tests.support.waiting import wait_for, wait_for_exit

WITH_TEMPLATES = "with templates"

LONG = 300.0
"""Seconds that a run takes which is not to end by itself."""


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str], tmp_path_factory: Any) -> Iterator[SyncPrefectClient]:
    """A server, and the process that looks after its runs."""
    log = tmp_path_factory.mktemp("upkeep") / "upkeep.log"
    look_after = [sys.executable, "-m", "deployments.upkeep"]
    with connect_as_client(lab_server) as client, pytest.MonkeyPatch.context() as patch:
        deploy_without_inbox(client, patch)
        with run_process(look_after, log, env=os.environ | lab_server):
            yield client


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where runs of the stub leave their marks."""
    return tmp_path


class Machine:
    """A machine with a worker that takes one run at a time.

    Args:
        lab_server: The environment of the server's clients.
        folder: Where it writes.
        templates: Whether its runs are copies of processes that have loaded their libraries.
    """

    def __init__(self, lab_server: dict[str, str], folder: Path, *, templates: bool) -> None:
        self.log = folder / "worker.log"
        self.folder = folder
        choice = [] if templates else ["--no-templates"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                # As a shell's `&` starts it, which leaves SIGINT ignored.
                ["/bin/sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable, "-m",
                 "deployments.worker", "--runs", "1", *choice],
                cwd=ROOT,
                env=os.environ | lab_server | {"TMPDIR": str(folder)},
                stdout=log,
                stderr=log,
            )  # fmt: skip

    def end(self) -> None:
        """End it, and what a failed test has left running on it."""
        self.process.terminate()
        asked = "waiting for those under way"
        wait_for(lambda: self.process.poll() is not None or asked in self.log.read_text())
        self.process.terminate()
        wait_for_exit(self.process, self.log.read_text)


@pytest.fixture
def machine(
    client: SyncPrefectClient,
    lab_server: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Machine]:
    templates = getattr(request, "param", None) == WITH_TEMPLATES
    machine = Machine(lab_server, tmp_path_factory.mktemp("machine"), templates=templates)
    try:
        if templates:
            sockets = "dlcflow-*/templates/*.sock"
            wait_for(
                lambda: len(list(machine.folder.glob(sockets))) == 1 + len(list_stage_templates()),
                machine.log.read_text,
            )
        yield machine
    finally:
        machine.end()


def start(
    client: SyncPrefectClient, marks: Path, seconds: float, queue: str = "default"
) -> FlowRun:
    parameters = {"marks": str(marks), "seconds": seconds}
    return client.create_flow_run_from_deployment(deploy_stub(client, queue), parameters=parameters)


def end(marks: Path) -> None:
    """Let what is busy there end at once."""
    (marks / "enough").touch()


def is_in(client: SyncPrefectClient, run: FlowRun, state: str) -> bool:
    found = client.read_flow_run(run.id).state
    return found is not None and found.name == state


def process(marks: Path, number: int = 0) -> int:
    """The process of a run's start, once it has left its mark."""

    def started() -> list[Path]:
        found = sorted(marks.glob("*.started"), key=lambda path: path.stat().st_mtime)
        return found if len(found) > number and found[number].read_text() else []

    return int(wait_for(started)[number].read_text())


def is_copy(pid: int) -> bool:
    """Whether a run's process has the command of the template that it was copied from."""
    return copied_engine.__name__ in Path(f"/proc/{pid}/cmdline").read_text()


@pytest.mark.parametrize("machine", ["", WITH_TEMPLATES], indirect=True)
def test_a_killed_run_is_started_again(
    client: SyncPrefectClient, machine: Machine, marks: Path, request: pytest.FixtureRequest
) -> None:
    run = start(client, marks, LONG)
    assert is_copy(process(marks)) == (WITH_TEMPLATES in request.node.name)
    (begun,) = machine.folder.glob(f"{WORK_PREFIX}*")
    os.kill(process(marks), signal.SIGKILL)
    end(marks)
    wait_for(lambda: is_in(client, run, "Completed"))
    told = read_states(client, run)
    assert state_names(told).count("AwaitingRetry") == 1
    assert len(list(marks.glob("*.started"))) == 2
    assert len(list(marks.glob("*.ended"))) == 1
    assert not begun.exists()
    assert any("1 of at most 3 times" in (state.message or "") for state in told)


def test_a_run_that_is_cancelled_while_it_starts_ends_at_once_and_never_begins(
    client: SyncPrefectClient, machine: Machine, marks: Path, tmp_path_factory: Any
) -> None:
    run = start(client, marks, LONG)
    wait_for(lambda: is_in(client, run, "Submitting"), machine.log.read_text)
    asked: Any = Cancelling()
    client.set_flow_run_state(run.id, asked, force=True)
    assert is_in(client, run, "Cancelled")
    # Its place is free for the next one as soon as its process has been sent away.
    after = start(client, tmp_path_factory.mktemp("after"), 0.0)
    wait_for(lambda: is_in(client, after, "Completed"), machine.log.read_text)
    state = client.read_flow_run(run.id).state
    assert state is not None
    assert state.is_cancelled()
    assert str(state.message).endswith("its work had not started.")
    assert not list(marks.iterdir())


def test_service_runs_and_analyses_wait_for_nobody_and_the_end_waits_for_all(
    client: SyncPrefectClient,
    machine: Machine,
    marks: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    busy = start(client, marks, LONG)
    process(marks)
    waits = start(client, tmp_path_factory.mktemp("waits"), 0.0)
    quick = [
        start(client, tmp_path_factory.mktemp(queue), 0.0, queue)
        for queue in ("service", "analysis")
    ]
    wait_for(lambda: all(is_in(client, run, "Completed") for run in quick))
    assert not any(is_in(client, waits, state) for state in ("Running", "Completed"))
    machine.process.terminate()
    wait_for(lambda: "waiting for those under way" in machine.log.read_text())
    end(marks)
    assert wait_for_exit(machine.process, machine.log.read_text) == 0
    assert is_in(client, busy, "Completed")
    client.delete_flow_run(waits.id)


@pytest.mark.parametrize("machine", ["", WITH_TEMPLATES], indirect=True)
def test_a_second_signal_ends_the_runs_and_they_say_so(
    client: SyncPrefectClient, machine: Machine, marks: Path
) -> None:
    run = start(client, marks, LONG)
    pid = process(marks)
    machine.process.terminate()
    wait_for(lambda: "waiting for those under way" in machine.log.read_text())
    machine.process.send_signal(signal.SIGINT)
    assert wait_for_exit(machine.process, machine.log.read_text) == 1
    assert not Path(f"/proc/{pid}").exists()
    assert is_in(client, run, "Crashed")
    client.delete_flow_run(run.id)


def test_a_worker_that_ends_is_started_again(
    client: SyncPrefectClient, machine: Machine, marks: Path
) -> None:
    def workers() -> list[int]:
        children = Path(f"/proc/{machine.process.pid}/task/{machine.process.pid}/children")
        pids = [int(pid) for pid in children.read_text().split()]
        return pids if len(pids) == len(workers_of(1, {})) else []

    before = wait_for(workers)
    os.kill(before[-1], signal.SIGKILL)
    wait_for(lambda: set(workers()) - set(before))
    assert "starting it" in machine.log.read_text()
    run = start(client, marks, 0.0)
    wait_for(lambda: is_in(client, run, "Completed"))


def test_it_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings({PREFECT_API_URL: None}):
        assert main([]) == 1
    assert "expected PREFECT_API_URL to name a Prefect server" in capfd.readouterr().err
