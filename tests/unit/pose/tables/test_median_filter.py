"""The median filter: DeepLabCut's own results, at the edges and in short movies too."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.pose.tables.median_filter import apply_median_filter, filter_pose_file
from tasks.pose.tables.pose_table import read_poses, write_poses
from tests.support.paths import SHARED_FOLDER, needs_shared_data
from tests.support.pose_tables import (
    SINGLE_ANIMAL,
    TWO_ANIMALS,
    build_pose_table,
    make_scattered_poses,
)


def keypoints_of(table: pd.DataFrame) -> Any:
    """A table's numbers, (frames, keypoints, 3)."""
    return table.to_numpy().reshape(len(table), -1, 3)


TRUTH = sorted((SHARED_FOLDER / "truth").glob("*/*_filtered.h5"))


@needs_shared_data
@pytest.mark.parametrize("filtered", TRUTH, ids=lambda path: path.parent.name)
def test_results_are_deeplabcuts_to_the_last_bit(filtered: Path) -> None:
    raw = filtered.with_name(filtered.name.replace("_filtered", ""))
    ours = apply_median_filter(
        pd.DataFrame(pd.read_hdf(raw)), 5
    )  # tracks of animals have another key
    pd.testing.assert_frame_equal(ours, read_poses(filtered), check_exact=True)


def test_an_outlier_goes_and_its_neighbors_stay() -> None:
    values = np.tile([10.0, 20.0, 0.9], (9, 1, 1))
    values[4, 0] = [500, 600, 0.1]
    filtered = apply_median_filter(build_pose_table(values, {"": ("nose",)}), 3).to_numpy()
    assert filtered[4].tolist() == [10, 20, 0.1]
    assert (filtered[:4, :2] == [10, 20]).all()


@pytest.mark.parametrize("individuals", [SINGLE_ANIMAL, TWO_ANIMALS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shape_types_and_likelihoods_stay(individuals: Any, dtype: str) -> None:
    raw = make_scattered_poses(individuals, dtype=dtype)
    filtered = apply_median_filter(raw, 3)
    pd.testing.assert_index_equal(filtered.columns, raw.columns)
    pd.testing.assert_index_equal(filtered.index, raw.index)
    assert filtered.dtypes.tolist() == raw.dtypes.tolist()
    before, after = keypoints_of(raw), keypoints_of(filtered)
    found = np.isfinite(before).all(axis=2)
    np.testing.assert_array_equal(after[found][:, 2], before[found][:, 2])


def test_the_raw_poses_are_not_changed() -> None:
    raw = make_scattered_poses(SINGLE_ANIMAL)
    before = raw.copy()
    apply_median_filter(raw, 5)
    pd.testing.assert_frame_equal(raw, before)


def test_before_the_first_and_after_the_last_frame_there_are_zeros() -> None:
    values = np.tile([10.0, 20.0, 0.9], (5, 1, 1))
    filtered = apply_median_filter(build_pose_table(values, {"": ("nose",)}), 5).to_numpy()
    assert (filtered[:, :2] == [10, 20]).all()
    filtered = apply_median_filter(build_pose_table(values, {"": ("nose",)}), 7).to_numpy()
    assert filtered[:, 0].tolist() == [10, 10, 10, 10, 10]
    filtered = apply_median_filter(build_pose_table(values[:3], {"": ("nose",)}), 7).to_numpy()
    assert filtered[:, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_movie_shorter_than_the_window_is_filtered_without_a_warning(frames: int) -> None:
    assert (
        len(apply_median_filter(make_scattered_poses(SINGLE_ANIMAL, frames=frames), 101)) == frames
    )


def test_files_are_filtered_into_files(tmp_path: Path) -> None:
    raw, target = tmp_path / "raw.h5", tmp_path / "filtered.h5"
    table = make_scattered_poses(SINGLE_ANIMAL, dtype="float32")
    write_poses(table, raw)
    filter_pose_file(raw, target, 5)
    pd.testing.assert_frame_equal(read_poses(target), apply_median_filter(table, 5))
    pd.testing.assert_frame_equal(read_poses(raw), table)


class TestGaps:
    @staticmethod
    def filtered(column: list[float], window: int = 5, dtype: str = "float64") -> Any:
        """What becomes of one keypoint whose x is given, y is 50 and likelihood 0.99."""
        x = np.array(column)
        values = np.stack([x, np.where(np.isnan(x), x, 50), np.where(np.isnan(x), x, 0.99)], axis=1)
        table = build_pose_table(values[:, None].astype(dtype), {"": ("nose",)})
        result = apply_median_filter(table, window)
        assert set(map(str, result.dtypes)) == {dtype}
        return result.to_numpy()

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_an_animal_that_walks_in_and_out_is_where_it_was_seen(self, dtype: str) -> None:
        gone, walk = [math.nan] * 10, [float(x) for x in range(100, 110)]
        found = self.filtered([*gone, *walk, *gone], dtype=dtype)
        assert np.isnan(found[:10]).all()
        assert np.isnan(found[20:]).all()
        ends = [101, 101.5], [107.5, 108]
        assert found[10:20, 0].tolist() == [*ends[0], *walk[2:-2], *ends[1]]
        assert (found[10:20, 1] == 50).all()
        assert (found[10:20, 2] == np.array(0.99, dtype)).all()

    @pytest.mark.parametrize("window", [3, 5, 7, 101])
    @pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
    def test_every_value_is_the_median_of_those_found_in_its_window(
        self, window: int, share: float
    ) -> None:
        rng = np.random.default_rng(window)
        x = rng.normal(0, 100, 200)
        x[rng.uniform(size=200) < share] = np.nan
        x[7] = np.nan
        found, half = self.filtered(x.tolist(), window)[:, 0], window // 2
        for index, value in enumerate(x):
            here = x[max(0, index - half) : index + half + 1]
            wanted = np.median(here[~np.isnan(here)]) if not math.isnan(value) else math.nan
            np.testing.assert_equal(found[index], wanted)

    def test_one_gap_does_not_touch_other_keypoints(self) -> None:
        raw = make_scattered_poses(SINGLE_ANIMAL, frames=40)
        whole = raw.fillna(30.0)
        gapped = whole.copy()
        gapped.iloc[20, :3] = np.nan
        pd.testing.assert_frame_equal(
            apply_median_filter(gapped, 5).iloc[:, 3:], apply_median_filter(whole, 5).iloc[:, 3:]
        )

    def test_a_point_that_lacks_one_of_its_numbers_is_missing_as_a_whole(self) -> None:
        values = np.tile([10.0, 20.0, 0.9], (9, 1, 1))
        for index in range(3):
            values[2 * index + 1, 0, index] = np.nan
        found = apply_median_filter(build_pose_table(values, {"": ("nose",)}), 3).to_numpy()
        assert np.isnan(found[[1, 3, 5]]).all()
        assert (found[[0, 2, 4, 6, 7, 8]] == [10, 20, 0.9]).all()

    def test_an_animal_that_a_top_down_model_does_not_find_is_no_place(self) -> None:
        values = np.tile([10.0, 20.0, 0.9], (9, 1, 1))
        values[3:6] = -1
        found = apply_median_filter(build_pose_table(values, {"": ("nose",)}), 5).to_numpy()
        assert (found[3:6] == -1).all()
        assert (found[[0, 1, 2, 6, 7, 8]] == [10, 20, 0.9]).all()

    @pytest.mark.parametrize("frames", [1, 3, 30])
    def test_a_movie_without_any_animal_has_no_points(self, frames: int) -> None:
        assert np.isnan(self.filtered([math.nan] * frames)).all()
