"""Model archives made for tests: laid out as DeepLabCut does, with weights that are none."""

import zipfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Files = dict[str, bytes]

MODEL = "dlc-models-pytorch/iteration-0/openfieldOct30-trainset95shuffle1"
TRAIN = f"{MODEL}/train"
SNAPSHOT = "snapshot-best-100.pt"
WEIGHTS = b"PK\x03\x04 weights " * 100

PROJECT: dict[str, Any] = {
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

NETWORK: dict[str, Any] = {
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

POSE: dict[str, Any] = {
    "net_type": "resnet_50",
    "dataset_type": "imgaug",
    "all_joints_names": ["nose", "ear", "tail"],
}


def changed(config: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of a configuration; ``model__backbone__type=…`` changes a value inside."""
    copy = deepcopy(dict(config))
    for path, value in changes.items():
        *folders, key = path.split("__")
        place = copy
        for folder in folders:
            place = place.setdefault(folder, {})
        place[key] = value
    return copy


def text_of(config: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True).encode()


def model_files(
    project: Mapping[str, Any] = PROJECT,
    network: Mapping[str, Any] = NETWORK,
    *snapshots: str,
    below: str = "",
) -> Files:
    """A model as DeepLabCut 3 lays it out."""
    files = {
        "config.yaml": text_of(project),
        f"{TRAIN}/pytorch_config.yaml": text_of(network),
        f"{MODEL}/test/pose_cfg.yaml": text_of(POSE),
    }
    files |= {f"{TRAIN}/{name}": WEIGHTS for name in snapshots or (SNAPSHOT,)}
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
