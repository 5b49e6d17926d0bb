"""Results for one animal: frame by frame, and as figures."""

from dataclasses import dataclass

from tasks.behavior.animals import Animal
from tasks.behavior.average_keypoints import AveragePosition
from tasks.behavior.behavior_summary import MotionSummary
from tasks.behavior.locomotion import Locomotion
from tasks.behavior.segments import FloatArray
from tasks.behavior.states import SpeedThresholds, StateCodes
from tasks.behavior.zones import ZoneVisits


@dataclass(frozen=True)
class AnimalBehavior:
    """All that is known of one animal, frame by frame.

    Attributes:
        animal: The animal.
        average: Its mean position; None where the position is a column of the table.
        raw: (frames, 2), the position in pixels of the picture.
        movement: Speed and distance.
        states: (frames,), codes; None without thresholds.
        zones: What it did in each zone.
    """

    animal: Animal
    average: AveragePosition | None
    raw: FloatArray
    movement: Locomotion
    states: StateCodes | None
    zones: dict[str, ZoneVisits]


@dataclass(frozen=True)
class AnimalSummary:
    """The figures of one animal.

    Attributes:
        name: The individual; empty for a single animal.
        keypoints: The keypoints that were averaged.
        everything: Figures of all frames.
        movies: Figures of each movie.
        thresholds: In pixels per second; None without.
        proposed_threshold: Pixels per second, where there are no thresholds and a valley.
        path_ratio: How many times the path is as long as after smoothing.
    """

    name: str
    keypoints: tuple[str, ...]
    everything: MotionSummary
    movies: tuple[MotionSummary, ...]
    thresholds: SpeedThresholds | None
    proposed_threshold: float | None
    path_ratio: float | None
