"""Models of every kind, laid out and zipped in every way that labs do, become clean projects."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tasks.pose.model.archive import unpack_model
from tests.support.archive_sandbox import ArchiveSandbox, without_files
from tests.support.model_zips import (
    ANIMAL_NAMES,
    MODEL_FOLDER,
    MULTI_ANIMAL_NETWORK,
    MULTI_ANIMAL_PROJECT,
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    SNAPSHOT_NAME,
    TF_MODEL_FOLDER,
    TF_SNAPSHOT_SUFFIXES,
    TF_TEST_CONFIG,
    TF_TRAIN_CONFIG,
    TF_TRAIN_FOLDER,
    TOP_DOWN_NETWORK,
    TRACKING_CONFIG,
    TRAIN_FOLDER,
    WEIGHTS,
    Files,
    copy_with_changes,
    format_yaml,
    model_files,
    multi_animal_files,
    tensorflow_files,
    write_zip,
)

PARTS = ("nose", "ear", "tail")
NETWORK_PATH = f"{TRAIN_FOLDER}/pytorch_config.yaml"
TF_CONFIGS = (f"{TF_TRAIN_FOLDER}/pose_cfg.yaml", f"{TF_MODEL_FOLDER}/test/pose_cfg.yaml")


@pytest.fixture
def bench(tmp_path: Path) -> ArchiveSandbox:
    return ArchiveSandbox(tmp_path)


def below(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": data for name, data in files.items()}


def only_train(files: Files, train: str) -> Files:
    """What is in the archive when somebody zips the train folder's contents."""
    return {
        name.removeprefix(f"{train}/"): data
        for name, data in files.items()
        if name.startswith(f"{train}/")
    }


class TestReleaseCandidates:
    """DeepLabCut 3.0.0rc1 to rc5 wrote both configurations beside the snapshot."""

    NETWORK = copy_with_changes(
        NETWORK_CONFIG,
        # Where it trained; its folder is Windows' here.
        metadata__pose_config_path=f"D:\\lab\\{TRAIN_FOLDER}\\pose_cfg.yaml".replace("/", "\\"),
    )

    def files(self) -> Files:
        files = model_files(PROJECT_CONFIG, self.NETWORK, "snapshot-200.pt")
        training = copy_with_changes(TF_TRAIN_CONFIG, dataset_type="default")
        files[f"{TRAIN_FOLDER}/pose_cfg.yaml"] = format_yaml(training)
        return without_files(files, f"{MODEL_FOLDER}/test/pose_cfg.yaml")

    def test_with_config(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(self.files())
        assert (model.engine, model.snapshot) == ("pytorch", "snapshot-200.pt")
        assert model.repairs == (
            "test/pose_cfg.yaml is missing; it was made from the network's own",
        )

    def test_without_config(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(without_files(self.files(), "config.yaml"))
        assert (model.task, model.date, model.body_parts) == ("openfield", "Oct30", PARTS)
        assert bench.read_project()["config.yaml"]["bodyparts"] == list(PARTS)

    def test_only_its_train_folder(self, bench: ArchiveSandbox) -> None:
        """Its own name is in the paths of the machine that trained it."""
        model = bench.write_and_open(only_train(self.files(), TRAIN_FOLDER))
        assert (model.task, model.date, model.shuffle) == ("openfield", "Oct30", 1)
        assert model.repairs[1] == (
            "the folder above the snapshot is not called <task><date>-trainset<percent>shuffle<n>; "
            "shuffle 1 is taken from its configuration"
        )
        assert f"{MODEL_FOLDER}/train/snapshot-200.pt" in bench.read_project()


class TestTensorFlow:
    def test_is_described_as_it_is(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(tensorflow_files())
        assert (model.engine, model.net_type, model.method) == ("tensorflow", "resnet_50", "bu")
        assert (model.task, model.date, model.experimenter) == ("openfield", "Oct30", "Pranav")
        assert (model.body_parts, model.individuals) == (PARTS, ("individual_1",))
        assert (model.snapshot, model.snapshots) == ("snapshot-1200", ("snapshot-1200",))
        assert model.snapshot_sha256 == hashlib.sha256(b"1200.data-00000-of-00001").hexdigest()
        assert (model.batch_size, model.repairs, model.warnings) == (4, (), ())

    def test_becomes_a_project_without_its_graph(self, bench: ArchiveSandbox) -> None:
        """DeepLabCut builds its own graph; that of the .meta file could hold anything."""
        bench.write_and_open(tensorflow_files())
        files = bench.read_project()
        snapshot = f"{TF_TRAIN_FOLDER}/snapshot-1200"
        assert set(files) == {
            "config.yaml",
            *TF_CONFIGS,
            *(snapshot + end for end in TF_SNAPSHOT_SUFFIXES[:2]),
        }
        assert files[f"{snapshot}.data-00000-of-00001"] == b"1200.data-00000-of-00001"
        assert files["config.yaml"]["engine"] == "tensorflow"
        assert files["config.yaml"]["batch_size"] == 4

    def test_takes_from_its_configuration_what_inference_reads(self, bench: ArchiveSandbox) -> None:
        test = copy_with_changes(
            TF_TEST_CONFIG,
            stride=8.0,
            mean_pixel=[1, 2.5, 3],
            use_batch_norm=True,
            evil="/etc/passwd",
        )
        bench.write_and_open(tensorflow_files(test=test))
        ours = bench.read_project()[f"{TF_MODEL_FOLDER}/test/pose_cfg.yaml"]
        weights = bench.project / TF_TRAIN_FOLDER / "snapshot-1200"
        assert ours == {
            "net_type": "resnet_50",
            "stride": 8.0,
            "global_scale": 0.8,
            "location_refinement": True,
            "locref_stdev": 7.2801,
            "mean_pixel": [1, 2.5, 3],
            "use_batch_norm": True,
            "num_joints": 3,
            "all_joints": [[0], [1], [2]],
            "all_joints_names": list(PARTS),
            "dataset_type": "imgaug",
            "batch_size": 4,
            "project_path": str(bench.project),
            "init_weights": str(weights),
            "scoremap_dir": "test",
        }

    @pytest.mark.parametrize("missing", TF_CONFIGS)
    def test_one_configuration_can_stand_for_the_other(
        self, bench: ArchiveSandbox, missing: str
    ) -> None:
        model = bench.write_and_open(without_files(tensorflow_files(), missing))
        (repair,) = model.repairs
        assert repair.startswith(f"{missing.removeprefix(TF_MODEL_FOLDER + '/')} is missing")
        for name in TF_CONFIGS:
            ours = bench.read_project()[name]
            assert ours["locref_stdev"] == 7.2801
            # A head for training only, which DeepLabCut leaves out of test/pose_cfg.yaml.
            assert "intermediate_supervision" not in ours

    def test_a_missing_config_is_made_from_that_of_training(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(without_files(tensorflow_files(), "config.yaml"))
        assert (model.task, model.date, model.body_parts) == ("openfield", "Oct30", PARTS)
        assert model.batch_size == 8
        assert any("config.yaml has no batch_size" in repair for repair in model.repairs)

    def test_its_train_folder_alone_tells_the_rest(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(only_train(tensorflow_files(), TF_TRAIN_FOLDER))
        assert (model.task, model.date, model.experimenter) == ("openfield", "Oct30", "Pranav")
        assert (model.shuffle, model.training_fraction) == (1, 0.95)
        assert f"{TF_TRAIN_FOLDER}/snapshot-1200.index" in bench.read_project()

    @pytest.mark.parametrize(
        ("index", "used"), [(-1, "snapshot-1000"), (0, "snapshot-90"), ("all", "snapshot-1000")]
    )
    def test_snapshots_are_in_order_of_training(
        self, bench: ArchiveSandbox, index: Any, used: str
    ) -> None:
        project = copy_with_changes(PROJECT_CONFIG, snapshotindex=index)
        model = bench.write_and_open(
            tensorflow_files(project, TF_TRAIN_CONFIG, TF_TEST_CONFIG, 1000, 90, 200)
        )
        assert model.snapshots == ("snapshot-90", "snapshot-200", "snapshot-1000")
        assert model.snapshot == used
        assert {path.stem for path in bench.project.rglob("snapshot*")} == {used}

    def test_a_snapshot_needs_no_graph_beside_it(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(
            without_files(tensorflow_files(), f"{TF_TRAIN_FOLDER}/snapshot-1200.meta")
        )
        assert (model.snapshot, model.repairs) == ("snapshot-1200", ())

    @pytest.mark.parametrize("end", [end for end in TF_SNAPSHOT_SUFFIXES if end != ".meta"])
    def test_a_snapshot_with_a_file_missing_is_refused(
        self, bench: ArchiveSandbox, end: str
    ) -> None:
        message = bench.expect_refusal(
            without_files(tensorflow_files(), f"{TF_TRAIN_FOLDER}/snapshot-1200{end}")
        )
        assert f"snapshot-1200 is incomplete: {end} missing" in message

    @pytest.mark.parametrize("kept", [0, 7, -1])
    def test_a_part_of_an_index_is_refused(self, bench: ArchiveSandbox, kept: int) -> None:
        files = tensorflow_files()
        files[f"{TF_TRAIN_FOLDER}/snapshot-1200.index"] = files[
            f"{TF_TRAIN_FOLDER}/snapshot-1200.index"
        ][:kept]
        assert "expected the index of a TensorFlow snapshot" in bench.expect_refusal(files)

    def test_weights_in_several_files_are_refused(self, bench: ArchiveSandbox) -> None:
        files = without_files(
            tensorflow_files(), f"{TF_TRAIN_FOLDER}/snapshot-1200{TF_SNAPSHOT_SUFFIXES[1]}"
        )
        shards = [f"{TF_TRAIN_FOLDER}/snapshot-1200.data-0000{n}-of-00002" for n in range(2)]
        message = bench.expect_refusal(files | dict.fromkeys(shards, b"x"))
        assert "the weights of snapshot-1200 are split over several files" in message

    def test_what_deeplabcut_does_not_list_is_left_out_and_told(
        self, bench: ArchiveSandbox
    ) -> None:
        files = tensorflow_files(PROJECT_CONFIG, TF_TRAIN_CONFIG, TF_TEST_CONFIG, 10, 20)
        model = bench.write_and_open(without_files(files, f"{TF_TRAIN_FOLDER}/snapshot-20.index"))
        assert model.snapshot == "snapshot-10"
        assert model.warnings == ("snapshot-20 left out: without an .index file it is no snapshot",)

    def test_without_any_configuration_it_is_refused(self, bench: ArchiveSandbox) -> None:
        message = bench.expect_refusal(without_files(tensorflow_files(), *TF_CONFIGS))
        assert "holds a TensorFlow snapshot but no pose_cfg.yaml" in message

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"num_joints": 4}, "names 3 body parts (nose, ear, tail), but its network has 4"),
            ({"all_joints": [[0]]}, "but its network has 1 outputs"),
            ({"all_joints_names": ["a", "b", "c"]}, "lists the body parts nose, ear, tail, but"),
            ({"all_joints_names": None}, "all_joints_names: expected a list of names"),
            ({"net_type": "resnet_51"}, "net_type: expected a network of DeepLabCut's TensorFlow"),
            ({"net_type": ["resnet_50"]}, "net_type: expected a network of DeepLabCut's TensorF"),
            ({"net_type": "resnet_101"}, "train/pose_cfg.yaml says net_type resnet_50, test/"),
            ({"stride": "8"}, "stride: expected a positive number, found '8'"),
            ({"stride": 10**90}, "stride: expected a positive number, found 1000000"),
            ({"locref_stdev": float("nan")}, "locref_stdev: expected a positive number"),
            ({"location_refinement": "yes"}, "location_refinement: expected true or false"),
            ({"mean_pixel": [1, 2]}, "mean_pixel: expected three numbers"),
            ({"num_outputs": 3}, "num_outputs is 3"),
            ({"dataset_type": "multi-animal-imgaug"}, "but the network is one of several animals"),
            ({"net_type": "dlcrnet_ms5"}, "net_type: expected a network of DeepLabCut's TensorF"),
        ],
    )
    def test_what_would_change_its_answer_is_refused(
        self, bench: ArchiveSandbox, changes: dict[str, Any], said: str
    ) -> None:
        assert said in bench.expect_refusal(
            tensorflow_files(test=copy_with_changes(TF_TEST_CONFIG, **changes))
        )

    def test_a_body_part_that_is_a_number_is_its_name(self, bench: ArchiveSandbox) -> None:
        """DeepLabCut quotes it in one file and not in the other."""
        project = copy_with_changes(PROJECT_CONFIG, bodyparts=["1", "2", "3"], skeleton=[])
        train = copy_with_changes(TF_TRAIN_CONFIG, all_joints_names=["1", "2", "3"])
        test = copy_with_changes(TF_TEST_CONFIG, all_joints_names=[1, 2, 3])
        model = bench.write_and_open(tensorflow_files(project, train, test))
        assert (model.body_parts, model.repairs) == (("1", "2", "3"), ())

    def test_a_number_that_is_text_is_seen_to_be_text(self, bench: ArchiveSandbox) -> None:
        files = tensorflow_files(copy_with_changes(PROJECT_CONFIG, batch_size="8"))
        assert "expected a whole number from 1 to 512, found '8'" in bench.expect_refusal(files)

    def test_a_project_that_went_on_keeps_its_models(self, bench: ArchiveSandbox) -> None:
        files = tensorflow_files(
            copy_with_changes(PROJECT_CONFIG, bodyparts=["paw", "tail", "ear", "nose"])
        )
        model = bench.write_and_open(files)
        (repair,) = model.repairs
        assert repair.startswith("config.yaml: bodyparts lists paw, which the network was not")
        assert model.body_parts == PARTS

    @pytest.mark.parametrize("size", [0, -1, "many", 10_000, True, 4.5])
    def test_a_batch_size_that_is_none_is_refused(self, bench: ArchiveSandbox, size: Any) -> None:
        """MobileNets normalize a batch by its own statistics."""
        files = tensorflow_files(copy_with_changes(PROJECT_CONFIG, batch_size=size))
        assert "batch_size: expected a whole number from 1 to 512" in bench.expect_refusal(files)


class TestMultiAnimal:
    def test_is_described_as_it_is(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(multi_animal_files())
        assert (model.multi_animal, model.identity, model.track_method) == (True, True, "box")
        assert model.individuals == tuple(ANIMAL_NAMES)
        assert (model.body_parts, model.unique_body_parts) == (PARTS, ("corner",))
        assert model.repairs == ()

    def test_its_project_can_be_tracked(self, bench: ArchiveSandbox) -> None:
        bench.write_and_open(multi_animal_files())
        files = bench.read_project()
        project, test = files["config.yaml"], files[f"{MODEL_FOLDER}/test/pose_cfg.yaml"]
        assert test["dataset_type"] == "multi-animal-imgaug"
        assert test["all_joints_names"] == [*PARTS, "corner"]
        assert (project["bodyparts"], project["uniquebodyparts"]) == ("MULTI!", ["corner"])
        assert (project["individuals"], project["default_track_method"]) == (ANIMAL_NAMES, "box")
        assert files[f"{MODEL_FOLDER}/test/inference_cfg.yaml"] == TRACKING_CONFIG

    def test_without_tracking_settings_deeplabcuts_own_are_used(
        self, bench: ArchiveSandbox
    ) -> None:
        model = bench.write_and_open(multi_animal_files(tracking=None))
        assert model.repairs == (
            "test/inference_cfg.yaml is missing; DeepLabCut's own tracking settings are used",
        )
        ours = bench.read_project()[f"{MODEL_FOLDER}/test/inference_cfg.yaml"]
        assert (ours["minimalnumberofconnections"], ours["topktoretain"]) == (1.5, 2)
        assert (ours["iou_threshold"], ours["max_age"], ours["pcutoff"]) == (0.6, 1, 0.1)

    def test_numbers_as_deeplabcut_writes_them_are_kept(self, bench: ArchiveSandbox) -> None:
        written = format_yaml(copy_with_changes(TRACKING_CONFIG, pcutoff="PCUTOFF"))
        tracking = f"{MODEL_FOLDER}/test/inference_cfg.yaml"
        files = multi_animal_files() | {tracking: written.replace(b"PCUTOFF", b"1e-05")}
        assert bench.write_and_open(files).repairs == ()
        assert bench.read_project()[tracking]["pcutoff"] == 1e-5

    @pytest.mark.parametrize(
        ("key", "value", "used"),
        [
            ("iou_threshold", "high", 0.6),
            ("iou_threshold", 1.5, 0.6),
            ("max_age", 2.5, 1),
            ("max_age", True, 1),
            ("max_age", 10**90, 1),
            ("pcutoff", float("nan"), 0.1),
            ("topktoretain", 0, 2),
            ("withid", "no", False),
            ("boundingboxslack", [1], 0),
        ],
    )
    def test_tracking_settings_that_cannot_be_are_replaced(
        self, bench: ArchiveSandbox, key: str, value: Any, used: Any
    ) -> None:
        (repair,) = bench.write_and_open(
            multi_animal_files(copy_with_changes(TRACKING_CONFIG, **{key: value}))
        ).repairs
        assert repair.startswith(f"test/inference_cfg.yaml: {key}: ")
        assert bench.read_project()[f"{MODEL_FOLDER}/test/inference_cfg.yaml"][key] == used

    def test_other_tracking_settings_are_left_out(self, bench: ArchiveSandbox) -> None:
        tracking = copy_with_changes(
            TRACKING_CONFIG, command="rm", method="/bin/sh", oks_threshold=0.3
        )
        (repair,) = bench.write_and_open(multi_animal_files(tracking)).repairs
        assert repair == "test/inference_cfg.yaml: command left out"
        ours = bench.read_project()[f"{MODEL_FOLDER}/test/inference_cfg.yaml"]
        assert ours == TRACKING_CONFIG | {"oks_threshold": 0.3}

    def test_missing_tracking_settings_are_deeplabcuts_own(self, bench: ArchiveSandbox) -> None:
        tracking = {key: value for key, value in TRACKING_CONFIG.items() if key != "max_age"}
        (repair,) = bench.write_and_open(multi_animal_files(tracking)).repairs
        assert repair.startswith("test/inference_cfg.yaml has no max_age")
        assert bench.read_project()[f"{MODEL_FOLDER}/test/inference_cfg.yaml"]["max_age"] == 1

    @pytest.mark.parametrize(
        ("given", "used", "repaired"),
        [
            ("skeleton", "ellipse", 1),  # the arena has a body part
            (None, "ellipse", 0),
            ("ctd", "ellipse", 1),
            (["x"], "ellipse", 1),
            ("", "ellipse", 1),
        ],
    )
    def test_the_tracker_is_one_that_deeplabcut_has(
        self, bench: ArchiveSandbox, given: Any, used: str, repaired: int
    ) -> None:
        files = multi_animal_files()
        files["config.yaml"] = format_yaml(
            copy_with_changes(MULTI_ANIMAL_PROJECT, default_track_method=given)
        )
        model = bench.write_and_open(files)
        assert (model.track_method, len(model.repairs)) == (used, repaired)
        assert bench.read_project()["config.yaml"]["default_track_method"] == used

    @pytest.mark.parametrize(
        ("parts", "given", "used", "repaired"),
        [
            (1, "ellipse", "box", 1),
            (1, "skeleton", "box", 1),
            (1, None, "box", 1),
            (1, "box", "box", 0),
            (2, "ellipse", "box", 1),
            (2, "skeleton", "skeleton", 0),
            (3, "ellipse", "ellipse", 0),
        ],
    )
    def test_few_body_parts_are_followed_by_boxes(
        self, bench: ArchiveSandbox, parts: int, given: str | None, used: str, repaired: int
    ) -> None:
        """DeepLabCut finds no track with an ellipse of one or two points, and fails."""
        names = list(PARTS[:parts])
        network = copy_with_changes(
            MULTI_ANIMAL_NETWORK,
            model__heads={},
            metadata__bodyparts=names,
            metadata__unique_bodyparts=[],
        )
        project = copy_with_changes(
            MULTI_ANIMAL_PROJECT,
            multianimalbodyparts=names,
            uniquebodyparts=[],
            default_track_method=given,
        )
        files = without_files(
            multi_animal_files(network=network), f"{MODEL_FOLDER}/test/pose_cfg.yaml"
        )
        files |= {"config.yaml": format_yaml(project)}
        model = bench.write_and_open(files)
        told = [repair for repair in model.repairs if "cannot be followed by" in repair]
        assert (model.track_method, len(told)) == (used, repaired)
        assert bench.read_project()["config.yaml"]["default_track_method"] == used

    @pytest.mark.parametrize(("given", "used"), [(0, 40), (25, 25)])
    def test_boxes_around_a_point_have_some_room(
        self, bench: ArchiveSandbox, given: int, used: int
    ) -> None:
        network = copy_with_changes(
            MULTI_ANIMAL_NETWORK,
            model__heads={},
            metadata__bodyparts=["nose"],
            metadata__unique_bodyparts=[],
        )
        project = copy_with_changes(
            MULTI_ANIMAL_PROJECT, multianimalbodyparts=["nose"], uniquebodyparts=[]
        )
        files = multi_animal_files(
            copy_with_changes(TRACKING_CONFIG, boundingboxslack=given), network
        )
        model = bench.write_and_open(files | {"config.yaml": format_yaml(project)})
        ours = bench.read_project()[f"{MODEL_FOLDER}/test/inference_cfg.yaml"]
        assert ours["boundingboxslack"] == used
        assert any("boundingboxslack is 40" in repair for repair in model.repairs) == (not given)

    def test_animals_are_called_as_in_config(self, bench: ArchiveSandbox) -> None:
        files = multi_animal_files()
        files["config.yaml"] = format_yaml(
            copy_with_changes(MULTI_ANIMAL_PROJECT, individuals=["Tom", "Jerry"])
        )
        model = bench.write_and_open(files)
        assert model.individuals == ("Tom", "Jerry")
        assert bench.read_network_config()["metadata"]["individuals"] == ["Tom", "Jerry"]
        (repair,) = model.repairs
        assert repair.startswith("config.yaml calls the individuals Tom, Jerry")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"individuals": ["one"]}, "lists the individuals one, but the network was trained on"),
            ({"individuals": ["a", "a"]}, "a name stands in it twice"),
            ({"uniquebodyparts": ["door"]}, "lists the body parts door, but the network was"),
            ({"multianimalproject": None}, "says that it is no multi-animal project, but the"),
            ({"multianimalproject": ""}, "says that it is no multi-animal project, but the"),
        ],
    )
    def test_a_config_of_another_project_is_refused(
        self, bench: ArchiveSandbox, changes: dict[str, Any], said: str
    ) -> None:
        files = multi_animal_files()
        files["config.yaml"] = format_yaml(copy_with_changes(MULTI_ANIMAL_PROJECT, **changes))
        assert said in bench.expect_refusal(files)

    @pytest.mark.parametrize(
        ("where", "value", "said"),
        [
            ("identity__target_generator__num_heatmaps", 3, "names 2 individuals"),
            ("unique_bodypart__target_generator__num_heatmaps", 2, "names 1 unique body parts"),
            ("unique_bodypart", None, "has no head for them"),
            ("bodypart__heatmap_config__channels", [512, 5], "its network has 5 outputs"),
            ("bodypart__paf_config__channels", [512, 6], "part affinity fields of its network"),
            ("bodypart__predictor__graph", [[0, 1], [1, 3]], "part affinity fields of its netw"),
            ("bodypart__predictor__graph", [[0, 1]], "part affinity fields of its network"),
        ],
    )
    def test_heads_of_another_model_are_refused(
        self, bench: ArchiveSandbox, where: str, value: Any, said: str
    ) -> None:
        network = copy_with_changes(MULTI_ANIMAL_NETWORK, **{f"model__heads__{where}": value})
        assert said in bench.expect_refusal(multi_animal_files(network=network))

    def test_dekr_has_one_more_map_for_the_center(self, bench: ArchiveSandbox) -> None:
        head = {
            "type": "DEKRHead",
            "target_generator": {"type": "DEKRGenerator", "num_joints": 3},
            "heatmap_config": {"channels": [270, 18, 4]},
        }
        network = copy_with_changes(MULTI_ANIMAL_NETWORK, model__heads__bodypart=head)
        assert bench.write_and_open(multi_animal_files(network=network)).repairs == ()
        network["model"]["heads"]["bodypart"]["heatmap_config"]["channels"][-1] = 3
        assert "its network has 2 outputs" in bench.expect_refusal(
            multi_animal_files(network=network)
        )

    def test_without_config_the_network_tells_the_animals(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(
            without_files(multi_animal_files(), "config.yaml", f"{MODEL_FOLDER}/test/pose_cfg.yaml")
        )
        assert (model.multi_animal, model.individuals) == (True, tuple(ANIMAL_NAMES))
        assert model.unique_body_parts == ("corner",)


class TestTopDown:
    NAMES = ("snapshot-100.pt", "snapshot-detector-050.pt", "snapshot-detector-best-040.pt")

    def test_its_detector_comes_with_it(self, bench: ArchiveSandbox) -> None:
        model = bench.write_and_open(model_files(PROJECT_CONFIG, TOP_DOWN_NETWORK, *self.NAMES))
        assert (model.method, model.snapshot) == ("td", "snapshot-100.pt")
        assert (model.detector, model.detectors) == (self.NAMES[2], self.NAMES[1:])
        assert model.detector_sha256 == hashlib.sha256(WEIGHTS).hexdigest()
        assert {path.name for path in bench.project.rglob("*.pt")} == {
            "snapshot-100.pt",
            "snapshot-detector-best-040.pt",
        }

    @pytest.mark.parametrize(("index", "used"), [(0, 1), (-2, 1), (1, 2), ("all", 2), (None, 2)])
    def test_detector_snapshotindex_counts_its_own(
        self, bench: ArchiveSandbox, index: Any, used: int
    ) -> None:
        project = copy_with_changes(PROJECT_CONFIG, detector_snapshotindex=index, snapshotindex=0)
        model = bench.write_and_open(model_files(project, TOP_DOWN_NETWORK, *self.NAMES))
        assert (model.detector, model.snapshot) == (self.NAMES[used], "snapshot-100.pt")

    def test_an_index_beyond_them_is_refused(self, bench: ArchiveSandbox) -> None:
        files = model_files(
            copy_with_changes(PROJECT_CONFIG, detector_snapshotindex=2),
            TOP_DOWN_NETWORK,
            *self.NAMES,
        )
        assert "detector_snapshotindex is 2, but there are 2 snapshots" in bench.expect_refusal(
            files
        )

    @pytest.mark.parametrize(
        ("network", "names", "said"),
        [
            (TOP_DOWN_NETWORK, (SNAPSHOT_NAME,), "there is no snapshot of it; zip"),
            (
                copy_with_changes(TOP_DOWN_NETWORK, detector=None),
                NAMES,
                "section in pytorch_config.yaml",
            ),
        ],
    )
    def test_without_its_detector_it_is_refused(
        self, bench: ArchiveSandbox, network: Any, names: tuple[str, ...], said: str
    ) -> None:
        message = bench.expect_refusal(model_files(PROJECT_CONFIG, network, *names))
        assert "it is a top-down model, whose detector finds the animals first" in message
        assert said in message

    def test_the_detector_asks_for_no_other_weights(self, bench: ArchiveSandbox) -> None:
        network = copy_with_changes(
            TOP_DOWN_NETWORK, detector__model__pretrained=True, model__backbone__pretrained=True
        )
        bench.write_and_open(model_files(PROJECT_CONFIG, network, *self.NAMES))
        ours = bench.read_network_config()
        assert ours["detector"]["model"]["pretrained"] is False
        assert ours["model"]["backbone"]["pretrained"] is False

    def test_what_decides_the_detectors_layers_stays(self, bench: ArchiveSandbox) -> None:
        network = copy_with_changes(
            TOP_DOWN_NETWORK, detector__model__pretrained_from_imagenet=True
        )
        bench.write_and_open(model_files(PROJECT_CONFIG, network, *self.NAMES))
        assert bench.read_network_config()["detector"]["model"]["pretrained_from_imagenet"] is True

    def test_a_conditional_one_is_refused(self, bench: ArchiveSandbox) -> None:
        message = bench.expect_refusal(
            model_files(network=copy_with_changes(NETWORK_CONFIG, method="CTD"))
        )
        assert "conditional top-down model" in message

    def test_a_method_that_deeplabcut_does_not_have_is_refused(self, bench: ArchiveSandbox) -> None:
        message = bench.expect_refusal(
            model_files(network=copy_with_changes(NETWORK_CONFIG, method="x"))
        )
        assert "or ctd (conditional top-down), found x" in message


class TestDisagreement:
    """The files decide; what config.yaml says otherwise is recorded."""

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"iteration": 3}, "says iteration 3, the model lies in iteration-0; the folder"),
            ({"TrainingFraction": [0.8]}, "says TrainingFraction [0.8], the model's folder 95 %"),
            ({"engine": "tensorflow"}, "says engine: tensorflow, but the snapshot is one of pyt"),
            ({"Task": "maze"}, "calls the project mazeOct30, the model's folder openfieldOct30"),
        ],
    )
    def test_a_config_that_disagrees_with_the_folder_is_repaired(
        self, bench: ArchiveSandbox, changes: dict[str, Any], said: str
    ) -> None:
        model = bench.write_and_open(model_files(copy_with_changes(PROJECT_CONFIG, **changes)))
        (repair,) = model.repairs
        assert repair.startswith(f"config.yaml {said}")
        assert (model.training_fraction, model.engine) == (0.95, "pytorch")
        assert bench.read_project()["config.yaml"]["engine"] == "pytorch"

    @pytest.mark.parametrize("multi", [None, "", False, "no"])
    def test_an_empty_multianimalproject_is_a_single_animal(
        self, bench: ArchiveSandbox, multi: Any
    ) -> None:
        model = bench.write_and_open(
            model_files(copy_with_changes(PROJECT_CONFIG, multianimalproject=multi))
        )
        assert not model.multi_animal
        assert model.repairs == ()

    def test_every_problem_is_found_at_once(self, bench: ArchiveSandbox) -> None:
        project = copy_with_changes(PROJECT_CONFIG, Task="../x", snapshotindex=9, bodyparts=["paw"])
        network = copy_with_changes(
            NETWORK_CONFIG, method="xtd", model__backbone__model_name="hf-hub:x/y", runner="fast"
        )
        message = bench.expect_refusal(
            model_files(project, network, "snapshot-1.pt", "snapshot-2.pt")
        )
        assert "(and 5 more; `python -m flows inspect` lists them)" in message


class CodePage(zipfile.ZipInfo):
    """A member that is named as zip programs of old Windows do it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode("cp437"), self.flag_bits


class TestZips:
    def test_made_on_windows_with_names_of_its_code_page(self, bench: ArchiveSandbox) -> None:
        """Without the flag for UTF-8, names are in the code page of old Windows tools."""
        with zipfile.ZipFile(bench.archive, "w") as archive:
            for name, data in below("Käfig (für Mäuse)", model_files()).items():
                archive.writestr(CodePage(name), data)
        assert bench.open_again().repairs == ()

    @pytest.mark.parametrize("make", [tensorflow_files, multi_animal_files, model_files])
    def test_backslashes_mac_clutter_and_wrapping_folders_together(
        self, bench: ArchiveSandbox, make: Any
    ) -> None:
        files = below("a/b", make())
        clutter = {f"__MACOSX/{Path(name).parent}/._{Path(name).name}": b"x" for name in files}
        spelled = {name.replace("/", "\\"): data for name, data in (files | clutter).items()}
        assert bench.write_and_open(spelled | {"a\\.DS_Store": b"x"}).repairs == ()

    def test_several_shuffles_with_snapshots_in_one(self, bench: ArchiveSandbox) -> None:
        other = model_files()
        second = {
            name.replace("shuffle1", "shuffle2"): data
            for name, data in without_files(
                other, "config.yaml", f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}"
            ).items()
        }
        assert bench.write_and_open(model_files() | second).shuffle == 1

    @pytest.mark.parametrize("with_config", [True, False])
    def test_both_engines_folders_are_refused_and_named(
        self, bench: ArchiveSandbox, with_config: bool
    ) -> None:
        files = tensorflow_files() | model_files()
        message = bench.expect_refusal(
            files if with_config else without_files(files, "config.yaml")
        )
        words = [folder.removesuffix("/train") for folder in (TRAIN_FOLDER, TF_TRAIN_FOLDER)]
        listed = ", ".join(words)
        assert f"2 folders hold snapshots; set shuffle to the one to use: {listed} (" in message

    def test_the_digest_is_taken_where_it_is_known(self, bench: ArchiveSandbox) -> None:
        write_zip(bench.archive, model_files())
        model = unpack_model(bench.archive, "m.zip", bench.project, sha256="f" * 64)
        assert model.sha256 == "f" * 64
