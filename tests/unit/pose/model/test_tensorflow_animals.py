"""TensorFlow models of several animals: whose body parts, which pairs, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.pose.model.tensorflow_animals import read_assembly_settings
from tests.support.archive_sandbox import ArchiveSandbox, without_files
from tests.support.model_zips import (
    ANIMAL_NAMES,
    MULTI_ANIMAL_PROJECT,
    PROJECT_CONFIG,
    TF_ANIMALS_TEST_CONFIG,
    TF_MODEL_FOLDER,
    TF_TRAIN_FOLDER,
    TRACKING_CONFIG,
    copy_with_changes,
    format_yaml,
    tensorflow_animal_files,
)

PARTS = ("nose", "ear", "tail")
TEST_CONFIG = f"{TF_MODEL_FOLDER}/test/pose_cfg.yaml"


@pytest.fixture
def bench(tmp_path: Path) -> ArchiveSandbox:
    return ArchiveSandbox(tmp_path)


def changed_files(**changes: Any) -> dict[str, bytes]:
    return tensorflow_animal_files(copy_with_changes(TF_ANIMALS_TEST_CONFIG, **changes))


def test_a_model_is_described_as_it_is(bench: ArchiveSandbox) -> None:
    model = bench.write_and_open(tensorflow_animal_files())
    assert (model.multi_animal, model.identity, model.track_method) == (True, True, "box")
    assert (model.body_parts, model.unique_body_parts) == (PARTS, ("corner",))
    assert model.individuals == tuple(ANIMAL_NAMES)
    assert (model.net_type, model.backbone) == ("dlcrnet_ms5", "resnet_50")
    assert (model.repairs, model.warnings) == ((), ())


def test_the_project_says_what_the_archive_says(bench: ArchiveSandbox) -> None:
    files = changed_files(paf_best=[2, 0], nmsradius=7.0, stride=4)
    bench.write_and_open(files)
    project = bench.read_project()
    test = project[TEST_CONFIG]
    given = yaml.safe_load(files[TEST_CONFIG])
    kept = set(given) - {"dataset", "init_weights", "global_scale", "scoremap_dir"}
    assert {key: test[key] for key in kept} == {key: given[key] for key in kept}
    config = project["config.yaml"]
    assert config["multianimalbodyparts"] == list(PARTS)
    assert config["uniquebodyparts"] == ["corner"]
    tracking = project[f"{TF_MODEL_FOLDER}/test/inference_cfg.yaml"]
    assert tracking["topktoretain"] == TRACKING_CONFIG["topktoretain"]


def test_a_network_without_stages_or_identities_is_told_from_others(bench: ArchiveSandbox) -> None:
    model = bench.write_and_open(changed_files(multi_stage=False, num_idchannel=0))
    assert (model.net_type, model.backbone, model.identity) == ("resnet_50", None, False)


def test_peaks_are_found_as_deeplabcut_does_where_nothing_is_said() -> None:
    silent = {k: v for k, v in TF_ANIMALS_TEST_CONFIG.items() if k not in {"nmsradius", "sigma"}}
    settings = read_assembly_settings(silent)
    assert (settings["nmsradius"], settings["sigma"]) == (5.0, 1)
    assert "minconfidence" not in settings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"location_refinement": False}, "location_refinement: expected true, found False"),
        ({"partaffinityfield_predict": False}, "partaffinityfield_predict: False"),
        ({"num_limbs": 2}, "lists 3 pairs of body parts (partaffinityfield_graph), but its netw"),
        ({"partaffinityfield_graph": [[0, 9]], "num_limbs": 1}, "found one of number 9"),
        ({"partaffinityfield_graph": [[0, 0]]}, "expected a list of pairs of body parts"),
        ({"partaffinityfield_graph": [["nose", "ear"]]}, "expected a list of pairs of body parts"),
        ({"partaffinityfield_graph": "complete"}, "found 'complete'"),
        ({"partaffinityfield_graph": []}, "expected pairs of the animals' 3 body parts, found"),
        ({"paf_best": [3]}, "paf_best: expected different places in partaffinityfield_graph"),
        ({"paf_best": [0, 0]}, "from 0 to 2, found [0, 0]"),
        ({"paf_best": []}, "from 0 to 2, found []"),
        ({"nmsradius": 0}, "nmsradius: expected at least 1, found 0"),
        ({"num_idchannel": "two"}, "num_idchannel: expected a whole number, found 'two'"),
        ({"net_type": "resnet_51"}, "net_type: expected a network of DeepLabCut's TensorFlow"),
        ({"all_joints_names": ["a", "b", "c", "d"]}, "lists the body parts nose, ear, tail, but"),
        ({"num_joints": 3}, "names 4 body parts (nose, ear, tail, corner), but its network has 3"),
        ({"dataset_type": "imgaug"}, "multianimalproject: True, but the network is one of a sing"),
    ],
)
def test_what_deeplabcut_would_fail_on_or_misread_is_refused(
    bench: ArchiveSandbox, changes: dict[str, Any], said: str
) -> None:
    assert said in bench.expect_refusal(changed_files(**changes))


def test_a_single_animal_project_is_no_home_of_such_a_network(bench: ArchiveSandbox) -> None:
    files = tensorflow_animal_files(project=PROJECT_CONFIG)
    assert "but the network is one of several animals" in bench.expect_refusal(files)


def test_without_config_yaml_names_are_made(bench: ArchiveSandbox) -> None:
    """The pairs of body parts tell whose they are."""
    model = bench.write_and_open(without_files(tensorflow_animal_files(), "config.yaml"))
    assert (model.body_parts, model.unique_body_parts) == (PARTS, ("corner",))
    assert model.individuals == ("individual1", "individual2")
    assert any("individuals; the network's 2 are called" in repair for repair in model.repairs)


def test_a_body_part_without_a_pair_is_the_animals_where_config_yaml_says_so(
    bench: ArchiveSandbox,
) -> None:
    project = copy_with_changes(
        MULTI_ANIMAL_PROJECT,
        multianimalbodyparts=[*PARTS, "corner"],
        uniquebodyparts=[],
    )
    model = bench.write_and_open(tensorflow_animal_files(project=project))
    assert (model.body_parts, model.unique_body_parts) == ((*PARTS, "corner"), ())


def test_how_many_animals_must_be_known(bench: ArchiveSandbox) -> None:
    test = copy_with_changes(TF_ANIMALS_TEST_CONFIG, num_idchannel=0)
    project = {k: v for k, v in MULTI_ANIMAL_PROJECT.items() if k != "individuals"}
    message = bench.expect_refusal(tensorflow_animal_files(test, project, tracking=None))
    assert "how many animals there are is not known" in message


def test_an_animal_of_one_body_part_needs_no_pairs(bench: ArchiveSandbox) -> None:
    test = copy_with_changes(
        TF_ANIMALS_TEST_CONFIG,
        num_joints=1,
        all_joints=[[0]],
        all_joints_names=["nose"],
        partaffinityfield_graph=[],
        partaffinityfield_predict=False,
        num_limbs=0,
    )
    project = copy_with_changes(
        MULTI_ANIMAL_PROJECT, multianimalbodyparts=["nose"], uniquebodyparts=[], skeleton=[]
    )
    model = bench.write_and_open(tensorflow_animal_files(test, project))
    assert (model.body_parts, model.track_method) == (("nose",), "box")


def test_one_configuration_stands_for_the_other(bench: ArchiveSandbox) -> None:
    files = without_files(tensorflow_animal_files(), TEST_CONFIG)
    (repair,) = bench.write_and_open(files).repairs
    assert repair == "test/pose_cfg.yaml is missing; train/pose_cfg.yaml stands for it"
    test = bench.read_project()[TEST_CONFIG]
    assert (test["nmsradius"], test["minconfidence"]) == (5.0, 0.01)
    files = tensorflow_animal_files()
    files[f"{TF_TRAIN_FOLDER}/pose_cfg.yaml"] = format_yaml({"net_type": "resnet_101"})
    assert "train/pose_cfg.yaml says net_type resnet_101" in bench.expect_refusal(files)
