"""The frames of a movie that a person should correct first, and what is wrong in each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.settings import QualityThresholds
from tasks.pose.tables.keypoints import Keypoints

_SHARE_OF_INTERVAL = 4
"""Chosen frames lie at least this part of an even interval apart, as long as there are enough."""

_MAX_NAMED_POINTS = 6
"""Points that are named for each frame, the worst first."""


@dataclass(frozen=True)
class FrameToCorrect:
    """A frame that a person should correct.

    Attributes:
        index: The frame, counted from 0 over those that decode.
        points: What is wrong in it, the worst first: body part, likelihood, and reason.
    """

    index: int
    points: tuple[str, ...]


def choose_frames_to_correct(
    poses: pd.DataFrame,
    count: int,
    p_cutoff: float,
    frame_size: tuple[int, int],
    frame_rate: float,
    thresholds: QualityThresholds,
) -> tuple[FrameToCorrect, ...]:
    """Choose the worst frames of a movie, spread over its time.

    A frame's badness is the sum over its points of the reasons that the verdict knows: how far
    the likelihood is under the cutoff (0 to 1; 1 where the point is missing), half for a jump
    from the frame before, half for one to the next, 1 for a confident point outside the frame.
    Among frames that are equally bad, those with the lowest mean likelihood come first.

    Args:
        poses: Poses of every frame, coordinates in pixels, relative to what went to the network.
        count: How many frames to choose; there may be fewer in the movie.
        p_cutoff: Likelihood above which a point counts as confident.
        frame_size: Width and height in pixels of what went to the network.
        frame_rate: Frames per second.
        thresholds: Those of the verdict, for the length of a jump.

    Returns:
        The frames, in the order of time.
    """
    keypoints = Keypoints(poses)
    reasons = _find_reasons(keypoints, p_cutoff, frame_size, thresholds.jump_length)
    badness = sum(reasons.values(), np.zeros(keypoints.likelihood.shape))
    likelihood = np.where(np.isfinite(keypoints.likelihood), keypoints.likelihood, 0)
    uncertainty = 1 - likelihood.mean(axis=1, dtype=np.float64)
    order = np.lexsort((np.arange(len(poses)), -uncertainty, -badness.sum(axis=1).round(6)))
    apart = max(round(frame_rate), len(poses) // (_SHARE_OF_INTERVAL * max(1, count)), 1)
    chosen = _choose_apart(order, count, apart)
    return tuple(
        FrameToCorrect(index, _describe_points(index, keypoints, reasons)) for index in chosen
    )


def _find_reasons(
    keypoints: Keypoints, p_cutoff: float, frame_size: tuple[int, int], jump_length: float
) -> dict[str, NDArray[np.float64]]:
    """Rate how bad each point is, by reason; each array (frames, keypoints)."""
    xy, likelihood = keypoints.xy.astype(np.float64), keypoints.likelihood.astype(np.float64)
    found = np.isfinite(xy).all(axis=2) & np.isfinite(likelihood) & (likelihood >= 0)
    confident = found & (likelihood > p_cutoff)
    under = np.clip((p_cutoff - likelihood) / p_cutoff, 0, 1) if p_cutoff else 0 * likelihood
    inside = ((xy >= 0) & (xy < np.array(frame_size))).all(axis=2)
    step = np.linalg.norm(np.diff(xy, axis=0), axis=2)
    both = confident[1:] & confident[:-1]
    jumps = both & (step > jump_length * float(np.hypot(*frame_size)))
    around = np.zeros(likelihood.shape)
    around[1:] += jumps / 2
    around[:-1] += jumps / 2
    return {
        "missing": (~found).astype(np.float64),
        "low": np.where(found, under, 0),
        "jump": around,
        "outside": (confident & ~inside).astype(np.float64),
    }


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
    return sorted(chosen)


def _describe_points(
    index: int, keypoints: Keypoints, reasons: dict[str, NDArray[np.float64]]
) -> tuple[str, ...]:
    badness = sum((one[index] for one in reasons.values()), np.zeros(len(keypoints.parts)))
    names, likelihood = keypoints.keypoint_names, keypoints.likelihood[index]
    worst = [k for k in np.argsort(-badness, kind="stable")[:_MAX_NAMED_POINTS] if badness[k] > 0]
    told = []
    for k in worst:
        why = ", ".join(reason for reason, bad in reasons.items() if bad[index, k] > 0)
        value = f" {likelihood[k]:.2f}" if np.isfinite(likelihood[k]) and likelihood[k] >= 0 else ""
        told.append(f"{names[k]}{value} ({why})")
    return tuple(told)
