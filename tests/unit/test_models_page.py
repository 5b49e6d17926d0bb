"""docs/models.md says what came out, and leaves out no model."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.models.catalog import CASES, PYTORCH
from tests.models.compare import compare_tables, count_places
from tests.models.page import DOCS_FILE, insert_tables, load_outcomes, render_tables

TEXT = DOCS_FILE.read_text(encoding="utf-8")


def test_the_page_is_what_the_outcomes_render() -> None:
    assert insert_tables(TEXT) == TEXT, "run `make models`"
    assert set(load_outcomes()) <= {case.name for case in CASES}


def test_every_network_that_deeplabcut_lists_is_in_it() -> None:
    """By the files that DeepLabCut finds its networks by; loading it takes seconds."""
    package = importlib.util.find_spec("deeplabcut")
    assert package is not None
    assert package.origin is not None
    configs = Path(package.origin).parent / "pose_estimation_pytorch" / "config"
    backbones = {path.stem for path in (configs / "backbones").glob("*.yaml")}
    others = {path.stem for path in configs.glob("*/*.yaml")} - backbones
    detectors = {path.stem for path in (configs / "detectors").glob("*.yaml")}
    others -= detectors | {path.stem for path in (configs / "base").glob("*.yaml")}
    known = backbones | others | {f"top_down_{name}" for name in backbones}
    assert {case.network for case in CASES if case.engine == PYTORCH} == known
    assert {case.detector for case in CASES if case.detector} == detectors
    assert [case.name for case in CASES if f"| {case.name} |" not in TEXT] == []


def test_what_was_not_run_and_what_fails_stands_there() -> None:
    failed = {"outcome": "fails", "message": "a | b\n<c>"}
    text = render_tables({CASES[0].name: failed})
    assert "fails: a \\| b &lt;c>" in text
    assert text.count("not run") == len(CASES) - 1
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


class TestComparison:
    VALUES = np.arange(18.0).reshape(3, 6)
    TABLE = pd.DataFrame(VALUES)

    def test_the_largest_difference_of_pixels_and_of_likelihood(self) -> None:
        ours = self.VALUES.copy()
        ours[1, 3] += 0.25
        ours[2, 5] -= 0.5
        assert compare_tables(pd.DataFrame(ours), self.TABLE) == (6, 0.25, 0.5)

    @pytest.mark.parametrize("nothing", [-1, np.nan])
    def test_a_point_that_only_one_finds_is_no_small_difference(self, nothing: float) -> None:
        ours = self.VALUES.copy()
        ours[1, :3] = nothing
        assert compare_tables(pd.DataFrame(ours), self.TABLE) == (6, np.inf, np.inf)

    def test_points_that_stand_still_are_one_place(self) -> None:
        still = np.tile([3.0, 4.0, 0.5, np.nan, np.nan, np.nan], (5, 1))
        assert count_places(pd.DataFrame(still)) == 1
        assert count_places(self.TABLE) == 6

    def test_rows_without_an_animal_may_lack_at_the_end(self) -> None:
        ours = self.VALUES.copy()
        ours[2:] = -1
        assert compare_tables(pd.DataFrame(ours), self.TABLE.iloc[:2]) == (4, 0, 0)
        assert compare_tables(self.TABLE, self.TABLE.iloc[:2])[1] == np.inf
