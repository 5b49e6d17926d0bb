"""Figures of an animal's behavior: for each movie and all together, and what they mean."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from tasks.behavior.locomotion import (
    REFERENCE_SMOOTHING,
    Locomotion,
    measure_steps,
    smooth_in_segments,
)
from tasks.behavior.segments import BoolArray, FloatArray, IntegerArray, Segments, find_runs
from tasks.behavior.states import STATE_NAMES, UNKNOWN, StateCodes

DEFINITIONS: Mapping[str, str] = {
    "observed_s": "Σ duration over frames; a frame lasts until the next one of its segment, the "
    "last one of a segment for the segment's median step [s]",
    "unknown_s": "Σ duration over frames without a state; without thresholds, without a speed [s]",
    "distance": "Σ |p_i − p_(i−1)| over steps within segments whose ends are both known [px, cm]",
    "unmeasured_steps": "steps within segments with an unknown end; they add no distance",
    "mean_speed": "distance ÷ Σ (t_i − t_(i−1)) over the same steps [px/s, cm/s]",
    "median_speed": "median of the frames' speeds [px/s, cm/s]",
    "speed backward": "v_i = |p_i − p_(i−1)| ÷ (t_i − t_(i−1)); none in a segment's first frame",
    "speed central": "norm of the second-order central difference on true times "
    "(numpy.gradient), one-sided at a segment's edges",
    "states": "rest: v ≤ rest; movement: v ≥ movement (it wins); between them other, or the state "
    "before (hold)",
    "share": "seconds in the state ÷ seconds in any known state",
    "bouts": "runs of one state within a segment",
    "score": "share of known time in the zone ÷ (its area ÷ area of the union of all zones)",
}
"""Definitions of a summary's numbers; docs/behavior.md has them at length."""


class StateSummary(BaseModel):
    """Time in one state."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float
    share: float | None
    bouts: int


class MotionSummary(BaseModel):
    """Figures of some frames of one animal: of a movie, or of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    movie: int | None = None
    frames: int
    segments: int
    observed_s: float
    unknown_s: float
    unknown_share: float
    frames_without_position: int
    unmeasured_steps: int
    distance_px: float
    distance_cm: float | None = None
    mean_speed_px_s: float | None
    mean_speed_cm_s: float | None = None
    median_speed_px_s: float | None
    median_speed_cm_s: float | None = None
    states: dict[str, StateSummary] = {}


def summarize_motion(
    part: BoolArray,
    segments: Segments,
    movement: Locomotion,
    states: StateCodes | None,
    scale: float | None,
    movie: int | None = None,
) -> MotionSummary:
    """Sum up some frames.

    Args:
        part: (frames,), which frames.
        segments: The recording's segments.
        movement: Speed and distance.
        states: (frames,), codes; None without thresholds.
        scale: Pixels per cm.
        movie: Which movie the frames are of; None for all.
    """
    durations = segments.durations
    known_step = part & np.isfinite(movement.lengths)
    distance = float(movement.lengths[known_step].sum())
    seconds = float(segments.steps[known_step].sum())
    speeds = movement.speed[part & np.isfinite(movement.speed)]
    unknown = part & (np.isnan(movement.speed) if states is None else states == UNKNOWN)
    observed = float(durations[part].sum())
    mean = distance / seconds if seconds else None
    median = float(np.median(speeds)) if len(speeds) else None

    def in_cm(value: float | None) -> float | None:
        return None if value is None or scale is None else value / scale

    return MotionSummary(
        movie=movie,
        frames=int(part.sum()),
        segments=len(np.unique(segments.numbers[part])),
        observed_s=observed,
        unknown_s=float(durations[unknown].sum()),
        unknown_share=float(durations[unknown].sum()) / observed if observed else 0.0,
        frames_without_position=int((part & ~np.isfinite(movement.positions).all(axis=1)).sum()),
        unmeasured_steps=int(
            (part & np.isfinite(segments.steps) & np.isnan(movement.lengths)).sum()
        ),
        distance_px=distance,
        distance_cm=in_cm(distance),
        mean_speed_px_s=mean,
        mean_speed_cm_s=in_cm(mean),
        median_speed_px_s=median,
        median_speed_cm_s=in_cm(median),
        states={} if states is None else _summarize_states(part, durations, states, segments),
    )


def _summarize_states(
    part: BoolArray, durations: FloatArray, states: StateCodes, segments: Segments
) -> dict[str, StateSummary]:
    known = float(durations[part & (states != UNKNOWN)].sum())
    starts, _ = find_runs(states + segments.numbers * (len(STATE_NAMES) + 1))
    first_frames = np.zeros(len(states), dtype=bool)
    first_frames[starts] = True
    found = {}
    for code, name in enumerate(STATE_NAMES):
        seconds = float(durations[part & (states == code)].sum())
        found[name] = StateSummary(
            seconds=seconds,
            share=seconds / known if known else None,
            bouts=int((part & first_frames & (states == code)).sum()),
        )
    return found


def summarize_by_movie(
    segments: Segments,
    movement: Locomotion,
    states: StateCodes | None,
    scale: float | None,
    movies: IntegerArray,
) -> tuple[MotionSummary, list[MotionSummary]]:
    """Sum up all frames, and those of each movie; a bout belongs to the movie it begins in."""
    every = np.ones(len(movies), dtype=bool)
    return summarize_motion(every, segments, movement, states, scale), [
        summarize_motion(movies == number, segments, movement, states, scale, int(number))
        for number in np.unique(movies)
    ]


def propose_threshold(speed: FloatArray) -> float | None:
    """A speed between rest and movement: the valley of the histogram of log speed.

    Returns:
        Pixels per second; None where the histogram has no two clear peaks.
    """
    from scipy.ndimage import gaussian_filter1d  # noqa: PLC0415
    from scipy.signal import find_peaks  # noqa: PLC0415

    moving = speed[np.isfinite(speed) & (speed > 0)]
    if len(moving) < _MIN_SPEEDS:
        return None
    logs = np.log10(moving)
    low, high = np.quantile(logs, [0.001, 0.999])
    if high - low < _MIN_DECADES:
        return None
    counts, edges = np.histogram(logs, bins=60, range=(low, high))
    smooth = gaussian_filter1d(counts.astype(float), 2.0)
    peaks, _ = find_peaks(np.pad(smooth, 1), prominence=_MIN_PROMINENCE * smooth.max())
    if len(peaks) < 2:  # noqa: PLR2004
        return None
    first, second = sorted(sorted(peaks - 1, key=lambda i: smooth[i])[-2:])
    valley = first + int(np.argmin(smooth[first : second + 1]))
    return float(10 ** ((edges[valley] + edges[valley + 1]) / 2))


_MIN_SPEEDS, _MIN_DECADES, _MIN_PROMINENCE = 100, 0.5, 0.05


def compare_path_with_smoothed(movement: Locomotion, segments: Segments) -> float | None:
    """Divide the path by its length after smoothing; much more than 1 is noise."""
    smooth = smooth_in_segments(movement.positions, segments, frames=REFERENCE_SMOOTHING)
    length = float(np.nansum(measure_steps(smooth, segments)))
    own = float(np.nansum(movement.lengths))
    return own / length if length > 0 else None


MAX_UNKNOWN_SHARE, MAX_SINGLE_FRAME_BOUTS, MAX_PATH_RATIO, MAX_LOW_SHARE = 0.10, 0.30, 5.0, 0.25
"""From where on a verdict asks for a look, or a warning names a keypoint."""


def list_look_reasons(
    everything: MotionSummary,
    frames_per_bout: IntegerArray | None,
    path_ratio: float | None,
    *,
    averaged: bool,
) -> list[str]:
    """List the reasons to look at an animal's results, one sentence each; none for a pass."""
    reasons = []
    without = everything.frames_without_position / everything.frames
    if averaged and without > MAX_UNKNOWN_SHARE:
        reasons.append(f"{100 * without:.0f} % of frames have no mean position")
    if everything.unknown_share > MAX_UNKNOWN_SHARE:
        what = "state" if everything.states else "speed"
        reasons.append(f"no {what} is known in {100 * everything.unknown_share:.0f} % of the time")
    if frames_per_bout is not None and len(frames_per_bout):
        single = float(np.mean(frames_per_bout == 1))
        if single > MAX_SINGLE_FRAME_BOUTS:
            reasons.append(
                f"{100 * single:.0f} % of bouts are one frame long: the thresholds lie inside the "
                "noise; smooth the position, or ask for a shortest bout"
            )
    if path_ratio is not None and path_ratio > MAX_PATH_RATIO:
        reasons.append(
            f"the path is {path_ratio:.1f} times as long as after smoothing: it is mostly noise; "
            "smooth the position"
        )
    return reasons


def list_keypoint_warnings(low: Mapping[str, float]) -> list[str]:
    """Keypoints that are missing too often to be averaged without a thought."""
    return [
        f"{name} is under the likelihood threshold in {100 * share:.0f} % of frames; leave it out, "
        "or the mean moves as it comes and goes"
        for name, share in low.items()
        if share > MAX_LOW_SHARE
    ]


def to_json_values(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without NaN, which JSON does not have."""
    return [
        {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
        for row in rows
    ]
