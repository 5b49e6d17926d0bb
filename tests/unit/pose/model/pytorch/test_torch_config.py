"""What pytorch_config.yaml may say is judged before a GPU is asked for."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.pose.model.inspection import inspect_archive
from tests.support.model_zips import (
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    TOP_DOWN_NETWORK,
    copy_with_changes,
    model_files,
    write_zip,
)
from tests.support.paths import DEMO_MODEL


def found(folder: Path, network: dict[str, Any], *snapshots: str) -> tuple[list[str], list[str]]:
    """Repairs and problems of a model with this configuration."""
    archive = write_zip(folder / "m.zip", model_files(PROJECT_CONFIG, network, *snapshots))
    inspection = inspect_archive(archive, "m.zip", folder / "project")
    repairs = inspection.model.repairs if inspection.model else ()
    return list(repairs), list(inspection.problems)


def written(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("project/dlc-models-pytorch/*/*/train/pytorch_config.yaml")
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


def test_unknown_keys_are_left_out_and_told(tmp_path: Path) -> None:
    network = copy_with_changes(
        NETWORK_CONFIG, new=1, runner__new=2, data={"inference": {"new": 3, "hflip": None}, "x": 4}
    )
    repairs, problems = found(tmp_path, network)
    assert problems == []
    names = ["new", "runner.new", "data.inference.new", "data.x"]
    for name in names:
        assert f"pytorch_config.yaml: unknown key {name} left out" in repairs
    ours = written(tmp_path)
    assert "new" not in ours
    assert "new" not in ours["runner"]
    assert ours["data"] == {"inference": {"hflip": None}}


@pytest.mark.parametrize("key", ["train_settings", "runner__optimizer", "data__train"])
def test_what_only_training_reads_cannot_stop_a_model(tmp_path: Path, key: str) -> None:
    repairs, problems = found(tmp_path, copy_with_changes(NETWORK_CONFIG, **{key: "x"}))
    assert problems == []
    said = key.replace("__", ".")
    assert f"{said}: 'x' is no mapping; it is left out, as only training reads it" in repairs
    assert "'x'" not in str(written(tmp_path))


@pytest.mark.parametrize(
    "key", ["data", "data__inference", "inference__multithreading", "runner__snapshots"]
)
def test_another_section_that_is_none_is_refused_once(tmp_path: Path, key: str) -> None:
    _, (problem,) = found(tmp_path, copy_with_changes(NETWORK_CONFIG, **{key: "x"}))
    assert f"pytorch_config.yaml: {key.replace('__', '.')}: expected a mapping" in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backbone", {"type": "ResNet", "model_name": "resnet_does_not_exist"}),
        ("backbone", {"type": "HRNet", "model_name": "resnet.*"}),
        ("backbone", {"type": "os.system"}),
        ("backbone", {"type": ["ResNet"]}),
        ("heads", {"bodypart": {"type": "NoHead"}}),
    ],
)
def test_a_network_that_deeplabcut_does_not_have_is_refused(
    tmp_path: Path, key: str, value: Any
) -> None:
    _, (problem,) = found(tmp_path, copy_with_changes(NETWORK_CONFIG, **{f"model__{key}": value}))
    assert "of pytorch_config.yaml is none that DeepLabCut has" in problem


@pytest.mark.parametrize(
    "name", ["resnet10t", "resnet50.a1_in1k", "hrnet_w32", "tf_efficientnet_b0"]
)
def test_networks_of_timm_are_known(tmp_path: Path, name: str) -> None:
    backbone = {"type": "ResNet", "model_name": name}
    assert found(tmp_path, copy_with_changes(NETWORK_CONFIG, model__backbone=backbone))[1] == []


LARGE: list[tuple[str, Any]] = [
    ("resize", {"height": 8000, "width": 9000}),
    ("resize", {"height": 0, "width": 10}),
    ("resize", {"height": "tall", "width": 10}),
    ("longest_max_size", 10**6),
    ("top_down_crop", {"width": 10**5, "height": 10**5}),
    ("top_down_crop", {"width": 256, "height": 256, "margin": 10**5}),
    ("top_down_crop", {"width": 2, "height": 2000}),
    ("auto_padding", {"min_height": 10**5}),
    ("auto_padding", {"pad_width_divisor": 10**5}),
    ("crop_sampling", {"width": 10**5, "height": 448}),
]


@pytest.mark.parametrize(("transform", "value"), LARGE)
@pytest.mark.parametrize("where", ["data", "detector__data"])
def test_inputs_beyond_all_frames_are_refused(
    tmp_path: Path, where: str, transform: str, value: Any
) -> None:
    network = copy_with_changes(TOP_DOWN_NETWORK, **{f"{where}__inference": {transform: value}})
    _, (problem,) = found(tmp_path, network, "snapshot-1.pt", "snapshot-detector-1.pt")
    assert f"{where.replace('__', '.')}.inference.{transform}" in problem
    assert "expected a" in problem


def test_inputs_that_deeplabcut_writes_pass(tmp_path: Path) -> None:
    inference = {
        "resize": {"height": 640, "width": 480, "keep_ratio": True},
        "longest_max_size": 1333,
        "auto_padding": {"pad_width_divisor": 32, "pad_height_divisor": 32, "min_height": None},
        "top_down_crop": {"width": 256, "height": 192, "margin": 25},
        "crop_sampling": None,
    }
    assert found(tmp_path, copy_with_changes(NETWORK_CONFIG, data__inference=inference))[1] == []


def test_other_body_parts_than_the_weights_have_are_refused(tmp_path: Path) -> None:
    """Configuration and heads say three, the weights four."""
    (problem,) = _problems_with_three(tmp_path)
    assert "names 3 body parts" in problem
    assert "but the weights in snapshot-" in problem


def _problems_with_three(folder: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(DEMO_MODEL) as files, zipfile.ZipFile(folder / "m.zip", "w") as made:
        for member in files.infolist():
            data = files.read(member)
            if member.filename.endswith("pytorch_config.yaml"):
                data = _with_three(data)
            if member.filename.endswith(("pytorch_config.yaml", ".pt")):
                made.writestr(member.filename.rpartition("/")[2], data)
    return inspect_archive(folder / "m.zip", "m.zip", folder / "project").problems


def _with_three(data: bytes) -> bytes:
    network = yaml.safe_load(data)
    network["metadata"]["bodyparts"] = network["metadata"]["bodyparts"][:3]
    head = network["model"]["heads"]["bodypart"]
    head["target_generator"]["num_heatmaps"] = 3
    head["heatmap_config"]["channels"][-1] = 3
    head["locref_config"]["channels"][-1] = 6
    text: str = yaml.safe_dump(network)
    return text.encode()
