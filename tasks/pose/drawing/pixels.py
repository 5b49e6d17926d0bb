"""Pixels and colors of many frames, computed for all of them together.

What numpy needs for each call is then little, whatever is drawn on each frame.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.draw import line_aa

MAX_GROUP_PIXELS = 8 << 20
"""Pixels of frames that are looked at together, four bytes each, in each thread."""

_CACHED_LINES = 4096
"""Shapes of lines that are kept, a kilobyte each: from frame to frame an edge changes little."""


class ColoredPixels(NamedTuple):
    """Pixels to be colored, those of later places over those of earlier ones.

    Attributes:
        frames: The frame that each is on, shape (pixels,).
        rows: The same.
        columns: The same.
        colors: Index of each one's color.
    """

    frames: NDArray[np.intp]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    colors: NDArray[np.intp]

    @classmethod
    def create_empty(cls) -> ColoredPixels:
        """No pixels."""
        return cls(*(np.empty(0, np.intp) for _ in cls._fields))

    def with_layer_on_top(self, later: ColoredPixels) -> ColoredPixels:
        """These, and others that cover them."""
        return ColoredPixels(*map(np.concatenate, zip(self, later, strict=True)))

    def split_by_frame(self, frames: int) -> list[ColoredPixels]:
        """Those of each frame, where frames follow each other."""
        ends = np.searchsorted(self.frames, np.arange(frames + 1)).tolist()
        parts = (slice(start, end) for start, end in pairwise(ends))
        return [ColoredPixels(*(values[part] for values in self)) for part in parts]


class TopPixelFinder(threading.local):
    """Finds what is seen of pixels that cover each other; one for a movie, for its memory.

    Each thread has separate memory.
    """

    def __init__(self) -> None:
        self._turns = np.empty(0, np.int32)

    def find_visible(self, pixels: ColoredPixels) -> ColoredPixels:
        """Each pixel once, as it is in the end, frame by frame."""
        if not len(pixels.rows):
            return pixels
        place = _number_places(pixels)
        turns = self._reserve_memory(int(place.max()) + 1)
        turn = np.arange(len(place), dtype=np.int32)
        turns[place] = turn
        last = np.flatnonzero(turns[place] == turn)
        last = last[np.argsort(pixels.frames[last].astype(np.uint16), kind="stable")]
        return ColoredPixels(*(values[last] for values in pixels))

    def _reserve_memory(self, size: int) -> NDArray[np.int32]:
        if len(self._turns) < size:
            self._turns = np.empty(2 * size, np.int32)
        return self._turns


def _number_places(pixels: ColoredPixels) -> NDArray[np.intp]:
    """A number for each place within what is drawn on of all frames, which is a small part."""
    rows, columns = pixels.rows - pixels.rows.min(), pixels.columns - pixels.columns.min()
    line = pixels.frames * int(rows.max() + 1) + rows
    place: NDArray[np.intp] = line * int(columns.max() + 1) + columns
    return place


def _sort_pairs(
    first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of small numbers, sorted by the first and then by the second; as one, which is fast."""
    bits = int(second.max(initial=0)).bit_length()
    both = (first << bits) | second
    both.sort()
    return both >> bits, both & ((1 << bits) - 1)


def group_into_squares(
    pixels: ColoredPixels, shape: tuple[int, ...]
) -> tuple[ColoredPixels, NDArray[np.intp]]:
    """The same pixels, two by two in both directions: sorted by what a color difference covers.

    Args:
        pixels: Each once.
        shape: Height and width of the frames, both even.

    Returns:
        The squares' frames, rows and columns, and each pixel's color, by square; and where in the
        colors each square begins.
    """
    rows, columns = shape[0] // 2, shape[1] // 2
    place = (pixels.frames * rows + (pixels.rows >> 1)) * columns + (pixels.columns >> 1)
    found, colors = _sort_pairs(place, pixels.colors)
    starts = np.flatnonzero(np.append(True, found[1:] != found[:-1])) if len(found) else found
    row, column = np.divmod(found[starts], columns)
    frame, row = np.divmod(row, rows)
    return ColoredPixels(frame, row, column, colors), starts


def compute_line_pixels(
    frames: NDArray[np.intp], ends: NDArray[np.intp], color: int
) -> ColoredPixels:
    """The pixels of straight lines, which are those of ``skimage.draw.line_aa``.

    Args:
        frames: The frame of each line, shape (lines,).
        ends: Its ends, shape (lines, 2, 2), each with row and column.
        color: Index of their color.
    """
    if not len(frames):
        return ColoredPixels.create_empty()
    sign = np.where(ends[:, 1] < ends[:, 0], -1, 1)
    steps = [_compute_line_steps(*reach) for reach in np.abs(ends[:, 1] - ends[:, 0]).tolist()]
    line = np.repeat(np.arange(len(steps)), [shape.shape[1] for shape in steps])
    rows, columns = ends[line, 0].T + sign[line].T * np.concatenate(steps, axis=1)
    return ColoredPixels(frames[line], rows, columns, np.full(len(line), color))


@lru_cache(_CACHED_LINES)
def _compute_line_steps(rows: int, columns: int) -> NDArray[np.int32]:
    """The pixels of a line from (0, 0), shape (2, pixels); toward other sides it is the same."""
    return np.array(line_aa(0, 0, rows, columns)[:2], np.int32)
