"""From our project DeepLabCut loads the snapshot, and makes the name, that it does from theirs."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.pose.model.archive import unpack_model
from tasks.pose.model.description import Model
from tasks.pose.untrusted.torch_pickle import _ALLOWED_NAMES
from tests.support.model_zips import Files, write_zip
from tests.support.paths import DEMO_MODEL, SHARED_FOLDER, needs_shared_data
from tests.support.templates import run_copy

NAMES = ("snapshot-010.pt", "snapshot-9.pt", "snapshot-best-005.pt", "snapshot-100.pt")
DETECTORS = ("snapshot-detector-020.pt", "snapshot-detector-best-010.pt")


class Models:
    """Archives as they were and the projects that we make of them, named by DeepLabCut at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.models: dict[str, Model] = {}
        self.files = demo_files()
        self._originals: dict[str, Path] = {}
        self.allowed: list[str] = []
        self._names: dict[str, Any] = {}

    def add(self, name: str, archive: Path, *, original: bool = True) -> None:
        self.models[name] = unpack_model(archive, f"{name}.zip", self._folder / name)
        if original:
            self._originals[name] = self._folder / f"{name} as it was"
            with zipfile.ZipFile(archive) as files:
                files.extractall(self._originals[name])

    def add_files(self, name: str, files: Files, *, original: bool = True) -> None:
        self.add(name, write_zip(self._folder / f"{name}.zip", files), original=original)

    def name(self) -> None:
        """Ask DeepLabCut, in a process of its own since it takes seconds to load."""
        projects = [self._folder / name for name in self.models] + [*self._originals.values()]
        shuffles = [str(model.shuffle) for model in self.models.values()]
        shuffles += [str(self.models[name].shuffle) for name in self._originals]
        words = [str(word) for pair in zip(projects, shuffles, strict=True) for word in pair]
        done = run_copy("tests.integration.deeplabcut_names", *words)
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(done.stdout[done.stdout.index('{"projects"') :])
        self._names, self.allowed = found["projects"], found["allowed"]

    def ours(self, name: str) -> Any:
        return self._names[str(self._folder / name)]

    def theirs(self, name: str) -> Any:
        return self._names[str(self._originals[name])]


def demo_files() -> Files:
    with zipfile.ZipFile(DEMO_MODEL) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist() if not i.is_dir()}


def folder_of(files: Files) -> str:
    (snapshot,) = [name for name in files if name.endswith(".pt")]
    return snapshot.rpartition("/")[0]


def with_snapshots(files: Files, index: Any, detector: Any = None) -> Files:
    """Several snapshots, and a config.yaml that chooses one."""
    train = folder_of(files)
    (used,) = [name for name in files if name.endswith(".pt")]
    config = yaml.safe_load(files["config.yaml"]) | {"snapshotindex": index}
    network = yaml.safe_load(files[f"{train}/pytorch_config.yaml"])
    names: tuple[str, ...] = NAMES
    if detector is not None:
        names += DETECTORS
        config["detector_snapshotindex"] = detector
        network["method"] = "td"
        network["detector"] = {
            "model": {"type": "SSDLite"},
            "runner": {"type": "DetectorTrainingRunner"},
            "device": "auto",
        }
    others = {name: data for name, data in files.items() if name != used}
    others["config.yaml"] = yaml.safe_dump(config).encode()
    others[f"{train}/pytorch_config.yaml"] = yaml.safe_dump(network).encode()
    return others | {f"{train}/{name}": files[used] for name in names}


def as_release_candidate(files: Files) -> Files:
    train = folder_of(files)
    (test,) = [name for name in files if name.endswith("test/pose_cfg.yaml")]
    rest = {name: data for name, data in files.items() if name != test}
    return rest | {f"{train}/pose_cfg.yaml": files[test]}


def only_train(files: Files) -> Files:
    train = folder_of(files)
    return {name.removeprefix(f"{train}/"): data for name, data in files.items() if train in name}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    made = Models(tmp_path_factory.mktemp("models"))
    files = made.files
    made.add("demo", DEMO_MODEL)
    for index in (0, 1, -1, -2, "all"):
        made.add_files(f"index {index}", with_snapshots(files, index))
    for detector in (0, -1):
        made.add_files(f"detector {detector}", with_snapshots(files, 1, detector))
    made.add_files("release candidate", as_release_candidate(files), original=False)
    made.add_files("wrapped", {f"a/b/{n}": d for n, d in files.items()}, original=False)
    without_config = {name: data for name, data in files.items() if name != "config.yaml"}
    made.add_files("without config", without_config, original=False)
    made.add_files("only train", only_train(files), original=False)
    for archive in sorted((SHARED_FOLDER / "models").glob("*-pytorch.zip")):
        made.add(archive.stem, archive)
    made.name()
    return made


SAME = ["demo", *(f"index {i}" for i in (0, 1, -1, -2, "all")), "detector 0", "detector -1"]


@pytest.mark.parametrize("name", SAME)
def test_the_snapshot_and_the_name_are_those_of_the_archive(models: Models, name: str) -> None:
    assert models.ours(name) == models.theirs(name)
    model = models.models[name]
    recorded = [model.snapshot, *([model.detector] if model.detector else [])]
    assert models.theirs(name)["snapshots"] == recorded


@pytest.mark.parametrize("name", ["release candidate", "wrapped", "without config", "only train"])
def test_every_layout_gives_the_same_name(models: Models, name: str) -> None:
    assert models.ours(name) == models.theirs("demo")


@needs_shared_data
@pytest.mark.parametrize("name", ["openfield-pytorch", "blobs-multianimal-pytorch"])
def test_real_models_are_called_as_in_the_true_results(models: Models, name: str) -> None:
    assert models.ours(name) == models.theirs(name)
    (truth,) = (SHARED_FOLDER / "truth" / name).glob("*_filtered.h5")
    assert models.ours(name)["scorer"] in truth.name


def test_all_that_the_safe_reader_takes_is_taken_for_weights(models: Models) -> None:
    """A snapshot that DeepLabCut can load must not be refused before."""
    assert "torch._utils._rebuild_tensor_v2" in models.allowed
    assert "numpy.core.multiarray.scalar" in models.allowed
    odd = {"numpy.dtypes.Float32DType", "numpy.dtypes.Int64DType"}  # never named in a pickle
    assert [n for n in models.allowed if not _ALLOWED_NAMES.fullmatch(n) and n not in odd] == []


def test_nothing_but_the_project_is_left(models: Models, tmp_path: Path) -> None:
    project = tmp_path / "project"
    unpack_model(DEMO_MODEL, "demo.zip", project)
    shutil.rmtree(project)
    assert list(tmp_path.iterdir()) == []
