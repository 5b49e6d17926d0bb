"""Read a movie's times file and give each of its frames the time that it was taken at."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.pose.clock.array_times import parse_json_times, read_npy_times
from tasks.pose.clock.experiment_clock import ExperimentClock, TimesRecord, UnusedTimes
from tasks.pose.clock.listed_times import (
    FILE_ORIGIN,
    GUESSED_EPOCH_ORIGIN,
    ListedTimes,
    UnusableTimesError,
    check_times,
)
from tasks.pose.clock.match_times import FrameLayout, TimesMatch, match_times
from tasks.pose.clock.text_times import parse_text_times
from tasks.pose.movies.timing import (
    Timing,
    find_lost_frames,
    format_frame_ranges,
    group_into_ranges,
)
from tasks.pose.times_settings import AUTOMATIC_TIMES, TimesSettings, TimeUnit

MAX_TEXT_BYTES = 2**27
"""Bytes of a CSV, TXT, or JSON file: five million rows."""

MAX_ARRAY_BYTES = 2**32
"""Bytes of an NPY file: a line that is sampled at 30 kHz for 20 hours."""

_SECONDS_PER_UNIT = {
    TimeUnit.SECONDS: 1.0,
    TimeUnit.MILLISECONDS: 1e-3,
    TimeUnit.MICROSECONDS: 1e-6,
    TimeUnit.NANOSECONDS: 1e-9,
}
_MAX_RATE_RATIO = 3.0
"""By how much the movie's own frame rate may differ from that of its times."""

_EPOCH_SECONDS = 1e9, 4e9
"""Seconds since 1970 in the years 2001 to 2096."""


def read_clock(
    path: Path, name: str, settings: TimesSettings, timing: Timing, declared: int | None
) -> ExperimentClock | UnusedTimes:
    """Read a times file and match it with a movie's frames.

    In a child process: the file is a stranger's.

    Args:
        path: The file.
        name: What to call it in messages.
        settings: What the user says of it.
        timing: The movie's own times.
        declared: Frames that its container declares; None where it declares none.

    Returns:
        The frames' times; or the reason why a file that nobody named cannot be used.

    Raises:
        BadInput: A file that the settings name cannot be used.
    """
    try:
        times = _read_listed_times(path, settings)
        check_times(times.values)
        return _build_clock(times, name, settings, timing, declared)
    except UnusableTimesError as error:
        sentence = f"{format_value(name)}: {error}"
        if settings.file == AUTOMATIC_TIMES:
            return UnusedTimes(f"its times file is not used: {sentence}")
        raise BadInput(f"times: {sentence}") from error


def _read_listed_times(path: Path, settings: TimesSettings) -> ListedTimes:
    suffix, size = path.suffix.lower(), path.stat().st_size
    limit = MAX_ARRAY_BYTES if suffix == ".npy" else MAX_TEXT_BYTES
    if size > limit:
        raise UnusableTimesError(
            f"expected at most {limit:,} bytes, found {size:,}; check the file"
        )
    if suffix == ".npy":
        return read_npy_times(path, settings)
    if suffix == ".json":
        return parse_json_times(path.read_bytes())
    return parse_text_times(path.read_bytes(), settings)


def _build_clock(
    times: ListedTimes, name: str, settings: TimesSettings, timing: Timing, declared: int | None
) -> ExperimentClock:
    unit, known_by = _choose_unit(times, settings, timing)
    seconds = times.values * _seconds_per_unit(unit, settings)
    match = match_times(times, build_layout(timing, declared))
    found = np.where(match.indices >= 0, seconds[match.indices], np.nan)
    if not np.isfinite(found).any():
        raise UnusableTimesError("none of its times belongs to a frame of the movie")
    unused = np.setdiff1d(np.arange(len(seconds)), match.indices)
    record = TimesRecord(
        form=times.form,
        column=times.column,
        unit=unit.value,
        unit_known_by=known_by,
        origin=_name_origin(times, seconds),
        count=len(seconds),
        matched_by=match.evidence,
        first=_finite(found[0]),
        last=_finite(found[-1]),
        frame_rate=_measure_rate(found),
        frames_without_time=group_into_ranges(np.flatnonzero(np.isnan(found))),
        times_without_frame=group_into_ranges(unused),
    )
    warnings = (
        *_count_warnings(name, record, match, len(found)),
        *_rate_warnings(name, record, timing),
        *_equal_times_warnings(name, found),
        *_movie_warnings(name, times),
    )
    return ExperimentClock(found, record, warnings)


def build_layout(timing: Timing, declared: int | None) -> FrameLayout:
    """Lay out a movie's frames among all that its file lists.

    Args:
        timing: Its frames' times.
        declared: Frames that its container declares; None where it declares none.
    """
    frames, recording = len(timing.seconds), timing.recording
    if recording:
        dropped = _expand_ranges(recording.dropped)
        return FrameLayout(timing.seconds, recording.positions, recording.length, dropped)
    dropped = _expand_ranges(timing.dropped)
    listed = timing.listed_frames if timing.listed_frames is not None else declared or frames
    listed = max(listed, frames)
    places = None
    missing = find_lost_frames(timing) if not timing.warnings else np.empty(0, np.int64)
    lost = np.setdiff1d(missing, dropped)
    if len(lost) + len(dropped) == listed - frames:
        away = np.union1d(lost, dropped)
        places = np.setdiff1d(np.arange(listed), away)
    elif listed == frames:
        places = np.arange(frames)
    return FrameLayout(timing.seconds, places, listed, dropped)


def _expand_ranges(ranges: tuple[tuple[int, int], ...]) -> NDArray[np.int64]:
    numbers = [np.arange(first, last + 1) for first, last in ranges]
    return np.concatenate([np.empty(0, np.int64), *numbers])


def _choose_unit(
    times: ListedTimes, settings: TimesSettings, timing: Timing
) -> tuple[TimeUnit, str]:
    """Choose the unit of the times, and return the evidence for it."""
    if settings.unit is not TimeUnit.AUTO:
        return settings.unit, "the setting times.unit"
    if times.unit is not None:
        return times.unit, "the file"
    known = times.values[~np.isnan(times.values)]
    step = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
    period = 1 / float(timing.frame_rate)
    fitting = [
        unit
        for unit, seconds in _SECONDS_PER_UNIT.items()
        if step > 0 and abs(math.log(step * seconds / period)) < math.log(_MAX_RATE_RATIO)
    ]
    if len(fitting) == 1:
        return fitting[0], "the movie's frame rate"
    raise UnusableTimesError(
        f"its steps of {step:g} are in no unit those of a movie of {float(timing.frame_rate):g} "
        "frames/s; name the right column in times.column, or the unit in times.unit"
    )


def _seconds_per_unit(unit: TimeUnit, settings: TimesSettings) -> float:
    if unit is not TimeUnit.SAMPLES:
        return _SECONDS_PER_UNIT[unit]
    if settings.rate is None:
        raise UnusableTimesError("its times count samples; give their rate in times.rate")
    return 1 / settings.rate


def _name_origin(times: ListedTimes, seconds: NDArray[np.float64]) -> str:
    low, high = _EPOCH_SECONDS
    if times.origin == FILE_ORIGIN and low < np.nanmin(seconds) < high:
        return GUESSED_EPOCH_ORIGIN
    return times.origin


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _measure_rate(found: NDArray[np.float64]) -> float | None:
    known = np.flatnonzero(np.isfinite(found))
    span = float(found[known[-1]] - found[known[0]])
    return round((known[-1] - known[0]) / span, 6) if span > 0 else None


def _count_warnings(
    name: str, record: TimesRecord, match: TimesMatch, frames: int
) -> tuple[str, ...]:
    """Say where frames and times differ in number, and by what that is known."""
    without, unused = record.frames_without_time, record.times_without_frame
    if not without and not (unused and not match.is_certain):
        return ()
    parts = [f"its times file {format_value(name)} has {record.count} times for {frames} frames"]
    if without:
        parts.append(f"frames without a time: {format_frame_ranges(without)}")
    if unused:
        parts.append(f"times without a frame: {format_frame_ranges(unused)}")
    return (f"{'; '.join(parts)}; matched by {match.evidence}",)


def _rate_warnings(name: str, record: TimesRecord, timing: Timing) -> tuple[str, ...]:
    rate, own = record.frame_rate, float(timing.frame_rate)
    if rate is None or 1 / _MAX_RATE_RATIO < rate / own < _MAX_RATE_RATIO:
        return ()
    warning = (
        f"its times file {format_value(name)} gives {rate:g} frames/s, its container {own:g}: "
        "check that it is this movie's file, and its unit"
    )
    return (warning,)


def _equal_times_warnings(name: str, found: NDArray[np.float64]) -> tuple[str, ...]:
    """Say where frames have the time of the frame before."""
    known = np.flatnonzero(np.isfinite(found))
    equal = known[1:][np.diff(found[known]) == 0]
    if not len(equal):
        return ()
    ranges = format_frame_ranges(group_into_ranges(equal))
    warning = (
        f"its times file {format_value(name)} gives {len(equal)} of {len(found)} frames the time "
        f"of the frame before: {ranges}"
    )
    return (warning,)


def _movie_warnings(name: str, times: ListedTimes) -> tuple[str, ...]:
    """Say where a file gives another movie's name than that which it lies beside."""
    if not times.movie or name.startswith(times.movie.rpartition(".")[0]):
        return ()
    warning = (
        f"its times file {format_value(name)} was written for {format_value(times.movie)}: check "
        "that these are this movie's times"
    )
    return (warning,)
