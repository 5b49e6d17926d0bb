"""Read YAML from a stranger: data only, and no more of it than a configuration can hold."""

from typing import Any

import yaml

from tasks.pose.errors import BadInput

MAX_BYTES = 2**20
"""Bytes of a configuration file; DeepLabCut's are under 100 kB."""

MAX_NODES = 100_000
"""Values that a file may stand for once its aliases are followed."""


def decode(data: bytes) -> tuple[str, bool]:
    """Decode a text file that may be Latin-1 or start with a byte order mark.

    Args:
        data: The file's bytes.

    Returns:
        The text, and whether it was plain UTF-8.
    """
    try:
        return data.decode("utf-8-sig"), not data.startswith(b"\xef\xbb\xbf")
    except UnicodeDecodeError:
        return data.decode("latin-1"), False


def load_mapping(text: str, name: str) -> dict[str, Any]:
    """Load a mapping, refusing tags that build objects and aliases that multiply.

    Args:
        text: The file's text.
        name: What to call the file in messages.

    Returns:
        The mapping, with plain values only.

    Raises:
        BadInput: It is not YAML, is no mapping, has object tags, or would grow too large.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None and _expanded_size(root, {}) > MAX_NODES:
            raise BadInput(f"{name}: its aliases multiply to more than {MAX_NODES} values")
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput(
            f"{name}: expected plain YAML as DeepLabCut writes it, found "
            f"{' '.join(str(error).split())[:300]}"
        ) from error
    if not isinstance(value, dict):
        raise BadInput(f"{name}: expected a mapping of settings, found {type(value).__name__}")
    return value


def _expanded_size(node: yaml.Node, seen: dict[int, int]) -> int:
    """Count the values below a node with every alias followed, without following them twice."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in seen:
        seen[id(node)] = MAX_NODES + 1  # what a node that contains itself would grow to
        seen[id(node)] = 1 + sum(_expanded_size(child, seen) for child in _children(node))
    return seen[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)
