"""Conditional top-down models: which bottom-up model of the archive gives the conditions."""

from pathlib import Path
from typing import Any

import pytest

from tasks.pose.model.selection import ModelChoice
from tests.support.archive_sandbox import ArchiveSandbox, without_files
from tests.support.model_zips import (
    MODEL_FOLDER,
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    SNAPSHOT_NAME,
    WEIGHTS,
    Files,
    copy_with_changes,
    format_yaml,
    model_files,
)

BELOW = "snapshot-200.pt"
OF_SHUFFLE = {"source": "shuffle", "shuffle": 1, "snapshot": BELOW, "config": "/home/lab/c.yaml"}
MACHINE = "/home/lab/openfield/dlc-models-pytorch/iteration-0"
FOLDER = "openfieldOct30-trainset95shuffle1"
OF_PATHS = {
    "config_path": f"{MACHINE}/{FOLDER}/train/pytorch_config.yaml",
    "snapshot_path": f"{MACHINE}/{FOLDER}/train/{BELOW}",
}
ON_WINDOWS = {"snapshot_path": f"C:{OF_PATHS['snapshot_path']}".replace("/", "\\")}


def conditional_network(conditions: Any = None, **changes: Any) -> dict[str, Any]:
    backbone = {
        "type": "CondPreNet",
        "backbone": {"type": "HRNet", "model_name": "hrnet_w32"},
        "kpt_encoder": {"type": "StackedKeypointEncoder", "num_joints": 3},
    }
    return copy_with_changes(
        NETWORK_CONFIG,
        **{
            "method": "ctd",
            "net_type": "ctd_prenet_hrnet_w32",
            "model__backbone": backbone,
            "inference": {"conditions": conditions},
            **changes,
        },
    )


def below(files: Files, shuffle: int, *names: str) -> Files:
    """The files of a model in another shuffle's folder, but for config.yaml."""
    moved = {name.replace("shuffle1", f"shuffle{shuffle}"): data for name, data in files.items()}
    return without_files(moved, "config.yaml", *names)


def two_models(network: dict[str, Any], *snapshots: str, **changes: Any) -> Files:
    """A bottom-up model in shuffle 1, and the conditional one in shuffle 2."""
    bottom_up = copy_with_changes(NETWORK_CONFIG, **changes)
    return model_files(PROJECT_CONFIG, bottom_up, *(snapshots or (BELOW,))) | below(
        model_files(PROJECT_CONFIG, network), 2
    )


@pytest.fixture
def bench(tmp_path: Path) -> ArchiveSandbox:
    return ArchiveSandbox(tmp_path)


@pytest.mark.parametrize(
    "conditions",
    [OF_SHUFFLE, {"shuffle": 1}, {"shuffle": 1, "snapshot_index": 0}, OF_PATHS, ON_WINDOWS],
)
@pytest.mark.parametrize("place", ["inference", "data"])
def test_they_are_named_by_shuffle_or_by_paths(
    bench: ArchiveSandbox, conditions: dict[str, Any], place: str
) -> None:
    network = conditional_network(**{"inference": None, place: {"conditions": conditions}})
    model = bench.write_and_open(two_models(network))
    assert (model.method, model.shuffle, model.snapshot) == ("ctd", 2, SNAPSHOT_NAME)
    assert (model.conditions, model.repairs) == (BELOW, ())
    assert model.conditions_sha256 == model.snapshot_sha256  # of the same bytes, here
    files = bench.read_project()
    assert f"dlc-models-conditions/train/{BELOW}" in files
    assert files["dlc-models-conditions/train/pytorch_config.yaml"]["method"] == "bu"
    own = files[f"{MODEL_FOLDER.replace('shuffle1', 'shuffle2')}/train/pytorch_config.yaml"]
    assert "conditions" not in own["inference"]
    assert "conditions" not in (own.get("data") or {})


@pytest.mark.parametrize(
    ("conditions", "used"),
    [
        ({"shuffle": 1, "snapshot": "snapshot-9.pt"}, "snapshot-9.pt"),
        ({"shuffle": 1, "snapshot_index": 0}, "snapshot-9.pt"),
        ({"shuffle": 1, "snapshot_index": 1}, "snapshot-80.pt"),
        ({"shuffle": 1}, "snapshot-best-50.pt"),
    ],
)
def test_a_snapshot_is_named_or_the_last(
    bench: ArchiveSandbox, conditions: dict[str, Any], used: str
) -> None:
    names = ("snapshot-9.pt", "snapshot-80.pt", "snapshot-best-50.pt")
    model = bench.write_and_open(two_models(conditional_network(conditions), *names))
    assert model.conditions == used


@pytest.mark.parametrize(
    "conditions",
    [None, {"shuffle": 7}, "/home/lab/poses.h5", {"filepath": "poses.h5"}, [1], {"shuffle": "x"}],
)
def test_the_only_bottom_up_model_gives_them_with_a_repair(
    bench: ArchiveSandbox, conditions: Any
) -> None:
    model = bench.write_and_open(two_models(conditional_network(conditions)))
    assert model.conditions == BELOW
    (repair,) = model.repairs
    assert "the only bottom-up model in the archive" in repair


def test_another_snapshots_name_is_a_repair_where_there_is_one(bench: ArchiveSandbox) -> None:
    network = conditional_network({"shuffle": 1, "snapshot": "snapshot-1.pt"})
    (repair,) = bench.write_and_open(two_models(network)).repairs
    assert "names the snapshot snapshot-1.pt; the only one of the bottom-up model" in repair
    message = bench.expect_refusal(two_models(network, "snapshot-2.pt", "snapshot-3.pt"))
    assert "its conditions come from snapshot snapshot-1.pt" in message


def test_of_several_bottom_up_models_the_named_one_gives_them(bench: ArchiveSandbox) -> None:
    network = conditional_network({"shuffle": 1})
    third = below(model_files(PROJECT_CONFIG, NETWORK_CONFIG, "snapshot-3.pt"), 3)
    files = two_models(network) | third
    assert "3 folders hold snapshots" in bench.expect_refusal(files)
    assert bench.write_and_open(files, ModelChoice(2)).conditions == BELOW
    other = two_models(conditional_network({"shuffle": 9})) | third
    message = bench.expect_refusal(other, ModelChoice(2))
    assert "its conditions come from shuffle 9, which is not one of" in message


def test_the_bottom_up_model_can_be_used_alone(bench: ArchiveSandbox) -> None:
    model = bench.write_and_open(two_models(conditional_network(OF_SHUFFLE)), ModelChoice(1))
    assert (model.method, model.snapshot, model.conditions) == ("bu", BELOW, None)


def test_without_a_bottom_up_model_it_is_refused(bench: ArchiveSandbox) -> None:
    message = bench.expect_refusal(model_files(PROJECT_CONFIG, conditional_network(OF_SHUFFLE)))
    assert "there is no bottom-up model in the zip; add the train folder" in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"metadata__bodyparts": ["nose", "tail", "ear"]}, "finds nose, tail, ear, but"),
        ({"model__backbone__model_name": "hf-hub:x/y"}, "model hub"),
        ({"model__backbone__type": "Mine"}, "none that DeepLabCut has"),
        ({"data": {"inference": {"resize": {"height": 10**9}}}}, "whole number of pixels"),
        ({"model__heads__bodypart__target_generator__num_heatmaps": 4}, "has 4 outputs"),
    ],
)
def test_a_bottom_up_model_that_does_not_fit_is_refused(
    bench: ArchiveSandbox, changes: dict[str, Any], told: str
) -> None:
    files = two_models(conditional_network(OF_SHUFFLE), **changes)
    assert told in bench.expect_refusal(files)


def test_weights_that_hold_code_are_refused_there_too(bench: ArchiveSandbox) -> None:
    files = two_models(conditional_network(OF_SHUFFLE))
    (place,) = [name for name in files if name.endswith(BELOW)]
    assert files[place] == WEIGHTS
    message = bench.expect_refusal(files | {place: b"no weights"})
    assert BELOW in message


@pytest.mark.parametrize(
    "backbone",
    [
        {"type": "CondPreNet", "backbone": {"type": "HRNet", "model_name": "hf-hub:x/y"}},
        {"type": "CondPreNet", "backbone": {"type": "Mine"}},
        {"type": "HRNetCoAM", "base_model_name": "mine"},
        {"type": "CondPreNet", "kpt_encoder": {"num_joints": 4}},
    ],
)
def test_a_conditional_network_that_deeplabcut_cannot_build_is_refused(
    bench: ArchiveSandbox, backbone: dict[str, Any]
) -> None:
    network = conditional_network(OF_SHUFFLE, model__backbone=backbone)
    message = bench.expect_refusal(two_models(network))
    assert any(word in message for word in ("model hub", "none that DeepLabCut has", "takes 4"))


def test_broken_configuration_of_the_bottom_up_model_is_refused(bench: ArchiveSandbox) -> None:
    files = two_models(conditional_network(OF_SHUFFLE))
    path = f"{MODEL_FOLDER}/train/pytorch_config.yaml"
    assert path in bench.expect_refusal(files | {path: b"a: ["})
    assert path in bench.expect_refusal(files | {path: format_yaml({"model": {}})})
