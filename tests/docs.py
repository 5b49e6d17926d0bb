"""Parts of the documentation that are made from the code; run as a script, writes them."""

import re
from datetime import datetime
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior_run.behavior_plan import BehaviorPlan, PlannedTable
from tasks.command_line.dry_run_report import (
    DiskSpace,
    DryRunReport,
    MovieForecast,
    TimeForecast,
)
from tasks.command_line.run_outcome import DeliveredMovie, RunOutcome
from tasks.environment_variables import ENVIRONMENT_VARIABLES
from tasks.neural.neural_settings import NeuralSettings
from tasks.output.links import SignedAddress
from tasks.pose.settings import PoseSettings
from tasks.pose.settings_help import render_settings_table
from tests.support.paths import ROOT

README_FILE = ROOT / "README.md"
BEHAVIOR_FILE = ROOT / "docs" / "behavior.md"
NEURAL_FILE = ROOT / "docs" / "neural.md"
CONFIGURATION_FILE = ROOT / "docs" / "configuration.md"
COMMAND_LINE_FILE = ROOT / "docs" / "command-line.md"

PRINTED_MODELS: tuple[type[BaseModel], ...] = (
    RunOutcome,
    DeliveredMovie,
    DryRunReport,
    MovieForecast,
    DiskSpace,
    TimeForecast,
    BehaviorPlan,
    PlannedTable,
    SignedAddress,
)
"""What commands print as JSON."""

_FIELDS_BLOCK = re.compile(
    r"(<!-- fields: (\w+): [^>]*-->\n)(.*?)(<!-- end of fields -->)", re.DOTALL
)
_SETTINGS_BLOCK = re.compile(
    r"(<!-- settings: [^>]*-->\n)(.*?)(<!-- end of settings -->)", re.DOTALL
)
_VARIABLES_BLOCK = re.compile(
    r"(<!-- variables: [^>]*-->\n)(.*?)(<!-- end of variables -->)", re.DOTALL
)


def insert_settings_table(text: str, model: type[BaseModel] = PoseSettings) -> str:
    """A page's text with the settings table as the model has it now."""
    return _SETTINGS_BLOCK.sub(
        lambda match: f"{match[1]}\n{render_settings_table(model)}\n\n{match[3]}", text
    )


def insert_behavior_settings(text: str) -> str:
    """The text of `docs/behavior.md` with the settings table as the model has it now."""
    return insert_settings_table(text, BehaviorSettings)


def insert_neural_settings(text: str) -> str:
    """The text of `docs/neural.md` with the settings table as the model has it now."""
    return insert_settings_table(text, NeuralSettings)


def insert_variables_table(text: str) -> str:
    """The text of `docs/configuration.md` with the environment variables as the code has them."""
    rows = [
        f"| `{one.name}` | {f'`{one.default}`' if one.default else ''} | {one.readers} "
        f"| {one.meaning} |"
        for one in ENVIRONMENT_VARIABLES
    ]
    table = "\n".join(["| variable | default | read by | meaning |", "|---|---|---|---|", *rows])
    return _VARIABLES_BLOCK.sub(lambda match: f"{match[1]}\n{table}\n\n{match[3]}", text)


def insert_field_tables(text: str) -> str:
    """The text of `docs/command-line.md` with the fields of what commands print as JSON."""
    models = {model.__name__: model for model in PRINTED_MODELS}
    return _FIELDS_BLOCK.sub(
        lambda match: f"{match[1]}\n{_render_fields(models[match[2]])}\n\n{match[4]}", text
    )


def _render_fields(model: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_name_type(field.annotation)} | {field.description or ''} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(["| field | | |", "|---|---|---|", *rows])


def _name_type(kind: Any) -> str:
    """What a field holds, in JSON's words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_name_type, inner)))
    if origin is Literal:
        return ", ".join(map(str, inner))
    if origin in (tuple, dict):
        return "list" if origin is tuple else "object"
    known = {str: "text", int: "number", float: "number", bool: "true or false"}
    known |= {type(None): "null", datetime: "time"}
    return known.get(kind, "object")


if __name__ == "__main__":
    for file, insert in (
        (README_FILE, insert_settings_table),
        (BEHAVIOR_FILE, insert_behavior_settings),
        (NEURAL_FILE, insert_neural_settings),
        (CONFIGURATION_FILE, insert_variables_table),
        (COMMAND_LINE_FILE, insert_field_tables),
    ):
        file.write_text(insert(file.read_text(encoding="utf-8")), encoding="utf-8")
