"""Models fine-tuned from a SuperAnimal with memory replay: more outputs than body parts.

Such a network keeps all outputs of the SuperAnimal (27 or 39), of which
``train_settings.weight_init.conversion_array`` names the project's, in the order of its body parts.
DeepLabCut's evaluation takes those (``pose_estimation_pytorch/apis/evaluation.py``); its
``analyze_videos`` 3.0.2 does not. Release candidates up to 3.0.0rc4 listed the SuperAnimal's body
parts in the metadata, and analyze all of them.
"""

from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_quoted
from tasks.pose.model.torch_config import count_body_part_outputs

Columns = tuple[int, ...]


def read_output_columns(network: dict[str, Any], parts: tuple[str, ...], name: str) -> Columns:
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
