"""States of rest and movement from speed, and their shortest bouts."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.behavior.behavior_settings import BehaviorSettings, BetweenThresholds, SpeedUnit
from tasks.behavior.segments import FloatArray, Segments, find_runs

STATE_NAMES = ("rest", "movement", "other")
"""Names of the states, by their codes; an unknown one has the code -1 and no name."""

UNKNOWN, REST, MOVEMENT, OTHER = -1, 0, 1, 2

StateCodes = NDArray[np.int64]


@dataclass(frozen=True)
class SpeedThresholds:
    """From where on an animal rests or moves, in pixels per second.

    Attributes:
        rest: Up to it, the animal rests.
        movement: From it on, the animal moves; it wins where both are equal.
    """

    rest: float
    movement: float


def find_thresholds(settings: BehaviorSettings, scale: float | None) -> SpeedThresholds | None:
    """Both thresholds in pixels per second; one that is not given is equal to the other.

    Args:
        settings: The thresholds and their unit.
        scale: Pixels per cm.

    Returns:
        None where there is no threshold.
    """
    given = [t for t in (settings.max_rest_speed, settings.min_movement_speed) if t is not None]
    if not given:
        return None
    factor = 1.0
    if settings.threshold_units is SpeedUnit.CENTIMETERS:
        assert scale is not None
        factor = scale
    return SpeedThresholds(given[0] * factor, given[-1] * factor)


def label_states(
    speed: FloatArray, segments: Segments, thresholds: SpeedThresholds, settings: BehaviorSettings
) -> StateCodes:
    """Give each frame a state, as docs/behavior.md defines it.

    Args:
        speed: (frames,), pixels per second, NaN where unknown.
        segments: The recording's segments.
        thresholds: Both thresholds.
        settings: What is between them, the shortest bouts, and the longest gap.

    Returns:
        (frames,), codes of `STATE_NAMES`, -1 where the state is unknown.
    """
    codes = np.full(len(speed), OTHER, dtype=np.int64)
    codes[speed <= thresholds.rest] = REST
    codes[speed >= thresholds.movement] = MOVEMENT
    codes[np.isnan(speed)] = UNKNOWN
    if settings.between is BetweenThresholds.HOLD:
        codes = _hold_states(codes, segments, settings.max_gap)
    codes = _bridge_unknown(codes, segments, settings.max_gap)
    if settings.min_rest or settings.min_movement:
        shortest = {REST: settings.min_rest, MOVEMENT: settings.min_movement}
        codes = _merge_short_bouts(codes, segments, shortest)
        codes = _bridge_unknown(codes, segments, settings.max_gap)
    return codes


def _hold_states(codes: StateCodes, segments: Segments, max_gap: float) -> StateCodes:
    """Between the thresholds the last state lasts; none is known before the first crossing.

    It lasts over unknown frames too where these are no longer than the longest gap.
    """
    between = codes == OTHER
    index = np.arange(len(codes))
    decided = np.maximum.accumulate(np.where((codes == REST) | (codes == MOVEMENT), index, -1))
    starts = segments.starts[segments.numbers]
    long_unknown = _find_long_unknown(codes, segments, max_gap)
    lost = np.maximum.accumulate(np.where(long_unknown, index, -1))
    held = np.where((decided >= starts) & (decided > lost), codes[decided], UNKNOWN)
    return np.where(between, held, codes)


def _find_long_unknown(codes: StateCodes, segments: Segments, max_gap: float) -> NDArray[np.bool_]:
    """Frames of unknown runs that last longer than the longest gap."""
    mask = np.zeros(len(codes), dtype=bool)
    for start, end in _find_segment_runs(codes, segments):
        if codes[start] == UNKNOWN and segments.durations[start:end].sum() > max_gap:
            mask[start:end] = True
    return mask


def _find_segment_runs(codes: StateCodes, segments: Segments) -> list[tuple[int, int]]:
    """Runs of one code, cut at the segments' edges too: first frame, and first one after."""
    starts, ends = find_runs(codes + segments.numbers * (len(STATE_NAMES) + 1))
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _bridge_unknown(codes: StateCodes, segments: Segments, max_gap: float) -> StateCodes:
    """Give unknown frames between two equal states that state, up to the longest gap."""
    bridged = codes.copy()
    runs = _find_segment_runs(codes, segments)
    for (a, b), (start, end), (c, _) in zip(runs, runs[1:], runs[2:], strict=False):
        same = segments.numbers[a] == segments.numbers[start] == segments.numbers[c]
        short = segments.durations[start:end].sum() <= max_gap
        if codes[start] == UNKNOWN and b == start and same and codes[a] == codes[c] and short:
            bridged[start:end] = codes[a]
    return bridged


def _merge_short_bouts(
    codes: StateCodes, segments: Segments, shortest: dict[int, float]
) -> StateCodes:
    """Give bouts that are too short the state around them, the shortest first.

    Where the states before and after differ, it is `other`. A bout that an end of a segment, or an
    unknown frame, cuts off is kept: its length is not known.
    """
    chain = _BoutChain(codes, segments, shortest)
    waiting = [(chain.length[i], i) for i in range(len(chain.length)) if chain.is_short(i)]
    heapq.heapify(waiting)
    while waiting:
        seconds, run = heapq.heappop(waiting)
        if seconds == chain.length[run] and chain.is_short(run):
            for one in chain.absorb(run):
                if chain.is_short(one):
                    heapq.heappush(waiting, (chain.length[one], one))
    return chain.to_codes()


class _BoutChain:
    """Bouts in a row, of which some are absorbed by their neighbors."""

    def __init__(self, codes: StateCodes, segments: Segments, shortest: dict[int, float]) -> None:
        runs = _find_segment_runs(codes, segments)
        total = np.append(0.0, np.cumsum(segments.durations))
        self._starts = [a for a, _ in runs]
        self._frames, self._shortest = len(codes), shortest
        self._state = [int(codes[a]) for a, _ in runs]
        self._segment = [int(segments.numbers[a]) for a, _ in runs]
        self._before = [i - 1 for i in range(len(runs))]
        self._after = [i + 1 for i in range(len(runs))]
        self._alive = [True] * len(runs)
        # Rounded, so that of bouts of the same length the first one comes first.
        self.length = [round(float(total[b] - total[a]), 9) for a, b in runs]

    def is_short(self, run: int) -> bool:
        """Return whether a bout is too short for its state, with known neighbors on both sides."""
        if not 0 <= run < len(self._alive) or not self._alive[run]:
            return False
        limit = self._shortest.get(self._state[run], 0.0)
        return self.length[run] < limit * _ROUNDING and all(
            self._has_known_neighbor(run, other) for other in (self._before[run], self._after[run])
        )

    def _has_known_neighbor(self, run: int, other: int) -> bool:
        return (
            0 <= other < len(self._alive)
            and self._segment[other] == self._segment[run]
            and self._state[other] != UNKNOWN
        )

    def absorb(self, run: int) -> tuple[int, int, int]:
        """Give a bout the state around it; returns those that may be short now."""
        left, right = self._before[run], self._after[run]
        agree = self._state[left] == self._state[right]
        self._state[run] = self._state[left] if agree else OTHER
        if self._state[run] == self._state[right]:
            self._merge_with_next(run)
        if self._state[run] == self._state[left]:
            self._merge_with_next(left)
            run = left
        return self._before[run], run, self._after[run]

    def _merge_with_next(self, run: int) -> None:
        gone = self._after[run]
        self.length[run] = round(self.length[run] + self.length[gone], 9)
        self._alive[gone] = False
        self._after[run] = self._after[gone]
        if self._after[run] < len(self._alive):
            self._before[self._after[run]] = run

    def to_codes(self) -> StateCodes:
        """Each frame's state."""
        alive = [i for i, there in enumerate(self._alive) if there]
        starts = np.array([self._starts[i] for i in alive])
        states = np.array([self._state[i] for i in alive], dtype=np.int64)
        codes: StateCodes = np.repeat(states, np.diff(np.append(starts, self._frames)))
        return codes


_ROUNDING = 1 - 1e-9
"""Tolerance for rounded durations, for bouts exactly as long as asked."""
