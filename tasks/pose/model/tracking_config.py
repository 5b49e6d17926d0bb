"""test/inference_cfg.yaml: the settings of multi-animal tracking, which change its answer."""

import importlib.util
from pathlib import Path
from typing import Any

from tasks.messages import format_list, format_quoted
from tasks.pose.model.problems import ModelFindings
from tasks.pose.untrusted.yaml_loader import load_mapping

_NUMBER_RANGES: dict[str, tuple[float, float]] = {
    "pafthreshold": (0, 1),
    "minimalnumberofconnections": (0, 10_000),
    "pcutoff": (0, 1),
    "topktoretain": (1, 10_000),
    "boundingboxslack": (0, 100_000),
    "iou_threshold": (0, 1),
    "oks_threshold": (0, 1),
    "max_age": (0, 1_000_000),
    "min_hits": (0, 1_000_000),
}
"""Smallest and largest value of each number that DeepLabCut's trackers read."""

_WHOLE_NUMBER_KEYS = {"topktoretain", "max_age", "min_hits"}

_SWITCH_KEYS = {"withid"}

BOX_SLACK_FOR_FEW_PARTS = 40
"""Pixels around one or two body parts that make a box, as DeepLabCut means to have it."""

_MIN_BOX_PARTS = 3
"""Body parts that span a separate box."""

_UNUSED_KEYS = {"variant", "method"}
"""In every file that DeepLabCut writes, and read by none of its trackers."""


def build_tracking_config(
    given: dict[str, Any] | None,
    parts: tuple[str, ...],
    individuals: tuple[str, ...],
    findings: ModelFindings,
) -> dict[str, Any]:
    """The tracker's settings: the archive's where they are sound, else DeepLabCut's own.

    Args:
        given: The archive's ``inference_cfg.yaml``; None where it has none.
        parts: Body parts of the animals.
        individuals: The animals.
        findings: What was left out or made is added to its repairs.

    Returns:
        A complete ``inference_cfg.yaml``.
    """
    used = _merge_with_template(given, parts, individuals, findings)
    if len(parts) < _MIN_BOX_PARTS and not used["boundingboxslack"]:
        used["boundingboxslack"] = BOX_SLACK_FOR_FEW_PARTS
        findings.repairs.append(
            f"test/inference_cfg.yaml: boundingboxslack is {BOX_SLACK_FOR_FEW_PARTS}: boxes around "
            "fewer than three body parts need some room"
        )
    return used


def _merge_with_template(
    given: dict[str, Any] | None,
    parts: tuple[str, ...],
    individuals: tuple[str, ...],
    findings: ModelFindings,
) -> dict[str, Any]:
    template = load_mapping(_find_template().read_text(encoding="utf-8"), "inference_cfg.yaml")
    # As in DeepLabCut, where its own template is used.
    template["minimalnumberofconnections"] = len(parts) / 2
    template["topktoretain"] = len(individuals)
    if given is None:
        findings.repairs.append(
            "test/inference_cfg.yaml is missing; DeepLabCut's own tracking settings are used"
        )
        return template
    sound = {key: value for key, value in given.items() if _is_valid(key, value)}
    if bad := [
        f"{key}: {format_quoted(given[key])}" for key in given if key in _known_keys() - set(sound)
    ]:
        findings.repairs.append(
            f"test/inference_cfg.yaml: {format_list(bad)} cannot be used; DeepLabCut's own is"
        )
    if unknown := [key for key in given if key not in _known_keys() | _UNUSED_KEYS]:
        findings.repairs.append(f"test/inference_cfg.yaml: {format_list(unknown)} left out")
    if missing := [key for key in template if key not in given and key in _known_keys()]:
        findings.repairs.append(
            f"test/inference_cfg.yaml has no {format_list(missing)}; DeepLabCut's own is used"
        )
    return template | sound


def _known_keys() -> set[str]:
    return set(_NUMBER_RANGES) | _SWITCH_KEYS


def _is_valid(key: str, value: Any) -> bool:
    if key in _SWITCH_KEYS:
        return isinstance(value, bool)
    if key not in _NUMBER_RANGES or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = _NUMBER_RANGES[key]
    whole = key not in _WHOLE_NUMBER_KEYS or isinstance(value, int)
    return whole and low <= value <= high


def _find_template() -> Path:
    """DeepLabCut's own file, found without loading DeepLabCut, which takes seconds."""
    spec = importlib.util.find_spec("deeplabcut")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("inference_cfg.yaml")
