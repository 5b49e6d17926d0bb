"""DeepLabCut's own loader, as we call it, refuses snapshots that run code or claim the moon.

They are refused before that (`tasks.pose.torch_weights`); here they are put past that check.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.pose import estimate
from tasks.pose.model_archive import open_model
from tasks.pose.processes import OFFLINE, SMALL_HEAP, StageProcess
from tests.hostile_weights import loader_cases
from tests.paths import DEMO_MODEL
from tests.watch import in_stage


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    folder = tmp_path_factory.mktemp("estimation")
    # Nothing in the environment may undo it either.
    unsafe = {"TORCH_LOAD_WEIGHTS_ONLY": "false", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    child = StageProcess("estimation", folder / "log", SMALL_HEAP | OFFLINE | unsafe)
    yield child
    child.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("good") / "project"
    open_model(DEMO_MODEL, "m.zip", project)
    return project


@pytest.fixture(scope="module")
def warm(process: StageProcess, good: Path) -> StageProcess:
    """The process, once it has imported all that loading a model imports."""
    assert process.call(estimate.load, good, "cpu").device == "cpu"
    return process


CASES = tuple(loader_cases(Path("marker")))


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_snapshot_is_refused_and_does_nothing(
    warm: StageProcess, good: Path, tmp_path: Path, name: str
) -> None:
    marker = tmp_path / "marker"
    project = tmp_path / "project"
    shutil.copytree(good, project)
    (snapshot,) = project.rglob("*.pt")
    snapshot.write_bytes(loader_cases(marker)[name])
    message, seen = warm.call(in_stage.load_watched, project)
    assert "its weights cannot be loaded" in message
    assert message.isprintable()
    assert len(message) < 600
    assert seen == []
    assert not marker.exists()


def test_the_watch_would_see_it(warm: StageProcess, good: Path, tmp_path: Path) -> None:
    """Loaded as it asks to be, the first of them does run."""
    marker = tmp_path / "marker"
    snapshot = tmp_path / "snapshot-1.pt"
    snapshot.write_bytes(loader_cases(marker)["code"])
    seen = warm.call(in_stage.unpickle_watched, snapshot)
    assert marker.exists()
    assert any(event.startswith("os.system") for event in seen)
