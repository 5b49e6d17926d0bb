"""The frame ledger: how many frames a movie has at each step, and why they differ."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tasks.pose.movies.timing import (
    Timing,
    find_lost_frames,
    format_frame_ranges,
    group_into_ranges,
)

_DROPPED_DESCRIPTION = "Frames that the recorder dropped, as first and last of each run."


class FrameLedger(BaseModel):
    """Counts of one movie's frames; they must agree, and where they do not, it is said.

    Attributes:
        declared: Frames that the container declares; None where it declares none.
        dropped: Which of them the recorder says that it dropped, as first and last of each run.
        decoded: Frames that decode.
        poses: Frames that have a pose.
        annotated: Rows in the annotations table; None until it is written.
        labeled: Frames of the labeled movie; None until it is written.
    """

    model_config = ConfigDict(frozen=True)

    declared: int | None
    dropped: tuple[tuple[int, int], ...] = Field(default=(), description=_DROPPED_DESCRIPTION)
    decoded: int
    poses: int
    annotated: int | None = None
    labeled: int | None = None

    @property
    def dropped_frame_count(self) -> int:
        """Number of frames that the recorder dropped: declared, but in no result."""
        return sum(last - first + 1 for first, last in self.dropped)

    @property
    def lost_frame_count(self) -> int:
        """Number of frames that are declared and not dropped, yet cannot be decoded."""
        declared = self.decoded if self.declared is None else self.declared
        return max(0, declared - self.dropped_frame_count - self.decoded)

    @property
    def is_complete(self) -> bool:
        """Return whether every decodable frame is in every result."""
        return self.decoded == self.poses == self.annotated == self.labeled

    def list_disagreements(self) -> list[str]:
        """Name every count that differs from the number of decodable frames."""
        declared = None if self.declared is None else self.declared - self.dropped_frame_count
        but = f" of which {self.dropped_frame_count} were dropped" if self.dropped else ""
        found = {
            f"the container declares {self.declared} frames{but}": declared,
            f"{self.poses} frames have a pose": self.poses,
            f"the annotations have {self.annotated} rows": self.annotated,
            f"the labeled movie has {self.labeled} frames": self.labeled,
        }
        return [
            f"{text}, but {self.decoded} decode"
            for text, count in found.items()
            if count is not None and count != self.decoded
        ]

    def dropped_frame_warnings(self) -> list[str]:
        """Say which frames the recorder dropped; their absence is no disagreement."""
        if not self.dropped:
            return []
        count = self.dropped_frame_count
        what = "1 frame was" if count == 1 else f"{count} frames were"
        which = format_frame_ranges(self.dropped)
        return [f"{what} dropped by the recorder ({which}); the others keep their times"]


def create_ledger(declared: int | None, timing: Timing) -> FrameLedger:
    """Open a movie's ledger once it has been read and every frame has a pose."""
    frames, recording = len(timing.seconds), timing.recording
    return FrameLedger(
        # What the file lists is known once it has been read; before that, its header counts.
        declared=declared if timing.listed_frames is None else timing.listed_frames,
        dropped=recording.dropped if recording else timing.dropped,
        decoded=frames,
        poses=frames,
    )


def find_lost_ranges(declared: int | None, timing: Timing) -> tuple[tuple[int, int], ...]:
    """Find which frames of a movie are missing, where their numbers are certain.

    Args:
        declared: Frames that the container declares.
        timing: The times of those that decode.

    Returns:
        First and last of each run; none if nothing is lost, or if times do not show it.
    """
    certain = timing.recording is None and not timing.warnings
    dropped = [number for first, last in timing.dropped for number in range(first, last + 1)]
    lost = np.setdiff1d(find_lost_frames(timing), dropped) if certain else ()
    if not len(lost) or create_ledger(declared, timing).lost_frame_count != len(lost):
        return ()
    return group_into_ranges(lost)


def lost_frame_warnings(declared: int | None, timing: Timing) -> list[str]:
    """Say which frames of a movie are missing, where their numbers are certain."""
    if not (lost := find_lost_ranges(declared, timing)):
        return []
    names = format_frame_ranges(lost)
    return [f"frames that can't be decoded: {names}; the others keep their times"]


def decode_warnings(errors: tuple[str, ...]) -> list[str]:
    """Say in one sentence what the decoder could not read."""
    if not errors:
        return []
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return [f"the movie is damaged: {errors[0]}{more}"]


def filter_window_warnings(frames: int, window_length: int) -> list[str]:
    """Warn where the median filter's window is longer than the movie."""
    if window_length <= frames or window_length <= 1:
        return []
    warning = (
        f"the movie has {frames} frames, fewer than the filter's window of {window_length}; "
        "DeepLabCut's median filter then pulls coordinates toward 0: set window_length to 0"
    )
    return [warning]
