"""Speed and distance of a position through a recording, on true times."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from tasks.behavior.behavior_settings import BehaviorSettings, SpeedDifference
from tasks.behavior.segments import FloatArray, IntegerArray, Segments

REFERENCE_SMOOTHING = 5.0
"""Frames: standard deviation of the smoothing that a path is compared with (noise makes length)."""


@dataclass(frozen=True)
class Locomotion:
    """Motion of a position.

    Attributes:
        positions: (frames, 2), as speed was computed from: flattened and smoothed.
        speed: (frames,), pixels per second; NaN where it is not known.
        lengths: (frames,), pixels since the frame before; NaN where that is not known.
        distance: (frames,), pixels since the first frame of the movie; unknown steps add nothing.
    """

    positions: FloatArray
    speed: FloatArray
    lengths: FloatArray
    distance: FloatArray


def measure_locomotion(
    positions: FloatArray, segments: Segments, movies: IntegerArray, settings: BehaviorSettings
) -> Locomotion:
    """Compute speed and distance as docs/behavior.md defines them.

    Args:
        positions: (frames, 2), pixels, NaN where unknown.
        segments: The recording's segments.
        movies: (frames,), which movie each frame is of.
        settings: Smoothing, difference and filter.
    """
    if settings.smooth_position:
        positions = smooth_in_segments(positions, segments, seconds=settings.smooth_position)
    lengths = measure_steps(positions, segments)
    with np.errstate(invalid="ignore"):
        speed = lengths / segments.steps
    if settings.speed_difference is SpeedDifference.CENTRAL:
        speed = compute_central_speed(positions, segments)
    if settings.filter_speed:
        speed = smooth_in_segments(speed, segments, frames=settings.speed_filter_size)
    return Locomotion(positions, speed, lengths, _sum_by_movie(lengths, movies))


def measure_steps(positions: FloatArray, segments: Segments) -> FloatArray:
    """Distance from the frame before; NaN in a segment's first frame."""
    lengths = np.full(len(positions), np.nan)
    lengths[1:] = np.hypot(*np.diff(positions, axis=0).T)
    lengths[segments.starts] = np.nan
    return lengths


def compute_central_speed(positions: FloatArray, segments: Segments) -> FloatArray:
    """Norm of the central difference, second order on uneven times too; one-sided at edges.

    The formula is that of `numpy.gradient`, which xarray's ``differentiate`` and therefore
    movement's ``compute_speed`` use.

    Args:
        positions: (frames, 2), NaN where unknown.
        segments: The recording's segments.

    Returns:
        (frames,), NaN where a position that it needs is unknown, and in segments of one frame.
    """
    back = np.append(np.full((1, 2), np.nan), np.diff(positions, axis=0), axis=0)
    back[segments.starts] = np.nan
    before = segments.steps[:, None]
    forth = np.append(back[1:], np.full((1, 2), np.nan), axis=0)
    after = np.append(segments.steps[1:], np.nan)[:, None]
    with np.errstate(invalid="ignore"):
        velocity = (forth / after * before + back / before * after) / (before + after)
    first = np.isnan(segments.steps)
    last = np.append(first[1:], True)
    velocity[first] = (forth / after)[first]
    velocity[last] = (back / before)[last]
    velocity[first & last] = np.nan
    speed: FloatArray = np.hypot(velocity[:, 0], velocity[:, 1])
    return speed


def smooth_in_segments(
    values: FloatArray,
    segments: Segments,
    *,
    seconds: float | None = None,
    frames: float | None = None,
) -> FloatArray:
    """Smooth by a Gaussian that counts known values only, within each segment.

    Values and the mask of what is known are filtered alike and divided, so that neither edges nor
    gaps pull; what was unknown stays so.

    Args:
        values: (frames,) or (frames, columns), NaN where unknown.
        segments: The recording's segments.
        seconds: Standard deviation, in units of a segment's median step; or
        frames: The same in frames.
    """
    result = np.full_like(values, np.nan)
    known = np.isfinite(values)
    for part in segments.slices:
        sigma = frames or (seconds or 0.0) / segments.compute_median_step(part)
        mask = known[part].astype(np.float64)
        there = np.where(known[part], values[part], 0.0)
        # No longer than the segment: beyond it there is nothing.
        radius = min(int(_TRUNCATION * sigma + 0.5), len(mask))
        look = {"sigma": sigma, "axis": 0, "mode": "constant", "radius": radius}
        with np.errstate(invalid="ignore", divide="ignore"):
            smooth = gaussian_filter1d(there, **look) / gaussian_filter1d(mask, **look)
        result[part] = np.where(known[part], smooth, np.nan)
    return result


_TRUNCATION = 4.0
"""Standard deviations at which scipy cuts a Gaussian off."""


def _sum_by_movie(lengths: FloatArray, movies: IntegerArray) -> FloatArray:
    """Distance since each movie's first frame; the step into a movie belongs to none."""
    known = np.where(np.isfinite(lengths), lengths, 0.0)
    first = np.append(True, np.diff(movies) != 0)
    known[first] = 0.0
    total = np.cumsum(known)
    starts = np.flatnonzero(first)
    base = np.repeat(total[starts], np.diff(np.append(starts, len(lengths))))
    distance: FloatArray = total - base
    return distance
