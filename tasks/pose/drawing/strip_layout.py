"""Places of a legend's entries and of each frame's texts in the strip below a labeled movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Place:
    """Place in a strip, in pixels.

    Attributes:
        left: The first column.
        top: The first row.
    """

    left: int
    top: int


@dataclass(frozen=True)
class WrittenLines:
    """Pieces of text that are written in lines.

    Attributes:
        widths: Width of each piece in pixels, with the distance to the next.
        height: Height of a line.
    """

    widths: Sequence[int]
    height: int


@dataclass(frozen=True)
class StripLayout:
    """Places of all that is written in a strip.

    Attributes:
        texts: Of each text that changes from frame to frame.
        entries: Of the legend's entries; where they are fewer than the legend has, the last one
            says how many more there are.
        height: Rows that all of it takes, margins included.
    """

    texts: tuple[Place, ...]
    entries: tuple[Place, ...]
    height: int


def lay_out_strip(
    texts: WrittenLines, entries: WrittenLines, width: int, margin: int, max_height: int
) -> StripLayout:
    """Place texts in lines, and the legend in what is left of the last one or in columns below.

    Args:
        texts: What changes from frame to frame.
        entries: The legend.
        width: Columns of the strip.
        margin: Pixels around all of it.
        max_height: Rows that the strip has at most, but for a legend of one line.
    """
    right = width - margin
    left, top = margin, margin
    places = []
    for wide in texts.widths:
        if left > margin and left + wide > right:
            left, top = margin, top + texts.height
        places.append(Place(left, top))
        left += wide
    if not entries.widths or left + sum(entries.widths) <= right:
        named = []
        for wide in entries.widths:
            named.append(Place(left, top))
            left += wide
        line = max(texts.height, entries.height)
        return StripLayout(tuple(places), tuple(named), top + line + margin)
    top += texts.height if texts.widths else 0
    column = max(entries.widths)
    columns = max(1, (right - margin) // column)
    lines = -(-len(entries.widths) // columns)
    lines = min(lines, max(1, (max_height - top - margin) // entries.height))
    count = min(len(entries.widths), lines * columns)
    in_columns = (
        Place(margin + number % columns * column, top + number // columns * entries.height)
        for number in range(count)
    )
    return StripLayout(tuple(places), tuple(in_columns), top + lines * entries.height + margin)
