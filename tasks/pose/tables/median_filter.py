"""The median filter of `deeplabcut.filterpredictions`, on files."""

import warnings
from pathlib import Path

import pandas as pd

from tasks.pose.tables.pose_table import read_poses, write_poses


def filter_pose_file(raw: Path, target: Path, window_length: int) -> None:
    """Filter a file of raw poses into another.

    Args:
        raw: H5 of raw poses.
        target: H5 to write.
        window_length: Frames that the median is taken over, an odd number above 1.
    """
    poses = read_poses(raw)
    _filter_in_place(poses, window_length)
    write_poses(poses, target)


def apply_median_filter(poses: pd.DataFrame, window_length: int) -> pd.DataFrame:
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
    filtered = poses.copy()
    _filter_in_place(filtered, window_length)
    return filtered


def _filter_in_place(poses: pd.DataFrame, window_length: int) -> None:
    """The same in place and column by column: a long movie's table is there once."""
    from scipy import signal  # noqa: PLC0415 - most of a second, and only a finisher needs it

    with warnings.catch_warnings():
        # The caller is told by `ledger.window_warnings`, in the run record.
        warnings.filterwarnings("ignore", message="kernel_size exceeds volume extent")
        for index, label in enumerate(poses.columns):
            if label[-1] != "likelihood":
                column = poses.iloc[:, index].to_numpy()
                poses.iloc[:, index] = signal.medfilt(column, window_length)
