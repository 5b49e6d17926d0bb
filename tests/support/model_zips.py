"""Model archives made for tests: laid out as DeepLabCut does, with the smallest of weights."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Files = dict[str, bytes]

MODEL_FOLDER = "dlc-models-pytorch/iteration-0/openfieldOct30-trainset95shuffle1"
TRAIN_FOLDER = f"{MODEL_FOLDER}/train"
SNAPSHOT_NAME = "snapshot-best-100.pt"


def pack_weights(value: object) -> bytes:
    """A file as PyTorch saves it, but for the tensors."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("snapshot/data.pkl", pickle.dumps(value, protocol=2))
        archive.writestr("snapshot/version", "3\n")
    return buffer.getvalue()


WEIGHTS = pack_weights({"model": {}, "metadata": {"epoch": 100, "metrics": {"test.mAP": 95.0}}})

PROJECT_CONFIG: dict[str, Any] = {
    "Task": "openfield",
    "scorer": "Pranav",
    "date": "Oct30",
    "multianimalproject": None,
    "project_path": "/home/lab/openfield",
    "engine": "pytorch",
    "bodyparts": ["nose", "ear", "tail"],
    "skeleton": [["nose", "ear"], ["ear", "nowhere"]],
    "skeleton_color": "blue",
    "alphavalue": 0.5,
    "TrainingFraction": [0.95],
    "iteration": 0,
    "default_net_type": "resnet_50",
    "snapshotindex": -1,
    "batch_size": 4,
    "cropping": False,
}

NETWORK_CONFIG: dict[str, Any] = {
    "model": {
        "backbone": {"type": "ResNet", "model_name": "resnet18"},
        "heads": {"bodypart": {"target_generator": {"num_heatmaps": 3}}},
    },
    "net_type": "resnet_50",
    "method": "bu",
    "device": "auto",
    "metadata": {
        "project_path": "/home/lab/openfield",
        "bodyparts": ["nose", "ear", "tail"],
        "unique_bodyparts": [],
        "individuals": ["individual_1"],
    },
    "runner": {"type": "PoseTrainingRunner", "gpus": [0, 1], "snapshots": {"max_snapshots": 5}},
}

POSE_CONFIG: dict[str, Any] = {
    "net_type": "resnet_50",
    "dataset_type": "imgaug",
    "all_joints_names": ["nose", "ear", "tail"],
}


def copy_with_changes(config: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of a configuration; ``model__backbone__type=…`` changes a value inside."""
    copy = deepcopy(dict(config))
    for path, value in changes.items():
        *folders, key = path.split("__")
        place = copy
        for folder in folders:
            place = place.setdefault(folder, {})
        place[key] = value
    return copy


def format_yaml(config: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True).encode()


def model_files(
    project: Mapping[str, Any] = PROJECT_CONFIG,
    network: Mapping[str, Any] = NETWORK_CONFIG,
    *snapshots: str,
    below: str = "",
) -> Files:
    """A model as DeepLabCut 3 lays it out."""
    files = {
        "config.yaml": format_yaml(project),
        f"{TRAIN_FOLDER}/pytorch_config.yaml": format_yaml(network),
        f"{MODEL_FOLDER}/test/pose_cfg.yaml": format_yaml(POSE_CONFIG),
    }
    files |= {f"{TRAIN_FOLDER}/{name}": WEIGHTS for name in snapshots or (SNAPSHOT_NAME,)}
    return {below + name: data for name, data in files.items()}


def write_zip(
    path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    """Zip files with their folders, as zip programs do."""
    folders = {f"{parent}/" for name in files for parent in list(Path(name).parents)[:-1]}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for folder in sorted(folders):
            archive.writestr(folder, b"")
        for name, data in files.items():
            archive.writestr(name, data)
    return path


# --- other kinds of models -------------------------------------------------------------------

TF_MODEL_FOLDER = MODEL_FOLDER.replace("dlc-models-pytorch", "dlc-models")
TF_TRAIN_FOLDER = f"{TF_MODEL_FOLDER}/train"
TF_SNAPSHOT_SUFFIXES = (".index", ".data-00000-of-00001", ".meta")

TF_INDEX_FOOTER = bytes.fromhex("57fb808b247547db")

TF_TRAIN_CONFIG: dict[str, Any] = {
    "dataset": "training-datasets/iteration-0/UnaugmentedDataSet_openfieldOct30/"
    "openfield_Pranav95shuffle1.mat",
    "num_joints": 3,
    "all_joints": [[0], [1], [2]],
    "all_joints_names": ["nose", "ear", "tail"],
    "init_weights": "/home/lab/resnet_v1_50.ckpt",
    "project_path": "/home/lab/openfield",
    "net_type": "resnet_50",
    "dataset_type": "imgaug",
    "batch_size": 2,
    "global_scale": 0.8,
    "location_refinement": True,
    "locref_stdev": 7.2801,
    "intermediate_supervision": True,
    "multi_step": [[0.005, 10000]],
    "optimizer": "sgd",
}

_TF_TEST_KEYS = """dataset num_joints all_joints all_joints_names net_type init_weights global_scale
location_refinement locref_stdev"""

TF_TEST_CONFIG = {key: TF_TRAIN_CONFIG[key] for key in _TF_TEST_KEYS.split()} | {
    "scoremap_dir": "test"
}


def tensorflow_files(
    project: Mapping[str, Any] = PROJECT_CONFIG,
    train: Mapping[str, Any] = TF_TRAIN_CONFIG,
    test: Mapping[str, Any] = TF_TEST_CONFIG,
    *steps: int,
) -> Files:
    """A model as DeepLabCut 2 lays it out: config.yaml names no engine there."""
    old = {key: value for key, value in project.items() if key != "engine"}
    files = {
        "config.yaml": format_yaml(old),
        f"{TF_TRAIN_FOLDER}/pose_cfg.yaml": format_yaml(train),
        f"{TF_MODEL_FOLDER}/test/pose_cfg.yaml": format_yaml(test),
    }
    for step in steps or (1200,):
        name = f"{TF_TRAIN_FOLDER}/snapshot-{step}"
        files |= {f"{name}{end}": f"{step}{end}".encode() for end in TF_SNAPSHOT_SUFFIXES}
        files[f"{name}.index"] += TF_INDEX_FOOTER
    return files


ANIMAL_NAMES = ["mouse A", "mouse B"]

MULTI_ANIMAL_PROJECT = copy_with_changes(
    PROJECT_CONFIG,
    multianimalproject=True,
    bodyparts="MULTI!",
    multianimalbodyparts=["nose", "ear", "tail"],
    individuals=ANIMAL_NAMES,
    uniquebodyparts=["corner"],
    default_track_method="box",
)

MULTI_ANIMAL_NETWORK = copy_with_changes(
    NETWORK_CONFIG,
    metadata__individuals=ANIMAL_NAMES,
    metadata__unique_bodyparts=["corner"],
    model__heads={
        "bodypart": {
            "type": "DLCRNetHead",
            "heatmap_config": {"channels": [512, 3]},
            "paf_config": {"channels": [512, 4]},
            "predictor": {"graph": [[0, 1], [1, 2]], "num_animals": 2},
            "target_generator": {"generators": [{"num_heatmaps": 3}, {"graph": [[0, 1], [1, 2]]}]},
        },
        "unique_bodypart": {"target_generator": {"num_heatmaps": 1}},
        "identity": {"target_generator": {"num_heatmaps": 2}},
    },
)

TRACKING_CONFIG: dict[str, Any] = {
    "variant": 0,
    "pafthreshold": 0.1,
    "method": "m1",
    "minimalnumberofconnections": 2,
    "pcutoff": 0.25,
    "topktoretain": 2,
    "withid": False,
    "boundingboxslack": 10,
    "iou_threshold": 0.4,
    "max_age": 7,
    "min_hits": 1,
}


def multi_animal_files(
    tracking: Mapping[str, Any] | None = TRACKING_CONFIG,
    network: Mapping[str, Any] = MULTI_ANIMAL_NETWORK,
) -> Files:
    """Two animals and a body part of the arena, found bottom-up."""
    files = model_files(MULTI_ANIMAL_PROJECT, network)
    if tracking is not None:
        files[f"{MODEL_FOLDER}/test/inference_cfg.yaml"] = format_yaml(tracking)
    return files


TF_ANIMALS_TEST_CONFIG = copy_with_changes(
    TF_TEST_CONFIG,
    num_joints=4,
    all_joints=[[0], [1], [2], [3]],
    all_joints_names=["nose", "ear", "tail", "corner"],
    dataset_type="multi-animal-imgaug",
    multi_stage=True,
    partaffinityfield_predict=True,
    pairwise_predict=False,
    partaffinityfield_graph=[[0, 1], [0, 2], [1, 2]],
    num_limbs=3,
    num_idchannel=2,
    nmsradius=5.0,
    minconfidence=0.01,
    sigma=1,
    locref_smooth=False,
)


def tensorflow_animal_files(
    test: Mapping[str, Any] = TF_ANIMALS_TEST_CONFIG,
    project: Mapping[str, Any] = MULTI_ANIMAL_PROJECT,
    tracking: Mapping[str, Any] | None = TRACKING_CONFIG,
) -> Files:
    """Two animals and a body part of the arena, as DeepLabCut 2.2 lays such a model out."""
    peaks = ("nmsradius", "minconfidence", "sigma", "locref_smooth", "scoremap_dir")
    train = {key: value for key, value in test.items() if key not in peaks}
    files = tensorflow_files(project, train, test)
    if tracking is not None:
        files[f"{TF_MODEL_FOLDER}/test/inference_cfg.yaml"] = format_yaml(tracking)
    return files


TOP_DOWN_NETWORK = copy_with_changes(
    NETWORK_CONFIG,
    method="td",
    detector={
        "model": {"type": "FasterRCNN", "variant": "fasterrcnn_resnet50_fpn_v2"},
        "runner": {"type": "DetectorTrainingRunner"},
        "device": "cuda:0",
    },
)
