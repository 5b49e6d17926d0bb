"""Natural order and patterns."""

import glob
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage.patterns import (
    is_match,
    literal_folder,
    natural_sort_key,
    normalize_double_stars,
)


def test_numbers_are_ordered_by_value_and_case_does_not_count() -> None:
    ordered = ["in/m.mp4", "in/M1.mp4", "in/m2.mp4", "in/m2b.mp4", "in/m10/a.mp4", "in/m10.mp4"]
    assert sorted(set(ordered), key=natural_sort_key) == ordered


def test_folders_stay_together() -> None:
    ordered = ["a/1", "a/2", "a b/1", "a-b/1"]
    assert sorted(["a-b/1", "a/2", "a b/1", "a/1"], key=natural_sort_key) == ordered


@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_keys_can_be_ordered_and_no_two_are_equal(keys: set[str]) -> None:
    ordered = sorted(keys, key=natural_sort_key)
    places = [natural_sort_key(key) for key in ordered]
    assert all(one != other for one, other in pairwise(places))


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        ("in/*.mp4", ["in/a.mp4", "in/.mp4"], ["in/a/b.mp4", "in/a.MP4", "in2/a.mp4"]),
        ("in/**", ["in/a", "in/a/b"], ["inn/a"]),
        ("in/**/*.mp4", ["in/a.mp4", "in/a/b.mp4", "in/a/b/c.mp4"], ["in/a.avi"]),
        ("**.mp4", ["a.mp4", "in/a.mp4", "in/a/b.mp4"], ["a.avi"]),
        ("in/**.mp4", ["in/a.mp4", "in/a/b.mp4"], ["a.mp4"]),
        ("in/m?.mp4", ["in/m1.mp4"], ["in/m10.mp4", "in/m/.mp4"]),
        ("in/m[!1].mp4", ["in/m2.mp4"], ["in/m1.mp4", "in/m/.mp4"]),
        ("in/[[]x].mp4", ["in/[x].mp4"], ["in/x.mp4"]),
        ("*/a", ["in/a"], ["a", "in/in/a"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], others: list[str]) -> None:
    pattern = normalize_double_stars(pattern)
    assert all(is_match(key, pattern) for key in fits)
    assert not any(is_match(key, pattern) for key in others)


@pytest.mark.parametrize(
    "pattern", ["*", "*/*", "**/*.mp4", "a/**/m*", "a/*/m?.mp4", "**/m1.mp4", "[ab]/**/*.mp4"]
)
def test_patterns_mean_what_they_mean_to_glob(tmp_path: Path, pattern: str) -> None:
    names = ["m1.mp4", "m2.avi", "a/m1.mp4", "a/b/m1.mp4", "a/b/c/m10.mp4", "b/.hidden.mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = glob.glob(pattern, root_dir=tmp_path, recursive=True, include_hidden=True)  # noqa: PTH207
    files = {name for name in found if (tmp_path / name).is_file()}
    assert {name for name in names if is_match(name, pattern)} == files


def test_a_pattern_with_many_stars_is_no_trap() -> None:
    assert not is_match("a" * 1000, "*a" * 30 + "b")


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("in/sub/*.mp4", "in/sub/"), ("in/m[1]/a", "in/"), ("*", ""), ("/data/m?", "/data/")],
)
def test_where_to_look(pattern: str, folder: str) -> None:
    assert literal_folder(pattern) == folder
