"""Where the movies of a request stand in time: one after the other, with the known gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from tasks.pose.timing import Recording, Timing


class Clock(StrEnum):
    """What tells when a movie started."""

    FIRST = "first movie"
    COUNTER = "hardware counter"
    RECORDING_START = "recording start"
    PREVIOUS = "one frame after the movie before"


@dataclass(frozen=True)
class Start:
    """Where a movie begins.

    Attributes:
        frame: Number of frames in the movies before it, dropped ones included.
        seconds: When its first frame was shown, since the first movie's first frame.
        clock: What tells that.
    """

    frame: int
    seconds: Fraction
    clock: Clock


def starts(timings: Sequence[Timing]) -> list[Start]:
    """Say where each movie of a request begins.

    Movies that one recording system made go on by its counter, which no clock that is set can
    disturb; others by when their recordings began, where that makes sense; all others begin one
    frame period after the movie before.

    Args:
        timings: The movies' times, in the request's order.

    Returns:
        As many starts. Seconds are exact, so that errors do not add up over hundreds of movies.
    """
    found: list[Start] = []
    for index, timing in enumerate(timings):
        if index == 0:
            found.append(Start(0, Fraction(0), Clock.FIRST))
            continue
        before, start = timings[index - 1], found[-1]
        step, clock = _step(before, timing)
        found.append(Start(start.frame + positions_of(before), start.seconds + step, clock))
    return found


def _step(before: Timing, timing: Timing) -> tuple[Fraction, Clock]:
    """Seconds from one movie's first frame to the next one's, and what tells them."""
    first, second = before.recording, timing.recording
    if first and second:
        if (counted := _counted(first, second)) is not None:
            return counted, Clock.COUNTER
        apart = _origin(timing, second) - _origin(before, first)
        if apart >= length_of(before):
            return apart, Clock.RECORDING_START
    return length_of(before), Clock.PREVIOUS


def _counted(first: Recording, second: Recording) -> Fraction | None:
    same = first.system is not None and first.system == second.system
    if not (same and first.has_counter and second.has_counter):
        return None
    if second.counter[0] <= first.counter[-1]:
        return None
    return Fraction(float(second.counter[0]) - float(first.counter[0])) / 1_000_000


def _origin(timing: Timing, recording: Recording) -> Fraction:
    """When the first frame that there is was taken, in seconds since 1970."""
    return recording.start + int(recording.positions[0]) / timing.frame_rate


def positions_of(timing: Timing) -> int:
    """How many frames a movie has, those included that its recorder dropped."""
    return timing.recording.length if timing.recording else len(timing.seconds)


def length_of(timing: Timing) -> Fraction:
    """Seconds from a movie's first frame to one frame period after its last."""
    if timing.constant:
        return len(timing.seconds) / timing.frame_rate
    after = timing.recording.length - int(timing.recording.positions[-1]) if timing.recording else 1
    return Fraction(float(timing.seconds[-1])) + after / timing.frame_rate
