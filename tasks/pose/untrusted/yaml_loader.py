"""Read YAML from a stranger: data only, and no more of it than a configuration can hold."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from contextlib import suppress
from typing import Any

import yaml

from tasks.errors import BadInput
from tasks.messages import format_value

MAX_CONFIG_BYTES = 2**20
"""Bytes of a configuration file; DeepLabCut's are under 100 kB."""

MAX_NODES = 50_000
"""Values that a file may stand for once its aliases are followed; a project of a thousand movies
has five thousand."""

MAX_NUMBER_LENGTH = 100
"""Characters of a number or a date; reading one of a million takes minutes."""

MAX_KEY_LENGTH = 18
"""Characters of a number that is a key: larger ones can all fall on one place of a dictionary,
which then takes minutes to fill."""

_MAX_ERROR_LENGTH = 300
"""Characters of what a parser says that a message quotes."""

_TEXT_TAG = "tag:yaml.org,2002:str"
_INTEGER_TAG = "tag:yaml.org,2002:int"
_BOOLEAN_TAG = "tag:yaml.org,2002:bool"

_PARSER_ERRORS = (
    yaml.YAMLError,
    RecursionError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
)
"""What PyYAML raises for text that is no YAML, and for a value that its tag does not fit."""


class _TooManyValues(Exception):  # noqa: N818 - its text ends a sentence
    """More values than a configuration can have."""


class _BoundedLoader(yaml.SafeLoader):
    """Stops at too many values, and has the booleans of DeepLabCut's own reader.

    Those are YAML 1.2's: `no` and `on` are words.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say it
        sign: [(tag, form) for tag, form in rules if tag != _BOOLEAN_TAG or sign in "tTfF"]
        for sign, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count the values as they come: reading a megabyte of them takes a quarter minute."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooManyValues
        return super().compose_node(parent, index)


def decode_text(data: bytes) -> tuple[str, bool]:
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
        value = _load_yaml(text)
    except _TooManyValues as error:
        raise BadInput(
            f"{name}: it holds, aliases followed, more than {MAX_NODES} values; zip the file as "
            "DeepLabCut wrote it"
        ) from error
    except _PARSER_ERRORS as error:
        raise BadInput(
            f"{name}: expected plain YAML as DeepLabCut writes it, found "
            f"{_format_parser_error(error)}; correct the file, or zip it as DeepLabCut wrote it"
        ) from error
    if not isinstance(value, dict):
        raise BadInput(
            f"{name}: expected a mapping of settings, found {type(value).__name__}; zip the file "
            "as DeepLabCut wrote it"
        )
    return value


def _format_parser_error(error: Exception) -> str:
    """Format a parser's error: one line, without characters that turn or break it."""
    text = " ".join(str(error).split())[:_MAX_ERROR_LENGTH]
    return text if text.isprintable() else ascii(text)


def _load_yaml(text: str) -> Any:
    loader = _BoundedLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _expanded_size(root, {}) > MAX_NODES:
            raise _TooManyValues
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
        seen[id(node)] = 1 + sum(_expanded_size(child, seen) for child in _child_nodes(node))
    return seen[id(node)]


def _check_scalar(node: yaml.ScalarNode) -> None:
    node.value.encode()  # half a character, which no file name and no JSON can hold, is refused
    if node.tag != _TEXT_TAG and len(node.value) > MAX_NUMBER_LENGTH:
        raise ValueError(f"a number or date of {len(node.value)} characters")


def _child_nodes(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        _check_keys([key for key, _ in node.value])
        return [child for pair in node.value for child in pair]
    return list(node.value)


def _check_keys(keys: list[yaml.Node]) -> None:
    """Refuse a key that stands twice: programs differ in which of its values they take."""
    seen = set()
    for key in keys:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.tag == _INTEGER_TAG and len(key.value) > MAX_KEY_LENGTH:
            raise ValueError(f"a key that is a number of {len(key.value)} digits")
        if (key.tag, key.value) in seen:
            line = key.start_mark.line + 1
            raise ValueError(f"the key {format_value(key.value)} a second time in line {line}")
        seen.add((key.tag, key.value))
