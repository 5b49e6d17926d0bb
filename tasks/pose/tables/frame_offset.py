"""Poses relative to a crop, moved into the whole frame."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.tables.median_filter import NOT_FOUND


def shift_poses(poses: pd.DataFrame, offset: tuple[int, int]) -> pd.DataFrame:
    """Move a table of poses.

    Args:
        poses: Coordinates in pixels, relative to the crop.
        offset: The crop's left and top edge in pixels.

    Returns:
        A table of the same shape, coordinates relative to the frame, float64; the table itself
        where nothing moves. DeepLabCut's mark for an animal that was not found, -1 for x, y, and
        likelihood, is no place and stays as it is.
    """
    if offset == (0, 0):
        return poses  # without a copy of a long movie's
    shift = {"x": offset[0], "y": offset[1], "likelihood": 0}
    by_column: NDArray[np.float64] = np.array([shift[label[-1]] for label in poses.columns])
    moved = poses.to_numpy(dtype=np.float64) + by_column
    for first in range(0, poses.shape[1], 3):
        keypoint = poses.iloc[:, first : first + 3].to_numpy()
        moved[(keypoint == NOT_FOUND).all(axis=1), first : first + 3] = NOT_FOUND
    return pd.DataFrame(moved, index=poses.index, columns=poses.columns)
