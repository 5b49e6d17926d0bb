"""The arena's floor as seen from straight above, and its scale."""

import math

import numpy as np

from tasks.behavior.behavior_settings import ArenaCorners, BehaviorSettings
from tasks.behavior.segments import FloatArray


def compute_scale(settings: BehaviorSettings) -> float | None:
    """Pixels per cm: as given, or those of the flattened floor; None where there is no scale."""
    if settings.corners is not None:
        return _compute_corner_scale(settings.corners)
    return settings.pixels_per_cm


def _compute_corner_scale(corners: ArenaCorners) -> float:
    """Pixels per cm with which the rectangle keeps the area that it has in the picture."""
    x, y = np.array(corners.points).T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    return math.sqrt(area / (corners.width_cm * corners.height_cm))


def flatten_positions(positions: FloatArray, settings: BehaviorSettings) -> FloatArray:
    """Map pixels of the picture to pixels of the floor seen from above.

    Without corners nothing changes. The transform is OpenCV's ``getPerspectiveTransform`` from the
    four corners to the rectangle with its upper left corner at (0, 0), at the scale of
    `compute_scale`.

    Args:
        positions: (points, 2), pixels, NaN where unknown.
        settings: The corners.
    """
    if settings.corners is None:
        return positions
    import cv2  # noqa: PLC0415 - a third of a second that other requests need not wait for

    corners, scale = settings.corners, _compute_corner_scale(settings.corners)
    width, height = corners.width_cm * scale, corners.height_cm * scale
    flat = ((0, 0), (width, 0), (width, height), (0, height))
    matrix = cv2.getPerspectiveTransform(
        np.array(corners.points, dtype=np.float32), np.array(flat, dtype=np.float32)
    )
    ends = np.column_stack([positions, np.ones(len(positions))]) @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        flattened: FloatArray = ends[:, :2] / ends[:, 2:]
    flattened[~(ends[:, 2] > 0)] = np.nan  # beyond the horizon
    return flattened
