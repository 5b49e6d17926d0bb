"""How each keypoint is marked, so that readers with any kind of color vision tell them apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.pose.drawing.distinct_colors import pick_distinct_colors

SHAPES = ("circle", "square", "diamond", "triangle", "inverted triangle", "plus", "cross", "star")
"""Shapes of dots; a line of the same variant has the dashes of the same place."""

_PARTS_OF_ONE_SHAPE = 8


@dataclass(frozen=True)
class KeypointMark:
    """A keypoint's mark, in the picture and in the traces.

    Attributes:
        color: ``#rrggbb``; that of its body part.
        variant: Place among `SHAPES`, and among as many kinds of dashes.
    """

    color: str
    variant: int


def choose_marks(individuals: Sequence[str], parts: Sequence[str]) -> tuple[KeypointMark, ...]:
    """Choose the marks of keypoints.

    The color goes by the body part, as in the previews. The shape goes by the individual, and
    changes after every eight body parts: by hue alone so many are not told apart.

    Args:
        individuals: The individual of each keypoint.
        parts: The body part of each keypoint.
    """
    part_names, individual_names = list(dict.fromkeys(parts)), list(dict.fromkeys(individuals))
    colors = pick_distinct_colors(len(part_names))
    marks = []
    for individual, part in zip(individuals, parts, strict=True):
        place = part_names.index(part)
        variant = individual_names.index(individual) + place // _PARTS_OF_ONE_SHAPE
        marks.append(KeypointMark(colors[place], variant % len(SHAPES)))
    return tuple(marks)
