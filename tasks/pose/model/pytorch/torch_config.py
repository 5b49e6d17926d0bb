"""pytorch_config.yaml: what it says of the network, and the one that we write in its place."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_quoted, format_value
from tasks.pose.model.problems import ModelFindings
from tasks.pose.model.pytorch.torch_schema import drop_unknown_keys, note_unknown_keys

_PADDING_PATH = ("data", "inference", "auto_padding")

_PRETRAINED_SWITCHES = {"pretrained"}
"""Switches of backbones and detectors that would fetch weights, only to overwrite them.

A detector's ``pretrained_from_imagenet`` also decides how wide its layers are, so that it stays;
the backbone is then built without weights (`tasks.pose.network.pytorch.model_loader`).
"""

_TRAINING_KEYS = {
    "": ("logger", "resume_training_from", "train_settings"),
    "data": ("gen_sampling", "train", "loader", "conditions"),
    "runner": ("optimizer", "scheduler", "eval_interval", "key_metric", "key_metric_asc"),
}
"""Keys that no inference reads, by section: a model runs without them."""

_TRAINING_SECTIONS: tuple[tuple[str, ...], ...] = (
    ("train_settings",),
    ("data", "train"),
    ("runner", "optimizer"),
    ("runner", "scheduler"),
)

_DOWNLOAD_ARGUMENT = re.compile(
    r"checkpoint_path|pretrained_cfg\w*|weights(_\w+)?|\w+_dir|file|url"
)
"""Arguments of timm's and torchvision's models that name weights kept elsewhere."""


def get_section(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A mapping inside pytorch_config.yaml; empty where it is absent.

    Raises:
        BadInput: Something else stands there.
    """
    for depth, key in enumerate(keys, start=1):
        config = config.get(key) or {}
        if not isinstance(config, dict):
            raise BadInput(
                f"pytorch_config.yaml: {'.'.join(keys[:depth])}: expected a mapping, found "
                f"{format_quoted(config)}; zip the configuration that DeepLabCut wrote"
            )
    return config


def check_no_download(network: dict[str, Any], name: str) -> None:
    """Refuse a backbone that timm would look up on a model hub, even without weights.

    Raises:
        BadInput: Naming it.
    """
    detector = get_section(network, "detector")
    for key, value in _iterate_texts([network["model"], detector.get("model")]):
        if any(sign in value for sign in ":/\\") or _DOWNLOAD_ARGUMENT.fullmatch(key):
            raise BadInput(
                f"{name}: its network is defined on a model hub or in another file "
                f"({format_value(key)}: {format_value(value)}), which is never asked; train with a "
                "backbone that DeepLabCut itself knows"
            )


def _iterate_texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a configuration, however deep, with the key that it stands under."""
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _iterate_texts(
                item, key if _DOWNLOAD_ARGUMENT.fullmatch(key) else str(inner)
            )
    for item in value if isinstance(value, list) else ():
        yield from _iterate_texts(item, key)
    if isinstance(value, str):
        yield key, value


# --- heads -----------------------------------------------------------------------------------


def check_head_configs(
    network: dict[str, Any],
    parts: tuple[str, ...],
    unique: tuple[str, ...],
    individuals: tuple[str, ...],
    name: str,
    columns: tuple[int, ...] = (),
) -> None:
    """Compare the names in the metadata with what the network's heads give.

    Args:
        network: ``pytorch_config.yaml``.
        parts: Body parts of the animals.
        unique: Body parts of the arena.
        individuals: The animals.
        name: What to call the archive in messages.
        columns: The output for each body part, where the network has more of them.

    Raises:
        BadInput: A head was made for another number of names.
    """
    heads = get_section(network, "model", "heads")
    outputs = count_body_part_outputs(network) if columns else None
    if outputs is None:
        _check_head(heads, "bodypart", parts, "body parts", name)
    _check_head(heads, "unique_bodypart", unique, "unique body parts", name)
    _check_head(heads, "identity", individuals, "individuals", name)
    if "bodypart" in heads and unique and not heads.get("unique_bodypart"):
        raise BadInput(
            f"{name}: pytorch_config.yaml names the unique body parts {format_list(unique)}, but "
            "its network has no head for them; zip the configuration that belongs to it"
        )
    _check_paf_graph(get_section(heads, "bodypart"), outputs or len(parts), name)


def count_body_part_outputs(network: dict[str, Any]) -> int | None:
    """Return how many body parts a network finds; None where its head does not state it clearly."""
    counts = set(_head_output_counts(get_section(network, "model", "heads", "bodypart")))
    return counts.pop() if len(counts) == 1 else None


def _check_head(
    heads: dict[str, Any], head: str, names: tuple[str, ...], what: str, name: str
) -> None:
    outputs = _head_output_counts(get_section(heads, head)) if heads.get(head) else ()
    for count in outputs:
        if count != len(names):
            raise BadInput(
                f"{name}: pytorch_config.yaml names {len(names)} {what} "
                f"({format_list(names) or 'none'}), but its network has {format_value(count)} "
                "outputs; zip the configuration that belongs to it"
            )


def _head_output_counts(head: dict[str, Any]) -> Iterator[int]:
    """Return the number of body parts (or animals) everywhere a head states it."""
    target = get_section(head, "target_generator")
    several = target.get("generators")
    for generator in (target, *(several if isinstance(several, list) else ())):
        if isinstance(generator, dict):
            yield from _select_integers(generator.get("num_heatmaps"), generator.get("num_joints"))
    yield from _select_integers(head.get("out_channels"))
    heatmaps = get_section(head, "heatmap_config")
    final, channels = get_section(heatmaps, "final_conv"), heatmaps.get("channels")
    if final:
        yield from _select_integers(final.get("out_channels"))
    elif isinstance(channels, list) and len(channels) > 1:
        # DEKR has one more map, for the animal's center.
        center = 1 if head.get("type") == "DEKRHead" else 0
        yield from (count - center for count in _select_integers(channels[-1]))


def _select_integers(*values: Any) -> Iterator[int]:
    yield from (v for v in values if isinstance(v, int) and not isinstance(v, bool))


def _check_paf_graph(head: dict[str, Any], outputs: int, name: str) -> None:
    """A part affinity field joins two body parts; there are two maps for each."""
    graph = get_section(head, "predictor").get("graph")
    if not isinstance(graph, list):
        return
    ends = [end for edge in graph if isinstance(edge, list) for end in edge]
    channels = get_section(head, "paf_config").get("channels")
    fields = channels[-1] if isinstance(channels, list) and channels else 2 * len(graph)
    if any(end not in range(outputs) for end in ends) or fields != 2 * len(graph):
        raise BadInput(
            f"{name}: pytorch_config.yaml names {outputs} body parts, but the part affinity "
            f"fields of its network join others ({len(graph)} pairs, {format_value(fields)} maps); "
            "zip the configuration that belongs to it"
        )


# --- switches --------------------------------------------------------------------------------


def note_replaced_switches(network: dict[str, Any], findings: ModelFindings) -> None:
    """Say which of the archive's switches are replaced by ours, and which keys are left out.

    Raises:
        BadInput: A section is no mapping.
    """
    note_unknown_keys(network, findings)
    for keys in ((), ("detector",)):
        where = "".join(f"{key}." for key in keys)
        if get_section(network, *keys, "runner").get("load_weights_only") not in (True, None):
            findings.repairs.append(
                f"{where}runner.load_weights_only: false is ignored; only weights are loaded"
            )
        if get_section(network, *keys, "inference", "compile").get("enabled"):
            findings.repairs.append(f"{where}inference.compile is switched off")
        if get_section(network, *keys, "inference", "autocast").get("enabled"):
            findings.repairs.append(
                f"{where}inference.autocast is switched off; full precision is used"
            )
    if _needs_download([network["model"], network.get("detector")]):
        findings.repairs.append(
            "pretrained: true is ignored; all weights come from the archive's own snapshots"
        )
    if _has_random_padding(network):
        findings.repairs.append(
            "data.inference.auto_padding: frames are padded at the right and below, not at random"
        )
    for path in _TRAINING_SECTIONS:
        value = get_section(network, *path[:-1]).get(path[-1])
        if not isinstance(value, dict | None):
            findings.repairs.append(
                f"{'.'.join(path)}: {format_quoted(value)} is no mapping; it is left out, as only "
                "training reads it"
            )
    device = format_value(network.get("device") or "auto")
    if device != "auto":
        findings.repairs.append(f"device {device} is replaced by the worker's own")


def _needs_download(value: Any) -> bool:
    """Return whether a backbone or a detector asks for weights from elsewhere."""
    if isinstance(value, dict):
        on = any(value.get(key) not in (None, False) for key in _PRETRAINED_SWITCHES)
        return on or _needs_download(list(value.values()))
    return isinstance(value, list) and any(map(_needs_download, value))


def build_torch_config(
    network: dict[str, Any],
    project: Path,
    folder: Path,
    individuals: tuple[str, ...],
    columns: tuple[int, ...] = (),
) -> dict[str, Any]:
    """The archive's pytorch_config.yaml with our paths, device and switches.

    Args:
        network: The archive's.
        project: The project that we build.
        folder: The model's folder in it.
        individuals: The names that results use.
        columns: The output for each body part, where the network has more of them.

    Returns:
        What is written; only the network itself is the archive's.
    """
    network = drop_unknown_keys(network)
    ours = _apply_our_switches(network) | {"train_settings": {}}
    ours["metadata"] = network["metadata"] | {
        "project_path": str(project),
        "pose_config_path": str(folder / "train" / "pytorch_config.yaml"),
        "individuals": list(individuals),
    }
    ours["model"] = _drop_download_switches(network["model"])
    if columns:
        weights = {"with_decoder": True, "memory_replay": True, "snapshot_path": None}
        ours["train_settings"]["weight_init"] = weights | {"conversion_array": list(columns)}
    if network.get("detector"):
        ours["detector"] = _drop_download_switches(_apply_our_switches(network, "detector"))
    if _has_random_padding(network):
        # Any side is as good as another to the network, but only a fixed one can be repeated.
        padding = get_section(network, *_PADDING_PATH) | {"position": "top_left"}
        inference = get_section(network, *_PADDING_PATH[:-1]) | {_PADDING_PATH[-1]: padding}
        ours["data"]["inference"] = inference
    return ours


def _has_random_padding(network: dict[str, Any]) -> bool:
    """Return whether frames are padded at random places, DeepLabCut's default."""
    padding = get_section(network, *_PADDING_PATH)
    return bool(padding) and padding.get("position") in (None, "random")


def _apply_our_switches(network: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The network's or the detector's configuration, but for what we decide."""
    config = _drop_training_keys(get_section(network, *keys), "")
    config["device"] = "auto"
    config["runner"] = _drop_training_keys(get_section(network, *keys, "runner"), "runner") | {
        "device": "auto",
        "gpus": None,
        "load_weights_only": True,
    }
    config["inference"] = {"compile": {"enabled": False}, "autocast": {"enabled": False}}
    if config.get("data") is not None:
        config["data"] = _drop_training_keys(get_section(network, *keys, "data"), "data")
    return config


def _drop_training_keys(config: dict[str, Any], which: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in _TRAINING_KEYS[which]}


def _drop_download_switches(value: Any) -> Any:
    """A configuration in which nothing asks for weights that the snapshot brings anyway."""
    if isinstance(value, list):
        return [_drop_download_switches(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: False if key in _PRETRAINED_SWITCHES else _drop_download_switches(item)
        for key, item in value.items()
    }
