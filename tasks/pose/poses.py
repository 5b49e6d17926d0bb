"""A movie's poses as DeepLabCut's table, and its H5 files."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.keypoints import COORDS

H5_KEY = "df_with_missing"


def pose_table(
    poses: NDArray[np.float32], scorer: str, body_parts: tuple[str, ...]
) -> pd.DataFrame:
    """Label an array of poses as DeepLabCut does for a single animal.

    Args:
        poses: Shape (frames, body parts, 3): x and y in pixels, likelihood 0–1.
        scorer: The name for the first column level.
        body_parts: Names in the network's order.

    Returns:
        One row a frame; column levels scorer, bodyparts, coords.
    """
    columns = pd.MultiIndex.from_product(
        [[scorer], body_parts, COORDS], names=["scorer", "bodyparts", "coords"]
    )
    return pd.DataFrame(poses.reshape(len(poses), -1), columns=columns, index=range(len(poses)))


def write_poses(table: pd.DataFrame, target: Path) -> None:
    """Write a table of poses in the form that DeepLabCut writes and its tools read."""
    table.to_hdf(target, key=H5_KEY, format="table", mode="w")


def read_poses(source: Path) -> pd.DataFrame:
    """Read a table of poses that DeepLabCut or `write_poses` wrote."""
    table = pd.read_hdf(source, key=H5_KEY)
    assert isinstance(table, pd.DataFrame)
    return table
