"""Zones: the file that IDEAS writes, and time, entries and scores in them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.behavior.analyze import analyze_annotations
from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.zones import parse_zones
from tasks.errors import BadInput
from tests.support.tracks import make_table

HEADER = "ID,Name,Type,X 0,Y 0,X 1,Y 1,X 2,Y 2,X 3,Y 3,Major Axis, Minor Axis, Angle\n"
ZONES = (
    HEADER
    + "0,left,rectangle,0,0,50,0,50,100,0,100,,,\n"
    + "1,all,polygon,0,0,100,0,100,100,0,100,,,\n"
    + "2,disk,ellipse,50,50,,,,,,,40,20,90\n"
)


def test_the_file_of_ideas_is_read() -> None:
    left, everything, disk = parse_zones(ZONES.encode(), "zones.csv")
    assert left.name == "left"
    assert everything.corners.tolist() == [[0, 0], [100, 0], [100, 100], [0, 100]]
    # Whole axes of 40 and 20, turned by 90 degrees: 40 high and 20 wide.
    assert np.ptp(disk.corners, axis=0) == pytest.approx([20, 40])
    assert disk.corners.mean(axis=0) == pytest.approx([50, 50])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "expected a CSV with the columns"),
        ("", "expected a CSV with the columns"),
        (HEADER + "0,z,circle,1,1,,,,,,,,,\n", "found the type circle"),
        (HEADER + "0,z,rectangle,1,1,2,1,2,x,1,2,,,\n", "expected a number in Y 2, found x"),
        (HEADER + "0,z,polygon,0,0,1,1,0,1,1,0,,,\n", "crosses itself"),
        (HEADER + "0,z,ellipse,0,0,,,,,,,4,,\n", "expected a number in Minor Axis"),
        (HEADER + "0,z,ellipse,0,0,,,,,,,4,-1,0\n", "expected axes above 0"),
        (HEADER + "0,z,ellipse,0,0,,,,,,,4,1,0\n" * 2, "two zones are called z"),
        (HEADER + ",,ellipse,0,0,,,,,,,4,1,0\n", "the zone has no name"),
    ],
)
def test_what_is_no_zones_file_is_refused(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse_zones(text.encode(), "zones.csv")


def test_time_entries_and_scores(tmp_path: Path) -> None:
    # 4 s left, 1 s right, 1 frame on the edge, then unknown, then right.
    x = np.r_[np.full(40, 10.0), np.full(10, 90.0), [50.0], np.full(4, 90.0), np.full(5, 90.0)]
    likelihood = np.ones(60)
    likelihood[51:55] = 0
    table = make_table(
        np.arange(60) / 10, {"nose": np.column_stack([x, np.full(60, 10.0)])}, {"nose": likelihood}
    )
    path = tmp_path / "annotations.csv"
    table.to_csv(path, index=False)
    settings = BehaviorSettings(zones="zones.csv", interpolate=False, min_stay=0.05)
    analyze_annotations(path, "table", tmp_path, settings, (), ZONES.encode(), with_previews=False)
    zones = pd.read_csv(tmp_path / "zones.csv").set_index("zone")
    assert zones.loc["left", "time (s)"] == pytest.approx(4.1)
    assert zones.loc["left", "share of known time"] == pytest.approx(4.1 / 5.6)
    assert [zones.loc["left", name] for name in ("stays", "entries", "exits")] == [2, 1, 1]
    assert zones.loc["left", "score"] == pytest.approx(4.1 / 5.6 / 0.5)
    assert zones.loc["all", "score"] == pytest.approx(1)
    assert zones.loc["disk", "time (s)"] == 0
    found = pd.read_parquet(tmp_path / "behavior.parquet")
    inside = list(found["In zone left"])
    assert sum(one is None for one in inside) == 4
    assert inside[50]
