"""What became of a movie's frames where a window followed the animals, for the run record."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.following.window_planner import BOUND_PIXELS

PLACES = "follow_places"
"""Name of an array among a batch's predictions, shape (frames, 6): where each frame's poses are
from, its window's left, top, width and height (0 where it had none), and the margin afterwards."""

MOVES = "follow_moves"
"""Name of the array of `BatchOutcome.moves` among them."""

WINDOW, FULL, AGAIN, COMPARED = range(4)
"""Where a frame's poses are from: its window; the full frame; the full frame after its window
could not be trusted; the full frame, to be compared with its window."""

_MOST_PERCENT = 99


@dataclass(frozen=True)
class FollowResult:
    """How a window followed the animals.

    Attributes:
        windows: Frames whose poses are from a window.
        full: Frames of which only the full frame was looked at.
        again: Frames whose window could not be trusted, so that the full frame was looked at.
        compared: Frames of which both were looked at, to be compared.
        sides: Widths of windows, in pixels, the smallest first.
        margin: Pixels from where a window cuts the frame within which points were not trusted;
            None where no window was used.
        points: Confident points that were compared.
        median: Pixels in x or y that half of them were moved by windows, at most.
        most: The same of 99 % of them.
        largest: The same of all.
        reason: Why the full frame was used from some frame on, or throughout.
    """

    windows: int = 0
    full: int = 0
    again: int = 0
    compared: int = 0
    sides: tuple[int, ...] = ()
    margin: int | None = None
    points: int = 0
    median: float | None = None
    most: float | None = None
    largest: float | None = None
    reason: str | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What users of the poses should know."""
        if self.most is not None and self.most > BOUND_PIXELS:
            return (
                f"follow: {self._describe_moves()}; choose follow: off where that matters",
                *self._explain_full(),
            )
        return tuple(self._explain_full())

    def _explain_full(self) -> Iterable[str]:
        return (f"follow: {self.reason}",) if self.reason else ()

    def _describe_moves(self) -> str:
        return (
            f"windows moved confident points by {self.median:.3f} pixels in the median, 99 % by "
            f"{self.most:.2f} at most, and all by {self.largest:.2f}, of {self.points} compared"
        )

    @property
    def summary(self) -> str:
        """How it went, in a few words."""
        frames = self.windows + self.full + self.again + self.compared
        moved = f"; {self._describe_moves()}" if self.points else ""
        return f"{self.windows} of {frames} frames in a window that follows{moved}"


def summarize_following(
    predictions: Iterable[Mapping[str, NDArray[Any]]],
) -> FollowResult:
    """Summarize a movie's batches.

    Args:
        predictions: Of its batches.
    """
    batches = list(predictions)
    places = np.concatenate([batch[PLACES] for batch in batches])
    # Several batches may have other numbers of animals, and so of points.
    moved = np.concatenate([batch[MOVES].reshape(-1) for batch in batches])
    moved = moved[~np.isnan(moved)]
    counts = np.bincount(places[:, 0], minlength=COMPARED + 1)
    used = places[places[:, 0] != FULL]
    found = FollowResult(
        windows=int(counts[WINDOW]),
        full=int(counts[FULL]),
        again=int(counts[AGAIN]),
        compared=int(counts[COMPARED]),
        sides=tuple(sorted({int(width) for width in used[:, 3]})),
        margin=int(places[-1, 5]) if len(used) and places[-1, 5] > 0 else None,
    )
    if not len(moved):
        return found
    return replace(
        found,
        points=len(moved),
        median=round(float(np.median(moved)), 4),
        most=round(float(np.percentile(moved, _MOST_PERCENT, method="higher")), 4),
        largest=round(float(moved.max()), 4),
    )
