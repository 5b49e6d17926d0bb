"""What people and programs are told about a model."""

import hashlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tasks.pose.model.description import format_network
from tasks.pose.model.inspection import Inspection, as_json, as_markdown, as_text, inspect_archive
from tasks.pose.model.problems import BadModel
from tests.support.model_zips import (
    MULTI_ANIMAL_PROJECT,
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    SNAPSHOT_NAME,
    TOP_DOWN_NETWORK,
    TRAIN_FOLDER,
    Files,
    copy_with_changes,
    format_yaml,
    model_files,
    multi_animal_files,
    tensorflow_animal_files,
    tensorflow_files,
    write_zip,
)


def inspected(folder: Path, files: Files) -> Inspection:
    return inspect_archive(write_zip(folder / "m.zip", files), "m.zip", folder / "project")


def values(text: str) -> dict[str, str]:
    """The table of a page, by the names in it."""
    rows = (line.strip().split("  ", 1) for line in text.splitlines() if line.startswith("  "))
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def test_a_good_model_is_told_in_a_table(tmp_path: Path) -> None:
    inspection = inspected(tmp_path, model_files())
    assert inspection.is_usable
    assert inspection.model is not None
    assert inspection.require_model() is inspection.model
    text = as_text(inspection)
    assert text.splitlines()[0] == "m.zip can be used"
    assert values(text) == {
        "engine": "PyTorch",
        "network": "resnet18 (net_type resnet_50), bottom-up",
        "project": "openfield Oct30, labeled by Pranav",
        "training": "shuffle 1, 95% of labeled frames",
        "snapshot": SNAPSHOT_NAME,
        "3 body parts": "nose, ear, tail",
        "skeleton": "nose–ear",
        "size": f"{inspection.model.size / 1e6:.1f} MB",
        "SHA-256": inspection.model.sha256,
    }


def test_individuals_and_tracking_are_told(tmp_path: Path) -> None:
    told = values(as_text(inspected(tmp_path, multi_animal_files())))
    assert told["2 individuals"] == "mouse A, mouse B"
    assert told["tracking"] == "box; individuals are told apart by the network"
    assert told["1 unique body part"] == "corner"


def test_the_detector_and_the_other_snapshots_are_told(tmp_path: Path) -> None:
    names = ("snapshot-100.pt", "snapshot-200.pt", "snapshot-detector-050.pt")
    told = values(
        as_text(inspected(tmp_path, model_files(PROJECT_CONFIG, TOP_DOWN_NETWORK, *names)))
    )
    assert told["network"] == "resnet18 (net_type resnet_50), top-down"
    assert told["snapshot"] == "snapshot-200.pt, not snapshot-100.pt"
    assert told["detector"] == "snapshot-detector-050.pt"


def test_repairs_and_warnings_are_listed(tmp_path: Path) -> None:
    files = model_files(
        copy_with_changes(PROJECT_CONFIG, cropping=True),
        NETWORK_CONFIG,
        "snapshot-1.pt",
        "snapshot-2.pt",
    )
    lines = as_text(inspected(tmp_path, files)).splitlines()
    put_right, note = lines.index("Put right:"), lines.index("Please note:")
    assert lines[put_right + 1].startswith("  • config.yaml says cropping: true")
    assert lines[note + 1].startswith("  • 2 snapshots in the archive")


def test_every_independent_problem_is_told(tmp_path: Path) -> None:
    project = copy_with_changes(PROJECT_CONFIG, Task="../x", snapshotindex=9, bodyparts=["paw"])
    network = copy_with_changes(
        NETWORK_CONFIG, method="xtd", model__backbone__model_name="hf-hub:x/y", runner="fast"
    )
    names = ("snapshot-1.pt", "snapshot-2.pt")
    inspection = inspected(tmp_path, model_files(project, network, *names))
    assert inspection.model is None
    said = [
        "found xtd",
        "lists the body parts paw",
        "model hub",
        "runner: expected",
        "Task is ../x",
    ]
    assert len(inspection.problems) == 6
    for words, problem in zip([*said, "snapshotindex is 9"], inspection.problems, strict=True):
        assert words in problem
    with pytest.raises(BadModel, match="and 5 more") as caught:
        inspection.require_model()
    assert caught.value.problems == inspection.problems


def test_two_unreadable_files_are_both_told(tmp_path: Path) -> None:
    broken = {name: b"a: [" for name in model_files() if name.endswith(".yaml")}
    inspection = inspected(tmp_path, model_files() | broken)
    assert len(inspection.problems) == len(broken)


@pytest.mark.parametrize("installed", [True, False])
def test_a_tensorflow_model_needs_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    def find_spec(name: str) -> Any:
        return object() if name == "tensorflow" and installed else None

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    inspection = inspected(tmp_path, tensorflow_files())
    assert inspection.model is not None
    assert inspection.model.engine == "tensorflow"
    assert inspection.is_usable is installed
    assert all("run `make setup-tensorflow`" in problem for problem in inspection.problems)


@pytest.mark.parametrize("make", [model_files, multi_animal_files])
def test_programs_get_one_object(tmp_path: Path, make: Any) -> None:
    inspection = inspected(tmp_path, make())
    assert inspection.model is not None
    assert json.loads(as_json(inspection)) == {
        "usable": True,
        "model": inspection.model.model_dump(mode="json"),
        "found": None,
        "problems": [],
    }


def test_what_is_known_of_a_model_is_shown_where_its_reading_ended_early(tmp_path: Path) -> None:
    network = copy_with_changes(NETWORK_CONFIG, model__backbone=["ResNet"])
    inspection = inspected(tmp_path, model_files(network=network))
    assert inspection.model is None
    assert "nose, ear, tail" in as_text(inspection)
    assert json.loads(as_json(inspection))["found"]["body_parts"] == ["nose", "ear", "tail"]


def test_programs_get_an_object_of_a_refused_model_too(tmp_path: Path) -> None:
    inspection = inspected(tmp_path, {"readme.txt": b"x"})
    found = json.loads(as_json(inspection))
    assert (found["usable"], found["model"]) == (False, None)
    assert found["problems"] == list(inspection.problems)
    data = (tmp_path / "m.zip").read_bytes()
    assert found["found"] == {
        "name": "m.zip",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "repairs": [],
        "warnings": [],
    }


def test_what_is_known_of_a_refused_model_is_told_too(tmp_path: Path) -> None:
    project = copy_with_changes(PROJECT_CONFIG, batch_size="x", cropping=True, snapshotindex=9)
    network = copy_with_changes(NETWORK_CONFIG, device="cuda:0")
    names = ("snapshot-1.pt", "snapshot-2.pt")
    inspection = inspected(tmp_path, model_files(project, network, *names))
    text = as_text(inspection)
    assert text.splitlines()[0] == "m.zip cannot be used"
    told = values(text)
    assert told["engine"] == "PyTorch"
    assert told["network"] == "resnet18 (net_type resnet_50), bottom-up"
    assert told["2 snapshots"] == "snapshot-1.pt, snapshot-2.pt"
    assert told["3 body parts"] == "nose, ear, tail"
    assert told["skeleton"] == "nose–ear"
    assert told["SHA-256"] == hashlib.sha256((tmp_path / "m.zip").read_bytes()).hexdigest()
    assert "  • config.yaml says cropping: true; only the request's crop counts" in text
    found = json.loads(as_json(inspection))
    assert found["model"] is None
    assert found["found"]["body_parts"] == ["nose", "ear", "tail"]
    assert len(found["found"]["repairs"]) == 2
    page = as_markdown(inspection)
    assert "| engine | PyTorch |" in page
    assert "Cannot be used here because" in page


@pytest.mark.parametrize(
    ("file", "data"),
    [
        (f"{TRAIN_FOLDER}/pytorch_config.yaml", b"a: ["),
        (f"{TRAIN_FOLDER}/pytorch_config.yaml", b"a: 1"),
        (
            f"{TRAIN_FOLDER}/pytorch_config.yaml",
            format_yaml(copy_with_changes(NETWORK_CONFIG, metadata__bodyparts=["a", 0.5])),
        ),
        (
            f"{TRAIN_FOLDER}/pytorch_config.yaml",
            format_yaml(copy_with_changes(NETWORK_CONFIG, method="x")),
        ),
        (f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}", b"no weights"),
    ],
)
def test_a_model_refused_at_any_place_has_a_page(tmp_path: Path, file: str, data: bytes) -> None:
    inspection = inspected(tmp_path, model_files() | {file: data})
    assert inspection.model is None
    assert values(as_text(inspection))["engine"] == "PyTorch"
    assert json.loads(as_json(inspection))["found"]["snapshots"] == [SNAPSHOT_NAME]
    assert "| engine | PyTorch |" in as_markdown(inspection)


def test_a_multi_animal_tensorflow_model_is_described(tmp_path: Path) -> None:
    told = values(as_text(inspected(tmp_path, tensorflow_animal_files())))
    assert told["engine"] == "TensorFlow"
    assert told["network"] == "resnet_50 (net_type dlcrnet_ms5), bottom-up"
    assert told["2 individuals"] == "mouse A, mouse B"
    assert told["tracking"] == "box; individuals are told apart by the network"
    assert told["1 unique body part"] == "corner"


def test_a_refused_multi_animal_tensorflow_model_has_a_page(tmp_path: Path) -> None:
    told = values(as_text(inspected(tmp_path, tensorflow_files(MULTI_ANIMAL_PROJECT))))
    assert told["engine"] == "TensorFlow"
    assert told["snapshot"] == "snapshot-1200"


def test_a_page_holds_no_markup_of_the_archive(tmp_path: Path) -> None:
    """A stranger's names show in Prefect's UI: no pictures that call home, no tables of theirs."""
    attack = "![x](https://example.org/x) <img src=y> | `a`"
    project = copy_with_changes(MULTI_ANIMAL_PROJECT, scorer=attack, individuals=[attack, "b"])
    files = multi_animal_files() | {"config.yaml": format_yaml(project)}
    page = as_markdown(inspected(tmp_path, files))
    assert "\\!\\[x\\]\\(https://example.org/x\\) \\<img src=y\\> \\| \\`a\\`" in page
    assert not re.search(r"(?<!\\)[<\[(`]", page.split("example.org")[1])
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert all(row.replace("\\|", "").count("|") == 3 for row in rows)


@pytest.mark.parametrize(
    ("net_type", "backbone", "shown"),
    [
        ("resnet_50", "resnet50_gn", "resnet_50"),
        ("resnet_50", "resnet18_gn", "resnet18_gn (net_type resnet_50)"),
        ("mobilenet_v2_0.35", None, "mobilenet_v2_0.35"),
        ("top_down_hrnet_w32", "hrnet_w32", "hrnet_w32 (net_type top_down_hrnet_w32)"),
    ],
)
def test_the_network_is_the_one_that_is_built(
    net_type: str, backbone: str | None, shown: str
) -> None:
    assert format_network(net_type, backbone) == shown
