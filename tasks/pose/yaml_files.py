"""Read YAML from a stranger: data only, and no more of it than a configuration can hold."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from contextlib import suppress
from typing import Any

import yaml

from tasks.pose.errors import BadInput

MAX_BYTES = 2**20
"""Bytes of a configuration file; DeepLabCut's are under 100 kB."""

MAX_NODES = 100_000
"""Values that a file may stand for once its aliases are followed."""

MAX_NUMBER = 100
"""Characters of a number or a date; reading one of a million takes minutes."""

_TEXT = "tag:yaml.org,2002:str"
_BOOLEAN = "tag:yaml.org,2002:bool"

_MALFORMED = (
    yaml.YAMLError,
    RecursionError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
)
"""What PyYAML raises for text that is no YAML, and for a value that its tag does not fit."""


class _Loader(yaml.SafeLoader):
    """Has YAML 1.2's booleans, as DeepLabCut's own reader does: `no` and `on` are words."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say it
        sign: [(tag, form) for tag, form in rules if tag != _BOOLEAN or sign in "tTfF"]
        for sign, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def decode(data: bytes) -> tuple[str, bool]:
    """Decode a text file as editors write it: UTF-8, or with a byte order mark, or Windows' own.

    Args:
        data: The file's bytes.

    Returns:
        The text, and whether it was plain UTF-8.
    """
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        with suppress(UnicodeDecodeError):
            return data.decode("utf-16"), False
    for encoding in ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            return data.decode(encoding), encoding == "utf-8-sig" and not data.startswith(BOM_UTF8)
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
        value = _load(text, name)
    except _MALFORMED as error:
        raise BadInput(
            f"{name}: expected plain YAML as DeepLabCut writes it, found "
            f"{' '.join(str(error).split())[:300]}"
        ) from error
    if not isinstance(value, dict):
        raise BadInput(f"{name}: expected a mapping of settings, found {type(value).__name__}")
    return value


def _load(text: str, name: str) -> Any:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _expanded_size(root, {}) > MAX_NODES:
            raise BadInput(f"{name}: it holds, aliases followed, more than {MAX_NODES} values")
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _expanded_size(node: yaml.Node, seen: dict[int, int]) -> int:
    """Count the values below a node with every alias followed, without following them twice."""
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node)
        return 1
    if id(node) not in seen:
        seen[id(node)] = MAX_NODES + 1  # what a node that contains itself would grow to
        seen[id(node)] = 1 + sum(_expanded_size(child, seen) for child in _children(node))
    return seen[id(node)]


def _check_scalar(node: yaml.ScalarNode) -> None:
    node.value.encode()  # half a character, which no file name and no JSON can hold, is refused
    if node.tag != _TEXT and len(node.value) > MAX_NUMBER:
        raise ValueError(f"a number or date of {len(node.value)} characters")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)
