"""Precision of a network's arithmetic, and the distance that it moved points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CONFIDENT_LIKELIHOOD = 0.6
"""The likelihood, DeepLabCut's own cutoff, above which a point's place counts."""

NOTICEABLE_PIXELS = 0.1
"""Pixels; points that reduced precision moves farther are told about."""

MOST_POINTS_PERCENT = 99.9
"""Percent of the points that are within `Arithmetic.most`."""


NumberType = Literal["float32", "tfloat32", "float16", "bfloat16"]
"""Number formats of a network, by PyTorch's names.

``tfloat32`` is float32 that is rounded to 10 binary digits on its way into a product.
"""


@dataclass(frozen=True)
class Arithmetic:
    """The numbers that a network computed with, and what became of the first frames' points.

    Attributes:
        numbers: Their type: ``float32`` in full precision, ``tfloat32`` or ``float16`` on a GPU,
            ``bfloat16`` on a CPU.
        frames: Frames that were also estimated in full precision, to be compared.
        points: Confident points in them.
        most: Pixels that 99.9 % of these points are moved at most; None where none was compared.
        largest: Pixels that any of them is moved.
        warnings: What users of the poses should know, one sentence each.
    """

    numbers: NumberType = "float32"
    frames: int = 0
    points: int = 0
    most: float | None = None
    largest: float | None = None
    warnings: tuple[str, ...] = ()


FULL_PRECISION = Arithmetic()


def compare_points(
    numbers: NumberType,
    reduced: Sequence[NDArray[np.float32]],
    full: Sequence[NDArray[np.float32]],
    *,
    warns: bool = True,
) -> Arithmetic:
    """Compare what a network found in frames with what it found in full precision.

    Args:
        numbers: What the reduced ones were computed with.
        reduced: For each frame, shape (animals, body parts, 3 or more): x, y, likelihood.
        full: The same.
        warns: Whether points that are moved far are to be told about.

    Returns:
        How far points were moved in x or y; those that were lost are infinitely far.
    """
    moved = np.concatenate([_point_distances(*pair) for pair in zip(reduced, full, strict=True)])
    if not len(moved):
        return Arithmetic(numbers, len(full))
    most, largest = (
        float(np.percentile(moved, MOST_POINTS_PERCENT, method="higher")),
        float(moved.max()),
    )
    told = (
        (_format_warning(numbers, len(full), largest),)
        if warns and largest > NOTICEABLE_PIXELS
        else ()
    )
    return Arithmetic(numbers, len(full), len(moved), most, largest, told)


def _point_distances(
    reduced: NDArray[np.float32], full: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Compute the distances that a frame's confident points moved; animals may change order."""
    if not full.size:
        return np.empty(0)
    apart = np.abs(reduced[None, :, :, :2].astype(np.float64) - full[:, None, :, :2]).max(axis=3)
    apart[np.isnan(apart)] = np.inf
    nearest = apart.mean(axis=2).argmin(axis=1)
    found: NDArray[np.float64] = apart[np.arange(len(full)), nearest][
        full[..., 2] > CONFIDENT_LIKELIHOOD
    ]
    return found


def _format_warning(numbers: str, frames: int, largest: float) -> str:
    far = "far away" if np.isinf(largest) else f"{largest:.2f} pixels"
    return (
        f"precision: half ({numbers}) moves a confident point of the first {frames} frames {far}; "
        "choose standard or full where that matters"
    )
