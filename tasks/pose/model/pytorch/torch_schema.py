"""DeepLabCut's schema of pytorch_config.yaml, known without loading DeepLabCut.

Its own schema (``deeplabcut.pose_estimation_pytorch.config``) takes seconds to import, with torch,
so that its keys are written down here; a test compares them. Networks are looked up in the source
files that define them.
"""

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_quoted, format_value
from tasks.pose.model.problems import ModelFindings

SectionKeys = dict[str, "SectionKeys | None"]
"""The keys of a section: with those of a section below it, or None for anything else."""


def _leaf_keys(keys: str) -> SectionKeys:
    return dict.fromkeys(keys.split())


_TRANSFORMS = _leaf_keys(
    "resize longest_max_size hflip affine random_bbox_transform crop_sampling hist_eq motion_blur "
    "covering elastic_transform grayscale gaussian_noise auto_padding normalize_images "
    "scale_to_unit_range top_down_crop collate"
)

_RUNNER: SectionKeys = {
    **_leaf_keys("type gpus device key_metric key_metric_asc eval_interval snapshot_prefix"),
    **_leaf_keys("load_weights_only optimizer scheduler"),
    "snapshots": _leaf_keys("max_snapshots save_epochs save_optimizer_state"),
}

_INFERENCE: SectionKeys = {
    "multithreading": _leaf_keys("enabled queue_length timeout"),
    "compile": _leaf_keys("enabled backend"),
    "autocast": _leaf_keys("enabled"),
    **_leaf_keys("conditions snapshot eval output_dir"),
}

KNOWN_KEYS: SectionKeys = {
    **_leaf_keys("config_version net_type method device logger with_center_keypoints"),
    **_leaf_keys("resume_training_from train_settings"),
    "model": _leaf_keys("backbone heads backbone_output_channels neck pose_model"),
    "metadata": _leaf_keys(
        "project_path pose_config_path bodyparts unique_bodyparts uniquebodyparts individuals "
        "with_identity identity"
    ),
    "data": {
        **_leaf_keys("bbox_margin colormode gen_sampling train loader conditions"),
        "inference": _TRANSFORMS,
    },
    "runner": _RUNNER,
    "inference": _INFERENCE,
    "detector": {
        "model": _leaf_keys(
            "type freeze_bn_stats freeze_bn_weights variant box_score_thresh pretrained "
            "pretrained_from_imagenet"
        ),
        "data": {**_leaf_keys("colormode train"), "inference": _TRANSFORMS},
        "runner": _RUNNER,
        "inference": _INFERENCE,
        **_leaf_keys("device train_settings resume_training_from"),
    },
}
"""Those that it reads; what is below the others is a network's own, or of training only.

``pretrained…`` of a detector and ``conditions`` of the data are none of its schema, but its release
candidates wrote them.
"""


def note_unknown_keys(network: dict[str, Any], findings: ModelFindings) -> None:
    """Say which keys are left out, as DeepLabCut would refuse the whole file for them.

    Args:
        network: ``pytorch_config.yaml``.
        findings: Repairs are added to it.

    Raises:
        BadInput: Something else stands in the place of a section.
    """
    _, unknown, broken = _split_by_schema(network, KNOWN_KEYS)
    findings.repairs.extend(
        f"pytorch_config.yaml: unknown key {format_value(key)} left out" for key in unknown
    )
    for key, value in broken[:1]:
        raise BadInput(
            f"pytorch_config.yaml: {key}: expected a mapping, found {format_quoted(value)}; zip "
            "the configuration that DeepLabCut wrote"
        )


def drop_unknown_keys(network: dict[str, Any]) -> dict[str, Any]:
    """The archive's configuration, but for what DeepLabCut does not know."""
    return _split_by_schema(network, KNOWN_KEYS)[0]


def _split_by_schema(
    section: dict[str, Any], keys: SectionKeys, where: str = ""
) -> tuple[dict[str, Any], list[str], list[tuple[str, Any]]]:
    """A section's known keys, the paths of the others, and what should be a section."""
    known: dict[str, Any] = {}
    unknown: list[str] = []
    broken: list[tuple[str, Any]] = []
    for key, value in section.items():
        below = keys.get(key)
        if key not in keys:
            unknown.append(f"{where}{key}")
        elif below is None or value is None:
            known[key] = value
        elif not isinstance(value, dict):
            broken.append((f"{where}{key}", value))
        else:
            known[key], more, bad = _split_by_schema(value, below, f"{where}{key}.")
            unknown, broken = unknown + more, broken + bad
    return known, unknown, broken


# --- networks --------------------------------------------------------------------------------

_DEEPLABCUT_FOLDER = "deeplabcut/pose_estimation_pytorch"

_TIMM_BACKBONES = ("ResNet", "DLCRNet", "HRNet", "HRNetCoAM")
"""Those whose ``model_name`` is one of timm's."""


def check_known_network(network: dict[str, Any], name: str) -> None:
    """Refuse a network that DeepLabCut, or timm for it, does not define.

    Args:
        network: ``pytorch_config.yaml``.
        name: What to call the archive in messages.

    Raises:
        BadInput: Naming what is unknown.
    """
    model = network["model"]
    backbone = model.get("backbone")
    while isinstance(backbone, dict):
        kind = backbone.get("type")
        variant = backbone.get("model_name", backbone.get("base_model_name"))
        _check_defined(
            kind, "class", f"{_DEEPLABCUT_FOLDER}/models/backbones", f"{name}: the backbone"
        )
        if kind in _TIMM_BACKBONES and variant is not None:
            _check_defined(
                str(variant).partition(".")[0], "def", "timm/models", f"{name}: the backbone"
            )
        backbone = backbone.get("backbone")  # of a conditional network
    heads = model.get("heads")
    for head in heads.values() if isinstance(heads, dict) else ():
        if isinstance(head, dict) and "type" in head:
            _check_defined(
                head["type"], "class", f"{_DEEPLABCUT_FOLDER}/models/heads", f"{name}: the head"
            )


def _check_defined(value: Any, keyword: str, folder: str, what: str) -> None:
    if not isinstance(value, str) or not re.search(
        rf"^(@\w+.*\n)?{keyword} {re.escape(value)}\(", _read_source(folder), re.MULTILINE
    ):
        raise BadInput(
            f"{what} {format_value(value)} of pytorch_config.yaml is none that DeepLabCut has; "
            "train with one of those that it offers"
        )


@cache
def _read_source(folder: str) -> str:
    """The source files of a folder in a package, found without loading it."""
    package, _, below = folder.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    files = sorted((Path(spec.origin).parent / below).rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)
