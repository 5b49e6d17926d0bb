"""Conditional top-down models: the bottom-up model whose poses they start from.

DeepLabCut names it under ``inference.conditions`` of pytorch_config.yaml, by shuffle and snapshot
or by paths (``pose_estimation_pytorch/config/ctd_conditions.py``); release candidates did so under
``data.conditions``. It lies in another folder of the same archive.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_value
from tasks.pose.model.body_part_names import read_metadata_names
from tasks.pose.model.layout import Layout, Snapshot
from tasks.pose.model.problems import ModelFindings
from tasks.pose.model.pytorch.torch_config import check_head_configs, check_no_download, get_section
from tasks.pose.model.pytorch.torch_input_size import check_input_sizes
from tasks.pose.model.pytorch.torch_schema import check_known_network, drop_unknown_keys
from tasks.pose.model.scorer_name import parse_folder_name
from tasks.pose.model.selection import FoundModels
from tasks.pose.untrusted.yaml_loader import MAX_CONFIG_BYTES, decode_text, load_mapping
from tasks.pose.untrusted.zip_reader import CheckedZip

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Conditions:
    """The bottom-up model of a conditional top-down model.

    Attributes:
        network: Its pytorch_config.yaml.
        snapshot: Its snapshot.
    """

    network: dict[str, Any]
    snapshot: Snapshot


def read_conditions(
    files: CheckedZip,
    found: FoundModels,
    layout: Layout,
    network: dict[str, Any],
    name: str,
    findings: ModelFindings,
) -> Conditions:
    """Find the bottom-up model that gives a conditional top-down model its conditions.

    Args:
        files: The archive.
        found: The models that it holds.
        layout: That of the conditional model.
        network: The conditional model's pytorch_config.yaml.
        name: What to call the archive in messages.
        findings: Repairs are added to it.

    Raises:
        BadInput: There is no such model in the archive, or it does not fit.
    """
    bottom_up = [
        one
        for one, option in zip(found.layouts, found.options, strict=True)
        if one is not layout and option.engine == "pytorch" and option.method in (None, "bu")
    ]
    if not bottom_up:
        raise BadInput(
            f"{name}: it is a conditional top-down model, which starts from the poses of a "
            "bottom-up model, but there is no bottom-up model in the zip; add the train folder "
            "of the shuffle that gives the conditions"
        )
    given = get_section(network, "inference").get("conditions")
    given = given or get_section(network, "data").get("conditions")
    chosen = _match_layout(given, bottom_up, layout, name, findings)
    conditions = Conditions(
        _read_network(files, chosen, name), _match_snapshot(given, chosen, name, findings)
    )
    _check_conditions(conditions, network, f"{name}: {chosen.folder}")
    return conditions


def _match_layout(
    given: Any, bottom_up: list[Layout], own: Layout, name: str, findings: ModelFindings
) -> Layout:
    folder_name, shuffle = _recorded_folder(given), _recorded_shuffle(given)
    matching = [one for one in bottom_up if one.folder.parent.name == folder_name]
    if shuffle is not None:
        named = [(one, parse_folder_name(one.folder.parent.name)) for one in bottom_up]
        matching = [one for one, parsed in named if parsed and parsed.shuffle == shuffle]
    # Of several iterations, the one that the conditional model was trained in.
    beside = [one for one in matching if one.folder.parent.parent == own.folder.parent.parent]
    for fitting in (matching, beside):
        if len(fitting) == 1:
            return fitting[0]
    wanted = f"shuffle {shuffle}" if shuffle is not None else format_value(folder_name or given)
    if matching or len(bottom_up) > 1:
        raise BadInput(
            f"{name}: its conditions come from {wanted}, which is not one of the bottom-up models "
            f"in the zip ({format_list(str(one.folder) for one in bottom_up)}); leave exactly the "
            "one that belongs to it in the zip"
        )
    findings.repairs.append(
        f"inference.conditions is {wanted}; the only bottom-up model in the archive, in "
        f"{bottom_up[0].folder}, gives the conditions"
    )
    return bottom_up[0]


def _recorded_shuffle(given: Any) -> int | None:
    shuffle = given.get("shuffle") if isinstance(given, dict) else None
    return shuffle if isinstance(shuffle, int) and not isinstance(shuffle, bool) else None


def _recorded_folder(given: Any) -> str | None:
    """The name of the model's folder in the paths of the machine that trained it."""
    path = _recorded_path(given)
    return path.parent.parent.name if path else None


def _recorded_path(given: Any) -> PurePosixPath | None:
    text = given.get("snapshot_path") if isinstance(given, dict) else None
    text = str(text or "").replace("\\", "/")
    return PurePosixPath(_DRIVE.sub("", text)) if text else None


def _match_snapshot(given: Any, layout: Layout, name: str, findings: ModelFindings) -> Snapshot:
    """The snapshot that is named, or else the last one, as in DeepLabCut."""
    values, path = given if isinstance(given, dict) else {}, _recorded_path(given)
    wanted = path.name if path else values.get("snapshot")
    index = values.get("snapshot_index", -1)
    names = [snapshot.name for snapshot in layout.snapshots]
    if wanted in names:
        return layout.snapshots[names.index(wanted)]
    if wanted is None and isinstance(index, int) and -len(names) <= index < len(names):
        return layout.snapshots[index]
    wanted = format_value(index if wanted is None else wanted)
    if len(names) > 1:
        raise BadInput(
            f"{name}: its conditions come from snapshot {wanted}, but {layout.folder} holds "
            f"{format_list(names)}; leave the one that belongs to it in the zip"
        )
    findings.repairs.append(
        f"inference.conditions names the snapshot {wanted}; the only one of the bottom-up model, "
        f"{names[0]}, is used"
    )
    return layout.snapshots[0]


def _read_network(files: CheckedZip, layout: Layout, name: str) -> dict[str, Any]:
    path = layout.folder / "pytorch_config.yaml"
    member = files.find_member(path)
    if member is None:
        raise BadInput(f"{name}: {layout.folder} holds a snapshot but no pytorch_config.yaml")
    network = load_mapping(decode_text(files.read(member, MAX_CONFIG_BYTES))[0], str(path))
    if not all(isinstance(network.get(key), dict) for key in ("metadata", "model")):
        raise BadInput(f"{name}: {path} has no `metadata` and `model` sections")
    return drop_unknown_keys(network)


def _check_conditions(conditions: Conditions, network: dict[str, Any], name: str) -> None:
    """Refuse a bottom-up model that is unsafe, inconsistent, or another project's."""
    own, *_ = read_metadata_names(network)
    parts, unique, individuals = read_metadata_names(conditions.network)
    if parts != own:
        raise BadInput(
            f"{name}: the bottom-up model finds {format_list(parts)}, but the conditional model "
            f"that starts from its poses {format_list(own)}; zip the two that belong together"
        )
    joints = get_section(network, "model", "backbone", "kpt_encoder").get("num_joints")
    if isinstance(joints, int) and joints != len(own):
        raise BadInput(
            f"{name}: the conditional model takes {joints} points, but its metadata names "
            f"{len(own)} body parts ({format_list(own)}); zip the configuration that belongs to it"
        )
    check_head_configs(conditions.network, parts, unique, individuals, name)
    check_no_download(conditions.network, name)
    check_known_network(conditions.network, name)
    check_input_sizes(conditions.network, name)
