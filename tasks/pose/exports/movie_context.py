"""Facts in exported files about their movie, and about the estimation of its poses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.pose.clock.experiment_clock import ExperimentClock
from tasks.pose.model.description import Model
from tasks.pose.movies.frame_times import compute_times
from tasks.pose.movies.timing import Timing
from tasks.pose.results.file_names import PoseFileNames, name_pose_files


@dataclass(frozen=True)
class MovieFacts:
    """One movie and its model, as exported files describe them.

    Attributes:
        name: The movie's folder below the output location.
        location: The movie's location.
        file_name: The movie's file name.
        sha256: Digest of the movie's bytes.
        frame_size: Width and height of a whole frame in pixels.
        edges: Left, right, top, bottom in pixels of what went to the network.
        timing: When its frames were shown.
        scorer: What the results of the model are called.
        model: The model.
        project: The DeepLabCut project that ran.
        batch_size: Frames that went to the network at a time.
        product: This program and its version.
        clock: Its frames' times on the experiment's clock; None without a times file.
    """

    name: str
    location: str
    file_name: str
    sha256: str
    frame_size: tuple[int, int]
    edges: tuple[int, int, int, int]
    timing: Timing
    scorer: str
    model: Model
    project: Path
    batch_size: int
    product: str
    clock: ExperimentClock | None = None

    @property
    def frames(self) -> int:
        """Number of frames that have a pose."""
        return len(self.timing.seconds)

    @property
    def complete_clock(self) -> ExperimentClock | None:
        """Its frames' times on the experiment's clock, where each of them has one."""
        return self.clock if self.clock and self.clock.is_complete else None

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds of each frame since the first one, shape (frames,)."""
        clock = self.complete_clock
        return compute_times(self.timing, clock=clock.seconds if clock else None)

    @property
    def has_even_times(self) -> bool:
        """Return whether every time is index ÷ frame rate."""
        return self.timing.constant and self.complete_clock is None

    @property
    def is_cropped(self) -> bool:
        """Return whether only a part of the frame went to the network."""
        return self.edges != (0, self.frame_size[0], 0, self.frame_size[1])

    @property
    def crop_offset(self) -> tuple[int, int]:
        """Left and top edge in pixels of what went to the network."""
        return self.edges[0], self.edges[2]

    @property
    def pose_files(self) -> PoseFileNames:
        """Published names of the movie's poses."""
        stem = Path(self.file_name).stem
        return name_pose_files(stem, self.name, self.scorer, self.model.track_method)
