"""Make a model of any of DeepLabCut's networks, untrained; loads torch and DeepLabCut."""

import io
from pathlib import Path
from typing import Any

import torch
from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig, TestConfig
from deeplabcut.pose_estimation_pytorch.models import DETECTORS, PoseModel

from tests.support.model_zips import format_yaml, write_zip
from tests.support.torch_models import ModelKind, build_project, calibrate_model, to_plain_values

PARTS = ("nose", "left_ear", "right_ear", "body", "tail_base")


TOP_DOWN = "top_down_"
"""What DeepLabCut puts before the name of a network that sees one animal at a time."""

DETECTOR = "ssdlite"
"""The one for which DeepLabCut does not look for weights elsewhere."""


def make_network(network: str, target: str) -> None:
    """Write a single-animal model of a network (``resnet_50``, ``top_down_hrnet_w32`` …)."""
    torch.manual_seed(1)
    kind = ModelKind(individuals=("only",), parts=PARTS, multi_animal=False)
    top_down, name = network.startswith(TOP_DOWN), network.removeprefix(TOP_DOWN)
    project = build_project(kind) | {"default_net_type": network, "batch_size": 8}
    config = PoseConfig.build(
        project,
        "pytorch_config.yaml",
        top_down=top_down,
        net_type=name,
        detector_type=DETECTOR if top_down else None,
    ).to_dict()
    config["model"]["backbone"]["pretrained"] = False
    models = {"snapshot-007.pt": calibrate_model(PoseModel.build(config["model"]))}
    _spread_heatmaps(models["snapshot-007.pt"])
    if top_down:
        detector = DETECTORS.build(dict(config["detector"]["model"]))
        models["snapshot-detector-003.pt"] = calibrate_model(detector)
    folder = "dlc-models-pytorch/iteration-0/smallNov1-trainset95shuffle1"
    files: dict[str, Any] = {
        "config.yaml": format_yaml(project),
        f"{folder}/train/pytorch_config.yaml": format_yaml(to_plain_values(config)),
        f"{folder}/test/pose_cfg.yaml": format_yaml(
            to_plain_values(TestConfig.build(config).to_dict())
        ),
    }
    for snapshot, model in models.items():
        files[f"{folder}/train/{snapshot}"] = _pack_weights(model)
    write_zip(Path(target), files)


def _pack_weights(model: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "metadata": {"epoch": 1}}, file)
    return file.getvalue()


def _spread_heatmaps(model: Any) -> None:
    """Let the heatmaps differ by place, so that a few points are confident."""
    with torch.no_grad():
        for head in model.heads.values():
            for layer in head.heatmap_head.modules():
                if isinstance(layer, torch.nn.ConvTranspose2d | torch.nn.Conv2d):
                    layer.weight.mul_(30)
