"""Parts of the documentation that are made from the code; run as a script, writes them."""

import re

from pydantic import BaseModel

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.environment_variables import ENVIRONMENT_VARIABLES
from tasks.neural.neural_settings import NeuralSettings
from tasks.pose.settings import PoseSettings
from tasks.pose.settings_help import render_settings_table
from tests.support.paths import ROOT

README_FILE = ROOT / "README.md"
BEHAVIOR_FILE = ROOT / "docs" / "behavior.md"
NEURAL_FILE = ROOT / "docs" / "neural.md"
CONFIGURATION_FILE = ROOT / "docs" / "configuration.md"
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


if __name__ == "__main__":
    for file, insert in (
        (README_FILE, insert_settings_table),
        (BEHAVIOR_FILE, insert_behavior_settings),
        (NEURAL_FILE, insert_neural_settings),
        (CONFIGURATION_FILE, insert_variables_table),
    ):
        file.write_text(insert(file.read_text(encoding="utf-8")), encoding="utf-8")
