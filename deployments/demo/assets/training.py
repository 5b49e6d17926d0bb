"""Training of a small network with DeepLabCut on rendered movies."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from deployments.demo.assets.mouse import BODY_PARTS, render_movie
from deployments.demo.assets.movie_file import read_movie, write_movie

Floats = npt.NDArray[np.float32]

TASK, SCORER, DATE = "mouse-openfield", "demo", "Oct1"
MODEL_FOLDER = f"dlc-models-pytorch/iteration-0/{TASK}{DATE}-trainset95shuffle1"
LAB_PATH = PurePosixPath("/home/lab/mouse-openfield")
_SKELETON = [
    ["nose", "left_ear"],
    ["nose", "right_ear"],
    ["left_ear", "right_ear"],
    ["left_ear", "body"],
    ["right_ear", "body"],
    ["body", "tail_base"],
]
_TRAINING_MOVIE = "training-mice"
_FIRST_SEED, _MICE, _FRAMES_EACH, _EVERY = 1000, 40, 10, 41
_EPOCH_COUNT = 20


def label_pictures(project: Path) -> int:
    """Render the training mice and label them, as labeling by hand would leave it.

    Args:
        project: The DeepLabCut project's folder.

    Returns:
        The number of labeled pictures.
    """
    folder = project / "labeled-data" / _TRAINING_MOVIE
    folder.mkdir(parents=True)
    positions: list[Floats] = []
    movie = project / "videos" / f"{_TRAINING_MOVIE}.mp4"
    movie.parent.mkdir()
    # Training pictures pass through the same encoder as the movies that are analyzed later.
    write_movie(movie, _render_training_pictures(positions))
    names = [f"img{number:04d}.png" for number in range(len(positions))]
    for name, picture in zip(names, read_movie(movie), strict=True):
        cv2.imwrite(str(folder / name), picture[..., ::-1])
    labels = _build_label_table(names, np.array(positions))
    labels.to_hdf(folder / f"CollectedData_{SCORER}.h5", key="df_with_missing", mode="w")
    labels.to_csv(folder / f"CollectedData_{SCORER}.csv")
    return len(names)


def _render_training_pictures(positions: list[Floats]) -> Iterator[npt.NDArray[np.uint8]]:
    """Give the pictures of all training mice; their positions are appended to a list."""
    for seed in range(_FIRST_SEED, _FIRST_SEED + _MICE):
        for picture, parts in render_movie(seed, _FRAMES_EACH, _EVERY):
            positions.append(parts)
            yield picture


def _build_label_table(names: list[str], positions: Floats) -> pd.DataFrame:
    """DeepLabCut's table of labels: `positions` is (pictures, 5, 2), pixels."""
    rows = pd.MultiIndex.from_tuples([("labeled-data", _TRAINING_MOVIE, name) for name in names])
    columns = pd.MultiIndex.from_product(
        [[SCORER], BODY_PARTS, ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    table = positions.reshape(len(names), -1).astype(float)
    return pd.DataFrame(table, index=rows, columns=columns)


def build_project_config(project: PurePath) -> dict[str, Any]:
    """The content of a project's config.yaml that says it lies in `project`."""
    movie = str(project / "videos" / f"{_TRAINING_MOVIE}.mp4")
    return {
        "Task": TASK,
        "scorer": SCORER,
        "date": DATE,
        "multianimalproject": False,
        "identity": False,
        "project_path": str(project),
        "engine": "pytorch",
        "video_sets": {movie: {"crop": "0, 640, 0, 480"}},
        "bodyparts": list(BODY_PARTS),
        "start": 0,
        "stop": 1,
        "numframes2pick": 20,
        "skeleton": _SKELETON,
        "skeleton_color": "white",
        "pcutoff": 0.6,
        "dotsize": 6,
        "alphavalue": 0.7,
        "colormap": "rainbow",
        "TrainingFraction": [0.95],
        "iteration": 0,
        "default_net_type": "resnet_50",
        "default_augmenter": "albumentations",
        "snapshotindex": -1,
        "detector_snapshotindex": -1,
        "batch_size": 4,
        "detector_batch_size": 1,
        "cropping": False,
        "x1": 0,
        "x2": 640,
        "y1": 0,
        "y2": 480,
        "corner2move2": [50, 50],
        "move2corner": True,
    }


def _network_changes() -> dict[str, Any]:
    """Return our changes to the network that DeepLabCut proposes, by dotted key.

    The backbone is the smallest ResNet there is: half a million weights, learned from nothing.
    """
    parts, head = len(BODY_PARTS), "model.heads.bodypart"
    return {
        "model.backbone.model_name": "test_resnet",
        "model.backbone.output_stride": 16,
        "model.backbone.freeze_bn_stats": False,
        "model.backbone.freeze_bn_weights": False,
        "model.backbone_output_channels": 96,
        f"{head}.heatmap_config.channels": [96, parts],
        f"{head}.locref_config.channels": [96, 2 * parts],
        "data.train.affine": {"p": 0.8, "rotation": 180, "scaling": [0.85, 1.15], "translation": 0},
        "data.train.crop_sampling.width": 192,
        "data.train.crop_sampling.height": 192,
        "data.train.crop_sampling.method": "density",
        "data.train.gaussian_noise": 5.0,
        "data.train.motion_blur": False,
        "runner.optimizer.params.lr": 2e-3,
        "runner.scheduler.params.lr_list": [[5e-4], [1e-4]],
        "runner.scheduler.params.milestones": [int(0.7 * _EPOCH_COUNT), int(0.9 * _EPOCH_COUNT)],
        # One look at the test pictures, at the end: the last weights are then also the best.
        "runner.eval_interval": _EPOCH_COUNT,
        "runner.snapshots.max_snapshots": 1,
        "runner.snapshots.save_epochs": _EPOCH_COUNT,
        "train_settings.epochs": _EPOCH_COUNT,
        "train_settings.batch_size": 8,
        # One process prepares pictures while the other learns.
        "train_settings.dataloader_workers": 1,
        "train_settings.display_iters": 10_000,
        "train_settings.seed": 42,
    }


def train_model(project: Path) -> Path:
    """Train the network in a project whose pictures are labeled.

    Returns:
        The snapshot.
    """
    import deeplabcut  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from deeplabcut.core.engine import Engine  # noqa: PLC0415

    # Beside the process that prepares pictures, a second thread costs more than it brings.
    torch.set_num_threads(1)
    config = project / "config.yaml"
    config.write_text(yaml.safe_dump(build_project_config(project), sort_keys=False))
    deeplabcut.create_training_dataset(str(config), userfeedback=False, engine=Engine.PYTORCH)
    train_folder = project / MODEL_FOLDER / "train"
    network = train_folder / "pytorch_config.yaml"
    settings = yaml.safe_load(network.read_text())
    for key, value in _network_changes().items():
        _set_dotted_value(settings, key, value)
    network.write_text(yaml.safe_dump(settings, sort_keys=False))
    start = _save_untrained_network(settings["model"], project / "untrained.pt")
    deeplabcut.train_network(str(config), device="cpu", snapshot_path=str(start))
    (snapshot,) = train_folder.glob("snapshot-*.pt")
    return snapshot


def _set_dotted_value(settings: dict[str, Any], key: str, value: Any) -> None:
    """Set a value by its dotted key; every part of the key but the last must exist."""
    *parents, name = key.split(".")
    for parent in parents:
        settings = settings[parent]
    settings[name] = value


def _save_untrained_network(model: Mapping[str, Any], path: Path) -> Path:
    """Save an untrained network, so that DeepLabCut does not ask a model hub for weights."""
    import torch  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.config import ModelConfig  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.models import PoseModel  # noqa: PLC0415

    torch.manual_seed(0)
    network = PoseModel.build(ModelConfig.from_any(dict(model)), pretrained_backbone=False)
    torch.save({"model": network.state_dict(), "metadata": {"epoch": 0}}, path)
    return path
