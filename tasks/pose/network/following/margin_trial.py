"""How near to where a window cuts the frame its points are still the full frame's: by trial.

A network's reach in theory is larger than most windows, but what is far away matters little. So
windows are tried on a frame whose poses are known: with the animals in their middle, as they mostly
are, where points must not move; and in each corner, nearer to two edges than the margin allows,
where they may move a little. The smallest margin is taken that will do.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.following.visible_points import (
    Predictions,
    find_visible_points,
    measure_moves,
)
from tasks.pose.network.following.window_planner import BOUND_PIXELS, WindowPlanner
from tasks.pose.network.frame_window import Window, WindowGrid

_MEDIAN_PIXELS = 0.01
"""Pixels that half of the points in the middle may be moved at most."""

_CORNER_PIXELS = 0.5
"""Pixels that points in corners may be moved at most."""

_ENOUGH_SHARE = 0.95
"""Share of the points that may be moved by so many pixels at most."""


def find_margin(
    planner: WindowPlanner,
    full: Predictions,
    predict: Callable[[list[Window]], list[Predictions]],
) -> int:
    """Find the smallest margin that will do.

    Args:
        planner: Which margins there are, and how large a window each needs.
        full: A frame's predictions from the full frame.
        predict: Predicts the same frame's windows.

    Returns:
        Pixels; -1 where no margin is enough.
    """
    box = find_visible_points(full).boxes()[0].tolist()
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for margin in planner.margins():
        side = planner.choose_side(margin)
        assert side is not None
        corners = _place_in_corners(planner.grid, box, margin, side)
        found = predict([planner.grid.place(middle, side), *corners])
        inner, *outer = (measure_moves(one, full) for one in found)
        if _are_enough(inner, outer):
            return margin
    return -1


def _are_enough(inner: NDArray[np.float32], outer: list[NDArray[np.float32]]) -> bool:
    middle, corners = (moves[~np.isnan(moves)] for moves in (inner, np.concatenate(outer)))
    return bool(
        np.median(middle) <= _MEDIAN_PIXELS
        and _find_most(middle) <= BOUND_PIXELS
        and _find_most(corners) <= _CORNER_PIXELS
    )


def _find_most(moves: NDArray[np.float32]) -> float:
    return float(np.quantile(moves, _ENOUGH_SHARE, method="higher"))


def _place_in_corners(grid: WindowGrid, box: list[float], margin: int, side: int) -> list[Window]:
    """Windows with a box in each of their corners, a margin away from both edges or a bit less."""
    width, height = grid.size(side)
    columns = _list_starts(box[0], box[2], margin, width, grid.width, grid.stride)
    rows = _list_starts(box[1], box[3], margin, height, grid.height, grid.stride)
    return [Window(left, top, width, height) for left, top in product(columns, rows)]


def _list_starts(
    low: float, high: float, margin: int, size: int, most: int, stride: int
) -> list[int]:
    """Where windows begin that end a margin before and after a stretch, or a bit less."""
    first = -int((margin - low) // stride) * stride
    last = int((high + margin - size) // stride) * stride
    return sorted({min(max(0, start), most - size) for start in (first, last)})
