"""Model archives: every usable layout works, every hostile or broken one is refused in a line."""

import hashlib
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.pose.model.description import Model
from tasks.pose.untrusted import zip_reader
from tests.support.archive_sandbox import ArchiveSandbox, without_files
from tests.support.model_zips import (
    MODEL_FOLDER,
    NETWORK_CONFIG,
    POSE_CONFIG,
    PROJECT_CONFIG,
    SNAPSHOT_NAME,
    TRAIN_FOLDER,
    WEIGHTS,
    copy_with_changes,
    format_yaml,
    model_files,
    write_zip,
)

PARTS = ("nose", "ear", "tail")

ARENA: dict[str, Any] = {
    "metadata__unique_bodyparts": ["corner"],
    "model__heads__unique_bodypart": {"target_generator": {"num_heatmaps": 1}},
}
"""A body part of the arena, and its head."""


@pytest.fixture
def bench(tmp_path: Path) -> ArchiveSandbox:
    return ArchiveSandbox(tmp_path)


class TestGoodModel:
    def test_is_described_as_it_is(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(model_files())
        assert model.model_dump() == {
            "name": "m.zip",
            "sha256": hashlib.sha256(bench.archive.read_bytes()).hexdigest(),
            "size": bench.archive.stat().st_size,
            "shuffles": (
                {
                    "use": 1,
                    "folder": TRAIN_FOLDER,
                    "engine": "pytorch",
                    "net_type": "resnet_50",
                    "method": "bu",
                    "snapshots": ({"use": "best", "name": SNAPSHOT_NAME},),
                },
            ),
            "engine": "pytorch",
            "net_type": "resnet_50",
            "backbone": "resnet18",
            "task": "openfield",
            "date": "Oct30",
            "experimenter": "Pranav",
            "shuffle": 1,
            "training_fraction": 0.95,
            "snapshot": SNAPSHOT_NAME,
            "snapshots": (SNAPSHOT_NAME,),
            "snapshot_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
            "detector": None,
            "detectors": (),
            "detector_sha256": None,
            "conditions": None,
            "conditions_sha256": None,
            "body_parts": PARTS,
            "output_columns": (),
            "individuals": ("individual_1",),
            "unique_body_parts": (),
            "multi_animal": False,
            "identity": False,
            "track_method": "",
            "method": "bu",
            "skeleton": (("nose", "ear"),),
            "skeleton_color": "blue",
            "alpha": 0.5,
            "batch_size": 4,
            "repairs": (),
            "warnings": (),
        }

    def test_survives_a_round_trip_through_json(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(model_files())
        assert Model.model_validate_json(model.model_dump_json()) == model

    def test_becomes_a_project_with_our_values(self, bench: ArchiveSandbox) -> None:
        bench.write_and_open(model_files())
        files = bench.read_project()
        assert set(files) == {
            "config.yaml",
            f"{TRAIN_FOLDER}/pytorch_config.yaml",
            f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}",
            f"{MODEL_FOLDER}/test/pose_cfg.yaml",
        }
        assert files[f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}"] == WEIGHTS
        project = files["config.yaml"]
        assert project["project_path"] == str(bench.project)
        assert (project["Task"], project["date"]) == ("openfield", "Oct30")
        assert (project["snapshotindex"], project["iteration"], project["cropping"]) == (
            -1,
            0,
            False,
        )
        assert project["TrainingFraction"] == [0.95]
        network = bench.read_network_config()
        assert network["metadata"]["project_path"] == str(bench.project)
        assert network["metadata"]["bodyparts"] == list(PARTS)
        assert network["model"] == NETWORK_CONFIG["model"]
        assert network["runner"]["load_weights_only"] is True
        assert network["runner"]["gpus"] is None
        assert network["runner"]["snapshots"] == {"max_snapshots": 5}
        assert files[f"{MODEL_FOLDER}/test/pose_cfg.yaml"]["all_joints_names"] == list(PARTS)

    @pytest.mark.parametrize("percent", [0, 1, 28, 29, 57, 58, 95, 100])
    def test_has_its_folder_where_deeplabcut_looks(
        self, bench: ArchiveSandbox, percent: int
    ) -> None:
        """DeepLabCut computes the folder's name from the fraction that we write."""
        here = MODEL_FOLDER.replace("trainset95shuffle1", f"trainset{percent}shuffle12")
        files = {n.replace(MODEL_FOLDER, here): data for n, data in model_files().items()}
        model = bench.write_and_open(files)
        fraction = bench.read_project()["config.yaml"]["TrainingFraction"][0]
        name = f"openfieldOct30-trainset{int(100 * fraction)}shuffle12"
        assert model.training_fraction == fraction == percent / 100
        assert (
            bench.project / "dlc-models-pytorch/iteration-0" / name / "train" / SNAPSHOT_NAME
        ).exists()


class TestLayouts:
    @pytest.mark.parametrize("below", ["my project/", "a/b/c/", "./"])
    def test_a_wrapping_folder_does_not_matter(self, bench: ArchiveSandbox, below: str) -> None:
        assert bench.write_and_open(model_files(below=below)).repairs == ()

    def test_windows_backslashes_do_not_matter(self, bench: ArchiveSandbox) -> None:
        files = {name.replace("/", "\\"): data for name, data in model_files().items()}
        assert bench.write_and_open(files).repairs == ()

    def test_what_a_mac_adds_does_not_matter(self, bench: ArchiveSandbox) -> None:
        files = model_files(below="project/")
        clutter = {f"__MACOSX/{Path(n).parent}/._{Path(n).name}": b"\0\5" for n in files}
        beside = {f"project/{TRAIN_FOLDER}/._snapshot-100.pt": b"\0\5", "project/.DS_Store": b"\0"}
        assert bench.write_and_open(files | clutter | beside).repairs == ()

    def test_a_missing_test_folder_is_made(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(
            without_files(model_files(), f"{MODEL_FOLDER}/test/pose_cfg.yaml")
        )
        assert model.repairs == (
            "test/pose_cfg.yaml is missing; it was made from the network's own",
        )
        assert bench.read_project()[f"{MODEL_FOLDER}/test/pose_cfg.yaml"]["net_type"] == "resnet_50"

    def test_release_candidates_have_pose_cfg_beside_the_snapshot(
        self, bench: ArchiveSandbox
    ) -> None:
        files = without_files(model_files(), f"{MODEL_FOLDER}/test/pose_cfg.yaml")
        assert (
            bench.write_and_open(
                files | {f"{TRAIN_FOLDER}/pose_cfg.yaml": format_yaml(POSE_CONFIG)}
            ).body_parts
            == PARTS
        )

    @pytest.mark.parametrize(
        "where", [f"{TRAIN_FOLDER}/pose_cfg.yaml", f"{MODEL_FOLDER}/test/pose_cfg.yaml"]
    )
    def test_a_missing_config_is_made_from_pose_cfg(
        self, bench: ArchiveSandbox, where: str
    ) -> None:
        files = without_files(model_files(), "config.yaml", f"{MODEL_FOLDER}/test/pose_cfg.yaml")
        pose = copy_with_changes(POSE_CONFIG, net_type="resnet_101")
        network = copy_with_changes(NETWORK_CONFIG, net_type=None)
        files |= {
            where: format_yaml(pose),
            f"{TRAIN_FOLDER}/pytorch_config.yaml": format_yaml(network),
        }
        model = bench.write_and_open(files)
        assert (model.task, model.date, model.net_type) == ("openfield", "Oct30", "resnet_101")
        assert any("config.yaml is missing" in repair for repair in model.repairs)
        assert bench.read_project()["config.yaml"]["bodyparts"] == list(PARTS)

    def test_a_missing_config_can_be_made_from_the_network_alone(
        self, bench: ArchiveSandbox
    ) -> None:
        model = bench.write_and_open(
            without_files(model_files(), "config.yaml", f"{MODEL_FOLDER}/test/pose_cfg.yaml")
        )
        assert (model.body_parts, model.net_type, model.experimenter) == (PARTS, "resnet_50", "")
        assert len(model.repairs) == 2

    def test_a_made_config_says_whether_there_are_several_animals(
        self, bench: ArchiveSandbox
    ) -> None:
        two = {"metadata__individuals": ["one", "two"], **ARENA}
        files = without_files(
            model_files(network=copy_with_changes(NETWORK_CONFIG, **two)), "config.yaml"
        )
        files[f"{MODEL_FOLDER}/test/pose_cfg.yaml"] = format_yaml(
            copy_with_changes(POSE_CONFIG, all_joints_names=[*PARTS, "corner"])
        )
        model = bench.write_and_open(files)
        assert model.multi_animal
        assert model.all_body_parts == (*PARTS, "corner")
        project = bench.read_project()["config.yaml"]
        assert (project["bodyparts"], project["multianimalbodyparts"]) == ("MULTI!", list(PARTS))

    def test_the_nearest_config_counts(self, bench: ArchiveSandbox) -> None:
        files = model_files() | {
            f"{MODEL_FOLDER}/config.yaml": format_yaml(
                copy_with_changes(PROJECT_CONFIG, Task="nearer")
            )
        }
        assert bench.write_and_open(files).task == "nearer"

    def test_files_may_lie_in_the_archive_without_any_folder(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(
            {"pytorch_config.yaml": format_yaml(NETWORK_CONFIG), SNAPSHOT_NAME: WEIGHTS}
        )
        assert (model.shuffle, model.training_fraction) == (1, 0.95)
        assert any("shuffle 1 is assumed" in repair for repair in model.repairs)

    @pytest.mark.parametrize(
        "folder",
        ["best model", "openfieldOct30-trainset950shuffle1", "x-trainset95shuffle" + "1" * 100],
    )
    def test_a_folder_of_another_name_is_repaired(self, bench: ArchiveSandbox, folder: str) -> None:
        here = f"dlc-models-pytorch/iteration-0/{folder}"
        files = {n.replace(MODEL_FOLDER, here): data for n, data in model_files().items()}
        files["config.yaml"] = format_yaml(
            copy_with_changes(PROJECT_CONFIG, TrainingFraction=[0.8])
        )
        model = bench.write_and_open(files)
        assert (model.shuffle, model.training_fraction) == (1, 0.8)
        assert any("is not called <task><date>" in repair for repair in model.repairs)

    def test_a_fraction_that_deeplabcut_cuts_off_stays_as_it_is(
        self, bench: ArchiveSandbox
    ) -> None:
        """int(100 * 0.58) is 57."""
        here = MODEL_FOLDER.replace("trainset95", "trainset57")
        files = {n.replace(MODEL_FOLDER, here): data for n, data in model_files().items()}
        files["config.yaml"] = format_yaml(
            copy_with_changes(PROJECT_CONFIG, TrainingFraction=[0.8, 0.58])
        )
        model = bench.write_and_open(files)
        assert (model.training_fraction, model.repairs) == (0.58, ())
        assert f"{here}/train/{SNAPSHOT_NAME}" in bench.read_project()
        assert bench.read_project()["config.yaml"]["TrainingFraction"] == [0.58]

    @pytest.mark.parametrize(
        "fractions", [None, [], "95", [2], [-1], [True], ["x"], [float("nan")]]
    )
    def test_a_training_fraction_that_is_none_becomes_the_default(
        self, bench: ArchiveSandbox, fractions: Any
    ) -> None:
        files = {n.replace(MODEL_FOLDER, "here"): data for n, data in model_files().items()}
        files["config.yaml"] = format_yaml(
            copy_with_changes(PROJECT_CONFIG, TrainingFraction=fractions)
        )
        assert bench.write_and_open(files).training_fraction == 0.95

    def test_what_training_left_behind_is_not_unpacked(self, bench: ArchiveSandbox) -> None:
        training = {
            "training-datasets/iteration-0/x/metadata.yaml": b"a: 1",
            "training-datasets/iteration-0/x/snapshot-1.pt": b"x",
            "training-datasets/iteration-0/x/Documentation_data.pickle": b"cos\nsystem\n",
            f"{TRAIN_FOLDER}/learning_stats.csv": b"1,2",
            "evil.py": b"x",
        }
        bench.write_and_open(model_files() | training)
        assert len(bench.read_project()) == 4


class TestSnapshots:
    MANY = ("snapshot-050.pt", "snapshot-best-040.pt", "snapshot-100.pt", "snapshot-9.pt")
    ORDER = ("snapshot-9.pt", "snapshot-050.pt", "snapshot-100.pt", "snapshot-best-040.pt")

    @pytest.mark.parametrize(
        ("index", "used"),
        [(-1, ORDER[3]), (0, ORDER[0]), (2, ORDER[2]), (3, ORDER[3]), (-4, ORDER[0])],
    )
    def test_snapshotindex_counts_as_deeplabcut_does(
        self, bench: ArchiveSandbox, index: int, used: str
    ) -> None:
        model = bench.write_and_open(
            model_files(
                copy_with_changes(PROJECT_CONFIG, snapshotindex=index), NETWORK_CONFIG, *self.MANY
            )
        )
        assert (model.snapshot, model.snapshots) == (used, self.ORDER)
        assert model.repairs == ()
        (warning,) = model.warnings
        assert warning.startswith("4 snapshots in the archive")
        assert warning.endswith(f"snapshotindex {index} means {used}")
        assert [path.name for path in bench.project.rglob("*.pt")] == [used]

    @pytest.mark.parametrize(
        "index", [True, [0], 1.5, float("inf"), {"a": 1}, "x\ny", "0.5", ["a"] * 5000]
    )
    def test_an_index_that_is_no_number_is_refused(self, bench: ArchiveSandbox, index: Any) -> None:
        files = model_files(
            copy_with_changes(PROJECT_CONFIG, snapshotindex=index), NETWORK_CONFIG, *self.MANY
        )
        assert "snapshotindex: expected a whole number, found " in bench.expect_refusal(files)

    @pytest.mark.parametrize(
        ("index", "used"),
        [("0", ORDER[0]), (0.0, ORDER[0]), (" 2 ", ORDER[2]), ("-1", ORDER[3]), (-4.0, ORDER[0])],
    )
    def test_a_number_may_be_written_as_text_or_with_a_point(
        self, bench: ArchiveSandbox, index: Any, used: str
    ) -> None:
        model = bench.write_and_open(
            model_files(
                copy_with_changes(PROJECT_CONFIG, snapshotindex=index), NETWORK_CONFIG, *self.MANY
            )
        )
        assert (model.snapshot, model.repairs) == (used, ())

    @pytest.mark.parametrize("index", ["all", None, "", " "])
    def test_all_of_them_means_the_last(self, bench: ArchiveSandbox, index: Any) -> None:
        model = bench.write_and_open(
            model_files(
                copy_with_changes(PROJECT_CONFIG, snapshotindex=index), NETWORK_CONFIG, *self.MANY
            )
        )
        assert model.snapshot == "snapshot-best-040.pt"
        (repair,) = model.repairs
        shown = repr(index) if index != "all" else "all"
        assert repair == f"snapshotindex was {shown}; the last snapshot is used"

    def test_a_missing_index_means_the_last(self, bench: ArchiveSandbox) -> None:
        project = {key: value for key, value in PROJECT_CONFIG.items() if key != "snapshotindex"}
        model = bench.write_and_open(model_files(project, NETWORK_CONFIG, *self.MANY))
        assert (model.snapshot, model.repairs) == ("snapshot-best-040.pt", ())

    @pytest.mark.parametrize("index", [4, -5, 10**30])
    def test_an_index_beyond_the_snapshots_is_refused(
        self, bench: ArchiveSandbox, index: int
    ) -> None:
        files = model_files(
            copy_with_changes(PROJECT_CONFIG, snapshotindex=index), NETWORK_CONFIG, *self.MANY
        )
        assert f"snapshotindex is {index}, but there are 4 snapshots" in bench.expect_refusal(files)

    def test_a_detectors_snapshots_are_no_pose_snapshots(self, bench: ArchiveSandbox) -> None:
        names = ("snapshot-detector-200.pt", "snapshot-detector-best-190.pt", "snapshot-010.pt")
        model = bench.write_and_open(model_files(PROJECT_CONFIG, NETWORK_CONFIG, *names))
        assert model.snapshots == ("snapshot-010.pt",)
        assert model.warnings == ()

    @pytest.mark.parametrize(
        "name",
        [
            "snapshot-detector-200.pt",
            "snapshot.pt",
            "snapshot-best.pt",
            "snapshot-12a.pt",
            "snapshot-٣.pt",
            f"snapshot-{'9' * 100}.pt",
        ],
    )
    def test_an_archive_with_other_snapshots_only_is_refused(
        self, bench: ArchiveSandbox, name: str
    ) -> None:
        assert "can load (snapshot-<number>.pt" in bench.expect_refusal(
            model_files(PROJECT_CONFIG, NETWORK_CONFIG, name)
        )

    def test_an_archive_without_snapshots_is_refused(self, bench: ArchiveSandbox) -> None:
        message = bench.expect_refusal(
            without_files(model_files(), f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}")
        )
        assert "no snapshot in it (a file called snapshot-<number>.pt)" in message
        assert bench.expect_refusal({}) == message

    @pytest.mark.parametrize("index", [4, -2, 1, 10**30, "x", [0], {"a": 1}, 0.5])
    def test_an_index_that_does_not_fit_the_only_snapshot_is_repaired(
        self, bench: ArchiveSandbox, index: Any
    ) -> None:
        model = bench.write_and_open(
            model_files(copy_with_changes(PROJECT_CONFIG, snapshotindex=index))
        )
        assert (model.snapshot, model.warnings) == (SNAPSHOT_NAME, ())
        (repair,) = model.repairs
        assert repair == (
            f"config.yaml: snapshotindex is {index}, but there is one snapshot; {SNAPSHOT_NAME} "
            "is used"
        )

    def test_snapshots_of_both_engines_in_one_folder_are_refused(
        self, bench: ArchiveSandbox
    ) -> None:
        files = {f"{TRAIN_FOLDER}/snapshot-1200{end}": b"x" for end in (".index", ".meta")}
        message = bench.expect_refusal(files | model_files())
        assert "snapshots of both engines (snapshot-1200.index is TensorFlow's" in message

    def test_a_snapshot_without_its_configuration_is_refused(self, bench: ArchiveSandbox) -> None:
        message = bench.expect_refusal(
            without_files(model_files(), f"{TRAIN_FOLDER}/pytorch_config.yaml")
        )
        assert f"{TRAIN_FOLDER} holds a snapshot but no pytorch_config.yaml" in message


class TestDisagreement:
    @pytest.mark.parametrize("parts", [["nose", "paw", "ear"], ["nose", "ear"]])
    def test_body_parts_of_another_project_are_refused(
        self, bench: ArchiveSandbox, parts: list[str]
    ) -> None:
        message = bench.expect_refusal(
            model_files(copy_with_changes(PROJECT_CONFIG, bodyparts=parts))
        )
        assert f"config.yaml lists the body parts {', '.join(parts)}, but the network" in message
        assert "nose, ear, tail" in message

    @pytest.mark.parametrize(
        ("parts", "said"),
        [
            (["nose", "tail", "ear"], "bodyparts lists the body parts in another order than the"),
            (["paw", "nose", "ear", "tail"], "bodyparts lists paw, which the network was not"),
            (["tail", "nose", "ear", "1", 2], "bodyparts lists 1, 2, which the network was not"),
        ],
    )
    def test_the_networks_own_list_and_order_count(
        self, bench: ArchiveSandbox, parts: list[Any], said: str
    ) -> None:
        """DeepLabCut never reads this list; projects go on after a model was trained."""
        model = bench.write_and_open(
            model_files(copy_with_changes(PROJECT_CONFIG, bodyparts=parts))
        )
        (repair,) = model.repairs
        assert repair.startswith(f"config.yaml: {said}")
        assert repair.endswith("nose, ear, tail")
        assert model.body_parts == PARTS
        assert bench.read_project()["config.yaml"]["bodyparts"] == list(PARTS)

    @pytest.mark.parametrize(
        ("unique", "said"),
        [
            (["door", "corner"], "lists the body parts in another order"),
            (["corner", "door", "food"], "lists food, which the network was not trained on"),
        ],
    )
    def test_the_arenas_body_parts_are_compared_alike(
        self, bench: ArchiveSandbox, unique: list[str], said: str
    ) -> None:
        arena = ARENA | {"metadata__unique_bodyparts": ["corner", "door"]}
        arena["model__heads__unique_bodypart"] = {"target_generator": {"num_heatmaps": 2}}
        project = copy_with_changes(
            PROJECT_CONFIG,
            multianimalproject=True,
            bodyparts="MULTI!",
            multianimalbodyparts=["nose", "ear", "tail"],
            uniquebodyparts=unique,
        )
        model = bench.write_and_open(
            model_files(project, copy_with_changes(NETWORK_CONFIG, **arena))
        )
        assert f"config.yaml: uniquebodyparts {said}" in "\n".join(model.repairs)
        assert model.unique_body_parts == ("corner", "door")

    @pytest.mark.parametrize("data", [b"a: [", b"- x", b"a: !!python/name:os.system"])
    def test_a_pose_cfg_that_is_not_used_may_be_broken(
        self, bench: ArchiveSandbox, data: bytes
    ) -> None:
        model = bench.write_and_open(model_files() | {f"{MODEL_FOLDER}/test/pose_cfg.yaml": data})
        (repair,) = model.repairs
        assert repair.startswith("test/pose_cfg.yaml cannot be read and is not needed; it was made")
        assert bench.read_project()[f"{MODEL_FOLDER}/test/pose_cfg.yaml"][
            "all_joints_names"
        ] == list(PARTS)

    @pytest.mark.parametrize("names", [["paw"], "nose", 5])
    def test_a_pose_cfg_that_is_not_used_may_disagree(
        self, bench: ArchiveSandbox, names: Any
    ) -> None:
        pose = format_yaml(copy_with_changes(POSE_CONFIG, all_joints_names=names))
        (repair,) = bench.write_and_open(
            model_files() | {f"{MODEL_FOLDER}/test/pose_cfg.yaml": pose}
        ).repairs
        assert repair.startswith("test/pose_cfg.yaml: all_joints_names is ")

    def test_the_file_that_body_parts_come_from_is_named(self, bench: ArchiveSandbox) -> None:
        files = without_files(model_files(), "config.yaml", f"{MODEL_FOLDER}/test/pose_cfg.yaml")
        heads = {"bodypart": {"target_generator": {"num_heatmaps": 3}}}
        network = copy_with_changes(
            NETWORK_CONFIG, model__heads=heads, metadata__bodyparts=["a", "a", "b"]
        )
        message = bench.expect_refusal(
            files | {f"{TRAIN_FOLDER}/pytorch_config.yaml": format_yaml(network)}
        )
        assert message.startswith("pytorch_config.yaml: metadata.bodyparts: a name stands in it")

    def test_body_parts_of_another_pose_cfg_are_refused(self, bench: ArchiveSandbox) -> None:
        files = without_files(model_files(), "config.yaml")
        files[f"{MODEL_FOLDER}/test/pose_cfg.yaml"] = format_yaml(
            copy_with_changes(POSE_CONFIG, all_joints_names=["paw"])
        )
        assert "pose_cfg.yaml lists the body parts paw" in bench.expect_refusal(files)

    def test_animals_body_parts_are_compared_in_multi_animal_projects(
        self, bench: ArchiveSandbox
    ) -> None:
        several = {"multianimalproject": True, "bodyparts": "MULTI!"}
        network = copy_with_changes(NETWORK_CONFIG, metadata__individuals=["one", "two"])
        good = copy_with_changes(PROJECT_CONFIG, **several, multianimalbodyparts=list(PARTS))
        assert bench.write_and_open(model_files(good, network)).multi_animal
        bad = copy_with_changes(PROJECT_CONFIG, **several, multianimalbodyparts=["paw"])
        assert "lists the body parts paw" in bench.expect_refusal(model_files(bad, network))

    @pytest.mark.parametrize("parts", [None, [], "MULTI!"])
    def test_a_project_without_a_list_of_body_parts_agrees(
        self, bench: ArchiveSandbox, parts: Any
    ) -> None:
        assert (
            bench.write_and_open(
                model_files(copy_with_changes(PROJECT_CONFIG, bodyparts=parts))
            ).body_parts
            == PARTS
        )

    def test_numbers_are_names_too(self, bench: ArchiveSandbox) -> None:
        network = copy_with_changes(NETWORK_CONFIG, metadata__bodyparts=[1, 2, 3])
        model = bench.write_and_open(
            model_files(copy_with_changes(PROJECT_CONFIG, bodyparts=["1", 2, 3]), network)
        )
        assert model.body_parts == ("1", "2", "3")

    def test_a_body_part_called_no_stays_no(self, bench: ArchiveSandbox) -> None:
        files = model_files()
        for name in files:
            files[name] = files[name].replace(b"tail", b"no")
        assert bench.write_and_open(files).body_parts == ("nose", "ear", "no")
        assert bench.read_network_config()["metadata"]["bodyparts"] == ["nose", "ear", "no"]

    @pytest.mark.parametrize(
        "target",
        [
            {"num_heatmaps": 4},
            {"num_heatmaps": 0},
            {"type": "SequentialGenerator", "generators": [{"num_heatmaps": 4}, {"graph": []}]},
        ],
    )
    def test_a_head_for_another_number_of_parts_is_refused(
        self, bench: ArchiveSandbox, target: dict[str, Any]
    ) -> None:
        heads = {"bodypart": {"target_generator": target}}
        message = bench.expect_refusal(
            model_files(network=copy_with_changes(NETWORK_CONFIG, model__heads=heads))
        )
        assert "names 3 body parts (nose, ear, tail), but its network has" in message

    @pytest.mark.parametrize(
        "heads",
        [
            None,
            {},
            {"bodypart": {}},
            {"bodypart": {"target_generator": {"generators": [{"num_heatmaps": 3}, 5]}}},
            {"other": {"target_generator": {"num_heatmaps": 9}}},
        ],
    )
    def test_heads_that_say_nothing_are_left_to_the_weights(
        self, bench: ArchiveSandbox, heads: Any
    ) -> None:
        assert (
            bench.write_and_open(
                model_files(network=copy_with_changes(NETWORK_CONFIG, model__heads=heads))
            ).repairs
            == ()
        )

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("metadata__bodyparts", None),
            ("metadata__bodyparts", []),
            ("metadata__bodyparts", "nose"),
            ("metadata__bodyparts", {"nose": 1}),
            ("metadata__bodyparts", ["nose", "ear", None]),
            ("metadata__bodyparts", ["nose", "ear", True]),
            ("metadata__bodyparts", ["nose", "ear", ["tail"]]),
            ("metadata__bodyparts", ["nose", "ear", ""]),
            ("metadata__bodyparts", ["nose", "ear", "ta\nil"]),
            ("metadata__bodyparts", ["nose", "ear", "nose"]),
            ("metadata__bodyparts", ["nose"] * 2_000),
            ("metadata__individuals", ["one", "one"]),
            ("metadata__unique_bodyparts", [0.5]),
            ("metadata", None),
            ("metadata", ["x"]),
            ("model", None),
            ("model", "resnet"),
            ("model__heads", ["x"]),
            ("model__heads__bodypart", "x"),
            ("model__heads__bodypart__target_generator", [1]),
            ("runner", ["x"]),
            ("inference", "fast"),
            ("inference", {"compile": [True]}),
            ("detector", "yes"),
            ("detector", {"runner": 5}),
        ],
    )
    @pytest.mark.parametrize("with_config", [True, False])
    def test_a_configuration_of_the_wrong_shape_is_refused(
        self, bench: ArchiveSandbox, key: str, value: Any, with_config: bool
    ) -> None:
        files = model_files(network=copy_with_changes(NETWORK_CONFIG, **{key: value}))
        message = bench.expect_refusal(
            files if with_config else without_files(files, "config.yaml")
        )
        assert "pytorch_config.yaml" in message

    @pytest.mark.parametrize(
        "where",
        [
            {"model__backbone__model_name": "hf-hub:lab/resnet"},
            {"model__backbone__model_name": "lab/resnet"},
            {"model__backbone__backbone": {"model_name": "hf-hub:lab/resnet\nx"}},
            {"model__backbone__base_model_name": "hf_hub:lab/hrnet"},
            {"model__heads__bodypart__parts": [{"deep": [{"model_name": "a/b"}]}]},
            {"detector": {"model": {"model_name": "https://example.org/x"}}},
        ],
    )
    def test_a_network_that_is_defined_on_a_hub_is_refused(
        self, bench: ArchiveSandbox, where: dict[str, Any]
    ) -> None:
        message = bench.expect_refusal(
            model_files(network=copy_with_changes(NETWORK_CONFIG, **where))
        )
        assert "is defined on a model hub" in message


class TestRepairs:
    def repaired(
        self, bench: ArchiveSandbox, project: Any = PROJECT_CONFIG, network: Any = NETWORK_CONFIG
    ) -> str:
        (repair,) = bench.write_and_open(model_files(project, network)).repairs
        return repair

    @pytest.mark.parametrize("value", [True, "yes", "on"])
    def test_cropping_is_switched_off(self, bench: ArchiveSandbox, value: Any) -> None:
        repair = self.repaired(bench, copy_with_changes(PROJECT_CONFIG, cropping=value, x1=10))
        assert repair == "config.yaml says cropping: true; only the request's crop counts"
        assert bench.read_project()["config.yaml"]["cropping"] is False
        assert "x1" not in bench.read_project()["config.yaml"]

    @pytest.mark.parametrize("device", ["cuda:0", "cpu", "mps", 0.5, "cu\nda"])
    def test_a_foreign_device_is_replaced(self, bench: ArchiveSandbox, device: Any) -> None:
        repair = self.repaired(bench, network=copy_with_changes(NETWORK_CONFIG, device=device))
        assert repair.endswith("is replaced by the worker's own")
        assert len(repair.splitlines()) == 1
        assert (
            bench.read_network_config()["device"]
            == bench.read_network_config()["runner"]["device"]
            == "auto"
        )

    @pytest.mark.parametrize("position", [{}, {"position": "random"}])
    def test_padding_at_random_gets_a_fixed_place(
        self, bench: ArchiveSandbox, position: dict[str, str]
    ) -> None:
        padding = {"pad_height_divisor": 32} | position
        repair = self.repaired(
            bench,
            network=copy_with_changes(NETWORK_CONFIG, data__inference={"auto_padding": padding}),
        )
        assert repair.endswith("not at random")
        placed = bench.read_network_config()["data"]["inference"]["auto_padding"]
        assert placed == padding | {"position": "top_left"}

    @pytest.mark.parametrize("value", [False, 0, "false", "no"])
    def test_weights_load_as_weights_only(self, bench: ArchiveSandbox, value: Any) -> None:
        repair = self.repaired(
            bench, network=copy_with_changes(NETWORK_CONFIG, runner__load_weights_only=value)
        )
        assert repair == "runner.load_weights_only: false is ignored; only weights are loaded"
        assert bench.read_network_config()["runner"]["load_weights_only"] is True

    def test_a_detectors_weights_load_as_weights_only(self, bench: ArchiveSandbox) -> None:
        detector = {
            "runner": {"load_weights_only": False, "type": "DetectorTrainingRunner"},
            "device": "cuda:1",
            "resume_training_from": "/elsewhere/x.pt",
            "inference": {"compile": {"enabled": True}},
        }
        model = bench.write_and_open(
            model_files(network=copy_with_changes(NETWORK_CONFIG, detector=detector))
        )
        assert model.repairs == (
            "detector.runner.load_weights_only: false is ignored; only weights are loaded",
            "detector.inference.compile is switched off",
        )
        ours = bench.read_network_config()["detector"]
        assert ours["runner"]["load_weights_only"] is True
        assert ours["runner"]["type"] == "DetectorTrainingRunner"
        assert ours["inference"]["compile"] == {"enabled": False}
        assert "resume_training_from" not in ours

    @pytest.mark.parametrize("switch", ["compile", "autocast"])
    def test_switches_that_change_the_answer_or_start_a_compiler_are_off(
        self, bench: ArchiveSandbox, switch: str
    ) -> None:
        inference = {switch: {"enabled": True}, "multithreading": {"enabled": True}}
        repair = self.repaired(
            bench, network=copy_with_changes(NETWORK_CONFIG, inference=inference)
        )
        assert repair.startswith(f"inference.{switch} is switched off")
        assert bench.read_network_config()["inference"] == {
            "compile": {"enabled": False},
            "autocast": {"enabled": False},
        }

    def test_nothing_is_logged_or_resumed_elsewhere(self, bench: ArchiveSandbox) -> None:
        network = copy_with_changes(
            NETWORK_CONFIG, logger={"type": "WandbLogger"}, resume_training_from="/elsewhere/x.pt"
        )
        bench.write_and_open(model_files(network=network))
        assert not {"logger", "resume_training_from"} & set(bench.read_network_config())

    @pytest.mark.parametrize(
        ("data", "task"),
        [("Mäuse".encode("latin-1"), "Mäuse"), ("Mäuse’".encode("cp1252"), "Mäuse’")],
    )
    def test_text_that_is_no_utf_8_is_read(
        self, bench: ArchiveSandbox, data: bytes, task: str
    ) -> None:
        files = model_files()
        files["config.yaml"] = files["config.yaml"].replace(b"openfield", data, 1)
        model = bench.write_and_open(files)
        assert model.task == task
        assert model.repairs[0].startswith("config.yaml is not plain UTF-8")
        (named,) = model.repairs[1:]
        assert named.startswith(f"config.yaml calls the project {task}Oct30, the model's folder")
        assert bench.read_project()["config.yaml"]["Task"] == task

    def test_a_byte_order_mark_is_read_over(self, bench: ArchiveSandbox) -> None:
        files = {
            name: b"\xef\xbb\xbf" + data if name.endswith(".yaml") else data
            for name, data in model_files().items()
        }
        model = bench.write_and_open(files)
        assert model.task == "openfield"
        assert len(model.repairs) == 3
        assert not any(path.read_bytes()[:1] == b"\xef" for path in bench.project.rglob("*.yaml"))

    @pytest.mark.parametrize(
        ("given", "color", "repaired"),
        [
            (None, "black", False),
            ("red", "red", False),
            ("0.5", "0.5", False),
            ([1, 0, 0], "#ff0000", False),
            ("no color", "black", True),
            ("", "black", True),
            ([1, 2], "black", True),
            (5, "black", True),
            ("x\n" * 500, "black", True),
        ],
    )
    def test_a_skeleton_color_is_one_that_can_be_drawn(
        self, bench: ArchiveSandbox, given: Any, color: str, repaired: bool
    ) -> None:
        model = bench.write_and_open(
            model_files(copy_with_changes(PROJECT_CONFIG, skeleton_color=given))
        )
        assert model.skeleton_color == color
        assert bool(model.repairs) is repaired
        assert all(len(repair.splitlines()) == 1 for repair in model.repairs)

    @pytest.mark.parametrize(
        ("skeleton", "repaired"),
        [
            (None, False),
            ("nose", False),
            ([], False),
            ([["objectA", "bodypart3"]], False),
            ([[["nose"], {}]], False),
            ([["nose"]], True),
            ([["nose", "ear", "tail"]], True),
            (["ab"], True),
        ],
    )
    def test_a_skeleton_that_is_none_is_empty(
        self, bench: ArchiveSandbox, skeleton: Any, repaired: bool
    ) -> None:
        """DeepLabCut's template names parts that it never draws; a chain makes it fail."""
        model = bench.write_and_open(
            model_files(copy_with_changes(PROJECT_CONFIG, skeleton=skeleton))
        )
        assert (model.skeleton, bool(model.repairs)) == ((), repaired)
        assert all("skeleton: " in repair for repair in model.repairs)

    @pytest.mark.parametrize("value", [None, "x", -1, 2, float("nan"), float("inf"), True, [0.5]])
    def test_an_opacity_that_is_none_becomes_the_default(
        self, bench: ArchiveSandbox, value: Any
    ) -> None:
        assert (
            bench.write_and_open(
                model_files(copy_with_changes(PROJECT_CONFIG, alphavalue=value))
            ).alpha
            == 0.7
        )


class TestHostileArchive:
    @pytest.mark.parametrize(
        "name",
        [
            "../..",
            "..",
            ".",
            "a/b",
            "/etc/x",
            "a\\b",
            "a\nb",
            "openfield\n",
            "a\x00b",
            "a\u2028b",
            "é" * 51,
            "x" * 101,
        ],
    )
    @pytest.mark.parametrize("key", ["Task", "date"])
    def test_a_task_that_is_no_name_is_refused(
        self, bench: ArchiveSandbox, key: str, name: str
    ) -> None:
        message = bench.expect_refusal(
            model_files(copy_with_changes(PROJECT_CONFIG, **{key: name}))
        )
        assert f"config.yaml: {key} is " in message

    @pytest.mark.parametrize("name", ["", None, 2024, "mäuse 1", "a:b", "é" * 50, "-x", "a*b?"])
    def test_odd_names_make_a_folder_in_the_project(self, bench: ArchiveSandbox, name: Any) -> None:
        model = bench.write_and_open(
            model_files(copy_with_changes(PROJECT_CONFIG, Task=name, date=""))
        )
        (snapshot,) = bench.project.rglob("*.pt")
        assert snapshot.parents[1].name == f"{model.task}-trainset95shuffle1"
        assert model.task == ("" if name is None else str(name))

    @pytest.mark.parametrize("file", ["config.yaml", f"{TRAIN_FOLDER}/pytorch_config.yaml"])
    @pytest.mark.parametrize(
        "data",
        [
            b"a: !!python/object/apply:os.system ['true']",
            b"a: &a [x,x]\n" + b"".join(
                b"%c: &%c [%s]\n" % (n + 1, n + 1, b",".join([b"*%c" % n] * 9))
                for n in range(ord("a"), ord("j"))
            ),
            b"- no\n- mapping",
            b"",
            b"\xff\xfe\x00\x00",
            b"a: !!timestamp soon",
            b"a: 0x" + b"f" * 50_000,
            b"- " * 3000,
            b"a: '" + b"x" * 2**20 + b"'",
        ],
    )  # fmt: skip
    def test_a_hostile_configuration_is_refused(
        self, bench: ArchiveSandbox, file: str, data: bytes
    ) -> None:
        message = bench.expect_refusal(model_files() | {file: data})
        assert file in message

    @pytest.mark.parametrize(
        "name", ["../evil.pt", "/evil.pt", "C:\\evil.pt", "a/../../evil.pt", "..\\evil.pt", "a\nb"]
    )
    def test_a_member_that_leads_outside_is_refused(self, bench: ArchiveSandbox, name: str) -> None:
        assert "a member is called" in bench.expect_refusal(model_files() | {name: b"x"})

    def test_a_link_is_refused(self, bench: ArchiveSandbox) -> None:
        write_zip(bench.archive, without_files(model_files(), f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}"))
        link = zipfile.ZipInfo(f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(bench.archive, "a") as archive:
            archive.writestr(link, "/etc/passwd")
        assert "is a link" in bench.expect_refusal()

    def test_a_lone_snapshot_is_told_from_a_model(self, bench: ArchiveSandbox) -> None:
        bench.archive.write_bytes(WEIGHTS)
        assert "found a snapshot, or a part of a zip" in bench.expect_refusal()

    def test_a_damaged_snapshot_is_refused(self, bench: ArchiveSandbox) -> None:
        write_zip(bench.archive, model_files(), zipfile.ZIP_STORED)
        data = bench.archive.read_bytes()
        bench.archive.write_bytes(data.replace(WEIGHTS, WEIGHTS[:-1] + b"?"))
        assert f"{TRAIN_FOLDER}/{SNAPSHOT_NAME} is damaged (Bad CRC-32" in bench.expect_refusal()

    @pytest.mark.parametrize("kept", [0, 0.3, 0.9, 0.999])
    def test_a_truncated_archive_is_refused(self, bench: ArchiveSandbox, kept: float) -> None:
        write_zip(bench.archive, model_files(), zipfile.ZIP_STORED)
        data = bench.archive.read_bytes()
        bench.archive.write_bytes(data[: int(len(data) * kept)])
        assert "upload it again" in bench.expect_refusal()

    def test_a_snapshot_that_is_a_bomb_is_refused(self, bench: ArchiveSandbox) -> None:
        files = model_files() | {f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}": bytes(2**23)}
        assert "zip bomb" in bench.expect_refusal(files)

    def test_too_many_members_are_refused(
        self, bench: ArchiveSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(zip_reader, "MAX_MEMBERS", 8)
        assert "members, more than the 8 allowed" in bench.expect_refusal(model_files())

    def test_too_many_bytes_are_refused(
        self, bench: ArchiveSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(zip_reader, "MAX_UNPACKED_BYTES", 1000)
        assert "more than the 1000 allowed" in bench.expect_refusal(model_files())


class TestDisplayedBodyParts:
    @pytest.mark.parametrize("wanted", ["all", ["nose"], ["tail", "nose"]])
    def test_known_ones_are_fine(self, bench: ArchiveSandbox, wanted: Any) -> None:
        bench.write_and_open(model_files()).check_displayed_parts(wanted)

    @pytest.mark.parametrize(
        "wanted", [["paw"], ["nose", "no"], ["Nose"], ["nose "], ["all", "nose"]]
    )
    def test_unknown_ones_are_refused_with_those_that_there_are(
        self, bench: ArchiveSandbox, wanted: list[str]
    ) -> None:
        model = bench.write_and_open(model_files())
        with pytest.raises(BadInput, match="it has nose, ear, tail"):
            model.check_displayed_parts(wanted)

    def test_parts_of_the_arena_can_be_displayed(self, bench: ArchiveSandbox) -> None:
        network = copy_with_changes(NETWORK_CONFIG, **ARENA)
        bench.write_and_open(model_files(network=network)).check_displayed_parts(["corner", "nose"])
