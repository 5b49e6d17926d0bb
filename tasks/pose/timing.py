"""When a movie's frames were shown, and where they stand in their recording."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_Ticks = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True)
class Recording:
    """What an .isxb recording says of its frames, beside the pictures.

    Attributes:
        start: When the recording began, in seconds since 1970 (UTC).
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
    positions: NDArray[np.int64]
    counter: NDArray[np.float64]
    dropped: tuple[tuple[int, int], ...]
    warnings: tuple[str, ...] = ()

    @property
    def has_counter(self) -> bool:
        """Whether the counter tells when each frame was taken."""
        return counts_up(self.counter)


@dataclass(frozen=True)
class Timing:
    """When a movie's frames were shown.

    Attributes:
        seconds: Time of each frame since the first one, rising, shape (frames,).
        frame_rate: Frames per second; the average where they vary.
        constant: Whether every frame is index ÷ frame_rate.
        recording: What the recorder says; None for movies other than .isxb.
    """

    seconds: NDArray[np.float64]
    frame_rate: Fraction
    constant: bool
    recording: Recording | None = None


CLOCK_STEP = Fraction(1, 1000)
"""Seconds that even times may seem uneven by: recorders round or cut times to milliseconds."""

_EXACT = 1e-3
"""Ticks within which times are even without any rounding."""

_MOSTLY = Fraction(9, 10)
"""Share of frames whose times must be usable for those of the others to be put between them."""


def timing_of(
    stamps: Sequence[int | None], time_base: Fraction, rates: Sequence[Fraction]
) -> Timing:
    """Turn presentation times in ticks into seconds since the first frame.

    Where the times are those of a constant rate, to within the rounding of the clock that wrote
    them, they become index ÷ rate, free of that rounding. A few frames without a usable time
    (none, or not after the frame before) are put evenly between their neighbors; where there are
    many, all are index ÷ rate.

    Args:
        stamps: The presentation time of each frame, in ticks; None where it has none.
        time_base: Seconds for each tick.
        rates: Frame rates that the container claims, the likeliest first; at least one.

    Returns:
        The times, and the rate that they keep.
    """
    ticks = _rising_ticks(stamps, 1 / (rates[0] * time_base))
    if ticks is None:
        return constant_timing(len(stamps), rates[0])
    measured = (len(ticks) - 1) / (Fraction(ticks[-1].item()) * time_base)
    rate = _even_rate(ticks, time_base, rates) or _even_rate(ticks, time_base, [measured])
    if rate:
        return constant_timing(len(stamps), rate)
    seconds = ticks * np.float64(time_base.numerator) / np.float64(time_base.denominator)
    return Timing(seconds, rates[0], constant=False)


def constant_timing(frames: int, rate: Fraction) -> Timing:
    """The times of frames that follow each other at one rate."""
    index = np.arange(frames)
    seconds = index * np.float64(rate.denominator) / np.float64(rate.numerator)
    return Timing(seconds, rate, constant=True)


def _rising_ticks(stamps: Sequence[int | None], period: Fraction) -> _Ticks | None:
    """Ticks since the first frame; None where too few frames have a usable time."""
    usable = _longest_rise(stamps)
    if len(usable) < 2 or len(usable) < _MOSTLY * len(stamps):  # noqa: PLR2004
        return None
    known: NDArray[np.int64] = np.array([stamps[index] for index in usable], dtype=np.int64)
    known -= known[0]
    if len(usable) == len(stamps):
        return known
    index = np.arange(len(stamps))
    ticks: NDArray[np.float64] = np.interp(index, usable, known.astype(np.float64))
    # Before the first and after the last usable time, frames follow each other at the usual rate.
    ticks += np.minimum(index - usable[0], 0) * float(period)
    ticks += np.maximum(index - usable[-1], 0) * float(period)
    ticks -= ticks[0]
    return ticks


def _longest_rise(stamps: Sequence[int | None]) -> list[int]:
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


def _even_rate(ticks: _Ticks, time_base: Fraction, rates: Sequence[Fraction]) -> Fraction | None:
    """The rate whose times these are: one that fits exactly, or else the plainest that fits."""
    spread = {rate: _spread(ticks, 1 / (rate * time_base)) for rate in rates}
    allowed = max(1.0, float(CLOCK_STEP / time_base)) * (1 + 1e-6)
    even = [rate for rate in rates if spread[rate] <= allowed]
    return min(even, key=lambda rate: (spread[rate] > _EXACT, rate.denominator), default=None)


def _spread(ticks: _Ticks, period: Fraction) -> float:
    """Ticks between the earliest and the latest frame, compared with even ones."""
    due = np.arange(len(ticks)) * np.float64(period.numerator) / np.float64(period.denominator)
    return float(np.ptp(ticks - due))


# --- gaps --------------------------------------------------------------------------------------


def counts_up(counter: NDArray[np.float64]) -> bool:
    """Whether each value is known and above the one before."""
    return bool(np.isfinite(counter).all() and (np.diff(counter) > 0).all())


def lost_frames(timing: Timing) -> NDArray[np.int64]:
    """Where frames are missing between others, in a movie that would have a constant rate.

    Returns:
        Their numbers, counted from the first frame that there is; none where times do not tell.
    """
    due = timing.seconds * float(timing.frame_rate)
    places = np.rint(due).astype(np.int64)
    if len(due) == 0 or np.abs(due - places).max() > _NEAR or (np.diff(places) < 1).any():
        return np.empty(0, dtype=np.int64)
    return np.setdiff1d(np.arange(places[-1]), places)


_NEAR = 0.25
"""Frame periods by which a frame may be off its place among even ones."""


def runs(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Put rising numbers together that follow each other: the first and last of each run.

    >>> runs([3, 6, 7])
    ((3, 3), (6, 7))
    """
    found: list[tuple[int, int]] = []
    for number in map(int, numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return tuple(found)


MOST_RUNS = 10
"""Runs that a sentence names; the others are counted."""


def named_runs(found: Sequence[tuple[int, int]]) -> str:
    """Name runs of frames for a sentence.

    >>> named_runs([(3, 3), (6, 7)])
    '3, 6–7'
    """
    names = [str(a) if a == b else f"{a}–{b}" for a, b in found[:MOST_RUNS]]
    more = len(found) - MOST_RUNS
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
