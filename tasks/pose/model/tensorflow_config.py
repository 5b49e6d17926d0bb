"""pose_cfg.yaml of the TensorFlow engine: known keys, of known types, and nothing else.

The keys are those that DeepLabCut's TensorFlow networks and predictor read at inference
(``pose_estimation_tensorflow/core/predict.py``, ``nnets``); where one is absent,
DeepLabCut's own default counts (``default_config.py``). All others are about training.
"""

import importlib.util
import re
from collections.abc import Callable
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_quoted, format_value

KNOWN_NETWORKS = re.compile(
    r"resnet_(50|101|152)|mobilenet_v2_(1\.0|0\.75|0\.5|0\.35)|efficientnet-b[0-6]"
)
"""The networks that DeepLabCut's TensorFlow engine builds."""

TENSORFLOW_NOT_INSTALLED = (
    "it is a TensorFlow model, and TensorFlow is not installed in this environment; run `make "
    "setup-tensorflow` and use .venv-tensorflow/bin/python, or train the model again with the "
    "PyTorch engine of DeepLabCut 3"
)

_CHANNELS = 3

_MAX_NUMBER = 1e6
"""Far beyond any of these numbers."""


def is_tensorflow_installed() -> bool:
    """Return whether this environment has TensorFlow, without loading it."""
    return importlib.util.find_spec("tensorflow") is not None


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return usable and abs(value) < _MAX_NUMBER


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_pixel(value: Any) -> bool:
    return isinstance(value, list) and len(value) == _CHANNELS and all(map(_is_number, value))


_KeyRule = tuple[Callable[[Any], bool], str]
_SWITCH: _KeyRule = (_is_switch, "true or false")
_COUNT: _KeyRule = (_is_count, "a whole number")
_POSITIVE: _KeyRule = (_is_positive, "a positive number")
_NUMBER: _KeyRule = (_is_number, "a number")

_KEY_RULES: dict[str, _KeyRule] = {
    "stride": _POSITIVE,
    "global_scale": _POSITIVE,
    "location_refinement": _SWITCH,
    "locref_stdev": _POSITIVE,
    "locref_smooth": _SWITCH,
    "mean_pixel": (_is_pixel, "three numbers"),
    "multi_stage": _SWITCH,
    "bank3": _COUNT,
    "bank5": _COUNT,
    "intermediate_supervision": _SWITCH,
    "intermediate_supervision_layer": _COUNT,
    "partaffinityfield_predict": _SWITCH,
    "pairwise_predict": _SWITCH,
    "num_idchannel": _COUNT,
    "num_limbs": _COUNT,
    "nmsradius": _NUMBER,
    "minconfidence": _NUMBER,
    "sigma": _POSITIVE,
    "weight_decay": _NUMBER,
    "use_batch_norm": _SWITCH,
    "use_drop_out": _SWITCH,
}

_ONLY_FROM_TEST = {"intermediate_supervision", "intermediate_supervision_layer"}
"""Heads for training; DeepLabCut leaves them out of the test/pose_cfg.yaml that it writes."""


def read_inference_settings(pose: dict[str, Any], *, for_test: bool) -> dict[str, Any]:
    """The values of a pose_cfg.yaml that inference reads.

    Args:
        pose: The archive's.
        for_test: Whether it is ``test/pose_cfg.yaml``; else it is that of training.

    Returns:
        Known keys with values of the right type, without names and paths.

    Raises:
        BadInput: A value is of another type, so that the network cannot be known.
    """
    net_type = pose.get("net_type")
    if not isinstance(net_type, str) or not KNOWN_NETWORKS.fullmatch(net_type):
        raise BadInput(
            "pose_cfg.yaml: net_type: expected a network of DeepLabCut's TensorFlow engine "
            f"(resnet_50, mobilenet_v2_1.0, efficientnet-b0, …), found {format_quoted(net_type)}; "
            "zip the configuration that belongs to the snapshot"
        )
    known = {"net_type": net_type}
    for key, (is_right, expected) in _KEY_RULES.items():
        value = pose.get(key)
        if value is None or (key in _ONLY_FROM_TEST and not for_test):
            continue
        if not is_right(value):
            raise BadInput(
                f"pose_cfg.yaml: {key}: expected {expected}, found {format_quoted(value)}; zip the "
                "configuration that belongs to the snapshot"
            )
        known[key] = value
    return known


def name_tensorflow_network(pose: dict[str, Any]) -> tuple[str, str | None]:
    """Name a network as DeepLabCut's users do: a ResNet with several stages is a DLCRNet.

    Args:
        pose: The archive's pose_cfg.yaml.

    Returns:
        ``net_type`` and ``backbone`` of `tasks.pose.model.description.Model`.
    """
    net_type = format_value(pose.get("net_type"))
    kind, _, layers = net_type.partition("_")
    if kind != "resnet" or pose.get("multi_stage") is not True:
        return net_type, None
    return ("dlcrnet_ms5" if layers == "50" else f"dlcr{layers}_ms5"), net_type


def check_joint_count(pose: dict[str, Any], parts: tuple[str, ...], name: str) -> None:
    """Compare the body parts' names with the number of maps that the network gives.

    Raises:
        BadInput: There is another number of them.
    """
    joints = pose.get("all_joints")
    counts = [pose.get("num_joints"), len(joints) if isinstance(joints, list) else None]
    for count in counts:
        if count is not None and count != len(parts):
            raise BadInput(
                f"{name}: pose_cfg.yaml names {len(parts)} body parts ({format_list(parts)}), but "
                f"its network has {format_value(count)} outputs; zip the configuration that "
                "belongs to it"
            )


def check_same_network(train: dict[str, Any], test: dict[str, Any], name: str) -> None:
    """Refuse two configurations that describe different networks: which is right is not known.

    Raises:
        BadInput: Naming the first difference.
    """
    for key in ("net_type", "all_joints_names", "num_joints"):
        one, other = train.get(key), test.get(key)
        if one is None or other is None or one == other:
            continue
        if _as_text(one) != _as_text(other):
            raise BadInput(
                f"{name}: train/pose_cfg.yaml says {key} {format_value(one)}, test/pose_cfg.yaml "
                f"{format_value(other)}; zip the two that belong together"
            )


def _as_text(value: Any) -> Any:
    """A value as the network's names are read: one that is a number is a name like any other."""
    return [str(item) for item in value] if isinstance(value, list) else str(value)
