"""Match a file's times with a movie's frames, by what the frame ledger knows; never stretched."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.pose.clock.listed_times import ListedTimes

_Indices = NDArray[np.int64]

_MAX_SHIFT = 500
"""Frames by which a movie and its times file may begin apart, if gaps show it."""

_MIN_MATCHED_SHARE = 0.98
"""Share of frames whose steps must be those of the times."""

_MAX_PLACES = 50_000_000
"""Places of a grid of frames that gaps are compared on."""


@dataclass(frozen=True)
class FrameLayout:
    """Places of a movie's frames among those that its file lists.

    Attributes:
        seconds: Each frame's time as the movie's file has it, shape (frames,).
        places: Each frame's place among all that are listed, rising, shape (frames,); None where
            it is not known which are lost.
        listed: Frames that are listed, those included that were dropped or cannot be decoded.
        dropped: Places of frames that the recorder dropped.
    """

    seconds: NDArray[np.float64]
    places: _Indices | None
    listed: int
    dropped: _Indices

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.seconds)


@dataclass(frozen=True)
class TimesMatch:
    """Times matched to frames.

    Attributes:
        indices: Its number among the times, -1 where it has none, shape (frames,).
        evidence: The evidence for it.
        is_certain: Whether that is more than the order of both.
    """

    indices: _Indices
    evidence: str
    is_certain: bool = True


def match_times(times: ListedTimes, layout: FrameLayout) -> TimesMatch:
    """Find out which time belongs to which frame.

    Args:
        times: The times of a file.
        layout: The movie's frames.
    """
    count = len(times.values)
    if match := _match_by_count(count, layout):
        return match
    if times.numbers is not None and layout.places is not None:
        place = times.numbers - times.numbers[0]
        if (np.diff(place) > 0).all():
            match = TimesMatch(
                _look_up(layout.places, place), "the frame numbers in the times file"
            )
            if _has_most(match, count):
                return match
    if not np.isnan(times.values).any() and (match := _match_by_gaps(times.values, layout)):
        return match
    indices = np.arange(layout.frames)
    return TimesMatch(
        np.where(indices < count, indices, -1),
        "their order, both taken to begin together: nothing shows where the difference is",
        is_certain=False,
    )


def _match_by_count(count: int, layout: FrameLayout) -> TimesMatch | None:
    """Match times that are as many as frames are at some step of the frame ledger."""
    frames, places = layout.frames, layout.places
    if count == frames == layout.listed:
        return TimesMatch(np.arange(frames), "one time for each frame")
    if places is not None and count == layout.listed:
        evidence = f"one time for each of the {count} frames that the movie lists"
        return TimesMatch(places, evidence)
    stored = layout.listed - len(layout.dropped)
    if places is not None and count == stored:
        missed = np.searchsorted(layout.dropped, places)
        evidence = f"one time for each of the {count} frames that were not dropped"
        return TimesMatch(places - missed, evidence)
    if count == frames:
        return TimesMatch(np.arange(frames), "one time for each frame that can be decoded")
    return None


def _look_up(wanted: _Indices, known: _Indices) -> _Indices:
    """The index of each wanted value among rising ones; -1 where it is not among them."""
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)


def _has_most(match: TimesMatch, count: int) -> bool:
    found = np.count_nonzero(match.indices >= 0)
    return bool(found >= _MIN_MATCHED_SHARE * min(len(match.indices), count))


def _match_by_gaps(times: NDArray[np.float64], layout: FrameLayout) -> TimesMatch | None:
    """Match by gaps that the movie and the times have at the same places, if one shift fits best.

    Steps are counted in frames one by one, so that clocks may run apart over hours.
    """
    ours, theirs = _count_steps(layout.seconds), _count_steps(times)
    if ours is None or theirs is None:
        return None
    lengths = int(ours[-1]) + 1, int(theirs[-1]) + 1
    if max(lengths) > _MAX_PLACES:
        return None
    most = min(_MAX_SHIFT, abs(lengths[0] - lengths[1]) + abs(layout.frames - len(times)))
    grid = np.zeros(max(lengths) + 2 * most + 1, dtype=np.bool_)
    grid[theirs + most] = True
    shifts = np.arange(-most, most + 1)
    hits = np.array([np.count_nonzero(grid[ours + most + shift]) for shift in shifts])
    best = np.flatnonzero(hits == hits.max())
    if len(best) > 1 or hits.max() < _MIN_MATCHED_SHARE * min(layout.frames, len(times)):
        return None
    indices = _look_up(ours + shifts[best[0]], theirs)
    return TimesMatch(indices, "gaps at the same places in the movie and in the times file")


def _count_steps(values: NDArray[np.float64]) -> _Indices | None:
    """Each value's place on a grid of frames, counted step by step; None where there is no grid."""
    steps = np.diff(values)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0:
        return None
    counted = np.rint(steps / usual)
    if (counted < 1).any() or (np.abs(steps / usual - counted) > _MAX_OFF_GRID).mean() > 0.02:  # noqa: PLR2004
        return None
    return np.concatenate([[0], np.cumsum(counted)]).astype(np.int64)


_MAX_OFF_GRID = 0.3
"""Frame periods by which a step may be no whole number of them."""
