"""Chance: the sequence of states shifted in time: its rhythm stays, its place does not."""

from dataclasses import dataclass

import numpy as np

from tasks.neural.cell_recordings import BoolArray, IntegerArray

SEED = 20_240_112
MIN_SHIFT_SECONDS = 10.0


@dataclass(frozen=True)
class StateShifts:
    """Circular shifts of the state sequence; what each frame takes is computed when it is needed.

    Attributes:
        samples: Frames of the recording.
        groups: The frames of each file that have a state, which are shifted among themselves.
        offsets: (shuffles, groups), frames of each shift.
    """

    samples: int
    groups: tuple[IntegerArray, ...]
    offsets: IntegerArray

    def __len__(self) -> int:
        """Return the number of shuffles."""
        return len(self.offsets)

    def find_sources(self, begin: int, end: int) -> IntegerArray:
        """The frame whose state each frame takes, (samples, shuffles from `begin` up to `end`).

        Frames without a state take their own.
        """
        chosen = self.offsets[begin:end]
        sources = np.repeat(np.arange(self.samples, dtype=np.int64)[:, None], len(chosen), axis=1)
        for number, group in enumerate(self.groups):
            for column, offset in enumerate(chosen[:, number].tolist()):
                sources[group, column] = np.roll(group, offset)
        return sources


def draw_shifts(known: BoolArray, files: IntegerArray, period: float, shuffles: int) -> StateShifts:
    """Draw circular shifts of the state sequence, each file's known frames within the file.

    A shift is at least 10 s from either end, or a quarter of the file where it is shorter.

    Args:
        known: (samples,), frames that have a state.
        files: (samples,), which file each is of.
        period: Seconds for each sample.
        shuffles: How many shifts.
    """
    random = np.random.default_rng(SEED)
    groups = [
        np.flatnonzero(known & (files == number)).astype(np.int64) for number in np.unique(files)
    ]
    groups = [group for group in groups if len(group) > 1]
    least = [min(int(np.ceil(MIN_SHIFT_SECONDS / period)), len(g) // 4) for g in groups]
    low = np.array(least, dtype=np.int64)
    high = np.array([len(g) for g in groups], dtype=np.int64) - low + 1
    offsets = random.integers(low, high, size=(shuffles, len(groups)))
    return StateShifts(len(known), tuple(groups), offsets)
