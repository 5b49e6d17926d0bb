"""The quality verdict on a movie's poses: pass, look or fail, with reasons. Never changes data."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tasks.pose.settings import QualityThresholds
from tasks.pose.tables.keypoints import Keypoints
from tasks.pose.tables.median_filter import find_missing_points, find_partial_windows

if TYPE_CHECKING:
    import pandas as pd

WORST_FRAME_COUNT = 3


class Verdict(StrEnum):
    """Advice on what a person should do with a movie's poses."""

    PASS = "pass"  # noqa: S105 - not a password
    LOOK = "look"
    FAIL = "fail"


class BodyPartQuality(BaseModel):
    """One body part of one animal over a whole movie; shares are of 1.

    Attributes:
        name: The body part, with its individual where there are several.
        below_cutoff: Share of frames with a likelihood that is not above the cutoff.
        jumps: Share of steps between consecutive confident frames that are jumps.
        outside: Share of confident points outside the frame.
        median_likelihood: Median over the frames; None where there is none.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    below_cutoff: float
    jumps: float
    outside: float
    median_likelihood: float | None


class Gaps(BaseModel):
    """Counts of a movie's points, each a keypoint in one frame, where some are missing.

    Attributes:
        points: All points of the movie.
        missing: Points that were not found; they are missing in the filtered poses, too.
        partial: Points that are the median of fewer frames than the filter's window has, since
            their keypoint is missing in others, or the movie begins or ends there.
    """

    model_config = ConfigDict(frozen=True)

    points: int
    missing: int
    partial: int

    def filter_warnings(self, window_length: int) -> list[str]:
        """Say what the filter made of them; nothing where it did not run or none is missing."""
        if not self.missing or window_length <= 1:
            return []
        warning = (
            f"{self.missing} of {self.points} points were not found, and stay missing in the "
            f"filtered poses; {self.partial} points beside them are medians of those frames in "
            f"their window of {window_length} in which they were found, where DeepLabCut's filter "
            "would lose or move them"
        )
        return [warning]


class Quality(BaseModel):
    """The verdict on a movie.

    Attributes:
        verdict: Pass, look or fail.
        reasons: Why it is not a pass, the worst first.
        parts: Figures for each body part.
        worst_frames: Indices of the frames with the lowest mean likelihood, a second apart.
        gaps: Points that are missing, and what the filter made of those beside them.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    reasons: tuple[str, ...]
    parts: tuple[BodyPartQuality, ...]
    worst_frames: tuple[int, ...]
    gaps: Gaps | None = None

    @property
    def verdict_summary(self) -> str:
        """The verdict with its weightiest reason."""
        return ": ".join((self.verdict.value, *self.reasons[:1]))


def assess_poses(
    poses: "pd.DataFrame",
    p_cutoff: float,
    frame_size: tuple[int, int],
    frame_rate: float,
    lost: int = 0,
    thresholds: QualityThresholds = QualityThresholds(),  # noqa: B008 - frozen
    window_length: int = 1,
) -> Quality:
    """Judge the poses of one movie.

    Args:
        poses: A table of poses with DeepLabCut's columns, coordinates relative to the frame or
            crop of `frame_size`.
        p_cutoff: Likelihood above which a point counts as confident.
        frame_size: Width and height in pixels of what went to the network.
        frame_rate: Frames per second, to keep the worst frames apart.
        lost: Frames that the movie declares but that cannot be decoded.
        thresholds: From where on to look, and to fail.
        window_length: Frames that the poses were filtered over; 0 or 1 where they were not.

    Returns:
        The verdict, its reasons, and figures for each body part.
    """
    jump_length = thresholds.jump_length
    # As it is, of a long movie: each body part is made float64 when its turn comes.
    values = poses.to_numpy().reshape(len(poses), -1, 3)
    parts = tuple(
        _assess_body_part(
            name, values[:, index].astype(np.float64), p_cutoff, frame_size, jump_length
        )
        for index, name in enumerate(Keypoints(poses[:0]).keypoint_names)
    )
    found = _find_reasons(parts, thresholds) + _lost_frames_reasons(
        lost, lost + len(poses), thresholds.lost_fail
    )
    findings = sorted(found, key=lambda finding: finding[0], reverse=True)
    worst = max((severity for severity, _ in findings), default=0.0)
    return Quality(
        verdict=Verdict.FAIL if worst >= 1 else Verdict.LOOK if findings else Verdict.PASS,
        reasons=tuple(reason for _, reason in findings),
        parts=parts,
        worst_frames=_find_worst_frames(values[:, :, 2], max(1, round(frame_rate))),
        gaps=_count_gaps(values, window_length),
    )


def _count_gaps(values: NDArray[Any], window_length: int) -> Gaps:
    """Count the points that are missing and those beside them; `values`: (frames, keypoints, 3)."""
    missing = [find_missing_points(values[:, index]) for index in range(values.shape[1])]
    return Gaps(
        points=sum(map(len, missing)),
        missing=sum(int(one.sum()) for one in missing),
        partial=sum(int(find_partial_windows(one, window_length).sum()) for one in missing),
    )


def _assess_body_part(
    name: str,
    pose: NDArray[np.float64],
    p_cutoff: float,
    frame_size: tuple[int, int],
    jump_length: float,
) -> BodyPartQuality:
    """Figures for one body part; `pose` has shape (frames, 3)."""
    x, y, likelihood = pose.T
    # A missing point (NaN) is not confident either.
    confident = (likelihood > p_cutoff) & np.isfinite(x) & np.isfinite(y)
    width, height = frame_size
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    steps = np.hypot(np.diff(x), np.diff(y))[confident[1:] & confident[:-1]]
    # Where a top-down model finds no animal, all numbers are -1.
    known = likelihood[likelihood >= 0]
    return BodyPartQuality(
        name=name,
        below_cutoff=_compute_share(~confident),
        jumps=_compute_share(steps > jump_length * float(np.hypot(width, height))),
        outside=_compute_share(~inside[confident]),
        median_likelihood=float(np.median(known)) if len(known) else None,
    )


def _compute_share(mask: NDArray[np.bool_]) -> float:
    return float(np.mean(mask)) if mask.size else 0.0


def _find_reasons(
    parts: tuple[BodyPartQuality, ...], thresholds: QualityThresholds
) -> list[tuple[float, str]]:
    """Find reasons for a look: severity (1 and above fails), and a sentence."""
    checks = (
        ("below_cutoff", "low", "under the cutoff in {share} of frames"),
        ("jumps", "jumps", "jumps in {share} of steps"),
        ("outside", "outside", "outside the frame in {share} of its points"),
    )
    return [
        (
            _compute_severity(value, fail),
            f"{part.name}: {text.format(share=_format_percent(value))}",
        )
        for part in parts
        for name, group, text in checks
        for fail in [getattr(thresholds, f"{group}_fail")]
        if (value := getattr(part, name)) > min(getattr(thresholds, f"{group}_look"), fail)
    ]


def _compute_severity(share: float, fail: float) -> float:
    return share / fail if fail else float("inf")


def _lost_frames_reasons(lost: int, declared: int, fail: float) -> list[tuple[float, str]]:
    if not lost:
        return []
    text = f"{lost} of {declared} frames that the movie declares cannot be decoded"
    return [(_compute_severity(lost / declared, fail), text)]


def _format_percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"  # noqa: PLR2004


def _find_worst_frames(likelihood: NDArray[Any], apart: int) -> tuple[int, ...]:
    """The frames with the lowest mean likelihood, none within `apart` frames of another."""
    mean = np.where(np.isfinite(likelihood), likelihood, 0).mean(axis=1, dtype=np.float64)
    chosen: list[int] = []
    while len(chosen) < WORST_FRAME_COUNT and np.isfinite(mean).any():
        index = int(np.nanargmin(np.where(np.isfinite(mean), mean, np.nan)))
        chosen.append(index)
        mean[max(0, index - apart + 1) : index + apart] = np.inf
    return tuple(sorted(chosen))
