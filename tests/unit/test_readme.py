"""The README is true."""

import re

from tests.docs import README_FILE, insert_settings_table
from tests.support.paths import ROOT

TEXT = README_FILE.read_text(encoding="utf-8")


def test_the_settings_table_is_that_of_the_model() -> None:
    assert insert_settings_table(TEXT) == TEXT, "run `make docs`"


def test_every_file_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_that_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"^make ([a-z-]+)$|`make ([a-z-]+)`", TEXT, re.MULTILINE)
    assert {name for pair in named for name in pair if name} <= targets
