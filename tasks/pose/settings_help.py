"""Render the settings as a table for the docs and as options of the command line."""

import argparse
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tasks.pose.form_schema import describe_range
from tasks.pose.settings import Crop, LocationText, PoseSettings, QualityThresholds
from tasks.pose.times_settings import TimesSettings

SETTING_GROUPS = (QualityThresholds, TimesSettings)
"""Settings that are several, each with a name."""


def render_settings_table(model: type[BaseModel] = PoseSettings) -> str:
    """Render the settings as the Markdown table that the documentation shows.

    Args:
        model: The settings: those of pose estimation, or of another flow.
    """
    lines = ["| setting | default | range | what it does |", "|---|---|---|---|"]
    for name, field in iterate_settings(model):
        cells = (f"`{name}`", format_default(field), format_range(name, field), field.description)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def iterate_settings(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every setting, and in place of a group of them its members."""
    for name, field in model.model_fields.items():
        if field.annotation in SETTING_GROUPS:
            for inner, of_group in field.annotation.model_fields.items():
                yield f"{name}.{inner}", of_group
        else:
            yield name, field


def format_default(field: FieldInfo) -> str:
    """Format a setting's default as people read it."""
    value = "empty" if field.default == "" else field.default
    return (
        "none"
        if value in (None, [])
        else str(value).lower()
        if value in (True, False)
        else str(value)
    )


def format_range(name: str, field: FieldInfo) -> str:
    """Format the choices or bounds of a field."""
    kind = next(_union_members(field.annotation))
    if field.examples:
        return "such as " + ", ".join(f"`{example}`" for example in field.examples)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _format_choices(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in _RANGE_TEXTS:
        return f"{len(kind.model_fields)} numbers"
    if get_origin(kind) is list or kind is bool:
        return "true, false" if kind is bool else "any number of them"
    return describe_bounds(field) or _NAMED_RANGES.get(name, "") or _RANGE_TEXTS.get(kind, "")


def describe_bounds(field: FieldInfo) -> str:
    """Describe a field's bounds in words; empty for one without."""
    bounds: dict[str, float] = {}
    for limit in field.metadata:
        bounds |= {
            name: getattr(limit, name) for name in ("ge", "gt", "le") if hasattr(limit, name)
        }
    return describe_range(bounds.get("ge"), bounds.get("gt"), bounds.get("le"))


def to_argparse_option(field: FieldInfo) -> dict[str, Any]:
    """Describe a setting's flag to `argparse.ArgumentParser.add_argument`.

    Without the flag the value is None, so that only the model knows defaults.
    """
    kind = next(_union_members(field.annotation))
    if kind in SETTING_GROUPS:
        known = ", ".join(f"{k}={format_default(v)}" for k, v in kind.model_fields.items())
        text = f"{field.description} Known, with their defaults: {known}"
        metavar = "NAME=SHARE" if kind is QualityThresholds else "NAME=VALUE"
        return {"default": None, "nargs": "+", "metavar": metavar, "help": text}
    bounds = describe_bounds(field)
    default = f"({f'{bounds}; ' if bounds else ''}default: {format_default(field)})"
    option: dict[str, Any] = {"default": None, "help": f"{field.description} {default}"}
    if get_origin(kind) is list:
        return option | {"nargs": "+", "metavar": "NAME"}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        names = tuple(map(str.upper, kind.model_fields))
        number = next(iter(kind.model_fields.values())).annotation
        return option | {"nargs": len(names), "type": number, "metavar": names}
    if kind == Literal["all"]:
        return option | {"nargs": "+", "metavar": "BODY_PART"}
    return option | _to_single_value(kind, field)


def _to_single_value(kind: Any, field: FieldInfo) -> dict[str, Any]:
    """Describe the flag of a setting with one value."""
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if kind is datetime:
        return {"metavar": "DATE_AND_TIME"}
    if get_origin(kind) is Literal:
        return {"metavar": "|".join((*map(str.upper, get_args(kind)), "NUMBER"))}
    if issubclass(kind, StrEnum):
        choices = [str(choice) for choice in kind]
        return {"choices": choices, "metavar": f"{{{_format_choices(kind, ',')}}}"}
    metavar = "NUMBER_OR_NAME" if field.examples else kind.__name__.upper()
    metavar = "LOCATION" if field.annotation == LocationText | None else metavar
    return {"type": kind, "metavar": metavar}


def _format_choices(kind: type[StrEnum], between: str = ", ") -> str:
    """Choices as they are typed: one of several words needs quotes."""
    return between.join(f'"{choice}"' if " " in choice else choice for choice in kind)


def list_number_groups(model: type[BaseModel]) -> dict[str, list[str]]:
    """Settings whose flags take several numbers, and what each of the numbers is."""
    found = {}
    for name, field in model.model_fields.items():
        kind = next(_union_members(field.annotation))
        group = isinstance(kind, type) and issubclass(kind, BaseModel)
        if group and kind not in SETTING_GROUPS:
            found[name] = list(kind.model_fields)
    return found


_NAMED_RANGES = {
    "window_length": "0, or an odd number up to 101",
    "median_filter_length": "an odd number up to 101",
    "color_map": "auto, colorblind, or any matplotlib colormap",
    "follow_window": "auto, or 32 to 8,192",
    "times.file": "auto, none, or a name",
    "times.column": "a name or a number",
}

_RANGE_TEXTS: dict[Any, str] = {
    Crop: "inside the frame",
    Literal["all"]: "all, or names of the model's body parts",
}


def _union_members(annotation: Any) -> Iterator[Any]:
    """The members of a union that are not None; the annotation itself where it is no union."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = (kind for kind in get_args(annotation) if kind is not type(None))
        yield from (get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in kinds)
    else:
        yield annotation
