"""The median filter of `deeplabcut.filterpredictions`, on files."""

import warnings
from pathlib import Path

import pandas as pd

from tasks.pose.poses import read_poses, write_poses


def filter_file(raw: Path, target: Path, window_length: int) -> None:
    """Filter a file of raw poses into another.

    Args:
        raw: H5 of raw poses.
        target: H5 to write.
        window_length: Frames that the median is taken over, an odd number above 1.
    """
    write_poses(median_filter(read_poses(raw), window_length), target)


def median_filter(poses: pd.DataFrame, window_length: int) -> pd.DataFrame:
    """Replace each coordinate by the median over a window of frames; likelihoods stay.

    Before the first and after the last frame DeepLabCut (scipy's ``medfilt``) assumes zeros, so
    the outermost frames lean towards the origin; a movie shorter than the window does so
    throughout. Results are the same as DeepLabCut's, there too.

    Args:
        poses: A table of poses, coordinates in pixels.
        window_length: Frames that the median is taken over, an odd number above 1.

    Returns:
        A table of the same shape.
    """
    from scipy import signal  # noqa: PLC0415 - most of a second, and only a finisher needs it

    filtered = poses.copy()
    moves = poses.columns.get_level_values("coords") != "likelihood"
    with warnings.catch_warnings():
        # The caller is told by `ledger.window_warnings`, in the run record.
        warnings.filterwarnings("ignore", message="kernel_size exceeds volume extent")
        filtered.loc[:, moves] = poses.loc[:, moves].apply(
            signal.medfilt, args=(window_length,), axis=0
        )
    return filtered
