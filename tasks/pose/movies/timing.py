"""Presentation times of a movie's frames, and their places in the recording."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.json_arrays import FloatArray, IntegerArray

_Ticks = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True)
class RecordingInfo:
    """Facts about the frames of an .isxb recording other than the pictures.

    Attributes:
        start: When the recording began, in seconds since 1970 (UTC).
        name: What the recorder calls the recording, in all files of a series alike; None where it
            is not known.
        system: Serial numbers of the recording system; None where they are not known.
        length: Positions in the recording, those included that have no picture.
        positions: Each frame's position in the recording, rising, shape (frames,).
        counter: The system's counter at each frame in microseconds, NaN where there is none,
            shape (frames,).
        dropped: Positions that the recorder dropped, as first and last of each run.
        warnings: What the user should know, one sentence each.
    """

    start: Fraction
    system: str | None
    length: int
    positions: IntegerArray
    counter: FloatArray
    dropped: tuple[tuple[int, int], ...]
    warnings: tuple[str, ...] = ()
    name: str | None = None

    @property
    def has_counter(self) -> bool:
        """Return whether the counter shows when each frame was taken."""
        return is_strictly_increasing(self.counter)


@dataclass(frozen=True)
class Timing:
    """Presentation times of a movie's frames.

    Attributes:
        seconds: Time of each frame since the movie's first one, which may be one that can't be
            decoded; rising, shape (frames,).
        frame_rate: Frames per second; the average where they vary.
        constant: Whether every frame is index ÷ frame_rate.
        recording: What the recorder says; None for movies other than .isxb.
        lost_end: Seconds of those frames after the last one that can't be decoded, or that were
            dropped.
        warnings: Which times are estimates, one sentence each.
        listed_frames: Frames that the file lists, those included that the recorder dropped, as
            known once it is read to its end; None where only its header tells.
        dropped: Which of them the recorder dropped, as first and last of each run.
    """

    seconds: FloatArray
    frame_rate: Fraction
    constant: bool
    recording: RecordingInfo | None = None
    lost_end: Fraction = Fraction(0)
    warnings: tuple[str, ...] = ()
    listed_frames: int | None = None
    dropped: tuple[tuple[int, int], ...] = ()


MAX_CLOCK_ROUNDING = Fraction(1, 1000)
"""Seconds that even times may seem uneven by: recorders round or cut times to milliseconds."""

_EXACT_TOLERANCE_TICKS = 1e-3
"""Ticks within which times are even without any rounding."""

_MIN_USABLE_SHARE = Fraction(9, 10)
"""Share of frames whose times must be usable for those of the others to be put between them."""


def timing_from_stamps(
    stamps: Sequence[int | None],
    time_base: Fraction,
    rates: Sequence[Fraction],
    span: tuple[int, int] | None = None,
) -> Timing:
    """Turn presentation times in ticks into seconds since the first frame.

    Where the times are those of a constant rate, to within the rounding of the clock that wrote
    them, they become index ÷ rate, free of that rounding. A few frames without a usable time
    (none, or not after the frame before) are put evenly between their neighbors; where there are
    many, all are index ÷ rate. Where that is more than taking rounding out, it is warned of.

    Args:
        stamps: The presentation time of each frame, in ticks; None where it has none.
        time_base: Seconds for each tick.
        rates: Frame rates that the container claims, the likeliest first; at least one.
        span: Presentation times of the movie's first and last frame, where these may be among
            those that can't be decoded; by default all frames are there.

    Returns:
        The times, and the rate that they keep.
    """
    period = 1 / (rates[0] * time_base)
    usable = _find_longest_rise(stamps)
    if len(usable) == len(stamps) == 1 and span and span[0] < span[1]:
        return _time_only_frame(stamps[0], time_base, rates[0], span)
    if len(usable) < 2 or len(usable) < _MIN_USABLE_SHARE * len(stamps):  # noqa: PLR2004
        told = (_NO_TIMES_WARNING,) if len(stamps) > 1 else ()
        return replace(constant_timing(len(stamps), rates[0]), warnings=told)
    ticks = _interpolate_ticks(stamps, usable, period)
    before, after = _measure_lost_ends(ticks, span, period)
    ticks = ticks - ticks[0]
    lost_end = after * time_base
    measured = (len(ticks) - 1) / (Fraction(ticks[-1].item()) * time_base)
    rate = _find_even_rate(ticks, time_base, rates) or _find_even_rate(
        ticks, time_base, [measured], rates
    )
    if rate and not before:
        return replace(constant_timing(len(stamps), rate), lost_end=lost_end)
    seconds = (
        (ticks + float(before))
        * np.float64(time_base.numerator)
        / np.float64(time_base.denominator)
    )
    estimated = 0 if rate else len(stamps) - len(usable)
    return Timing(
        seconds, rates[0], constant=False, lost_end=lost_end, warnings=_estimate_warnings(estimated)
    )


def _time_only_frame(
    stamp: int | None, time_base: Fraction, rate: Fraction, span: tuple[int, int]
) -> Timing:
    """The time of a movie's only frame, where others before or after it are lost."""
    assert stamp is not None
    seconds = np.array([float((stamp - span[0]) * time_base)])
    lost_end = (span[1] - stamp) * time_base
    return Timing(seconds, rate, constant=stamp == span[0], lost_end=lost_end)


_NO_TIMES_WARNING = "most frames have no usable time; all times are frame number ÷ frame rate"


def _estimate_warnings(count: int) -> tuple[str, ...]:
    whose = "1 frame" if count == 1 else f"{count} frames"
    return (f"the time of {whose} is an estimate from the frames around it",) if count else ()


def constant_timing(frames: int, rate: Fraction) -> Timing:
    """The times of frames that follow each other at one rate."""
    index = np.arange(frames)
    seconds = index * np.float64(rate.denominator) / np.float64(rate.numerator)
    return Timing(seconds, rate, constant=True)


def _interpolate_ticks(
    stamps: Sequence[int | None], usable: Sequence[int], period: Fraction
) -> _Ticks:
    """Every frame's time, in ticks, from those of the frames whose times are usable."""
    known: NDArray[np.int64] = np.array([stamps[index] for index in usable], dtype=np.int64)
    if len(usable) == len(stamps):
        return known
    index = np.arange(len(stamps))
    ticks: NDArray[np.float64] = np.interp(index, usable, known.astype(np.float64))
    # Before the first and after the last usable time, frames follow each other at the usual rate.
    ticks += np.minimum(index - usable[0], 0) * float(period)
    ticks += np.maximum(index - usable[-1], 0) * float(period)
    return ticks


def _measure_lost_ends(
    ticks: _Ticks, span: tuple[int, int] | None, period: Fraction
) -> tuple[Fraction, Fraction]:
    """Ticks of the frames that are lost before the first that there is, and after the last."""
    first, last = Fraction(ticks[0].item()), Fraction(ticks[-1].item())
    # The usual rate is an average: where frames are far apart in places, some are closer than that.
    period = min(period, Fraction(np.diff(ticks).min().item()))
    begin, end = span or (first, last)
    before, after = first - begin, end - last
    return (
        before if before > period / 2 else Fraction(0),
        after if after > period / 2 else Fraction(0),
    )


def _find_longest_rise(stamps: Sequence[int | None]) -> list[int]:
    """Indices of the most frames whose times rise from each one to the next.

    Patience sorting: https://en.wikipedia.org/wiki/Longest_increasing_subsequence
    """
    lowest_ends: list[int] = []
    frames: list[int] = []
    before: dict[int, int | None] = {}
    for index, stamp in enumerate(stamps):
        if stamp is None:
            continue
        place = bisect_left(lowest_ends, stamp)
        if lowest_ends[place : place + 1] == [stamp]:
            continue  # of frames with one time, the first keeps it
        lowest_ends[place : place + 1] = [stamp]
        frames[place : place + 1] = [index]
        before[index] = frames[place - 1] if place else None
    rise: list[int] = []
    last = frames[-1] if frames else None
    while last is not None:
        rise.append(last)
        last = before[last]
    return rise[::-1]


def _find_even_rate(
    ticks: _Ticks,
    time_base: Fraction,
    rates: Sequence[Fraction],
    claims: Sequence[Fraction] | None = None,
) -> Fraction | None:
    """The rate whose times these are: one that fits exactly, or else the plainest that fits.

    Args:
        ticks: Each frame's time.
        time_base: Seconds for each tick.
        rates: The rates to choose from.
        claims: What the container claims, where that is something else.
    """
    spread = {rate: _measure_spread(ticks, 1 / (rate * time_base)) for rate in rates}
    # A clock with one tick for each frame, as in AVI, rounds nothing.
    is_exact = any(rate * time_base == 1 for rate in claims or rates)
    rounding = Fraction(0) if is_exact else max(Fraction(1), MAX_CLOCK_ROUNDING / time_base)

    def max_spread(rate: Fraction) -> float:
        # A lost frame moves all after it by a period: where that is a single tick, as in AVI, or
        # a millisecond, it must not pass for rounding.
        most = float(min(rounding, 1 / (2 * rate * time_base))) * (1 + 1e-6)
        return max(most, _EXACT_TOLERANCE_TICKS)

    even = [rate for rate in rates if spread[rate] <= max_spread(rate)]
    return min(
        even,
        key=lambda rate: (spread[rate] > _EXACT_TOLERANCE_TICKS, rate.denominator),
        default=None,
    )


def _measure_spread(ticks: _Ticks, period: Fraction) -> float:
    """Ticks between the earliest and the latest frame, compared with even ones."""
    due = np.arange(len(ticks)) * np.float64(period.numerator) / np.float64(period.denominator)
    return float(np.ptp(ticks - due))


# --- gaps --------------------------------------------------------------------------------------


def is_strictly_increasing(counter: NDArray[np.float64]) -> bool:
    """Return whether each value is known and above the one before."""
    return bool(np.isfinite(counter).all() and (np.diff(counter) > 0).all())


def find_lost_frames(timing: Timing) -> NDArray[np.int64]:
    """Find the frames missing from a movie of constant rate.

    Returns:
        Their numbers, counted from the movie's first frame; none where times do not tell.
    """
    due = timing.seconds * float(timing.frame_rate)
    places = np.rint(due).astype(np.int64)
    if (
        len(due) == 0
        or np.abs(due - places).max() > _MAX_OFFSET_PERIODS
        or (np.diff(places) < 1).any()
    ):
        return np.empty(0, dtype=np.int64)
    frames = places[-1] + 1 + round(timing.lost_end * timing.frame_rate)
    return np.setdiff1d(np.arange(frames), places)


_MAX_OFFSET_PERIODS = 0.25
"""Frame periods by which a frame may be off its place among even ones."""


def group_into_ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Put rising numbers together that follow each other: the first and last of each run.

    >>> group_into_ranges([3, 6, 7])
    ((3, 3), (6, 7))
    """
    found: list[tuple[int, int]] = []
    for number in map(int, numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return tuple(found)


MAX_NAMED_RANGES = 10
"""Runs that a sentence names; the others are counted."""


def format_frame_ranges(found: Sequence[tuple[int, int]]) -> str:
    """Name runs of frames for a sentence.

    >>> format_frame_ranges([(3, 3), (6, 7)])
    '3, 6–7'
    """
    names = [str(a) if a == b else f"{a}–{b}" for a, b in found[:MAX_NAMED_RANGES]]
    more = len(found) - MAX_NAMED_RANGES
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
