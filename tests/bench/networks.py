"""Make a model of any of DeepLabCut's networks, untrained; loads torch and DeepLabCut."""

from pathlib import Path
from typing import Any

import torch
from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig, TestConfig
from deeplabcut.pose_estimation_pytorch.models import PoseModel

from tests.model_zips import text_of, write_zip
from tests.torch_models import Kind, _calibrated, plain, project_of

PARTS = ("nose", "left_ear", "right_ear", "body", "tail_base")


def make(network: str, target: str) -> None:
    """Write a single-animal model of a network (``resnet_50``, ``hrnet_w32`` …)."""
    torch.manual_seed(1)
    kind = Kind(individuals=("only",), parts=PARTS, multi_animal=False)
    project = project_of(kind) | {"default_net_type": network, "batch_size": 8}
    config = PoseConfig.build(
        project, "pytorch_config.yaml", top_down=False, net_type=network
    ).to_dict()
    config["model"]["backbone"]["pretrained"] = False
    model = _calibrated(PoseModel.build(config["model"]))
    _spread(model)
    folder = "dlc-models-pytorch/iteration-0/smallNov1-trainset95shuffle1"
    path = Path(target).with_suffix(".pt")
    torch.save({"model": model.state_dict(), "metadata": {"epoch": 1}}, path)
    files: dict[str, Any] = {
        "config.yaml": text_of(project),
        f"{folder}/train/pytorch_config.yaml": text_of(plain(config)),
        f"{folder}/test/pose_cfg.yaml": text_of(plain(TestConfig.build(config).to_dict())),
        f"{folder}/train/snapshot-007.pt": path.read_bytes(),
    }
    path.unlink()
    write_zip(Path(target), files)


def _spread(model: Any) -> None:
    """Let the heatmaps differ by place, so that a few points are confident."""
    with torch.no_grad():
        for head in model.heads.values():
            for layer in head.heatmap_head.modules():
                if isinstance(layer, torch.nn.ConvTranspose2d | torch.nn.Conv2d):
                    layer.weight.mul_(30)
