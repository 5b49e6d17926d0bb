"""Confident points of predictions, and how far two predictions of a frame are apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.precision_check import CONFIDENT_LIKELIHOOD

_POINT_ARRAYS = ("bodyparts", "unique_bodyparts")
"""DeepLabCut's predictions that are points: x, y in pixels, likelihood."""

Predictions = Mapping[str, NDArray[Any]]
"""Predictions by their names, each with one entry for each frame."""


@dataclass(frozen=True)
class VisiblePoints:
    """Points of several frames.

    Attributes:
        places: x and y in pixels, shape (frames, points, 2); 0 where a point is not confident.
        confident: Which points the network is sure of, shape (frames, points).
        counts: Number of animals with each body part, shape (frames, body parts).
    """

    places: NDArray[np.float64]
    confident: NDArray[np.bool_]
    counts: NDArray[np.intp]

    @property
    def totals(self) -> NDArray[np.intp]:
        """Number of confident points of each frame."""
        total: NDArray[np.intp] = self.confident.sum(axis=1)
        return total

    def boxes(self) -> NDArray[np.float64]:
        """Boxes around each frame's confident points: left, top, right, bottom; NaN for none."""
        seen = self.confident[..., None]
        low = np.where(seen, self.places, np.inf).min(axis=1)
        high = np.where(seen, self.places, -np.inf).max(axis=1)
        boxes = np.concatenate([low, high], axis=1)
        boxes[~np.isfinite(boxes).all(axis=1)] = np.nan
        return boxes


def find_visible_points(predictions: Predictions) -> VisiblePoints:
    """Find the points that the network is sure of.

    Args:
        predictions: Of frames; points have shape (frames, animals, body parts, 3).
    """
    arrays = [predictions[name] for name in _POINT_ARRAYS if name in predictions]
    sure = [
        np.isfinite(points[..., :3]).all(axis=3) & (points[..., 2] > CONFIDENT_LIKELIHOOD)
        for points in arrays
    ]
    frames = len(arrays[0])
    confident = np.concatenate([one.reshape(frames, -1) for one in sure], axis=1)
    places = np.concatenate([a[..., :2].reshape(frames, -1, 2) for a in arrays], axis=1)
    return VisiblePoints(
        places=np.where(confident[..., None], places, 0).astype(np.float64),
        confident=confident,
        counts=np.concatenate([one.sum(axis=1) for one in sure], axis=1),
    )


def measure_moves(found: Predictions, full: Predictions) -> NDArray[np.float32]:
    """Measure how far a frame's points are from those of the full frame.

    Args:
        found: A single frame's predictions from a window.
        full: The same from the full frame.

    Returns:
        Pixels in x or y for each of the full frame's points, shape (points,); NaN where it is not
        sure of one. Animals may come in another order.
    """
    moves = [
        _measure_array(found[name][0], full[name][0]) for name in _POINT_ARRAYS if name in full
    ]
    return np.concatenate(moves).astype(np.float32)


def _measure_array(found: NDArray[Any], full: NDArray[Any]) -> NDArray[np.float64]:
    """Distances of points, shape (animals, body parts, 3), from the nearest animal's."""
    sure = np.isfinite(full[..., :3]).all(axis=2) & (full[..., 2] > CONFIDENT_LIKELIHOOD)
    a, b = found[None, :, :, :2].astype(np.float64), full[:, None, :, :2].astype(np.float64)
    apart = np.abs(a - b).max(axis=3)
    # An animal that is not found at all is as far as its place in the frame is large.
    apart = np.where(np.isnan(apart), np.abs(b).max(axis=3), apart)
    apart = np.where(np.isnan(apart), 0, apart)
    weights = sure[:, None, :]
    nearest = (apart * weights).sum(axis=2).argmin(axis=1)
    moved: NDArray[np.float64] = np.where(sure, apart[np.arange(len(full)), nearest], np.nan)
    return moved.reshape(-1)
