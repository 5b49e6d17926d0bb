"""Speed on true times: dropped frames, gaps between movies, noise, and what others compute."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.locomotion import measure_locomotion, smooth_in_segments
from tasks.behavior.segments import FloatArray, Segments, find_segments
from tests.support.tracks import analyze, make_table

RATE = 30.0


def segments_of(times: FloatArray, max_gap: float = 0.5) -> Segments:
    return find_segments(times, np.zeros(len(times), np.int64), max_gap)


def walk(frames: int, seed: int = 0) -> FloatArray:
    track: FloatArray = np.cumsum(np.random.default_rng(seed).normal(0, 2, (frames, 2)), axis=0)
    return track


def uneven_times(frames: int, seed: int = 1) -> FloatArray:
    times: FloatArray = np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.09, frames))
    return times


@pytest.mark.parametrize("difference", ["backward", "central"])
def test_constant_motion_with_dropped_frames_has_constant_speed(
    difference: str, tmp_path: Path
) -> None:
    kept = np.r_[0:50, 60:63, 64:120]
    times = kept / RATE
    positions = np.column_stack([60 * times, 80 * times])
    table, _ = analyze(
        make_table(times, {"nose": positions}), tmp_path, speed_difference=difference
    )
    speed = table["Speed (px/s)"].to_numpy()
    assert np.isnan(speed[0]) == (difference == "backward")
    assert np.nanmin(speed) == pytest.approx(100)
    assert np.nanmax(speed) == pytest.approx(100)
    assert table["Distance (px)"].iloc[-1] == pytest.approx(100 * times[-1])


def test_a_gap_between_movies_is_no_jump(tmp_path: Path) -> None:
    times = np.r_[np.arange(40), 39 + 19.9 * RATE + np.arange(40)] / RATE
    positions = np.r_[np.full((40, 2), 10.0), np.full((40, 2), 900.0)]
    table, result = analyze(
        make_table(times, {"nose": positions}, movies=np.repeat([0, 1], 40)), tmp_path
    )
    assert table["Speed (px/s)"].max() == 0
    assert table["Speed (px/s)"].isna().sum() == 2
    assert table["Distance (px)"].max() == 0
    assert result.animals[0].everything.segments == 2
    assert result.animals[0].everything.observed_s == pytest.approx(80 / RATE)


def test_movies_that_follow_each_other_are_one_segment() -> None:
    times = np.arange(20) / RATE
    joined = find_segments(times, np.repeat([0, 1], 10), 0.5)
    assert joined.starts.tolist() == [0]
    apart = find_segments(times + np.repeat([0, 1 / RATE], 10), np.repeat([0, 1], 10), 0.5)
    assert apart.starts.tolist() == [0, 10]


def test_times_that_stand_still_or_are_missing_end_a_segment() -> None:
    found = segments_of(np.array([0, 0.1, 0.2, 0.2, 0.3, np.nan, 0.4, 0.5]))
    assert found.starts.tolist() == [0, 3, 5, 6]
    assert found.durations == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0, 0.1, 0.1])


def test_a_resting_animal_with_half_a_pixel_of_noise_rests(tmp_path: Path) -> None:
    times = np.arange(3000) / RATE
    noise = np.random.default_rng(4).normal(0, 0.5, (3000, 2))
    table, result = analyze(
        make_table(times, {"nose": 100 + noise}),
        tmp_path,
        smooth_position=5 / RATE,
        max_rest_speed=3,
    )
    assert table["Speed (px/s)"].mean() < 1.5
    assert (table["state"].dropna() == "rest").all()
    assert result.verdict == "pass"
    rough, result = analyze(make_table(times, {"nose": 100 + noise}), tmp_path, max_rest_speed=26)
    assert rough["Speed (px/s)"].mean() == pytest.approx(26.6, abs=1)
    assert any("mostly noise" in reason for reason in result.reasons)


def test_a_gaussian_on_the_speed_leaves_its_mean() -> None:
    times = np.arange(3000) / RATE
    noise = np.random.default_rng(4).normal(0, 0.5, (3000, 2))
    movies = np.zeros(3000, np.int64)
    plain, filtered = (
        np.nanmean(
            measure_locomotion(
                noise,
                segments_of(times),
                movies,
                BehaviorSettings(filter_speed=f, speed_filter_size=5),
            ).speed
        )
        for f in (False, True)
    )
    assert filtered == pytest.approx(plain, rel=0.01)


def test_smoothing_is_scipys_inside_and_ignores_what_is_missing() -> None:
    values = walk(400)
    smooth = smooth_in_segments(values, segments_of(np.arange(400) / RATE), frames=2)
    inside = slice(10, -10)
    assert smooth[inside] == pytest.approx(gaussian_filter1d(values, 2, axis=0)[inside])
    values[200] = np.nan
    with_gap = smooth_in_segments(values, segments_of(np.arange(400) / RATE), frames=2)
    assert np.isnan(with_gap[:, 0]).sum() == 1
    constant = np.full(400, 7.0)
    constant[200:203] = np.nan
    smooth = smooth_in_segments(constant, segments_of(np.arange(400) / RATE), seconds=0.2)
    assert smooth[~np.isnan(smooth)] == pytest.approx(7)


def test_central_speed_is_movements() -> None:
    xr = pytest.importorskip("xarray")
    kinematics = pytest.importorskip("movement.kinematics")
    times, track = uneven_times(200), walk(200)
    track[50] = np.nan
    data = xr.DataArray(track, dims=("time", "space"), coords={"time": times, "space": ["x", "y"]})
    expected = kinematics.compute_speed(data).to_numpy()
    ours = measure_locomotion(
        track,
        segments_of(times),
        np.zeros(200, np.int64),
        BehaviorSettings(speed_difference="central"),
    ).speed
    assert ours == pytest.approx(expected, nan_ok=True, rel=1e-9)


@pytest.mark.filterwarnings("ignore:The result may be unreliable")  # it counts axes as tracks
def test_path_length_is_movements() -> None:
    xr = pytest.importorskip("xarray")
    kinematics = pytest.importorskip("movement.kinematics")
    times, track = uneven_times(200), walk(200)
    data = xr.DataArray(track, dims=("time", "space"), coords={"time": times, "space": ["x", "y"]})
    ours = measure_locomotion(
        track, segments_of(times), np.zeros(200, np.int64), BehaviorSettings()
    )
    assert ours.distance[-1] == pytest.approx(float(kinematics.compute_path_length(data)))


def test_backward_speed_and_length_are_trajas() -> None:
    traja = pytest.importorskip("traja", reason="traja is not installed; pip install traja")
    times, track = uneven_times(100), walk(100)
    table = traja.TrajaDataFrame({"x": track[:, 0], "y": track[:, 1], "time": times})
    ours = measure_locomotion(
        track, segments_of(times), np.zeros(100, np.int64), BehaviorSettings()
    )
    theirs = traja.get_derivatives(table)["speed"].to_numpy()
    assert ours.speed == pytest.approx(theirs, nan_ok=True)
    assert ours.distance[-1] == pytest.approx(traja.length(table))


def test_backward_speed_is_displacement_over_time() -> None:
    times, track = uneven_times(100), walk(100)
    ours = measure_locomotion(
        track, segments_of(times), np.zeros(100, np.int64), BehaviorSettings()
    )
    expected = np.hypot(*np.diff(track, axis=0).T) / np.diff(times)
    assert ours.speed[1:] == pytest.approx(expected)


def test_a_missing_position_costs_its_steps_and_no_distance_is_made_up(tmp_path: Path) -> None:
    times = np.arange(30) / RATE
    positions = np.column_stack([np.arange(30.0), np.zeros(30)])
    likelihood = np.ones(30)
    likelihood[10] = 0.1
    table, result = analyze(
        make_table(times, {"nose": positions}, {"nose": likelihood}), tmp_path, interpolate=False
    )
    assert np.flatnonzero(table["Speed (px/s)"].isna()).tolist() == [0, 10, 11]
    assert table["Distance (px)"].iloc[-1] == pytest.approx(27)
    assert result.animals[0].everything.unmeasured_steps == 2


def test_cm_by_a_scale_and_by_corners(tmp_path: Path) -> None:
    times = np.arange(30) / RATE
    positions = np.column_stack([np.linspace(0, 100, 30), np.zeros(30)])
    table, _ = analyze(make_table(times, {"nose": positions}), tmp_path, pixels_per_cm=4)
    assert table["Speed (cm/s)"].to_numpy() == pytest.approx(
        table["Speed (px/s)"].to_numpy() / 4, nan_ok=True
    )
    # A floor of 40 × 20 cm that is seen as a trapezoid: as fast at the far side as at the near one.
    corners = {
        "top_left_x": 100, "top_left_y": 50, "top_right_x": 300, "top_right_y": 50,
        "bottom_right_x": 400, "bottom_right_y": 250, "bottom_left_x": 0, "bottom_left_y": 250,
        "width_cm": 40, "height_cm": 20,
    }  # fmt: skip
    for start, stop in (((100, 50), (300, 50)), ((0, 250), (400, 250)), ((0, 250), (100, 50))):
        along = np.linspace(start, stop, 30)
        table, result = analyze(make_table(times, {"nose": along}), tmp_path, corners=corners)
        length = 20 if start[0] < stop[0] and stop[1] != start[1] else 40
        assert result.animals[0].everything.distance_cm == pytest.approx(length, rel=1e-5)


def test_the_time_column_may_be_a_counter_in_microseconds(tmp_path: Path) -> None:
    times = np.arange(30) / RATE
    table = make_table(times, {"nose": np.column_stack([90 * times, 0 * times])})
    table["Hardware counter (us)"] = 1e12 + times * 1e6
    found, _ = analyze(table, tmp_path, time_column="Hardware counter (us)", time_unit="us")
    assert found["Speed (px/s)"].dropna().to_numpy() == pytest.approx(90, rel=1e-4)
