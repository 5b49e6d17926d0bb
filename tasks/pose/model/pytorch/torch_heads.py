"""A network's heads: how many body parts the weights were trained for."""

from collections.abc import Iterator
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_quoted
from tasks.pose.model.body_part_names import read_metadata_names
from tasks.pose.model.pytorch.torch_config import count_body_part_outputs, get_section
from tasks.pose.untrusted.torch_shapes import Shapes

_HEAD_LABELS = {
    "bodypart": "body parts",
    "unique_bodypart": "unique body parts",
    "identity": "individuals",
}
"""Findings of each head of a DeepLabCut network."""

_OUTPUTS_PER_NAME = {
    "HeatmapHead": {"heatmap_head": (1, 0), "locref_head": (2, 0)},
    "DLCRNetHead": {"heatmap_head": (1, 0), "locref_head": (2, 0)},
    "DEKRHead": {"heatmap_head": (1, 1)},  # one map more, of the animal's center
    "RTMCCHead": {"final_layer": (1, 0)},
}
"""Outputs of a layer for each name and beside, by the type of head; others are not judged."""


_DECONVOLUTION_HEADS = ("HeatmapHead", "DLCRNetHead")


def check_trained_heads(
    network: dict[str, Any], shapes: Shapes, name: str, snapshot: str, outputs: int | None = None
) -> None:
    """Compare the names in the metadata with what the weights were trained for.

    Args:
        network: ``pytorch_config.yaml``.
        shapes: The snapshot's tensors; none are no reason to refuse it here.
        name: What to call the archive in messages.
        snapshot: What to call the snapshot in messages.
        outputs: How many body parts the network finds, where that are more than the metadata names.

    Raises:
        BadInput: The weights have other heads, or a head has another number of outputs.
    """
    heads = get_section(network, "model", "heads")
    trained = {key.split(".")[1] for key in shapes if key.startswith("heads.")}
    if shapes and trained != set(heads):
        raise BadInput(
            f"{name}: pytorch_config.yaml has the heads {format_list(heads) or 'none'}, but the "
            f"weights in {snapshot} {format_list(sorted(trained)) or 'none'}; zip the "
            "configuration that belongs to them"
        )
    for head, names in zip(_HEAD_LABELS, read_metadata_names(network), strict=True):
        wanted = outputs if outputs is not None and head == "bodypart" else len(names)
        for layer, count, right in _last_layer_outputs(
            get_section(heads, head), head, wanted, shapes
        ):
            if count != right:
                raise BadInput(
                    f"{name}: pytorch_config.yaml names {wanted} {_HEAD_LABELS[head]} "
                    f"({format_list(names) or 'none'}), for which {layer} has {right} outputs, but "
                    f"the weights in {snapshot} have {count}; zip the configuration that belongs "
                    "to them"
                )
        _check_layers(get_section(heads, head), head, shapes, name)


def _last_layer_outputs(
    config: dict[str, Any], head: str, names: int, shapes: Shapes
) -> Iterator[tuple[str, int, int]]:
    """Each last layer of a head: its name, its outputs, and how many the names ask for."""
    right = {
        layer: each * names + beside
        for layer, (each, beside) in _OUTPUTS_PER_NAME.get(str(config.get("type")), {}).items()
    }
    graph = get_section(config, "predictor").get("graph")
    if isinstance(graph, list):
        right["paf_head"] = 2 * len(graph)
    for layer, wanted in right.items():
        # A state lists layers in their order, and every last one has a bias.
        if outputs := _layer_outputs(shapes, head, layer):
            yield f"{head}.{layer}", outputs[-1], wanted


def _layer_outputs(shapes: Shapes, head: str, layer: str) -> list[int]:
    """Outputs of each layer in a part of a head, by its bias."""
    prefix = f"heads.{head}.{layer}."
    return [s[0] for key, s in shapes.items() if key.startswith(prefix) and _is_bias(key, s)]


def _is_bias(key: str, shape: tuple[int, ...]) -> bool:
    return key.endswith("bias") and len(shape) == 1


def _check_layers(config: dict[str, Any], head: str, shapes: Shapes, name: str) -> None:
    """The layers in between, of heads that are made of nothing but deconvolutions."""
    for part in ("heatmap", "locref", "paf") if config.get("type") in _DECONVOLUTION_HEADS else ():
        described = get_section(config, f"{part}_config")
        channels, last = described.get("channels"), get_section(described, "final_conv")
        told = channels[1:] if isinstance(channels, list) else []
        told = [*told, last.get("out_channels")] if last else told
        found = _layer_outputs(shapes, head, f"{part}_head")
        if told and found and told != found:
            raise BadInput(
                f"{name}: pytorch_config.yaml gives {head}.{part}_config layers of "
                f"{format_list(told)} channels, but the weights have {format_list(found)}; zip the "
                "configuration that belongs to them"
            )


# --- memory replay ---------------------------------------------------------------------------
# A network that was fine-tuned from a SuperAnimal with memory replay keeps all of that one's
# outputs (27 or 39); ``train_settings.weight_init.conversion_array`` names the project's, in the
# order of its body parts. DeepLabCut's evaluation takes those
# (``pose_estimation_pytorch/apis/evaluation.py``); its ``analyze_videos`` 3.0.2 does not. Release
# candidates up to 3.0.0rc4 listed the SuperAnimal's body parts, and analyze all of them.


def read_output_columns(
    network: dict[str, Any], parts: tuple[str, ...], name: str
) -> tuple[int, ...]:
    """Read which output of the network is which body part.

    Args:
        network: ``pytorch_config.yaml``.
        parts: The body parts in its metadata.
        name: What to call the archive in messages.

    Returns:
        A number from 0 for each body part; empty where outputs and body parts are the same.

    Raises:
        BadInput: The conversion does not fit the body parts and the outputs.
    """
    given = _read_conversion(network)
    if given is None or names_all_outputs(network, parts):
        return ()
    outputs = count_body_part_outputs(network) or 0
    columns = given if isinstance(given, list) else []
    whole = all(type(column) is int and 0 <= column < outputs for column in columns)
    if not whole or len(columns) != len(parts) or len(set(columns)) < len(columns):
        raise BadInput(
            f"{name}: pytorch_config.yaml: train_settings.weight_init.conversion_array: expected "
            f"a different one of the network's {outputs or 'unknown'} outputs for each of the "
            f"{len(parts)} body parts, found {format_quoted(given)}; zip the configuration that "
            "DeepLabCut wrote"
        )
    return () if columns == list(range(outputs)) else tuple(columns)


def names_all_outputs(network: dict[str, Any], parts: tuple[str, ...]) -> bool:
    """Return whether the metadata lists the SuperAnimal's body parts, more than the project's.

    Args:
        network: ``pytorch_config.yaml``.
        parts: The body parts in its metadata.
    """
    given = _read_conversion(network)
    is_shorter = given is not None and (not isinstance(given, list) or len(given) < len(parts))
    return is_shorter and count_body_part_outputs(network) == len(parts)


def _read_conversion(network: dict[str, Any]) -> Any:
    """The conversion array of a model with memory replay, whatever it is; else None."""
    settings = network.get("train_settings")
    weights = settings.get("weight_init") if isinstance(settings, dict) else None
    if not isinstance(weights, dict) or weights.get("memory_replay") is not True:
        return None
    given = weights.get("conversion_array")
    return "nothing" if given is None else given
