"""Windows of a frame whose features are the full frame's: aligned to the network's stride.

A network halves its picture again and again. Where a window begins at a multiple of the stride that
this comes to, each of its features is computed from the same pixels as in the full frame, but for
those near an edge at which the window cuts the frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_LEAST_UNIT = 32
"""Pixels; sides of windows are multiples of it, or of the stride if that is more."""

_UNITS_OF_SIDES = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
"""Sides to choose from: few, since a network is made ready for each size."""

_MOST_OF_FRAME = 0.6
"""Share of a frame above which a window is not worth its checks."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a frame, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column to the right of it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    def cut(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut the window out of a frame, shape (height, width, 3)."""
        return frame[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class WindowGrid:
    """Places for windows in frames of one size.

    A frame whose side is no multiple of the stride has a rest at its right or lower end. Windows
    have the same rest, so that one that reaches that end begins at a multiple of the stride, too.

    Attributes:
        stride: Pixels between two places, in x and in y.
        width: Columns of a frame.
        height: Rows of a frame.
    """

    stride: int
    width: int
    height: int

    @cached_property
    def sides(self) -> tuple[int, ...]:
        """Sides of windows that are worth it, the smallest first."""
        return tuple(side for side in self._all_sides() if self.is_worth_it(side))

    def _all_sides(self) -> Iterator[int]:
        unit = self.stride * -(-_LEAST_UNIT // self.stride)
        return (unit * units for units in _UNITS_OF_SIDES)

    def is_worth_it(self, side: int) -> bool:
        """Return whether a window of this side is much smaller than the frame."""
        width, height = self.size(side)
        return width * height <= _MOST_OF_FRAME * self.width * self.height

    def round_up(self, side: int) -> int:
        """Return the smallest multiple of the stride that is no less than a side."""
        return -(-side // self.stride) * self.stride

    def size(self, side: int) -> tuple[int, int]:
        """Return the width and the height of a window; no more than the frame's."""
        return (
            min(side + self.width % self.stride, self.width),
            min(side + self.height % self.stride, self.height),
        )

    def place(self, center: tuple[float, float], side: int) -> Window:
        """Place a window with its center near a point, inside the frame."""
        width, height = self.size(side)
        left = self._align(center[0] - width / 2, self.width - width)
        top = self._align(center[1] - height / 2, self.height - height)
        return Window(left, top, width, height)

    def _align(self, start: float, last: int) -> int:
        return min(max(0, round(start / self.stride) * self.stride), last)

    def holds(self, window: Window, points: NDArray[np.float64], margin: int) -> NDArray[np.bool_]:
        """Return which points are inside a window, and at least a margin from where it cuts.

        Args:
            window: The window. Its edges that are the frame's do not cut it.
            points: x and y in pixels of the frame, shape (…, 2).
            margin: Pixels.
        """
        x, y = points[..., 0], points[..., 1]
        held = np.ones(x.shape, bool)
        if window.left > 0:
            held &= x >= window.left + margin
        if window.top > 0:
            held &= y >= window.top + margin
        if window.right < self.width:
            held &= x <= window.right - margin
        if window.bottom < self.height:
            held &= y <= window.bottom - margin
        return held
