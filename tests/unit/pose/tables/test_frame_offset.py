"""Poses moved from a crop into the whole frame."""

import numpy as np
import pandas as pd

from tasks.pose.tables.frame_offset import shift_poses
from tests.support.pose_tables import TWO_ANIMALS, make_scattered_poses


def test_the_mark_of_an_animal_that_was_not_found_does_not_move() -> None:
    poses = make_scattered_poses(TWO_ANIMALS, frames=5, dtype="float32")
    poses.iloc[:, 6:9] = np.nan
    poses.iloc[1, :9] = poses.iloc[4, 9:12] = -1
    poses.iloc[3, :3] = (-1, -1, 0.5)  # a point that lies there by chance
    moved = shift_poses(poses, (30, 4))
    expected = poses.to_numpy(dtype=np.float64) + (30, 4, 0) * 7
    expected[1, :9] = expected[4, 9:12] = -1
    np.testing.assert_array_equal(moved, expected)
    pd.testing.assert_index_equal(moved.columns, poses.columns)


def test_nothing_is_copied_where_nothing_moves() -> None:
    poses = make_scattered_poses(TWO_ANIMALS, frames=5)
    assert shift_poses(poses, (0, 0)) is poses
