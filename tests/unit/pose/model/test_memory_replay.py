"""SuperAnimal models fine-tuned with memory replay: which output is which body part."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.archive_sandbox import ArchiveSandbox
from tests.support.model_zips import (
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    TRAIN_FOLDER,
    copy_with_changes,
    model_files,
)

PARTS = ["nose", "left", "right", "tail"]
OF_ANIMAL = [f"part{index}" for index in range(27)]
PROJECT = copy_with_changes(PROJECT_CONFIG, bodyparts=PARTS, skeleton=[])


def network(columns: Any, parts: list[str] = PARTS, outputs: int = 27) -> dict[str, Any]:
    """A configuration as DeepLabCut 3.0.2 writes it."""
    head = {
        "type": "HeatmapHead",
        "heatmap_config": {"channels": [32, outputs]},
        "target_generator": {"num_heatmaps": outputs},
    }
    weights = {
        "dataset": "superanimal_topviewmouse",
        "snapshot_path": "/home/lab/superanimal.pt",
        "with_decoder": True,
        "memory_replay": True,
        "conversion_array": columns,
    }
    return copy_with_changes(
        NETWORK_CONFIG,
        net_type="hrnet_w32",
        model={"backbone": {"type": "HRNet", "model_name": "hrnet_w32"}, "heads": {}},
        model__heads__bodypart=head,
        metadata__bodyparts=parts,
        train_settings={"epochs": 10, "weight_init": weights},
    )


@pytest.fixture
def bench(tmp_path: Path) -> ArchiveSandbox:
    return ArchiveSandbox(tmp_path)


@pytest.mark.parametrize("columns", [[0, 1, 2, 12], [26, 0, 13, 5]])
def test_the_conversion_says_which_outputs_are_the_body_parts(
    bench: ArchiveSandbox, columns: list[int]
) -> None:
    model = bench.write_and_open(model_files(PROJECT, network(columns)))
    assert (model.body_parts, model.output_columns) == (tuple(PARTS), tuple(columns))
    assert not any("replay" in repair for repair in model.repairs)
    written = bench.read_project()[f"{TRAIN_FOLDER}/pytorch_config.yaml"]
    weights = written["train_settings"]["weight_init"]
    assert (weights["conversion_array"], weights["snapshot_path"]) == (columns, None)


def test_release_candidates_name_all_outputs_which_are_all_used(bench: ArchiveSandbox) -> None:
    model = bench.write_and_open(model_files(PROJECT, network([0, 1, 2, 12], OF_ANIMAL)))
    assert (model.body_parts, model.output_columns) == (tuple(OF_ANIMAL), ())
    (repair,) = [repair for repair in model.repairs if "replay" in repair]
    assert repair.startswith("config.yaml lists 4 body parts (nose, left, right, tail), but")
    written = bench.read_project()[f"{TRAIN_FOLDER}/pytorch_config.yaml"]
    assert written["train_settings"] == {}


def test_as_many_outputs_as_body_parts_may_be_in_another_order(bench: ArchiveSandbox) -> None:
    model = bench.write_and_open(model_files(PROJECT, network([3, 0, 1, 2], outputs=4)))
    assert model.output_columns == (3, 0, 1, 2)
    assert (
        bench.write_and_open(model_files(PROJECT, network([0, 1, 2, 3], outputs=4))).output_columns
        == ()
    )


@pytest.mark.parametrize(
    "columns",
    [None, [0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 27], [0, 1, 2, -1], [0, 1, 2, "3"], "x", {}],
)
def test_a_conversion_that_does_not_fit_is_refused(bench: ArchiveSandbox, columns: Any) -> None:
    message = bench.expect_refusal(model_files(PROJECT, network(columns)))
    assert "conversion_array: expected a different one of the network's 27 outputs" in message


def test_another_projects_configuration_is_still_refused(bench: ArchiveSandbox) -> None:
    project = copy_with_changes(PROJECT_CONFIG, bodyparts=["paw", "ear"], skeleton=[])
    message = bench.expect_refusal(model_files(project, network([0, 1, 2, 12])))
    assert "lists the body parts paw, ear" in message


@pytest.mark.parametrize("replay", [False, None, "yes"])
def test_without_memory_replay_every_output_needs_a_name(
    bench: ArchiveSandbox, replay: Any
) -> None:
    config = network([0, 1, 2, 12])
    config["train_settings"]["weight_init"]["memory_replay"] = replay
    message = bench.expect_refusal(model_files(PROJECT, config))
    assert "names 4 body parts (nose, left, right, tail), but its network has 27" in message
