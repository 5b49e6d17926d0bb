"""Conditional top-down models made by DeepLabCut's own makers, with random weights.

The archive holds two shuffles: the bottom-up one (1) that gives the conditions, the other (2).
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.blob_movies import HEIGHT, WIDTH, draw_blobs
from tests.support.model_zips import Files, format_yaml, write_zip
from tests.support.torch_models import (
    ModelKind,
    build_project,
    build_tracking_config,
    calibrate_model,
    clear_peaks,
    shrink_network,
    to_plain_values,
)

BOTTOM_UP, CONDITIONAL = "snapshot-007.pt", "snapshot-best-005.pt"
BOTTOM_UP_SHUFFLE, CONDITIONAL_SHUFFLE = 1, 2


def make_conditional_model(kind: ModelKind, net_type: str, target: Path) -> None:
    """Make a model archive; loads torch and DeepLabCut.

    Args:
        kind: The animals and their body parts.
        net_type: One of DeepLabCut's conditional networks.
        target: The zip to write.
    """
    import torch
    from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig
    from deeplabcut.pose_estimation_pytorch.models import PoseModel

    torch.manual_seed(1)
    project = build_project(kind)
    first = PoseConfig.build(project, "pytorch_config.yaml", top_down=False, net_type="resnet_50")
    below = first.to_dict()
    model = calibrate_model(PoseModel.build(shrink_network(below["model"])))
    if not kind.multi_animal:
        clear_peaks(model, _build_inputs(FRAME))
    files: Files = {"config.yaml": format_yaml(project)}
    _add_shuffle(files, kind, BOTTOM_UP_SHUFFLE, below, model, target.with_name(BOTTOM_UP))
    second = PoseConfig.build(
        project,
        "pytorch_config.yaml",
        top_down=False,
        net_type=net_type,
        ctd_conditions=(BOTTOM_UP_SHUFFLE, BOTTOM_UP),
    )
    above = _shrink_crops(to_plain_values(second.to_dict()))
    conditional = PoseModel.build(copy.deepcopy(above["model"]))
    size = above["model"]["backbone"]["img_size"]
    crops = _build_inputs((size[0], size[1]))
    calibrate_model(conditional, crops, cond_kpts=_points(len(crops), len(kind.parts)))
    clear_peaks(conditional, crops, _points(len(crops), len(kind.parts)))
    _add_shuffle(
        files, kind, CONDITIONAL_SHUFFLE, above, conditional, target.with_name(CONDITIONAL)
    )
    write_zip(target, files)


FRAME, CROP = (HEIGHT, WIDTH), (64, 64)


def _shrink_crops(config: dict[str, Any]) -> dict[str, Any]:
    """The same network for crops with a sixteenth of the pixels, as long as it is RTMPose."""
    head, backbone = config["model"]["heads"]["bodypart"], config["model"]["backbone"]
    if "in_featuremap_size" not in head:
        return config
    stride = head["input_size"][0] // head["in_featuremap_size"][0]
    head["in_featuremap_size"] = [side // stride for side in CROP]
    backbone["img_size"] = head["input_size"] = head["target_generator"]["input_size"] = list(CROP)
    config["data"]["inference"]["top_down_crop"] |= {"height": CROP[0], "width": CROP[1]}
    return config


def _build_inputs(size: tuple[int, int]) -> Any:
    import torch

    pictures = np.stack([draw_blobs(3 * index, 2 - index % 2) for index in range(4)]) / 255
    inputs = torch.from_numpy(pictures).float().sub(0.45).div(0.22).permute(0, 3, 1, 2)
    return torch.nn.functional.interpolate(inputs, size)


def _points(count: int, parts: int) -> Any:
    """Conditions in the middle of a crop, shape (pictures, 1, parts, 3)."""
    points = np.ones((count, 1, parts, 3))
    points[..., :2] = 20 + 8 * np.arange(parts)[:, None]
    return points


def _add_shuffle(
    files: Files, kind: ModelKind, shuffle: int, config: Any, model: Any, snapshot: Path
) -> None:
    import torch
    from deeplabcut.pose_estimation_pytorch.config.pose import TestConfig

    folder = f"dlc-models-pytorch/iteration-0/smallNov1-trainset95shuffle{shuffle}"
    config["inference"]["multithreading"]["enabled"] = False
    torch.save({"model": model.state_dict(), "metadata": {"epoch": 1}}, snapshot)
    test = to_plain_values(TestConfig.build(config).to_dict())
    files[f"{folder}/train/{snapshot.name}"] = snapshot.read_bytes()
    files[f"{folder}/train/pytorch_config.yaml"] = format_yaml(to_plain_values(config))
    files[f"{folder}/test/pose_cfg.yaml"] = format_yaml(test)
    if kind.multi_animal:
        files[f"{folder}/test/inference_cfg.yaml"] = format_yaml(build_tracking_config(kind))
    snapshot.unlink()
