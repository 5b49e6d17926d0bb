"""Where the window of the next frames lies: a function of the poses of the frames before.

Nothing else is remembered, so that an estimation that goes on from stored poses places the same
windows as one that was never interrupted.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.following.visible_points import VisiblePoints
from tasks.pose.network.frame_window import Window, WindowGrid

BOUND_PIXELS = 0.1
"""Pixels; points that windows move farther count against them."""

_MOST_MOVED_SHARE = 0.02
_MOST_MOVED_POINTS = 2
"""So many points, or that share of those compared if it is more, may be moved farther."""

_ELSEWHERE_PIXELS = 16
"""Pixels; a point that is moved farther is another one: the window did not hold the right one.

A wider margin does not help there. As many points as a frame has may be so, or the share above: an
animal came in, or the movie was cut.
"""

MARGINS_IN_UNITS = (1, 1.5, 2, 2.5, 3, 4, 5)
"""Margins to choose from, in units of 32 pixels or of the stride if that is more."""

_REMEMBERED_NEEDS = 32
"""Batches whose animals a window's side is made for."""

_NEEDS_WITH_A_JUMP = 4
"""Batches of which the one that needs most does not count."""

_JUMP_SHARE = 0.1
"""Share of the frame's diagonal above which a step to the next frame is a jump: no such window
could hold both, and it tells nothing of how the animals move."""

_REMEMBERED_COUNTS = 512
"""Frames that tell how many points there usually are."""

_LEAST_SEEN = 0.5
"""Share of the usual points of a single animal below which it counts as lost."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class BatchOutcome:
    """What became of frames that shared a window.

    Attributes:
        points: Their points, as they are delivered.
        moves: Pixels that the window moved points, shape (frames, points); NaN where that was not
            measured.
    """

    points: VisiblePoints
    moves: NDArray[np.float32]


class WindowPlanner:
    """Places windows.

    Args:
        grid: Places for windows.
        animals: Number of animals that the model may find.
        side: The side that was asked for; None chooses it.

    Attributes:
        grid: Places for windows.
        margin: Pixels from where a window cuts the frame, within which points are not trusted; 0
            until it is known.
        stopped: Whether windows move points too far, so that the full frame is used from now on.
    """

    def __init__(self, grid: WindowGrid, animals: int, side: int | None = None) -> None:
        self.grid = grid
        self.margin = 0
        self.stopped = False
        self._animals, self._side = animals, side
        self._boxes: list[Box] = []
        self._extents: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED_NEEDS)
        self._totals: deque[int] = deque(maxlen=_REMEMBERED_COUNTS)
        self._most_animals = 0
        self._counts: NDArray[np.intp] | None = None
        self._compared = self._moved_far = 0
        self._all_compared = self._elsewhere = 0

    # --- what is known ------------------------------------------------------------------------

    def add_batch(self, outcome: BatchOutcome) -> None:
        """Take the poses of the next frames, and what was measured in them."""
        boxes = outcome.points.boxes()
        seen = boxes[~np.isnan(boxes).any(axis=1)]
        jumps = self._has_jump(seen)
        if len(seen) and not jumps:
            self._remember_extent(seen)
        ends = seen[[-1, -1] if jumps else [0, -1]] if len(seen) else seen
        self._boxes = [_to_box(box) for box in ends]
        self._totals.extend(int(total) for total in outcome.points.totals)
        self._counts = outcome.points.counts[-1]
        self._most_animals = max(self._most_animals, int(outcome.points.counts.max(initial=0)))
        self._judge_moves(outcome.moves[~np.isnan(outcome.moves)], outcome.moves.shape[-1])

    def _judge_moves(self, moves: NDArray[np.float32], points: int) -> None:
        elsewhere = moves > _ELSEWHERE_PIXELS
        self._elsewhere += int(elsewhere.sum())
        self._all_compared += len(moves)
        self._compared += len(moves)
        self._moved_far += int(((moves > BOUND_PIXELS) & ~elsewhere).sum())
        if self._elsewhere > max(points, _MOST_MOVED_SHARE * self._all_compared):
            self.set_margin(-1)
        elif self._moved_far > max(_MOST_MOVED_POINTS, _MOST_MOVED_SHARE * self._compared):
            larger = [margin for margin in self.margins() if margin > self.margin]
            self.set_margin(larger[0] if larger else -1)

    def set_margin(self, margin: int) -> None:
        """Set the margin that was found by trial; a negative one says that none is enough."""
        if margin != self.margin:
            self.margin, self._compared, self._moved_far = margin, 0, 0
            self.stopped = self.stopped or margin < 0

    def margins(self) -> list[int]:
        """Margins to choose from, of those that leave a window worth it; the smallest first."""
        unit = max(32, self.grid.stride)
        all_margins = [int(unit * units) for units in MARGINS_IN_UNITS]
        return [margin for margin in all_margins if self.choose_side(margin) is not None]

    def _has_jump(self, boxes: NDArray[np.float64]) -> bool:
        """Return whether the animals are suddenly elsewhere, as at a cut."""
        track = np.concatenate([np.array(self._boxes[-1:]).reshape(-1, 4), boxes])
        steps = np.diff((track[:, :2] + track[:, 2:]) / 2, axis=0)
        longest = float(np.linalg.norm(steps, axis=1).max(initial=0))
        return longest > _JUMP_SHARE * float(np.hypot(self.grid.width, self.grid.height))

    def _remember_extent(self, boxes: NDArray[np.float64]) -> None:
        """Keep how large a window around the planned center would have had to be, without margin.

        Of a movie's first frames: around their own center.
        """
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        center = np.array(self._predict_center() or (low + high) / 2)
        width, height = 2 * np.maximum(high - center, center - low)
        self._extents.append((float(width), float(height)))

    # --- the next window ----------------------------------------------------------------------

    @property
    def is_lost(self) -> bool:
        """Whether an animal that was there is not, or was never seen."""
        if self._counts is None or not self._boxes or not self._totals or not self._totals[-1]:
            return True
        if self._animals > 1:
            return int(self._counts.max()) < self._most_animals
        return self._totals[-1] < _LEAST_SEEN * max(self._totals)

    def plan_window(self) -> Window | None:
        """Place the window of the next frames; None for the full frame."""
        if self.stopped or self.margin <= 0 or self.is_lost:
            return None
        side, center = self.choose_side(self.margin), self._predict_center()
        return None if side is None or center is None else self.grid.place(center, side)

    def choose_side(self, margin: int) -> int | None:
        """Choose the side of a window with a margin; None where the full frame is better."""
        if not self._extents:
            return None
        widths, heights = (sorted(values) for values in zip(*self._extents, strict=True))
        # The farthest of many is a jump, for which the full frame is better than a large window.
        place = -2 if len(widths) >= _NEEDS_WITH_A_JUMP else -1
        more = 2 * margin + self.grid.stride
        needed = widths[place] + more, heights[place] + more
        sides = self.grid.sides if self._side is None else (self.grid.round_up(self._side),)
        return next((side for side in sides if self._is_enough(side, needed)), None)

    def _is_enough(self, side: int, needed: tuple[float, float]) -> bool:
        size, frame = self.grid.size(side), (self.grid.width, self.grid.height)
        enough = all(s >= min(n, f) for s, n, f in zip(size, needed, frame, strict=True))
        return enough and self.grid.is_worth_it(side)

    def _predict_center(self) -> tuple[float, float] | None:
        """Predict the middle of the animals in the middle of the next frames."""
        if not self._boxes:
            return None
        first, last = (np.array(box) for box in (self._boxes[0], self._boxes[-1]))
        middle, before = ((box[:2] + box[2:]) / 2 for box in (last, first))
        # As far as they came from the first of as many frames to the last, halved.
        center = middle + (middle - before) / 2
        return float(center[0]), float(center[1])

    # --- checks -------------------------------------------------------------------------------

    def find_untrusted_frames(self, window: Window, points: VisiblePoints) -> NDArray[np.bool_]:
        """Find the frames of which the full frame has to be looked at.

        Args:
            window: Their window.
            points: What was found in it.

        Returns:
            For each frame, whether a confident point is near where the window cuts the frame, or a
            body part has been lost since the frame before or since the window was placed.
        """
        assert self._counts is not None
        inside = self.grid.holds(window, points.places, self.margin) | ~points.confident
        before = np.concatenate([self._counts[None], points.counts[:-1]])
        known = np.maximum(before, self._counts)
        lost = (points.counts < known).any(axis=1)
        found: NDArray[np.bool_] = ~inside.all(axis=1) | lost
        return found


def _to_box(values: Sequence[float]) -> Box:
    left, top, right, bottom = (float(value) for value in values)
    return left, top, right, bottom
