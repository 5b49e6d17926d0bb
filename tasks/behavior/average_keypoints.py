"""One position for each frame: the mean of an animal's keypoints."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.behavior.behavior_settings import BehaviorSettings, KeypointWeights
from tasks.behavior.segments import BoolArray, FloatArray, IntegerArray, Segments, fill_in_time

ReadColumn = Callable[[str], FloatArray]
"""Gives a column of the table by its name, as float64."""


@dataclass(frozen=True)
class AveragePosition:
    """The mean of the keypoints in each frame.

    Attributes:
        x: (frames,), pixels of the whole frame; NaN where too few keypoints are there.
        y: The same.
        count: (frames,), keypoints that were measured, without interpolated ones.
        interpolated: (frames,), whether an interpolated keypoint is part of the mean.
        low: Share of frames under the likelihood threshold, or missing, by keypoint.
    """

    x: FloatArray
    y: FloatArray
    count: IntegerArray
    interpolated: BoolArray
    low: dict[str, float]


def average_keypoints(
    names: dict[str, str], read_column: ReadColumn, segments: Segments, settings: BehaviorSettings
) -> AveragePosition:
    """Average keypoints as docs/behavior.md defines it.

    Threshold, median within each segment, gaps filled in time, then the mean over what is there.
    Keypoints are read one after the other, so that memory does not grow with their number.

    Args:
        names: The keypoints that are averaged, and what their columns begin with.
        read_column: Gives the columns ``<beginning> x``, ``… y`` and ``… likelihood``.
        segments: The recording's segments.
        settings: Threshold, filter length, longest gap, fewest keypoints and weights.
    """
    frames = len(segments.times)
    total, weight = np.zeros((frames, 2)), np.zeros(frames)
    measured, present = np.zeros(frames, np.int64), np.zeros(frames, np.int64)
    interpolated = np.zeros(frames, dtype=bool)
    low = {}
    for name, beginning in names.items():
        likelihood = read_column(f"{beginning} likelihood")
        points = np.stack([read_column(f"{beginning} {axis}") for axis in "xy"], axis=1)
        counts = (likelihood >= settings.likelihood_threshold) & np.isfinite(points).all(axis=1)
        low[name] = float(np.mean(~counts))
        points[~counts] = np.nan
        points = filter_by_median(points, segments, settings.median_filter_length)
        known = np.column_stack([points, np.where(counts, likelihood, np.nan)])
        if settings.interpolate:
            known, filled = fill_in_time(known, segments, settings.max_gap)
            interpolated |= filled
        there = np.isfinite(known).all(axis=1)
        share = known[:, 2] if settings.weights is KeypointWeights.LIKELIHOOD else np.ones(frames)
        total[there] += known[there, :2] * share[there, None]
        weight[there] += share[there]
        measured += counts
        present += there
    fewest = settings.min_keypoints or -(-len(names) // 2)
    total[(present < fewest) | (weight <= 0)] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / weight[:, None]
    interpolated &= np.isfinite(mean[:, 0])
    return AveragePosition(mean[:, 0], mean[:, 1], measured, interpolated, low)


def filter_by_median(points: FloatArray, segments: Segments, length: int) -> FloatArray:
    """Median over a centered window that shrinks at a segment's edges.

    Args:
        points: (frames, columns), NaN where missing; these stay missing, and count in no window.
        segments: The recording's segments.
        length: Frames of the window, odd; 1 changes nothing.
    """
    if length <= 1:
        return points
    half = length // 2
    # With so many missing frames between segments, no window reaches from one into another.
    places = np.arange(len(points)) + half * segments.numbers
    apart = np.full((int(places[-1]) + 1, points.shape[1]), np.nan)
    apart[places] = points
    rolled = pd.DataFrame(apart).rolling(length, center=True, min_periods=1).median().to_numpy()
    filtered: FloatArray = rolled[places]
    filtered[~np.isfinite(points)] = np.nan
    return filtered
