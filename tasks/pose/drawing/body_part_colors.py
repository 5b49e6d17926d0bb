"""The color of each body part or individual, as DeepLabCut chooses them."""

from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgba_array
from numpy.typing import NDArray

from tasks.pose.drawing.distinct_colors import pick_distinct_colors
from tasks.pose.tables.keypoints import Keypoints

COLOR_BLIND_SAFE = "colorblind"
"""Name of the palette that stands beside matplotlib's colormaps."""


def choose_color_indices(
    keypoints: Keypoints, color_by: Literal["bodypart", "individual"]
) -> tuple[list[int], int]:
    """Choose each keypoint's color index: its place among all body parts, or all individuals.

    Returns:
        The indices in keypoint order, and the number of colors.
    """
    by_part = color_by == "bodypart"
    names = keypoints.part_names if by_part else keypoints.individual_names
    of_keypoint = keypoints.parts if by_part else keypoints.individuals
    return [names.index(name) for name in of_keypoint], len(names)


def spread_colors(color_map: str, count: int) -> NDArray[np.float64]:
    """Take colors at even distances over a colormap, both ends included (labeled movies).

    Returns:
        RGBA from 0 to 1, shape (count, 4).
    """
    if color_map == COLOR_BLIND_SAFE:
        return to_rgba_array(pick_distinct_colors(count))
    colors: NDArray[np.float64] = mpl.colormaps[color_map](np.linspace(0, 1, count))
    return colors


def step_colors(color_map: str, count: int) -> NDArray[np.float64]:
    """Take the colors of a colormap cut into steps (previews, keypoints-only movies).

    Returns:
        RGBA from 0 to 1, shape (count, 4).
    """
    if color_map == COLOR_BLIND_SAFE:
        return to_rgba_array(pick_distinct_colors(count))
    colors: NDArray[np.float64] = mpl.colormaps[color_map].resampled(count)(np.arange(count))
    return colors
