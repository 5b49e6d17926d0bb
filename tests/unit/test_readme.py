"""The README and the tables of the documentation are true."""

import re
from pathlib import Path

from tasks.environment_variables import ENVIRONMENT_VARIABLES
from tests.docs import (
    BEHAVIOR_FILE,
    COMMAND_LINE_FILE,
    CONFIGURATION_FILE,
    NEURAL_FILE,
    PRINTED_MODELS,
    README_FILE,
    insert_behavior_settings,
    insert_field_tables,
    insert_neural_settings,
    insert_settings_table,
    insert_variables_table,
)
from tests.next_tools.__main__ import DOCS_FILE, insert_tools
from tests.support.paths import ROOT

TEXT = README_FILE.read_text(encoding="utf-8")


def test_the_settings_table_is_that_of_the_model() -> None:
    assert insert_settings_table(TEXT) == TEXT, "run `make docs`"
    text = BEHAVIOR_FILE.read_text(encoding="utf-8")
    assert insert_behavior_settings(text) == text, "run `make docs`"
    assert "| `max_rest_speed` | none |" in text
    text = NEURAL_FILE.read_text(encoding="utf-8")
    assert insert_neural_settings(text) == text, "run `make docs`"


def test_the_table_of_environment_variables_is_that_of_the_code() -> None:
    text = CONFIGURATION_FILE.read_text(encoding="utf-8")
    assert insert_variables_table(text) == text, "run `make docs`"
    assert "| `DLCFLOW_PATIENCE` | `300` |" in text


def test_the_fields_that_commands_print_are_those_of_the_code() -> None:
    text = COMMAND_LINE_FILE.read_text(encoding="utf-8")
    assert insert_field_tables(text) == text, "run `make docs`"
    named = set(re.findall(r"<!-- fields: (\w+):", text))
    assert named == {model.__name__ for model in PRINTED_MODELS}
    for model in PRINTED_MODELS:
        for name in model.model_fields:
            assert f"| `{name}` |" in text


def test_every_environment_variable_of_ours_is_in_the_table() -> None:
    known = {one.name for one in ENVIRONMENT_VARIABLES}
    of_compose = {"DLCFLOW_LOGIN", "DLCFLOW_DATABASE_PASSWORD", "DLCFLOW_URL"}
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in _list_documents_and_code()
        for name in re.findall(r"\bDLCFLOW_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    assert {name for _, name in named} >= known
    assert [one for one in sorted(named) if one[1] not in known | of_compose] == []


def test_one_module_alone_knows_their_names() -> None:
    knows = [
        path.relative_to(ROOT).as_posix()
        for path in _list_documents_and_code()
        if path.suffix == ".py" and re.search(r"""["']DLCFLOW_""", path.read_text(encoding="utf-8"))
    ]
    assert knows == ["tasks/environment_variables.py"]


def _list_documents_and_code() -> list[Path]:
    folders = ("tasks", "flows", "deployments", "docs", "infra")
    found = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    kinds = {".py", ".md", ".yaml", ".env"}
    return [ROOT / "README.md", *(path for path in found if path.suffix in kinds)]


def test_the_next_tools_are_told_as_they_came_out() -> None:
    text = DOCS_FILE.read_text(encoding="utf-8")
    assert insert_tools(text) == text, "run `make next-tools`"


def test_every_file_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_that_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"^make ([a-z-]+)$|`make ([a-z-]+)`", TEXT, re.MULTILINE)
    assert {name for pair in named for name in pair if name} <= targets
