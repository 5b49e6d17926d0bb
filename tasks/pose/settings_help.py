"""Render the settings as a table for the docs and as options of the command line."""

import argparse
from collections.abc import Iterator
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from tasks.pose.settings import Crop, PoseSettings, QualityThresholds


def render_settings_table() -> str:
    """Render the settings as the Markdown table that the README shows."""
    lines = ["| setting | default | range | what it does |", "|---|---|---|---|"]
    for name, field in _iterate_settings():
        lines.append(
            f"| `{name}` | {_format_default(field)} | {_format_range(field)} | {field.description} "
            "|"
        )
    return "\n".join(lines)


def _iterate_settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting, and in place of a group of them its members."""
    for name, field in PoseSettings.model_fields.items():
        if field.annotation is QualityThresholds:
            for inner, of_group in QualityThresholds.model_fields.items():
                yield f"{name}.{inner}", of_group
        else:
            yield name, field


def _format_default(field: FieldInfo) -> str:
    value = field.default
    return "none" if value is None else str(value).lower() if value in (True, False) else str(value)


def _format_range(field: FieldInfo) -> str:
    """Format the choices or bounds of a field."""
    kind = next(_union_members(field.annotation))
    if field.examples:
        return "such as " + ", ".join(f"`{example}`" for example in field.examples)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(kind)
    if kind is bool:
        return "true, false"
    bounds = {type(limit).__name__: limit for limit in field.metadata}
    low = next((f"≥ {b.ge}" for k, b in bounds.items() if k == "Ge"), "")
    low = next((f"> {b.gt}" for k, b in bounds.items() if k == "Gt"), low)
    high = next((f"≤ {b.le}" for k, b in bounds.items() if k == "Le"), "")
    return ", ".join(filter(None, (low, high))) or _RANGE_TEXTS.get(kind, "")


def to_argparse_option(field: FieldInfo) -> dict[str, Any]:
    """Describe a setting's flag to `argparse.ArgumentParser.add_argument`.

    Without the flag the value is None, so that only the model knows defaults.
    """
    kind = next(_union_members(field.annotation))
    if kind is QualityThresholds:
        known = ", ".join(f"{k}={v.default}" for k, v in QualityThresholds.model_fields.items())
        text = f"{field.description} Known, with their defaults: {known}"
        return {"default": None, "nargs": "+", "metavar": "NAME=SHARE", "help": text}
    default = f"(default: {_format_default(field)})"
    option: dict[str, Any] = {"default": None, "help": f"{field.description} {default}"}
    if kind is bool:
        return option | {"action": argparse.BooleanOptionalAction}
    if kind is Crop:
        names = tuple(map(str.upper, Crop.model_fields))
        return option | {"nargs": 4, "type": int, "metavar": names}
    if kind == Literal["all"]:
        return option | {"nargs": "+", "metavar": "BODY_PART"}
    if issubclass(kind, StrEnum):
        return option | {"choices": [str(choice) for choice in kind]}
    metavar = "NUMBER_OR_NAME" if field.examples else kind.__name__.upper()
    return option | {"type": kind, "metavar": metavar}


_RANGE_TEXTS: dict[Any, str] = {
    Crop: "inside the frame",
    str: "any matplotlib colormap",
    Literal["all"]: "all, or names of the model's body parts",
}


def _union_members(annotation: Any) -> Iterator[Any]:
    """The members of a union that are not None; the annotation itself where it is no union."""
    if get_origin(annotation) in (Union, UnionType):
        yield from (kind for kind in get_args(annotation) if kind is not type(None))
    else:
        yield annotation
