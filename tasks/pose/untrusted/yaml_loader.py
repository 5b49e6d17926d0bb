"""Read YAML from a stranger: data only, and no more of it than a configuration can hold."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Container
from contextlib import suppress
from typing import Any

import yaml

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.pose.untrusted.yaml_numbers import INTEGER_TAG, parse_integer, replace_numbers

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
"""Errors that PyYAML raises for text that is not YAML, and for values that do not fit their tag."""


class _TooManyValues(Exception):  # noqa: N818 - its text ends a sentence
    """More values than a configuration can have."""


class _BoundedLoader(yaml.SafeLoader):
    """Stops at too many values, and has the booleans and numbers of DeepLabCut's own reader.

    Those are YAML 1.2's: `no` and `on` are words, `1e-05` is a number.
    """

    yaml_implicit_resolvers = replace_numbers(
        {
            sign: [(tag, form) for tag, form in rules if tag != _BOOLEAN_TAG or sign in "tTfF"]
            for sign, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
    )

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count the values as they come: reading a megabyte of them takes a quarter minute."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooManyValues
        return super().compose_node(parent, index)

    def _construct_integer(self, node: yaml.ScalarNode) -> int:
        return parse_integer(self.construct_scalar(node))


_BoundedLoader.add_constructor(INTEGER_TAG, _BoundedLoader._construct_integer)  # noqa: SLF001


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


def load_mapping(
    text: str, name: str, used: Container[str] | None = None, repairs: list[str] | None = None
) -> dict[str, Any]:
    """Load a mapping, refusing tags that build objects and aliases that multiply.

    Args:
        text: The file's text.
        name: What to call the file in messages.
        used: The keys whose values count; of the others, those in which a key stands twice are
            left out. By default all count.
        repairs: A sentence is added to it for each key that is left out.

    Returns:
        The mapping, with plain values only.

    Raises:
        BadInput: It is not YAML, is no mapping, has object tags, or would grow too large.
    """
    try:
        value, left_out = _load_yaml(text, used)
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
    if repairs is not None:
        repairs += [
            f"{name}: {format_value(key)} holds a key twice; it is not needed and was left out"
            for key in left_out
        ]
    return value


def _format_parser_error(error: Exception) -> str:
    """Format a parser's error: one line, without characters that turn or break it."""
    text = " ".join(str(error).split())[:_MAX_ERROR_LENGTH]
    return text if text.isprintable() else ascii(text)


def _load_yaml(text: str, used: Container[str] | None) -> tuple[Any, list[str]]:
    """Load a document, and return it with the keys that were left out of it."""
    loader, left_out = _BoundedLoader(text), list[str]()
    try:
        root = loader.get_single_node()
        if root is None:
            return None, left_out
        if used is not None and isinstance(root, yaml.MappingNode):
            left_out = _drop_broken_sections(root, used)
        if _expanded_size(root, {}) > MAX_NODES:
            raise _TooManyValues
        return loader.construct_document(root), left_out
    finally:
        loader.dispose()


def _drop_broken_sections(root: yaml.MappingNode, used: Container[str]) -> list[str]:
    """Remove what is not used and has a key twice, or stands twice; return its keys."""
    counts = Counter(key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode))
    broken = {
        key.value
        for key, value in root.value
        if isinstance(key, yaml.ScalarNode)
        and key.value not in used
        and (counts[key.value] > 1 or _has_key_twice(value, set()))
    }
    root.value = [
        (key, value)
        for key, value in root.value
        if not (isinstance(key, yaml.ScalarNode) and key.value in broken)
    ]
    return sorted(broken)


def _has_key_twice(node: yaml.Node, seen: set[int]) -> bool:
    if isinstance(node, yaml.ScalarNode) or id(node) in seen:
        return False
    seen.add(id(node))
    children = list(node.value)
    if isinstance(node, yaml.MappingNode):
        keys = [(k.tag, k.value) for k, _ in node.value if isinstance(k, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            return True
        children = [child for pair in node.value for child in pair]
    return any(_has_key_twice(child, seen) for child in children)


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
        if key.tag == INTEGER_TAG and len(key.value) > MAX_KEY_LENGTH:
            raise ValueError(f"a key that is a number of {len(key.value)} digits")
        if (key.tag, key.value) in seen:
            line = key.start_mark.line + 1
            raise ValueError(f"the key {format_value(key.value)} a second time in line {line}")
        seen.add((key.tag, key.value))
