"""How far our poses are from DeepLabCut's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.pose.tables.pose_table import read_poses

CONFIDENT, NEAR = 0.6, 0.01
"""The likelihood above which a point counts, and the pixels within which it is the same."""


@dataclass(frozen=True)
class Agreement:
    """Two tables of poses, compared.

    Attributes:
        shape: Whether rows and columns are the same.
        points: Number of points that either is confident of.
        near: Share of them within a hundredth of a pixel.
        largest: The largest distance of a coordinate of any point, in pixels.
        largest_confident: The same of confident points.
    """

    shape: bool
    points: int
    near: float
    largest: float
    largest_confident: float


def compare_poses(ours: Path, theirs: Path) -> Agreement:
    """Compare two files of poses."""
    a, b = read_poses(ours), pd.DataFrame(pd.read_hdf(theirs))
    if a.shape != b.shape or not a.columns.equals(b.columns):
        return Agreement(False, 0, 0.0, np.inf, np.inf)
    x, y = (t.to_numpy(np.float64).reshape(len(t), -1, 3) for t in (a, b))
    apart = np.abs(x - y)[..., :2].max(axis=2)
    apart[np.isnan(x[..., 0]) & np.isnan(y[..., 0])] = 0
    apart[np.isnan(apart)] = np.inf
    confident = apart[(x[..., 2] > CONFIDENT) | (y[..., 2] > CONFIDENT)]
    near = float((confident <= NEAR).mean()) if confident.size else 1.0
    return Agreement(
        True, confident.size, near, float(apart.max()), float(confident.max(initial=0))
    )
