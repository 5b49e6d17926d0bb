"""What many tests share: slow parts, once for the session, and a place for scratch folders."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tasks.pose.child_libraries import load_for_estimation
from tasks.processes.stage_process import StageProcess
from tests.support.full_server import quick_prefect_server
from tests.support.servers import start_database
from tests.support.stores import StoreSettings, moto_store
from tests.support.tensorflow_animals import AnimalModels
from tests.support.tensorflow_models import TENSORFLOW_ENVIRONMENT

_UNTIMED = [HealthCheck.too_slow]  # a busy machine is slow, and nothing is wrong
settings.register_profile(
    "ci", derandomize=True, print_blob=True, deadline=None, suppress_health_check=_UNTIMED
)
settings.register_profile(
    "random", max_examples=3000, print_blob=True, deadline=None, suppress_health_check=_UNTIMED
)
settings.load_profile("ci")  # unless --hypothesis-profile names another


_SHARED = {
    "lab_server": r"\blab_server\b",
    "service": r"\b(service: Service|deployed_service)\b",
    "page": r"\bServedPage\b",
    "stores": r"\bfrom tests.integration.storage.conftest\b",
}
"""What takes long to start and several files use, and how a file that does is known."""


class _SharingScheduler(LoadFileScheduling):  # type: ignore[misc]
    """Gives files that share something to the same process, which then starts it once."""

    def _split_scope(self, nodeid: str) -> str:
        return _find_group(nodeid.split("::", 1)[0])


@cache
def _find_group(file: str) -> str:
    text = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
    return next((name for name, sign in _SHARED.items() if re.search(sign, text)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return _SharingScheduler(config, log)


@pytest.fixture(scope="session")
def session_environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="session", autouse=True)
def state_folder(
    session_environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What runs of tests are remembered by is no concern of the user's."""
    session_environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session")
def prefect_server(session_environment: pytest.MonkeyPatch) -> Iterator[None]:
    """A real Prefect server with a database of its own."""
    for name, value in PREFECT_SETTINGS.items():
        session_environment.setenv(name, value)
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with all its services, behind a password: the environment of its clients."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("lab-server")
        yield stack.enter_context(quick_prefect_server(folder, start_database(stack)))


@pytest.fixture(scope="session")
def object_store(session_environment: pytest.MonkeyPatch) -> Iterator[StoreSettings]:
    """An S3 server, which boto3 finds through the environment."""
    with moto_store() as settings:
        for name, value in settings.items():
            session_environment.setenv(name, value)
        yield settings


@pytest.fixture(scope="session")
def tensorflow_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    """A process where DeepLabCut's API is called directly, and TensorFlow models are made."""
    folder = tmp_path_factory.mktemp("deeplabcut")
    child = StageProcess("DeepLabCut", folder / "deeplabcut.log", TENSORFLOW_ENVIRONMENT)
    yield child
    child.close()


@pytest.fixture(scope="session")
def tensorflow_estimation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    """As a run's estimator is: it has loaded PyTorch before it meets the model."""
    folder = tmp_path_factory.mktemp("estimation")
    log = folder / "estimation.log"
    child = StageProcess("estimation", log, TENSORFLOW_ENVIRONMENT, load_for_estimation)
    yield child
    child.close()


@pytest.fixture(scope="session")
def animal_models(
    tensorflow_process: StageProcess, tmp_path_factory: pytest.TempPathFactory
) -> AnimalModels:
    """Multi-animal TensorFlow models."""
    return AnimalModels(tensorflow_process, tmp_path_factory.mktemp("animals"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where scratch folders of a test are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    tempfile.tempdir = None
