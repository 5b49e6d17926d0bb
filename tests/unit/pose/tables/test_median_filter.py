"""The median filter: DeepLabCut's own results, at the edges and in short movies too."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.pose.tables.median_filter import apply_median_filter, filter_pose_file
from tasks.pose.tables.pose_table import read_poses, write_poses
from tests.paths import SHARED_FOLDER, needs_shared_data
from tests.pose_tables import SINGLE_ANIMAL, TWO_ANIMALS, build_pose_table, make_scattered_poses

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
    likelihoods = raw.columns.get_level_values("coords") == "likelihood"
    pd.testing.assert_frame_equal(filtered.loc[:, likelihoods], raw.loc[:, likelihoods])


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
