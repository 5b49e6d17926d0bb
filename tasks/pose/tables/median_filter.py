"""The median filter of `deeplabcut.filterpredictions`, which here keeps gaps where they are."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.tables.pose_table import read_poses, write_poses

_Mask = NDArray[np.bool_]

NOT_FOUND = -1
"""Value of x, y and likelihood in DeepLabCut's top-down models where they find no animal."""

_ROWS_AT_ONCE = 16_384
"""Windows that are sorted at a time: those of a long movie take more memory than its table."""


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

    A keypoint that is found in every frame gets DeepLabCut's own numbers. Before the first and
    after the last frame these (scipy's ``medfilt``) assume zeros, so that the outermost frames
    lean toward the origin; a movie shorter than the window does so throughout.

    Where a keypoint is missing in some frame, scipy's result depends on where its partial sort
    happens to leave NaN: points that were found get lost, and others come from nothing. Such a
    keypoint stays missing where it is missing, as a whole, and is elsewhere the median of those
    frames of the window in which it was found.

    Args:
        poses: A table of poses, coordinates in pixels.
        window_length: Frames that the median is taken over, an odd number above 1.

    Returns:
        A table of the same shape.
    """
    filtered = poses.copy()
    _filter_in_place(filtered, window_length)
    return filtered


def find_missing_points(keypoint: NDArray[Any]) -> _Mask:
    """Tell in which frames a keypoint is missing.

    Args:
        keypoint: x, y and likelihood in each frame, shape (frames, 3).

    Returns:
        Where one of the three is not known, or all say that no animal was found; (frames,).
    """
    unknown = ~np.isfinite(keypoint).all(axis=1)
    return np.asarray(unknown | (keypoint == NOT_FOUND).all(axis=1), np.bool_)


def find_partial_windows(missing: _Mask, window_length: int) -> _Mask:
    """Tell which points of a keypoint with gaps are the median of fewer frames than the window has.

    Args:
        missing: In which frames the keypoint is missing, shape (frames,).
        window_length: Frames that the median is taken over.

    Returns:
        Shape (frames,); nowhere for a keypoint that is found in every frame.
    """
    frames, half = np.arange(len(missing)), window_length // 2
    if not missing.any():
        return np.zeros(len(missing), np.bool_)
    found = np.concatenate(([0], np.cumsum(~missing)))
    ends = np.minimum(frames + half + 1, len(missing))
    in_window = found[ends] - found[np.maximum(frames - half, 0)]
    return np.asarray(~missing & (in_window < window_length), np.bool_)


def _filter_in_place(poses: pd.DataFrame, window_length: int) -> None:
    """The same in place and keypoint by keypoint: a long movie's table is there once."""
    from scipy import signal  # noqa: PLC0415 - most of a second, and only a finisher needs it

    with warnings.catch_warnings():
        # The caller is told by `filter_window_warnings`, in the run record.
        warnings.filterwarnings("ignore", message="kernel_size exceeds volume extent")
        for first in range(0, poses.shape[1], 3):
            keypoint = poses.iloc[:, first : first + 3].to_numpy(copy=True)
            missing = find_missing_points(keypoint)
            partial = find_partial_windows(missing, window_length)
            for column in keypoint.T[:2]:
                filled = np.where(missing, 0, column)
                medians = signal.medfilt(filled, window_length)
                medians[partial] = _medians_of_found(column, missing, partial, window_length)
                column[~missing] = medians[~missing]
            # All three go together, but for the mark of a top-down model, which is whole as it is.
            keypoint[missing & ~(keypoint == NOT_FOUND).all(axis=1)] = np.nan
            for index, column in enumerate(keypoint.T):
                poses.iloc[:, first + index] = column


def _medians_of_found(
    column: NDArray[Any], missing: _Mask, wanted: _Mask, window_length: int
) -> NDArray[Any]:
    """The medians of what was found in some frames' windows, the frame itself always among it."""
    half = window_length // 2
    padded = np.pad(np.where(missing, np.nan, column), half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window_length)
    rows = np.flatnonzero(wanted)
    medians = np.empty(len(rows), column.dtype)
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[begin : begin + _ROWS_AT_ONCE]
        ordered = np.sort(windows[part], axis=1)  # NaN comes last
        count = np.isfinite(ordered).sum(axis=1)
        here = np.arange(len(part))
        lower, upper = ordered[here, (count - 1) // 2], ordered[here, count // 2]
        medians[begin : begin + len(part)] = (lower + upper) / 2
    return medians
