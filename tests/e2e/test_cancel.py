"""A cancelled run ends its work, leaves nothing behind, and says who cancelled it and when."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from tasks.environment_variables import DEVICE_LOCKS
from tasks.pose.network.device_locks import find_devices, lease_device
from tasks.run.scratch_folder import SCRATCH_PREFIX
from tasks.storage.claims import Claim, Holder
from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location
from tests.integration.lab import connect_as_client, deploy_without_inbox
from tests.support.meanwhile import call_repeatedly
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, ROOT
from tests.support.waiting import wait_for, wait_for_exit

SHOWN = 6000


@dataclass(frozen=True)
class Machine:
    """A machine with workers, and what runs leave on it."""

    client: SyncPrefectClient
    folder: Path
    log: Path

    def start(self, movies: Path, output: Path, **settings: Any) -> FlowRun:
        deployment = self.client.read_deployment_by_name("pose-estimation/pose-estimation")
        parameters = {
            "model": str(DEMO_MODEL),
            "movies": [str(movies)],
            "output": str(output),
            "settings": settings,
        }
        return self.client.create_flow_run_from_deployment(deployment.id, parameters=parameters)

    def is_at(self, run: FlowRun, stage: str, state: str = "Running") -> bool:
        return any(
            name.startswith(stage) and found == state for name, found in self.stages(run).items()
        )

    def stages(self, run: FlowRun) -> dict[str, str | None]:
        """A run's stages, and the state that each is in."""
        chosen = FlowRunFilter.model_validate({"id": {"any_": [run.id]}})
        found = self.client.read_task_runs(flow_run_filter=chosen)
        return {task.name: task.state.name if task.state else None for task in found}

    def wait_until(self, run: FlowRun, stage: str, state: str = "Running") -> None:
        """Wait until a run's stage is in a state; where it never is, say where the run is."""
        wait_for(lambda: self.is_at(run, stage, state), lambda: self.describe(run))

    def describe(self, run: FlowRun) -> str:
        """What a run and its worker say of themselves."""
        told = self.log.read_text(errors="replace")[-SHOWN:]
        return (
            f"the run is {self.client.read_flow_run(run.id).state_name}, its stages are "
            f"{self.stages(run)}; the worker says:\n{told}"
        )

    def cancel(self, run: FlowRun) -> str:
        """Cancel a run as the UI does; what it says once it has said who and when."""
        asked: Any = Cancelling()
        self.client.set_flow_run_state(run.id, asked, force=True)
        return self.told(run)

    def told(self, run: FlowRun) -> str:
        def told() -> str | None:
            state = self.client.read_flow_run(run.id).state
            assert state
            said = str(state.message)
            return said if state.is_cancelled() and said.startswith("Cancelled at") else None

        return str(wait_for(told, lambda: self.describe(run)))

    def movies_of(self, run: FlowRun) -> list[FlowRun]:
        found = self.client.read_flow_runs()
        return [one for one in found if str(run.id) in str(one.parameters.get("place"))]

    def left(self) -> list[str]:
        """Processes and folders of runs."""
        processes = [
            path.name
            for path in Path("/proc").glob("[0-9]*")
            if b"tasks.processes.child" in _read(path / "cmdline")
            and str(self.folder).encode() in _read(path / "environ")
        ]
        return processes + [path.name for path in self.folder.glob(f"{SCRATCH_PREFIX}*")]


def _read(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


def files_in(output: Path) -> list[str]:
    """What a run left there, but for what the next run goes on from."""
    found = [path for path in output.rglob("*") if path.is_file()]
    return [path.name for path in found if not path.is_relative_to(output / ".dlcflow" / "movies")]


@pytest.fixture(scope="module")
def machine(
    lab_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("scratch")
    slots = tmp_path_factory.mktemp("slots")
    log = tmp_path_factory.mktemp("worker") / "log"
    with connect_as_client(lab_server) as client, pytest.MonkeyPatch.context() as patch:
        patch.setenv(DEVICE_LOCKS.name, str(slots))
        deploy_without_inbox(client, patch)
        with log.open("wb") as file:
            worker = subprocess.Popen(
                [sys.executable, "-m", "deployments.worker", "--no-templates"],
                cwd=ROOT,
                env=os.environ | lab_server | {"TMPDIR": str(folder)},
                stdout=file,
                stderr=file,
            )
        try:
            yield Machine(client, folder, log)
        finally:
            worker.terminate()
            worker.terminate()
            wait_for_exit(worker)


@contextmanager
def all_devices_taken() -> Iterator[None]:
    with ExitStack() as held:
        for device in find_devices():
            held.enter_context(
                lease_device([device], None, lambda: pytest.fail("somebody estimates"))
            )
        yield


def test_while_it_estimates(machine: Machine, tmp_path: Path) -> None:
    run = machine.start(DEMO_MOVIE, tmp_path / "out")
    machine.wait_until(run, "estimate")
    assert len(machine.left()) >= 2
    said = machine.cancel(run)
    assert "UTC in the Prefect UI, on a command line or through the API" in said
    assert "its work had ended" in said
    assert machine.left() == []
    assert files_in(tmp_path / "out") == []


def test_while_it_waits_for_a_gpu(machine: Machine, tmp_path: Path) -> None:
    with all_devices_taken():
        run = machine.start(DEMO_MOVIE, tmp_path / "out")
        machine.wait_until(run, "estimate")
        assert "its work had ended" in machine.cancel(run)
        assert machine.left() == []
    with all_devices_taken():
        assert files_in(tmp_path / "out") == []


def test_while_it_waits_for_another_run(machine: Machine, tmp_path: Path) -> None:
    output = tmp_path / "out"
    folder = Location("", f"{output}/.dlcflow/lock/")
    other = Claim(LocalStore(), folder, Holder("1", "m1 · openfield", "gpu-2", "noon"))
    other.acquire(lambda holder: None)
    with call_repeatedly(
        other.renew_and_check, 5
    ):  # a run does not wait for a holder without signs of life
        run = machine.start(DEMO_MOVIE, output)
        machine.wait_until(run, "lock output", "Waiting")
        assert "its work had ended" in machine.cancel(run)
    assert machine.left() == []
    assert other.renew_and_check()
    other.release()
    assert files_in(output) == []


def test_a_spread_request_and_its_movies(machine: Machine, tmp_path: Path) -> None:
    movies = tmp_path / "movies"
    movies.mkdir()
    for name in ("m1", "m2"):
        shutil.copy(DEMO_MOVIE, movies / f"{name}.mp4")
    run = machine.start(movies, tmp_path / "out", spread_from=2)

    def started() -> list[FlowRun]:
        found = machine.movies_of(run)
        return found if all(machine.is_at(one, "estimate") for one in found) else []

    started_movies = wait_for(
        lambda: len(found := started()) == 2 and found, lambda: machine.describe(run)
    )
    assert "UTC in the Prefect UI" in machine.cancel(run)
    for movie in started_movies or []:
        whose = f"with its request, run 'movies · {DEMO_MODEL.stem}' ({run.id}); its work"
        assert whose in machine.told(movie)
    assert machine.left() == []
    assert files_in(tmp_path / "out") == []
