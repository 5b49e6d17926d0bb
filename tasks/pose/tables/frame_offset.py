"""Poses relative to a crop, moved into the whole frame."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def shift_poses(poses: pd.DataFrame, offset: tuple[int, int]) -> pd.DataFrame:
    """Move a table of poses.

    Args:
        poses: Coordinates in pixels, relative to the crop.
        offset: The crop's left and top edge in pixels.

    Returns:
        A table of the same shape, coordinates relative to the frame, float64; the table itself
        where nothing moves.
    """
    if offset == (0, 0):
        return poses  # without a copy of a long movie's
    shift = {"x": offset[0], "y": offset[1], "likelihood": 0}
    by_column: NDArray[np.float64] = np.array([shift[label[-1]] for label in poses.columns])
    return poses + by_column
