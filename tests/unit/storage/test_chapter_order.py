"""Chapters of a recording stay together, and other names are in natural order."""

import random

import pytest

from tasks.storage.chapter_order import find_chapters, missing_chapter_warnings, name_sort_key

ORDERS = {
    "GoPro since HERO6": ["GX010001", "GX020001", "GX030001", "GX010002", "GX020002", "GX010010"],
    "GoPro up to HERO5": ["GOPR0001", "GP010001", "GP020001", "GOPR0002", "GP010002"],
    "codecs in turn": ["GX010001", "GH010002", "GH020002", "GX010003"],
    "two cameras": ["GH010001", "GH020001", "GH010002", "GX010001", "GX020001"],
    "renamed": ["m1 GX010001 a", "m1 GX020001 a", "m1 GX010002 a", "m2 GX010001 a"],
    "small letters": ["gx010001", "gx020001", "gx010002"],
    "folders": ["100GOPRO/GX010002", "100GOPRO/GX020002", "101GOPRO/GX010001"],
    "beside others": ["a", "GX010001", "GX020001", "GX010002", "z1", "z10"],
    "dates": ["GH221231", "GH230114", "GH230115"],
    "looped": ["GHAA0001", "GHAA0002"],
    "DJI": ["DJI_0001", "DJI_0001_001", "DJI_0001_002", "DJI_0002", "DJI_0010"],
    "DJI with times": ["DJI_20240101100000_0001_D", "DJI_20240101103000_0002_D"],
    "Sony": ["C0001", "C0002", "C0010"],
    "Insta360": ["VID_20240101_100000_00_001", "VID_20240101_103000_00_002"],
    "AXIS": ["20240101_100000_B8A4", "20240101_110000_B8A4"],
    "parts": ["cam", "cam (1)", "cam (2)", "cam (10)"],
    "parts with a sign": ["cam1_000", "cam1_001", "cam2_000"],
}


@pytest.mark.parametrize("kind", ORDERS)
def test_recordings_stay_together_and_in_order(kind: str) -> None:
    ordered = [f"in/{name}.MP4" for name in ORDERS[kind]]
    mixed = random.Random(1).sample(ordered, len(ordered))
    assert sorted(mixed, key=name_sort_key(find_chapters(mixed))) == ordered


def test_a_date_is_no_chapter() -> None:
    assert find_chapters(["GH230114.mp4", "GX120501.mp4"]) == {}


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["GX010001", "GX020001", "GX010002"], ""),
        (["GX010001", "GX030001", "GX010002"], "a chapter of a recording is missing: GX020001;"),
        (["GX010001", "GX020002"], "a chapter of a recording is missing: GX010002;"),
        (["GOPR0001", "GP020001"], "a chapter of a recording is missing: GP010001;"),
        (["GOPR0001", "GP010002"], "a chapter of a recording is missing: GOPR0002;"),
        (["a-GX010001-b", "a-GX080001-b"], "missing: a-GX020001-b, a-GX030001-b, a-GX040001-b, "),
        (["a-GX010001-b", "a-GX080001-b"], "a-GX060001-b and 1 more; the movies after it"),
    ],
)
def test_missing_chapters_are_named(names: list[str], missing: str) -> None:
    warnings = missing_chapter_warnings(
        list(find_chapters(f"in/{name}.mp4" for name in names).values())
    )
    assert missing in "".join(warnings)
    assert bool(warnings) == bool(missing)
