"""`BehaviorSettings`: one model that is the form, the command line, the validation and the docs."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.pose.form_schema import add_ranges, describe_odd_numbers, list_odd_numbers
from tasks.pose.settings import MAX_WINDOW_LENGTH, AnnotationsFormat, LocationText

AVERAGE_X, AVERAGE_Y = "Average keypoint x", "Average keypoint y"
"""Columns of the mean position, named as the IDEAS tool names them."""

MAX_SIGMA_SAMPLES = 10_000
MAX_ZONES_BYTES = 2**20
"""Bytes of a zones file."""

MAX_SECONDS = 86_400
"""Upper bounds of settings, so that a slip of the keyboard is refused in the form."""


class TimeColumnUnit(StrEnum):
    """Unit of the time column."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"

    @property
    def per_second(self) -> float:
        """Return the number of these units in a second."""
        return {"s": 1.0, "ms": 1e3, "us": 1e6}[self.value]


class SpeedUnit(StrEnum):
    """Unit of both speed thresholds."""

    PIXELS = "px/s"
    CENTIMETERS = "cm/s"


class KeypointWeights(StrEnum):
    """Weights of keypoints in the mean."""

    EQUAL = "equal"
    LIKELIHOOD = "likelihood"


class SpeedDifference(StrEnum):
    """Neighbors from which a frame's speed is computed."""

    BACKWARD = "backward"
    CENTRAL = "central"


class BetweenThresholds(StrEnum):
    """State of a frame whose speed lies between the thresholds."""

    OTHER = "other"
    HOLD = "hold"


class ArenaCorners(BaseModel):
    """Four corners of a rectangle on the arena's floor, in pixels, and its real sides."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=add_ranges)

    top_left_x: float = Field(
        title="Top left x", description="Column of the top left corner, in pixels."
    )
    top_left_y: float = Field(
        title="Top left y", description="Row of the top left corner, in pixels."
    )
    top_right_x: float = Field(
        title="Top right x", description="Column of the top right corner, in pixels."
    )
    top_right_y: float = Field(
        title="Top right y", description="Row of the top right corner, in pixels."
    )
    bottom_right_x: float = Field(
        title="Bottom right x", description="Column of the bottom right corner, in pixels."
    )
    bottom_right_y: float = Field(
        title="Bottom right y", description="Row of the bottom right corner, in pixels."
    )
    bottom_left_x: float = Field(
        title="Bottom left x", description="Column of the bottom left corner, in pixels."
    )
    bottom_left_y: float = Field(
        title="Bottom left y", description="Row of the bottom left corner, in pixels."
    )
    width_cm: float = Field(gt=0, title="Width", description="Top side in cm.")
    height_cm: float = Field(gt=0, title="Height", description="Left side in cm.")

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The corners in order, x and y in pixels."""
        return (
            (self.top_left_x, self.top_left_y),
            (self.top_right_x, self.top_right_y),
            (self.bottom_right_x, self.bottom_right_y),
            (self.bottom_left_x, self.bottom_left_y),
        )

    @model_validator(mode="after")
    def _check_corners_are_convex(self) -> Self:
        points = self.points
        turns = [
            (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
            for a, b, c in zip(
                points, points[1:] + points[:1], points[2:] + points[:2], strict=True
            )
        ]
        if not (all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns)):
            raise ValueError(
                "the four corners must go around a convex figure: top left, top right, bottom "
                "right, bottom left"
            )
        return self


_Name = Annotated[str, Field(min_length=1)]


class BehaviorSettings(BaseModel):
    """Settings of a behavior request; defaults are those of the IDEAS tools, where known.

    The same fields make the form in the Prefect UI, the flags of ``python -m flows behavior`` and
    the table in docs/behavior.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=add_ranges)

    annotations_format: AnnotationsFormat = Field(
        default=AnnotationsFormat.PARQUET,
        title="Output annotations format",
        description="The file format of the table that comes out.",
    )
    individuals: list[_Name] = Field(
        default=[],
        title="Individuals",
        description="Names of the animals in front of the column names; empty takes those of the "
        "pose run, or a single animal where there is none.",
    )
    keypoints: list[_Name] = Field(
        default=[],
        title="Keypoints",
        description="The keypoints that are averaged; empty takes all. The trunk's are best: a "
        "tail tip drags the mean.",
    )
    keypoints_to_exclude: list[_Name] = Field(
        default=[],
        title="Keypoints to exclude",
        description="Keypoints that are left out of the mean.",
    )
    likelihood_threshold: float = Field(
        default=0.6,
        ge=0,
        le=1,
        title="Likelihood threshold",
        description="A point counts where its likelihood is at least this.",
    )
    median_filter_length: int = Field(
        default=1,
        title="Median filter length",
        description="Frames of the median filter over each keypoint, an odd number up to 101; 1 is "
        "no filter. It shrinks at the edges of a segment.",
        json_schema_extra=list_odd_numbers(MAX_WINDOW_LENGTH),
    )
    interpolate: bool = Field(
        default=True,
        title="Interpolate gaps",
        description="Fill a keypoint's gaps up to the longest gap, linearly in time.",
    )
    max_gap: float = Field(
        default=0.5,
        gt=0,
        le=MAX_SECONDS,
        title="Longest gap",
        description="Seconds: longer gaps are never filled, and nothing is filtered, filled or "
        "differentiated over a longer step between frames.",
    )
    min_keypoints: int | None = Field(
        default=None,
        ge=1,
        title="Fewest keypoints",
        description="Keypoints that a mean needs; empty is half of them, rounded up.",
    )
    weights: KeypointWeights = Field(
        default=KeypointWeights.EQUAL,
        title="Weights",
        description="How much each keypoint counts in the mean.",
    )
    time_column: _Name = Field(
        default="Time since start (s)",
        title="Time column",
        description="The column with each frame's time.",
    )
    time_unit: TimeColumnUnit = Field(
        default=TimeColumnUnit.SECONDS, title="Time unit", description="Unit of the time column."
    )
    x_column: _Name = Field(
        default=AVERAGE_X,
        title="X column",
        description="The column with the x of the position that speed is computed from.",
    )
    y_column: _Name = Field(
        default=AVERAGE_Y,
        title="Y column",
        description="The column with the y of the position that speed is computed from.",
    )
    pixels_per_cm: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        title="Pixels per cm",
        description="The scale; without one there are only pixels.",
    )
    corners: ArenaCorners | None = Field(
        default=None,
        title="Arena corners",
        description="Four corners in pixels (top left, top right, bottom right, bottom left), then "
        "width and height in cm: positions are flattened by perspective, and this is the scale.",
    )
    smooth_position: float = Field(
        default=0,
        ge=0,
        le=3600,
        title="Smooth position",
        description="Seconds: standard deviation of a Gaussian over the positions; 0 is none.",
    )
    filter_speed: bool = Field(
        default=False,
        title="Filter speed",
        description="Smooth the speed by a Gaussian. Smoothing the position is better: noise "
        "makes speed, and the mean of speed stays.",
    )
    speed_filter_size: float = Field(
        default=1,
        gt=0,
        le=MAX_SIGMA_SAMPLES,
        title="Speed filter size",
        description="Frames: standard deviation of the Gaussian over the speed.",
    )
    speed_difference: SpeedDifference = Field(
        default=SpeedDifference.BACKWARD,
        title="Speed difference",
        description="Backward: from the frame before. Central: over both neighbors, with half the "
        "noise.",
    )
    threshold_units: SpeedUnit = Field(
        default=SpeedUnit.PIXELS,
        title="Threshold units",
        description="Unit of both speed thresholds.",
    )
    max_rest_speed: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        title="Maximum rest speed threshold",
        description="Up to this speed an animal rests; empty with the other threshold given is "
        "that one.",
    )
    min_movement_speed: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        title="Minimum movement speed threshold",
        description="From this speed on an animal moves; without any threshold there are no "
        "states, and one is proposed.",
    )
    between: BetweenThresholds = Field(
        default=BetweenThresholds.OTHER,
        title="Between the thresholds",
        description="Other: a third state. Hold: the state lasts until the other threshold is "
        "crossed.",
    )
    min_rest: float = Field(
        default=0,
        ge=0,
        le=MAX_SECONDS,
        title="Shortest rest",
        description="Seconds: a shorter bout of rest takes the state around it.",
    )
    min_movement: float = Field(
        default=0,
        ge=0,
        le=MAX_SECONDS,
        title="Shortest movement",
        description="Seconds: a shorter bout of movement takes the state around it.",
    )
    zones: LocationText | None = Field(
        default=None,
        title="Zones",
        description="Location of a CSV of zones, as IDEAS writes it; empty is none.",
    )
    min_stay: float = Field(
        default=0,
        ge=0,
        le=MAX_SECONDS,
        title="Shortest stay",
        description="Seconds that a stay in a zone needs to count as an entry.",
    )
    labeled_movie: bool = Field(
        default=False,
        title="Labeled movie",
        description="Draw the position, the state and the speed on the movies.",
    )
    movies: list[LocationText] = Field(
        default=[],
        title="Movies",
        description="Movies of the labeled movie, by movie number; empty takes those of the pose "
        "run.",
    )

    @model_validator(mode="after")
    def _check_settings_agree(self) -> Self:
        if (n := self.median_filter_length) not in range(1, MAX_WINDOW_LENGTH + 1, 2):
            allowed = f"median_filter_length: {describe_odd_numbers(MAX_WINDOW_LENGTH)}"
            near = f"; try {n - 1} or {n + 1}" if 1 < n < MAX_WINDOW_LENGTH else ""
            raise ValueError(f"{allowed}{near}")
        rest, movement = self.max_rest_speed, self.min_movement_speed
        if rest is not None and movement is not None and rest > movement:
            raise ValueError(
                f"max_rest_speed ({rest:g}) is above min_movement_speed ({movement:g}), so a speed "
                "between them would be both; lower the first or raise the second"
            )
        if self.pixels_per_cm is not None and self.corners is not None:
            raise ValueError("pixels_per_cm and corners both give the scale; give one of them")
        if self.threshold_units is SpeedUnit.CENTIMETERS and not self.has_scale:
            raise ValueError(
                "threshold_units is cm/s, but there is no scale; give pixels_per_cm or corners"
            )
        if (self.min_rest or self.min_movement) and not self.has_thresholds:
            raise ValueError(
                "min_rest and min_movement need states; give max_rest_speed or min_movement_speed"
            )
        if self.min_stay and self.zones is None:
            raise ValueError("min_stay is given, but there are no zones; give zones")
        if self.movies and not self.labeled_movie:
            raise ValueError("movies are given, but labeled_movie is off; turn it on")
        for name in ("individuals", "keypoints", "keypoints_to_exclude"):
            names = getattr(self, name)
            if len(set(names)) < len(names):
                raise ValueError(f"{name} names one twice: {', '.join(names)}")
        return self

    @property
    def has_scale(self) -> bool:
        """Return whether speeds are known in cm, too."""
        return self.pixels_per_cm is not None or self.corners is not None

    @property
    def has_thresholds(self) -> bool:
        """Return whether frames get a state."""
        return self.max_rest_speed is not None or self.min_movement_speed is not None

    @property
    def uses_average(self) -> bool:
        """Return whether speed is that of the mean position."""
        return (self.x_column, self.y_column) == (AVERAGE_X, AVERAGE_Y)
