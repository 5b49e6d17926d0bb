"""Bouts: stretches of one state, as a table with a row for each."""

from typing import TYPE_CHECKING

import numpy as np

from tasks.behavior.locomotion import Locomotion
from tasks.behavior.segments import FloatArray, IntegerArray, Segments, find_runs
from tasks.behavior.states import STATE_NAMES, UNKNOWN, StateCodes

if TYPE_CHECKING:
    import pandas as pd


def build_bout_table(
    states: StateCodes,
    segments: Segments,
    movement: Locomotion,
    movies: IntegerArray,
    frame_numbers: IntegerArray,
    scale: float | None,
) -> "pd.DataFrame":
    """List every bout of a known state.

    A bout ends with its segment. Its duration is the sum of its frames' durations, its distance
    the sum of the steps that lead to its frames, its mean speed that distance over those steps'
    time.

    Args:
        states: (frames,), codes of `STATE_NAMES`, -1 where unknown.
        segments: The recording's segments.
        movement: Speed and distance.
        movies: (frames,), which movie each frame is of.
        frame_numbers: (frames,), as the table numbers them.
        scale: Pixels per cm; adds columns in cm.

    Returns:
        A row for each bout, in order of time.
    """
    import pandas as pd  # noqa: PLC0415

    starts, ends = find_runs(states + segments.numbers * (len(STATE_NAMES) + 1))
    known = states[starts] != UNKNOWN
    starts, ends = starts[known], ends[known]
    last = ends - 1
    time = segments.times
    there = np.isfinite(movement.lengths)
    distance = _sum_between(np.where(there, movement.lengths, 0.0), starts, ends)
    moving = _sum_between(np.where(there, segments.steps, 0.0), starts, ends)
    mean = np.divide(distance, moving, out=np.full(len(starts), np.nan), where=moving > 0)
    peak = np.array([_find_peak(movement.speed[a:b]) for a, b in zip(starts, ends, strict=True)])
    columns = {
        "state": np.array([*STATE_NAMES], dtype=object)[states[starts]],
        "movie": movies[starts],
        "first frame": frame_numbers[starts],
        "last frame": frame_numbers[last],
        "frames": ends - starts,
        "start (s)": time[starts],
        "stop (s)": time[last] + segments.durations[last],
        "duration (s)": _sum_between(segments.durations, starts, ends),
        "distance (px)": distance,
        "mean speed (px/s)": mean,
        "peak speed (px/s)": peak.astype(np.float64),
    }
    if scale is not None:
        for name in ("distance (px)", "mean speed (px/s)", "peak speed (px/s)"):
            columns[name.replace("px", "cm")] = columns[name] / scale
    return pd.DataFrame(columns)


def _sum_between(values: FloatArray, starts: IntegerArray, ends: IntegerArray) -> FloatArray:
    total = np.append(0.0, np.cumsum(values))
    between: FloatArray = total[ends] - total[starts]
    return between


def _find_peak(speed: FloatArray) -> float:
    known = speed[np.isfinite(speed)]
    return float(known.max()) if len(known) else float("nan")
