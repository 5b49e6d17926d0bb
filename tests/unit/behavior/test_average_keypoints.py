"""The mean of the keypoints: what counts, how gaps are filled, and keypoints that come and go."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.behavior.average_keypoints import filter_by_median
from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.segments import find_segments
from tasks.errors import BadInput
from tests.support.paths import SHARED_FOLDER
from tests.support.tracks import analyze, make_table

RATE = 30.0


def test_a_point_at_the_threshold_counts_and_one_below_does_not(tmp_path: Path) -> None:
    parts = {"a": np.zeros((3, 2)), "b": np.full((3, 2), 10.0)}
    likelihood = {"a": np.full(3, 0.6), "b": np.array([0.6, np.nextafter(0.6, 0), np.nan])}
    table, _ = analyze(
        make_table(np.arange(3) / RATE, parts, likelihood), tmp_path, interpolate=False
    )
    assert table["Average keypoint x"].tolist() == [5, 0, 0]
    assert table["Average keypoint count"].tolist() == [2, 1, 1]
    assert table["Average keypoint count"].dtype == np.int64
    assert table["Average keypoint interpolated"].dtype == bool


def test_the_median_shrinks_at_edges_and_leaves_what_is_missing() -> None:
    times = np.r_[np.arange(5), 100 + np.arange(4)] / RATE
    segments = find_segments(times, np.zeros(9, np.int64), 0.5)
    values = np.array([0, 9, 1, np.nan, 2, 50, 51, 10, 52])
    points = np.column_stack([values, values])
    filtered = filter_by_median(points, segments, 3)[:, 0]
    assert filtered == pytest.approx([4.5, 1, 5, np.nan, 2, 50.5, 50, 51, 31], nan_ok=True)


def test_gaps_are_filled_in_time_and_not_by_index(tmp_path: Path) -> None:
    kept = np.r_[0:10, 30:40]  # 20 dropped frames right after a missing point
    times = kept / RATE
    positions = np.column_stack([100 * times, 0 * times])
    likelihood = np.ones(20)
    likelihood[9] = 0
    table, _ = analyze(
        make_table(times, {"nose": positions}, {"nose": likelihood}), tmp_path, max_gap=1.0
    )
    assert table["Average keypoint x"].to_numpy() == pytest.approx(positions[:, 0])
    assert np.flatnonzero(table["Average keypoint interpolated"]).tolist() == [9]


def test_long_gaps_and_ends_stay_missing(tmp_path: Path) -> None:
    times = np.arange(100) / RATE
    likelihood = np.ones(100)
    likelihood[[0, 99]] = 0
    likelihood[10:25] = 0  # 16 steps of 1/30 s from one known point to the next
    likelihood[50:64] = 0  # 15 steps: exactly half a second
    table, result = analyze(
        make_table(times, {"nose": np.ones((100, 2))}, {"nose": likelihood}), tmp_path
    )
    missing = np.flatnonzero(table["Average keypoint x"].isna())
    assert missing.tolist() == [0, *range(10, 25), 99]
    assert "17 % of frames have no mean position" in result.reasons[0]


def test_a_part_that_comes_and_goes_moves_no_resting_animal(tmp_path: Path) -> None:
    times = np.arange(60) / RATE
    parts = {str(k): np.tile([20.0 * k, 0.0], (60, 1)) for k in range(4)}
    likelihood = np.ones(60)
    likelihood[20:30] = 0
    table, _ = analyze(make_table(times, parts, {"3": likelihood}), tmp_path)
    assert table["Speed (px/s)"].max() == 0
    jumpy, _ = analyze(make_table(times, parts, {"3": likelihood}), tmp_path, interpolate=False)
    assert jumpy["Average keypoint x"].diff().abs().max() == pytest.approx(10)


def test_too_few_keypoints_make_no_mean(tmp_path: Path) -> None:
    times = np.arange(10) / RATE
    parts = {name: np.ones((10, 2)) for name in "abc"}
    gone = np.r_[np.zeros(5), np.ones(5)]
    table = make_table(times, parts, {"a": gone, "b": gone})
    found, _ = analyze(table, tmp_path, interpolate=False)
    assert found["Average keypoint x"].isna().sum() == 5
    assert found["Average keypoint count"].tolist() == [1] * 5 + [3] * 5
    found, _ = analyze(table, tmp_path, interpolate=False, min_keypoints=1)
    assert found["Average keypoint x"].isna().sum() == 0


def test_weights_by_likelihood(tmp_path: Path) -> None:
    parts = {"a": np.zeros((2, 2)), "b": np.full((2, 2), 10.0)}
    likelihood = {"a": np.full(2, 1.0), "b": np.full(2, 0.6)}
    table, _ = analyze(
        make_table(np.arange(2) / RATE, parts, likelihood), tmp_path, weights="likelihood"
    )
    assert table["Average keypoint x"].iloc[0] == pytest.approx(10 * 0.6 / 1.6)


def test_several_animals_each_have_their_columns(tmp_path: Path) -> None:
    times = np.arange(20) / RATE
    table = make_table(
        times,
        {
            "mouse nose": np.zeros((20, 2)),
            "mouse 2 nose": np.column_stack([30 * times, 0 * times]),
            "corner": np.full((20, 2), 500.0),
        },
    )
    found, result = analyze(table, tmp_path, ("mouse", "mouse 2"), max_rest_speed=10)
    assert found["mouse state"].dropna().unique().tolist() == ["rest"]
    assert found["mouse 2 Speed (px/s)"].dropna().to_numpy() == pytest.approx(30)
    assert found["mouse 2 Average keypoint count"].tolist() == [1] * 20
    assert [one.name for one in result.animals] == ["mouse", "mouse 2"]
    bouts = pd.read_csv(tmp_path / "bouts.csv")
    assert bouts["individual"].tolist() == ["mouse", "mouse 2"]
    assert bouts["state"].tolist() == ["rest", "movement"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"keypoints_to_exclude": ["tail"]}, "has no keypoint called tail; it has nose, paw"),
        ({"keypoints": ["tail"]}, "has no keypoint called tail"),
        ({"keypoints_to_exclude": ["nose", "paw"]}, "no keypoint is left"),
        ({"min_keypoints": 3}, "it asks for 3, but 2 are averaged"),
        ({"individuals": ["mouse7"]}, "has no columns that begin with mouse7"),
        ({"time_column": "Time"}, "expected the column Time"),
        ({"x_column": "head x", "y_column": "nose y"}, "there is no column head x"),
        ({"max_gap": 0.01}, "is shorter than the time between frames"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(
    settings: dict[str, Any], told: str, tmp_path: Path
) -> None:
    table = make_table(np.arange(9) / RATE, {name: np.ones((9, 2)) for name in ("nose", "paw")})
    with pytest.raises(BadInput, match=told):
        analyze(table, tmp_path, **settings)


def test_a_table_without_likelihoods_is_refused(tmp_path: Path) -> None:
    table = make_table(np.arange(9) / RATE, {"nose": np.ones((9, 2))})
    with pytest.raises(BadInput, match="expected keypoints with a likelihood"):
        analyze(table.drop(columns="nose likelihood"), tmp_path)


def test_a_position_may_be_a_column_of_the_table(tmp_path: Path) -> None:
    times = np.arange(9) / RATE
    table = make_table(times, {"nose": np.column_stack([6 * times, 8 * times])})
    found, _ = analyze(table, tmp_path, x_column="nose x", y_column="nose y")
    assert "Average keypoint x" not in found
    assert found["Speed (px/s)"].dropna().to_numpy() == pytest.approx(10)
    averaged = table.rename(
        columns={"nose x": "Average keypoint x", "nose y": "Average keypoint y"}
    ).drop(columns="nose likelihood")
    found, _ = analyze(averaged, tmp_path)
    assert found["Speed (px/s)"].dropna().to_numpy() == pytest.approx(10)


@pytest.mark.parametrize(
    "name",
    [
        (
            "next-steps/ideas-toolbox-deeplabcut/2023-01-31-12-12-08_video_e3v8251-"
            "20230131T121212-122254_trimmed_1s_dlc_annotations.parquet"
        ),
        "reference/2023-01-27-10-34-22-camera-1_trimmed_1s_dlc_annotations.csv",
    ],
)
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_table_of_the_ideas_tool_keeps_its_columns(name: str, form: str, tmp_path: Path) -> None:
    from tasks.behavior.analyze import analyze_annotations

    source = SHARED_FOLDER / name
    if not source.exists():
        pytest.skip(f"{name} is not on this machine")
    settings = BehaviorSettings(annotations_format=form, max_rest_speed=20)
    result = analyze_annotations(
        source, source.name, tmp_path, settings, (), None, with_previews=False
    )
    read: dict[str, Any] = {"parquet": pd.read_parquet, "csv": pd.read_csv}
    before = read[source.suffix[1:]](source)
    after = read[form](tmp_path / f"behavior.{form}")
    assert list(after.columns)[: len(before.columns)] == list(before.columns)
    assert list(after.columns)[len(before.columns) :] == [
        "Average keypoint x",
        "Average keypoint y",
        "Average keypoint count",
        "Average keypoint interpolated",
        "Speed (px/s)",
        "Distance (px)",
        "state",
    ]
    pd.testing.assert_frame_equal(after[before.columns], before)
    assert result.frames == 20
