"""The settings as fields of a page's form, with the ranges and texts of ``--help``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tasks.messages import find_field_problems
from tasks.pose.settings import PoseSettings
from tasks.pose.settings_help import format_range, iterate_settings

FIRST_EXPERT_SETTING = "histogram"
"""The setting from which on a form folds them away: those most often changed come before it."""


class FieldKind(StrEnum):
    """Kinds of fields, by what a person does with them."""

    SWITCH = "switch"
    CHOICE = "choice"
    NUMBER = "number"
    NUMBERS = "numbers"
    TEXT = "text"
    BODY_PARTS = "body parts"
    OF_MODEL = "of the model"


@dataclass(frozen=True)
class FormField:
    """A field of the form.

    Attributes:
        name: The setting, that of a group with its group: ``quality.low_look``.
        title: Its label.
        description: Its help, without its range.
        kind: How it is entered.
        value: What it is at first, as text; a switch is ``true`` or ``false``.
        range: What it may be, in words; empty where the field shows it.
        choices: What a choice offers.
        low: The lowest number; None where there is none.
        high: The highest number; None where there is none.
        is_whole: Whether numbers are whole.
        group: Title of its group; empty where it stands alone.
        is_expert: Whether it is folded away.
        members: Fields of several numbers.
    """

    name: str
    title: str
    description: str
    kind: FieldKind
    value: str = ""
    range: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    is_whole: bool = False
    group: str = ""
    is_expert: bool = False
    members: tuple["FormField", ...] = ()


@cache
def describe_form(model: type[BaseModel] = PoseSettings) -> tuple[FormField, ...]:
    """Describe each field of a form, in the settings' order."""
    return tuple(_iterate_fields(model))


def _iterate_fields(model: type[BaseModel]) -> Iterator[FormField]:
    schema = model.model_json_schema()
    is_expert = False
    for name, field in iterate_settings(model):
        is_expert = is_expert or name == FIRST_EXPERT_SETTING
        parent, _, own = name.rpartition(".")
        group = model.model_fields[parent] if parent else None
        properties = schema["properties"]
        if group is not None and isinstance(group.annotation, type):
            properties = schema["$defs"][group.annotation.__name__]["properties"]
        yield _describe_field(
            name,
            field,
            _list_alternatives(properties[own], schema["$defs"]),
            group=str(group.title) if group else "",
            is_expert=is_expert,
        )


def _list_alternatives(property_: dict[str, Any], known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The schemas of what a field takes, but for nothing at all."""
    kinds = property_.get("anyOf", [property_])
    resolved = (known[k["$ref"].rpartition("/")[2]] if "$ref" in k else k for k in kinds)
    return [kind for kind in resolved if kind.get("type") != "null"]


def _describe_field(
    name: str, field: FieldInfo, kinds: list[dict[str, Any]], *, group: str, is_expert: bool
) -> FormField:
    kind = _choose_kind(kinds)
    schema = kinds[0]
    members: tuple[FormField, ...] = ()
    if kind is FieldKind.NUMBERS:
        members = tuple(
            FormField(
                name=f"{name}.{own}",
                title=inner["title"],
                description="",
                kind=FieldKind.NUMBER,
                low=inner.get("minimum", inner.get("exclusiveMinimum")),
                high=inner.get("maximum"),
                is_whole=inner["type"] == "integer",
            )
            for own, inner in schema["properties"].items()
        )
    shows_range = kind in {FieldKind.CHOICE, FieldKind.SWITCH, FieldKind.BODY_PARTS}
    return FormField(
        name=name,
        title=str(field.title),
        description=str(field.description),
        kind=kind,
        value=_format_value(field.default),
        range="" if shows_range else format_range(name, field),
        choices=tuple(map(str, schema["enum"])) if kind is FieldKind.CHOICE else (),
        low=schema.get("minimum", schema.get("exclusiveMinimum")),
        high=schema.get("maximum"),
        is_whole=schema.get("type") == "integer",
        group=group,
        is_expert=is_expert,
        members=members,
    )


def _choose_kind(kinds: list[dict[str, Any]]) -> FieldKind:
    types = {kind.get("type") for kind in kinds}
    if "array" in types:
        return FieldKind.BODY_PARTS
    if types == {"string", "integer"}:
        return FieldKind.OF_MODEL
    if "object" in types:
        return FieldKind.NUMBERS
    if "enum" in kinds[0]:
        return FieldKind.CHOICE
    if "boolean" in types:
        return FieldKind.SWITCH
    return FieldKind.NUMBER if types & {"integer", "number"} else FieldKind.TEXT


def _format_value(default: object) -> str:
    if default is None or isinstance(default, BaseModel):
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def read_settings_form(
    values: Mapping[str, str | list[str]],
) -> tuple[PoseSettings | None, dict[str, str]]:
    """Read what a person has entered.

    Args:
        values: Texts by the names of fields; of body parts those that are chosen, of which all are
            meant where there is none of the name. What is empty is left to the settings.

    Returns:
        The settings, or None; and what is wrong, by the names of fields, in the words of the
        command line. What settings together are wrong in has no name.
    """
    known = _list_entries()
    problems = {name: "there is no such setting" for name in values if name not in known}
    given: dict[str, Any] = {}
    for name, value in values.items():
        group, _, own = name.rpartition(".")
        if name in known and value != "":
            (given.setdefault(group, {}) if group else given)[own] = value
    try:
        settings = PoseSettings.model_validate(given)
    except ValidationError as error:
        for problem in find_field_problems(error):
            problems.setdefault(_name_field(problem.path, known), problem.text)
    return (None, problems) if problems else (settings, {})


def _list_entries() -> frozenset[str]:
    """The names of all fields that something is entered in."""
    entries = (field.members or (field,) for field in describe_form())
    return frozenset(one.name for fields in entries for one in fields)


def _name_field(path: tuple[str | int, ...], known: frozenset[str]) -> str:
    """The field that a problem belongs to: below others' names stand alternatives and places."""
    dotted = ".".join(map(str, path[:2]))
    return dotted if dotted in known else str(path[0]) if path else ""
