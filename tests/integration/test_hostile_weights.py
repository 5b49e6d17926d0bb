"""DeepLabCut's own loader, as we call it, refuses snapshots that run code or claim the moon.

They are refused before that (`tasks.pose.untrusted.torch_pickle`); here they are put past that
check. So are configurations whose network takes more memory than its weights.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.pose import estimate
from tasks.pose.child_libraries import load_for_estimation
from tasks.pose.model.archive import unpack_model
from tasks.pose.model.pytorch.torch_schema import KNOWN_KEYS, SectionKeys
from tasks.processes.stage_process import StageProcess
from tests.support import torch_child
from tests.support.hostile_weights import loader_cases
from tests.support.model_zips import copy_with_changes, format_yaml
from tests.support.paths import DEMO_MODEL
from tests.support.templates import NETWORK_ENVIRONMENT
from tests.watch import in_stage


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    folder = tmp_path_factory.mktemp("estimation")
    # Nothing in the environment may undo it either.
    unsafe = {"TORCH_LOAD_WEIGHTS_ONLY": "false", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    child = StageProcess(
        "estimation", folder / "log", NETWORK_ENVIRONMENT | unsafe, load_for_estimation
    )
    yield child
    child.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("good") / "project"
    unpack_model(DEMO_MODEL, "m.zip", project)
    return project


@pytest.fixture(scope="module")
def warm(process: StageProcess, good: Path) -> StageProcess:
    """The process, once it has imported all that loading a model imports."""
    assert process.call(estimate.preload_model, good, "cpu").device == "cpu"
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
    message, seen = warm.call(in_stage.load_under_watch, project)
    assert "its weights cannot be loaded" in message
    assert message.isprintable()
    assert len(message) < 600
    assert seen == []
    assert not marker.exists()


MOST_MEGABYTES = 200
"""What a refusal may take; half of it is code that only building a network imports."""


@pytest.mark.parametrize("name", [name for name in CASES if "petabytes" in name])
def test_our_own_look_refuses_a_claim_without_memory(
    warm: StageProcess, good: Path, tmp_path: Path, name: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(good, project)
    (snapshot,) = project.rglob("*.pt")
    snapshot.write_bytes(loader_cases(tmp_path / "marker")[name])
    message, megabytes = warm.call(in_stage.measure_load, project)
    assert message
    assert megabytes < MOST_MEGABYTES


WIDE = {"channels": [512, 10**5, 4], "kernel_size": [3, 3], "strides": [2, 1]}
DEEP = {"channels": [512] + [1] * 5000 + [4], "kernel_size": [1] * 5001, "strides": [1] * 5001}


@pytest.mark.parametrize(
    ("heatmap", "says"),
    [(WIDE, "loading state_dict"), (DEEP, "more layers than its")],
    ids=["wide", "deep"],
)
def test_a_network_beyond_its_weights_is_refused_without_memory(
    warm: StageProcess, good: Path, tmp_path: Path, heatmap: dict[str, Any], says: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(good, project)
    change(project, model__heads__bodypart__heatmap_config=heatmap)
    message, megabytes = warm.call(in_stage.measure_load, project)
    assert "its weights cannot be loaded into the network" in message
    assert says in message
    assert megabytes < MOST_MEGABYTES


def test_batches_are_as_large_as_the_network_sees_them(
    warm: StageProcess, good: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(good, project)
    assert warm.call(in_stage.read_batch_size, project, 240, 320) == 4
    large = {"height": 480, "width": 640, "keep_ratio": False}
    change(project, data__inference__resize=large)
    assert warm.call(in_stage.read_batch_size, project, 240, 320) == 1
    change(project, data__inference__resize={"height": 48, "width": 64})
    assert warm.call(in_stage.read_batch_size, project, 240, 320) == 4


def change(project: Path, **changes: Any) -> None:
    """Change values of a project's pytorch_config.yaml."""
    (path,) = project.rglob("pytorch_config.yaml")
    path.write_bytes(format_yaml(copy_with_changes(yaml.safe_load(path.read_text()), **changes)))


def test_the_keys_that_we_know_are_those_of_deeplabcut(warm: StageProcess) -> None:
    theirs = warm.call(torch_child.list_config_keys)
    ours = set(paths_of(KNOWN_KEYS))
    assert ours - theirs == {
        "detector.model.pretrained",
        "detector.model.pretrained_from_imagenet",
        # Release candidates named the conditions of top-down networks here.
        "data.conditions",
    }
    beyond = {path for path in theirs - ours if not path.startswith(NOT_READ)}
    assert beyond == set()


NOT_READ = tuple(
    f"{where}{section}."
    for where in ("", "detector.")
    for section in (
        *("train_settings", "logger", "data.train", "data.gen_sampling", "data.loader"),
        *("runner.optimizer", "runner.scheduler", "inference.eval", "inference.conditions"),
    )
)
"""Sections of which ours is none of the project's."""


def paths_of(keys: SectionKeys, where: str = "") -> Iterator[str]:
    for key, below in keys.items():
        yield f"{where}{key}"
        yield from paths_of(below or {}, f"{where}{key}.")


def test_the_watch_would_see_it(warm: StageProcess, good: Path, tmp_path: Path) -> None:
    """Loaded as it asks to be, the first of them does run."""
    marker = tmp_path / "marker"
    snapshot = tmp_path / "snapshot-1.pt"
    snapshot.write_bytes(loader_cases(marker)["code"])
    seen = warm.call(in_stage.unpickle_under_watch, snapshot)
    assert marker.exists()
    assert any(event.startswith("os.system") for event in seen)
