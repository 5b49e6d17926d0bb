"""The frames of a movie that a person should correct first, and what is wrong in each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.pose.settings import QualityThresholds
from tasks.pose.tables.keypoints import Keypoints

_SHARE_OF_INTERVAL = 4
"""Chosen frames lie at least this part of an even interval apart, as long as there are enough."""

_MAX_NAMED_POINTS = 6
"""Points that are named for each frame, the worst first."""

_FRAMES_AT_ONCE = 16_384
"""Frames whose points are rated at a time: the reasons of all points take four times the poses."""


@dataclass(frozen=True)
class PointToCorrect:
    """A point that is wrong in a frame.

    Attributes:
        keypoint: Its place among the keypoints, counted from 0.
        name: The body part, with its individual where there are several.
        likelihood: 0 to 1; None where the point is missing.
        reasons: What is wrong: missing, low, jump, outside.
    """

    keypoint: int
    name: str
    likelihood: float | None
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        value = "" if self.likelihood is None else f" {self.likelihood:.2f}"
        return f"{self.name}{value} ({', '.join(self.reasons)})"


@dataclass(frozen=True)
class FrameToCorrect:
    """A frame that a person should correct.

    Attributes:
        index: The frame, counted from 0 over those that decode.
        points: What is wrong in it, the worst first.
    """

    index: int
    points: tuple[PointToCorrect, ...]


class FrameRatings:
    """How bad each frame of a movie is, by the reasons that the verdict knows.

    A frame's badness is the sum over its points of how far the likelihood is under the cutoff (0 to
    1; 1 where the point is missing), half for a jump from the frame before, half for one to the
    next, 1 for a confident point outside the frame. Of frames that are equally bad, those with the
    lowest mean likelihood are worse.

    Args:
        keypoints: Poses of every frame, coordinates in pixels, relative to what went to the
            network.
        p_cutoff: Likelihood above which a point counts as confident.
        frame_size: Width and height in pixels of what went to the network.
        thresholds: Those of the verdict, for the length of a jump.
    """

    def __init__(
        self,
        keypoints: Keypoints,
        p_cutoff: float,
        frame_size: tuple[int, int],
        thresholds: QualityThresholds,
    ) -> None:
        self._keypoints = keypoints
        self._p_cutoff, self._frame_size = p_cutoff, frame_size
        self._jump_length = thresholds.jump_length * float(np.hypot(*frame_size))
        self._order = self._sort_frames()

    def choose(
        self, count: int, frame_rate: float, also: Collection[int] = ()
    ) -> tuple[FrameToCorrect, ...]:
        """Choose the worst frames, spread over the movie's time.

        Args:
            count: How many; there may be fewer in the movie.
            frame_rate: Frames per second: chosen frames are a second apart where that is possible.
            also: Indices of frames that are chosen anyhow.

        Returns:
            The frames, the worst first.
        """
        frames = len(self._keypoints)
        apart = max(round(frame_rate), frames // (_SHARE_OF_INTERVAL * max(1, count)), 1)
        chosen = {*_choose_apart(self._order, count, apart), *also}
        return tuple(self.describe(int(index)) for index in self._order if int(index) in chosen)

    def describe(self, index: int) -> FrameToCorrect:
        """Name the points that are wrong in one frame, the worst first."""
        first = max(0, index - 1)
        reasons = self._rate_points(slice(first, index + 2))
        here = {reason: bad[index - first] for reason, bad in reasons.items()}
        badness = sum(here.values(), np.zeros(len(self._keypoints.parts)))
        worst = np.argsort(-badness, kind="stable")[:_MAX_NAMED_POINTS]
        names, likelihood = self._keypoints.keypoint_names, self._keypoints.likelihood[index]
        return FrameToCorrect(
            index,
            tuple(
                PointToCorrect(
                    int(k),
                    names[k],
                    float(likelihood[k]) if likelihood[k] >= 0 else None,
                    tuple(reason for reason, bad in here.items() if bad[k] > 0),
                )
                for k in worst
                if badness[k] > 0
            ),
        )

    def _sort_frames(self) -> NDArray[np.int64]:
        """All frames, the worst first."""
        frames = len(self._keypoints)
        badness, uncertainty = np.empty(frames), np.empty(frames)
        for first in range(0, frames, _FRAMES_AT_ONCE):
            here = slice(first, min(first + _FRAMES_AT_ONCE, frames))
            # A jump is rated in both of its frames.
            begin = max(0, first - 1)
            reasons = self._rate_points(slice(begin, here.stop + 1))
            ratings = sum(reasons.values(), np.zeros(next(iter(reasons.values())).shape))
            badness[here] = ratings.sum(axis=1)[here.start - begin : here.stop - begin]
            likelihood = self._keypoints.likelihood[here]
            known = np.where(np.isfinite(likelihood), likelihood, 0)
            uncertainty[here] = 1 - known.mean(axis=1, dtype=np.float64)
        return np.lexsort((np.arange(frames), -uncertainty, -badness.round(6)))

    def _rate_points(self, frames: slice) -> dict[str, NDArray[np.float64]]:
        """Rate how bad each point is, by reason; each array (frames, keypoints)."""
        keypoints, p_cutoff = self._keypoints.select_frames(frames), self._p_cutoff
        xy = keypoints.xy.astype(np.float64)
        likelihood = keypoints.likelihood.astype(np.float64)
        found = np.isfinite(xy).all(axis=2) & np.isfinite(likelihood) & (likelihood >= 0)
        confident = found & (likelihood > p_cutoff)
        under = np.clip((p_cutoff - likelihood) / p_cutoff, 0, 1) if p_cutoff else 0 * likelihood
        inside = ((xy >= 0) & (xy < np.array(self._frame_size))).all(axis=2)
        step = np.linalg.norm(np.diff(xy, axis=0), axis=2)
        jumps = confident[1:] & confident[:-1] & (step > self._jump_length)
        around = np.zeros(likelihood.shape)
        around[1:] += jumps / 2
        around[:-1] += jumps / 2
        return {
            "missing": (~found).astype(np.float64),
            "low": np.where(found, under, 0),
            "jump": around,
            "outside": (confident & ~inside).astype(np.float64),
        }


def choose_frames_to_correct(
    keypoints: Keypoints,
    count: int,
    p_cutoff: float,
    frame_size: tuple[int, int],
    frame_rate: float,
    thresholds: QualityThresholds,
) -> tuple[FrameToCorrect, ...]:
    """Choose the worst frames of a movie, spread over its time, as `FrameRatings` rates them.

    Args:
        keypoints: Poses of every frame, coordinates in pixels, relative to what went to the
            network.
        count: How many frames to choose; there may be fewer in the movie.
        p_cutoff: Likelihood above which a point counts as confident.
        frame_size: Width and height in pixels of what went to the network.
        frame_rate: Frames per second.
        thresholds: Those of the verdict, for the length of a jump.

    Returns:
        The frames, in the order of time.
    """
    ratings = FrameRatings(keypoints, p_cutoff, frame_size, thresholds)
    return tuple(sorted(ratings.choose(count, frame_rate), key=lambda frame: frame.index))


def _choose_apart(order: NDArray[np.int64], count: int, apart: int) -> list[int]:
    """The first frames of an order, as far apart as can be without choosing fewer."""
    chosen: list[int] = []
    while len(chosen) < min(count, len(order)):
        free = np.ones(len(order), dtype=bool)
        for index in chosen:
            free[max(0, index - apart + 1) : index + apart] = False
        for index in map(int, order):
            if len(chosen) == count:
                break
            if free[index]:
                chosen.append(index)
                free[max(0, index - apart + 1) : index + apart] = False
        apart //= 2
    return chosen
