"""Start times of a request's movies: one after the other, with the known gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from tasks.pose.movies.timing import RecordingInfo, Timing


class StartSource(StrEnum):
    """Source of a movie's start time."""

    FIRST = "first movie"
    TIMES_FILE = "times file"
    COUNTER = "hardware counter"
    RECORDING_START = "recording start"
    PREVIOUS = "one frame after the movie before"


@dataclass(frozen=True)
class MovieStart:
    """Start of a movie.

    Attributes:
        frame: Number of frames in the movies before it, dropped ones included.
        seconds: When its first frame was shown, since the first movie's first frame.
        clock: What tells that.
        warnings: What contradicts that, one sentence each.
    """

    frame: int
    seconds: Fraction
    clock: StartSource
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClockMoment:
    """Time on the experiment's clock.

    Attributes:
        seconds: Seconds since what the clock counts from.
        origin: What it counts from, in the words of the run record.
    """

    seconds: float
    origin: str


def compute_starts(
    timings: Sequence[Timing], moments: Sequence[ClockMoment | None] | None = None
) -> list[MovieStart]:
    """Say where each movie of a request begins.

    Movies whose times files have one clock go on by that.

    Movies of one recording go on by its counter, which no clock that is set can disturb; so do
    other movies of one recording system, unless the starts of their recordings tell that the
    counter began anew in between. Others go on by these starts, where that makes sense; all others
    begin one frame period after the movie before.

    Args:
        timings: The movies' times, in the request's order.
        moments: When each movie's first frame was taken on the experiment's clock; None where
            that is not known.

    Returns:
        As many starts. Seconds are exact, so that errors do not add up over hundreds of movies.
    """
    found: list[MovieStart] = []
    for index, timing in enumerate(timings):
        if index == 0:
            found.append(MovieStart(0, Fraction(0), StartSource.FIRST))
            continue
        before, start = timings[index - 1], found[-1]
        step, clock = _compute_step(before, timing)
        if by_clock := _step_by_clock(before, moments[index - 1 : index + 1] if moments else ()):
            step, clock = by_clock, StartSource.TIMES_FILE
        frame, seconds = start.frame + count_positions(before), start.seconds + step
        found.append(MovieStart(frame, seconds, clock, _counter_warnings(before, timing, clock)))
    return found


def _step_by_clock(before: Timing, moments: Sequence[ClockMoment | None]) -> Fraction | None:
    """Seconds from one movie's first frame to the next one's, by their times files.

    A file that begins at its own zero has no relation to other movies, nor have clocks that count
    from something else.
    """
    match moments:
        case ClockMoment() as first, ClockMoment() as second if (
            first.origin == second.origin and second.seconds > first.seconds
        ):
            step = Fraction(second.seconds) - Fraction(first.seconds)
            # Half a movie: clocks and containers may disagree about its frame rate.
            return step if step >= compute_duration(before) / 2 else None
    return None


def _compute_step(before: Timing, timing: Timing) -> tuple[Fraction, StartSource]:
    """Seconds from one movie's first frame to the next one's, and what tells them."""
    first, second = before.recording, timing.recording
    if first and second:
        counted, apart = (
            _counter_difference(first, second),
            _recording_start_difference(before, timing),
        )
        if counted is not None and (
            _is_same_recording(first, second) or _is_consistent(counted, apart)
        ):
            return counted, StartSource.COUNTER
        if apart >= compute_duration(before):
            return apart, StartSource.RECORDING_START
    return compute_duration(before), StartSource.PREVIOUS


def _counter_difference(first: RecordingInfo, second: RecordingInfo) -> Fraction | None:
    same = first.system is not None and first.system == second.system
    if not (same and first.has_counter and second.has_counter):
        return None
    if second.counter[0] <= first.counter[-1]:
        return None
    return Fraction(float(second.counter[0]) - float(first.counter[0])) / 1_000_000


def _is_same_recording(first: RecordingInfo, second: RecordingInfo) -> bool:
    return first.name is not None and first.name == second.name


def _is_consistent(counted: Fraction, apart: Fraction) -> bool:
    return abs(counted - apart) <= _MAX_CLOCK_OFFSET + _MAX_CLOCK_DRIFT * max(counted, apart)


_MAX_CLOCK_OFFSET = Fraction(2)
"""Seconds that a recording's start may be off by."""

_MAX_CLOCK_DRIFT = Fraction(1, 1000)
"""Share of a gap that a counter and the clock of a recorder may differ by."""


def _counter_warnings(before: Timing, timing: Timing, clock: StartSource) -> tuple[str, ...]:
    """Say where a counter was not believed, since the starts of recordings contradict it."""
    first, second = before.recording, timing.recording
    if clock is StartSource.COUNTER or not (first and second):
        return ()
    counted, apart = _counter_difference(first, second), _recording_start_difference(before, timing)
    if counted is None:
        return ()
    warning = (
        f"by the hardware counter it starts {float(counted):.1f} s after the movie before, by the "
        f"recordings' starts {float(apart):.1f} s: the counter may have begun anew, so that its "
        f"start was taken from: {clock}"
    )
    return (warning,)


def _recording_start_difference(before: Timing, timing: Timing) -> Fraction:
    """Seconds from one recording's first frame to the other's, by when they began."""
    first, second = before.recording, timing.recording
    assert first is not None
    assert second is not None
    return _first_frame_time(timing, second) - _first_frame_time(before, first)


def _first_frame_time(timing: Timing, recording: RecordingInfo) -> Fraction:
    """Return when the first existing frame was taken, in seconds since 1970."""
    return recording.start + int(recording.positions[0]) / timing.frame_rate


def count_positions(timing: Timing) -> int:
    """Count a movie's frames, including those that its recorder dropped."""
    return timing.recording.length if timing.recording else len(timing.seconds)


def compute_duration(timing: Timing) -> Fraction:
    """Seconds from a movie's first frame to one frame period after its last."""
    if timing.constant:
        return len(timing.seconds) / timing.frame_rate + timing.lost_end
    after = timing.recording.length - int(timing.recording.positions[-1]) if timing.recording else 1
    return Fraction(float(timing.seconds[-1])) + after / timing.frame_rate + timing.lost_end
