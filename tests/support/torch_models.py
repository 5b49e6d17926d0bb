"""Small PyTorch models made by DeepLabCut's own makers, with random weights.

Nothing is trained: what random filters find in a picture moves with what is in the picture, which
is all that a comparison with DeepLabCut needs. The same model is made every time.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.blob_movies import draw_blobs
from tests.support.model_zips import Files, format_yaml, write_zip

PARTS = ("nose", "left", "tail")
BACKBONE = {"type": "ResNet", "model_name": "resnet10t", "output_stride": 16}


@dataclass(frozen=True)
class ModelKind:
    """What a model is made for.

    Attributes:
        individuals: Names of the animals.
        parts: Names of their body parts.
        arena: Names of body parts unique to the arena.
        identity: Whether it tells individuals apart.
        detector: For a top-down model, its detector's network.
        conditional: For a conditional top-down model, its network.
        network: DeepLabCut's name of a network to build in full; None for a small ResNet.
        multi_animal: Whether the project is one of several animals.
        settings: Changes of inference_cfg.yaml.
    """

    individuals: tuple[str, ...] = ("one", "two")
    parts: tuple[str, ...] = PARTS
    arena: tuple[str, ...] = ()
    identity: bool = False
    detector: str | None = None
    conditional: str | None = None
    network: str | None = None
    multi_animal: bool = True
    settings: dict[str, Any] = field(default_factory=dict)


SSD_LOWEST_SCORE = 0.001
"""What torchvision's SSD asks of a detection; DeepLabCut's own setting does not reach it."""

LENIENT_SETTINGS = {"pcutoff": 0.001, "iou_threshold": 0.05}
"""Track what random weights find, unlikely and unsteady as it is."""

MODEL_KINDS = {
    "arena and identity": ModelKind(arena=("door", "food"), identity=True),
    "one individual": ModelKind(individuals=("only",)),
    "one body part": ModelKind(
        parts=("nose",), detector="ssdlite", settings={**LENIENT_SETTINGS, "boundingboxslack": 25}
    ),
    "top-down": ModelKind(detector="ssdlite", parts=(*PARTS, "back"), settings=LENIENT_SETTINGS),
    "top-down, one animal": ModelKind(
        individuals=("only",), detector="ssdlite", multi_animal=False
    ),
    "conditional": ModelKind(
        individuals=("only",), conditional="ctd_prenet_rtmpose_s", multi_animal=False
    ),
}


def build_project(kind: ModelKind) -> dict[str, Any]:
    """The config.yaml of a kind of project."""
    several = {
        "bodyparts": "MULTI!",
        "multianimalbodyparts": list(kind.parts),
        "individuals": list(kind.individuals),
        "uniquebodyparts": list(kind.arena),
    }
    return {
        "Task": "small",
        "scorer": "me",
        "date": "Nov1",
        "multianimalproject": kind.multi_animal,
        "identity": kind.identity,
        "project_path": "/home/lab/small",
        "engine": "pytorch",
        "skeleton": [list(kind.parts[:2])] if len(kind.parts) > 1 else [],
        "skeleton_color": "black",
        "TrainingFraction": [0.95],
        "iteration": 0,
        "default_net_type": "resnet_50",
        "default_track_method": "ellipse",
        "snapshotindex": -1,
        "detector_snapshotindex": -1,
        "batch_size": 4,
        "detector_batch_size": 1,
        "cropping": False,
        **(several if kind.multi_animal else {"bodyparts": list(kind.parts)}),
    }


def make_model(kind: ModelKind, target: Path) -> None:
    """Make a model archive; loads torch and DeepLabCut."""
    if kind.conditional:
        from tests.support.conditional_models import make_conditional_model

        make_conditional_model(kind, kind.conditional, target)
        return
    import torch
    from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig, TestConfig
    from deeplabcut.pose_estimation_pytorch.models import DETECTORS, PoseModel

    torch.manual_seed(1)
    project = build_project(kind)
    config = PoseConfig.build(
        project,
        "pytorch_config.yaml",
        top_down=kind.detector is not None,
        net_type=(kind.network or "resnet_50").removeprefix("top_down_"),
        detector_type=kind.detector,
    ).to_dict()
    if kind.network:
        network = _build_whole_network(config)
    else:
        network = calibrate_model(PoseModel.build(shrink_network(config["model"])))
    folder = "dlc-models-pytorch/iteration-0/smallNov1-trainset95shuffle1"
    weights = {"snapshot-007.pt": network.state_dict()}
    if kind.detector:
        detector = calibrate_model(DETECTORS.build(dict(config["detector"]["model"])))
        if kind.detector == "ssdlite":
            _lower_empty_scores(detector)
        weights["snapshot-detector-003.pt"] = detector.state_dict()
        # Its threads lose frames in which nothing is found.
        config["inference"]["multithreading"]["enabled"] = False
    files: Files = {
        "config.yaml": format_yaml(project),
        f"{folder}/train/pytorch_config.yaml": format_yaml(to_plain_values(config)),
        f"{folder}/test/pose_cfg.yaml": format_yaml(
            to_plain_values(TestConfig.build(config).to_dict())
        ),
    }
    if kind.multi_animal:
        files[f"{folder}/test/inference_cfg.yaml"] = format_yaml(build_tracking_config(kind))
    for name, state in weights.items():
        path = target.with_name(name)
        torch.save({"model": state, "metadata": {"epoch": 1}}, path)
        files[f"{folder}/train/{name}"] = path.read_bytes()
        path.unlink()
    write_zip(target, files)


_HIGHEST_PEAK = 6.0

_LOCATION_SPREAD = 0.3
"""Standard deviation of refined locations, which DeepLabCut multiplies by 7.3 pixels."""


def _build_whole_network(config: dict[str, Any]) -> Any:
    """The network that a configuration names, with few and clear maxima."""
    from deeplabcut.pose_estimation_pytorch.models import PoseModel

    inputs = _build_inputs([2, 1, 0, 1, 2, 0])
    crop = config["data"]["inference"].get("top_down_crop")
    if config.get("detector") and crop:
        inputs = _resize(inputs, (crop["height"], crop["width"]))
    plain = copy.deepcopy(to_plain_values(config["model"]))
    model = PoseModel.build(plain, pretrained_backbone=False)
    _tell_tokens_apart(model)
    calibrate_model(model, inputs)
    clear_peaks(model, inputs, highest=_HIGHEST_PEAK)
    _spread_locations(model, inputs)
    return model


def _tell_tokens_apart(model: Any) -> None:
    """Give a transformer's body parts different tokens: untrained ones put all in one place."""
    import torch

    neck: Any = getattr(model, "neck", None)
    if getattr(neck, "keypoint_token", None) is not None:
        torch.nn.init.normal_(neck.keypoint_token)
        with torch.no_grad():
            neck.pos_embedding.mul_(0.1)  # places matter less than what is in the picture
            for name, layer in neck.named_modules():
                if name.endswith("to_qkv"):  # a body part's token heeds few places
                    layer.weight.mul_(3)


def _resize(inputs: Any, size: tuple[int, int]) -> Any:
    import torch

    return torch.nn.functional.interpolate(inputs, size)


def calibrate_model(model: Any, inputs: Any = None, **conditions: Any) -> Any:
    """Batch normalization with the statistics of blobs, without which nothing depends on them."""
    import torch

    inputs = _build_inputs([2, 1, 0, 1, 2, 0]) if inputs is None else inputs
    model.eval()
    kinds = (torch.nn.BatchNorm2d, torch.nn.SyncBatchNorm)
    norms = [part for part in model.modules() if isinstance(part, kinds)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        model(inputs, **conditions)
    model.eval()
    return model


def clear_peaks(model: Any, inputs: Any, points: Any = None, highest: float = np.inf) -> None:
    """Scale the last layers, so that there are few and clear maxima, of high scores.

    Args:
        model: The network.
        inputs: Pictures, of shape (pictures, 3, rows, columns).
        points: Conditions of a conditional network.
        highest: Limit of a heat map's values; a sigmoid does not tell those above 17 apart.
    """
    import torch

    options = {} if points is None else {"cond_kpts": points}
    with torch.no_grad():
        outputs = model(inputs, **options)["bodypart"]
        head = model.heads["bodypart"]
        if "heatmap" not in outputs:
            for name in ("x", "y"):
                getattr(head, f"cls_{name}").weight.mul_(3 / float(outputs[name].std()))
            return
        if "offset" in outputs:
            _spread_offsets(head, outputs)
            return
        heatmap = outputs["heatmap"]
        kinds = (torch.nn.ConvTranspose2d, torch.nn.Conv2d, torch.nn.Linear)
        layers = getattr(head, "heatmap_head", head).modules()
        last: Any = [part for part in layers if isinstance(part, kinds)][-1]
        if isinstance(last, torch.nn.Linear):  # without what is the same in all pictures
            common = heatmap.mean(dim=(0, 1))
            last.bias.sub_(common.flatten())
            heatmap = heatmap - common
        scale = 8 / float(heatmap.std())
        middle = float(torch.quantile(heatmap.flatten(), 0.99))
        scale = min(scale, highest / (float(heatmap.max()) - middle))
        last.bias.sub_(middle).mul_(scale)
        last.weight.mul_(scale)


def _spread_locations(model: Any, inputs: Any) -> None:
    """Let points differ by their places within a heat map's cells, which are few, too."""
    import torch

    with torch.no_grad():
        found = model(inputs)["bodypart"].get("locref")
        if found is None:
            return
        kinds = (torch.nn.ConvTranspose2d, torch.nn.Conv2d)
        layers = model.heads["bodypart"].locref_head.modules()
        last: Any = [part for part in layers if isinstance(part, kinds)][-1]
        scale = max(1.0, _LOCATION_SPREAD / float(found.std()))
        last.bias.mul_(scale)
        last.weight.mul_(scale)


def _spread_offsets(head: Any, outputs: Any) -> None:
    """Give DEKR's body parts places of their own around an animal's center, and scores below 1."""
    import torch

    convolutions: list[Any] = [part for part in head.modules() if isinstance(part, torch.nn.Conv2d)]
    offsets = 6 / float(outputs["offset"].std())
    for layer in convolutions:
        if layer.out_channels == 2:  # x and y of one body part
            layer.weight.mul_(offsets)
            layer.bias.mul_(offsets)
    heatmap = outputs["heatmap"]
    (last,) = [part for part in convolutions if part.out_channels == heatmap.shape[1]]
    middle = float(heatmap.median())
    scale = 0.9 / (float(heatmap.max()) - middle)
    last.bias.sub_(middle).mul_(scale)
    last.weight.mul_(scale)


def _build_inputs(animals: list[int]) -> Any:
    import torch

    pictures = np.stack([draw_blobs(3 * index, count) for index, count in enumerate(animals)]) / 255
    return torch.from_numpy(pictures).float().sub(0.45).div(0.22).permute(0, 3, 1, 2)


def _lower_empty_scores(detector: Any) -> None:
    """Make an empty picture's best score too low for torchvision, and an animal's high enough."""
    import torch

    with torch.no_grad():
        _, found = detector(_build_inputs([2, 1, 2, 0]))
        *seen, empty = (float(torch.logit(one["scores"].max())) for one in found)
        assert min(seen) > empty + 1, "another seed is needed"
        lift = (min(seen) + empty) / 2 - float(torch.logit(torch.tensor(SSD_LOWEST_SCORE)))
        for block in detector.model.head.classification_head.module_list:
            block[-1].bias[::2] += lift  # of the background, which is every other class


def shrink_network(model: dict[str, Any]) -> dict[str, Any]:
    """The same network with the smallest of all backbones."""
    before, model["backbone_output_channels"] = model["backbone_output_channels"], 512
    model["backbone"] |= BACKBONE
    for head in model["heads"].values():
        for layers in head.values():
            if isinstance(layers, dict) and "channels" in layers:
                layers["channels"] = [512 if c == before else c for c in layers["channels"]]
        if "num_stages" in head:
            head["num_stages"] = 1
    return model


def build_tracking_config(kind: ModelKind) -> dict[str, Any]:
    from deeplabcut.utils import auxfun_multianimal

    return dict(auxfun_multianimal.form_default_inferencecfg(build_project(kind))) | kind.settings


def to_plain_values(value: Any) -> Any:
    """A configuration of nothing but what YAML knows."""
    if isinstance(value, dict):
        return {str(key): to_plain_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain_values(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, bool | int | float) else str(value)
