"""Numbers as YAML 1.2 has them, which DeepLabCut reads and writes; PyYAML knows those of YAML 1.1.

In YAML 1.2 ``1e-05`` is a number, ``010`` is ten, and ``1:30`` is text. The forms are those of
DeepLabCut's reader, ruamel.yaml (``ruamel/yaml/resolver.py``), of the core schema in chapter 10.3.2
of the YAML 1.2.2 specification, and underscores between digits.
"""

import re
from typing import Any

import yaml

INTEGER_TAG = "tag:yaml.org,2002:int"
_FLOAT_TAG = "tag:yaml.org,2002:float"

_INTEGER = re.compile(
    r"[-+]?(?:0b_*[01][01_]*|0o_*[0-7][0-7_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|[0-9][0-9_]*)\Z"
)

_FLOAT = re.compile(
    r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)

_SIGNS = "-+0123456789."

Resolvers = dict[Any, list[tuple[str, re.Pattern[str]]]]
"""PyYAML's table: the tags of unquoted text, by its first character."""

NUMBER_FORMS: Resolvers = {sign: [(_FLOAT_TAG, _FLOAT), (INTEGER_TAG, _INTEGER)] for sign in _SIGNS}
"""The numbers of YAML 1.2."""


def replace_numbers(resolvers: Resolvers) -> Resolvers:
    """Return a table of PyYAML's with the numbers of YAML 1.2 instead."""
    numbers = {_FLOAT_TAG, INTEGER_TAG}
    others = {
        sign: [rule for rule in rules if rule[0] not in numbers]
        for sign, rules in resolvers.items()
    }
    return others | {sign: NUMBER_FORMS[sign] + others.get(sign, []) for sign in _SIGNS}


def parse_integer(text: str) -> int:
    """Read a whole number of YAML 1.2.

    Raises:
        ValueError: It is none.
    """
    digits = text.replace("_", "")
    is_other_base = digits.lstrip("+-")[:2] in {"0b", "0o", "0x"}
    return int(digits, 0 if is_other_base else 10)


class _ConfigDumper(yaml.SafeDumper):
    """Puts quotes around text that is a number in YAML 1.1 or 1.2."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say it
        sign: rules + NUMBER_FORMS.get(sign, [])
        for sign, rules in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


def format_config(values: dict[str, Any]) -> str:
    """Render a configuration that DeepLabCut and PyYAML read alike."""
    return yaml.dump(values, Dumper=_ConfigDumper, sort_keys=False, allow_unicode=True)
