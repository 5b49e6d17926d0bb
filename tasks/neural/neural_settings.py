"""`NeuralSettings`: how states are mapped to samples, and activity is compared across them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.pose.form_schema import add_ranges
from tasks.pose.settings import LocationText

_Name = Annotated[str, Field(min_length=1)]


class Clock(StrEnum):
    """Clock that places a sample among the annotations."""

    AUTO = "auto"
    ROWS = "rows"
    COUNTER = "counter"
    START = "start"
    ELAPSED = "elapsed"


class MappingMethod(StrEnum):
    """Choice of a sample's state among the annotations in it."""

    MAJORITY = "majority"
    NEAREST = "nearest"


class ComparisonMethod(StrEnum):
    """Reference that each state is compared with."""

    PAIRWISE = "pairwise"
    BASELINE = "state vs baseline"
    NOT_DEFINED = "state vs not defined"
    NOT_STATE = "state vs not state"


class TraceScaling(StrEnum):
    """Scaling of traces before their means are taken."""

    NONE = "none"
    STANDARDIZE = "standardize"
    NORMALIZE = "normalize"
    STANDARDIZE_BASELINE = "standardize_baseline"
    FRACTIONAL_CHANGE = "fractional_change"


class CellStatistic(StrEnum):
    """The statistic of each cell's correlations."""

    MAX = "max"
    MEAN = "mean"
    MIN = "min"


class FlagRule(StrEnum):
    """Rule by which a cell counts as modulated."""

    Q_VALUE = "q"
    P_VALUE = "p"


class NeuralSettings(BaseModel):
    """Settings of a request on neural activity."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=add_ranges)

    states: list[_Name] = Field(
        default=[],
        title="States",
        description="The states that are compared; empty takes all that the table has.",
    )
    state_column: _Name = Field(
        default="state", title="State column", description="The column with the state."
    )
    time_column: _Name = Field(
        default="Time since start (s)",
        title="Time column",
        description="The column with each row's time in seconds.",
    )
    clock: Clock = Field(
        default=Clock.AUTO,
        title="Clock",
        description="How rows find their samples: counter (the hardware counter of both), start "
        "(both recordings' starts), elapsed (both begin together), rows (a row for each sample, as "
        "the IDEAS tools expect). Auto takes the best that there is.",
    )
    timing_references: list[LocationText] = Field(
        default=[],
        title="Timing references",
        description="For the clock counter, one for each cell set: the raw miniscope movie (.isxd, "
        "with hardware counters) that it was made from, or the .gpio file of that recording.",
    )
    behavior_start: datetime | None = Field(
        default=None,
        title="Start of the behavior recording",
        description="Date and time, with its zone, of time 0 in the table; for the clock start.",
    )
    behavior_movie: LocationText | None = Field(
        default=None,
        title="First movie of the behavior recording",
        description="The .isxb whose header says when time 0 in the table was; empty takes the "
        "first movie of the pose run that the table comes from, where that is an .isxb.",
    )
    offset: float = Field(
        default=0,
        ge=-86_400,
        le=86_400,
        title="Offset",
        description="Seconds added to the table's times, for the clocks start and elapsed.",
    )
    method: MappingMethod = Field(
        default=MappingMethod.MAJORITY,
        title="Mapping method",
        description="Majority: the state that holds the longest in a sample. Nearest: that of the "
        "row closest to the sample's start.",
    )
    ideas_compatible: bool = Field(
        default=False,
        title="IDEAS compatible",
        description="Write a copy of the mapped table with empty texts in place of nulls.",
    )
    parity: bool = Field(
        default=False,
        title="Parity with IDEAS",
        description="Give the numbers of the IDEAS tools, with their faults; see docs/neural.md.",
    )
    comparison: ComparisonMethod = Field(
        default=ComparisonMethod.NOT_STATE,
        title="Comparison method",
        description="What each state is compared with.",
    )
    baseline_state: _Name | None = Field(
        default=None,
        title="Baseline state",
        description="The state that others are compared with, or scaled by.",
    )
    trace_scaling: TraceScaling = Field(
        default=TraceScaling.NONE,
        title="Trace scaling",
        description="How traces are scaled before means are taken; scores do not depend on it.",
    )
    event_scaling: TraceScaling = Field(
        default=TraceScaling.NONE,
        title="Event scaling",
        description="The same of event rates.",
    )
    shuffles: int = Field(
        default=1000,
        ge=10,
        le=100_000,
        title="Shuffles",
        description="Circular shifts that chance is estimated from.",
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        title="Alpha",
        description="A cell is modulated where its q (or p) is below this.",
    )
    flag_by: FlagRule = Field(
        default=FlagRule.Q_VALUE,
        title="Flags follow",
        description="Q: corrected over cells (Benjamini-Hochberg). P: of each cell alone.",
    )
    min_seconds: float = Field(
        default=10,
        ge=0,
        le=86_400,
        title="Least time in a state",
        description="Seconds of a state, and of what it is compared with, below which there are no "
        "numbers.",
    )
    min_bouts: int = Field(
        default=3,
        ge=1,
        le=1000,
        title="Fewest bouts",
        description="Bouts of a state below which there are no numbers.",
    )
    statistic: CellStatistic = Field(
        default=CellStatistic.MAX,
        title="Correlation statistic",
        description="The statistic of each cell's correlations with all others.",
    )
    equal_frames: bool = Field(
        default=True,
        title="Equal frames",
        description="Also compute correlations from as many frames of each state as the shortest "
        "has: fewer frames make larger correlations.",
    )
    include_positions: bool = Field(
        default=True,
        title="Include positions",
        description="Write and draw correlations by the distance of cells, too.",
    )
    correlation_threshold: float = Field(
        default=0.5,
        ge=0,
        le=1,
        title="Correlation threshold",
        description="The map of pairs shows those with at least this |r|, 500 at most.",
    )
    subtract_bout_means: bool = Field(
        default=False,
        title="Subtract bout means",
        description="Take off each bout's mean before correlating: slow drifts correlate all.",
    )

    @model_validator(mode="after")
    def _check_settings_agree(self) -> Self:
        by_baseline = {TraceScaling.STANDARDIZE_BASELINE, TraceScaling.FRACTIONAL_CHANGE}
        needs = self.comparison is ComparisonMethod.BASELINE or bool(
            {self.trace_scaling, self.event_scaling} & by_baseline
        )
        if needs and self.baseline_state is None:
            raise ValueError("baseline_state is needed by this comparison or scaling; give it")
        if self.baseline_state and self.states and self.baseline_state not in self.states:
            raise ValueError(
                f"baseline_state ({self.baseline_state}) is none of the states; add it to states"
            )
        if self.behavior_start is not None and self.behavior_movie is not None:
            raise ValueError("behavior_start and behavior_movie tell the same; give one of them")
        if self.behavior_start is not None and self.behavior_start.tzinfo is None:
            raise ValueError("behavior_start has no zone; write it as 2024-01-12T08:55:21+00:00")
        if len(set(self.states)) < len(self.states):
            raise ValueError(f"states names one twice: {', '.join(self.states)}")
        return self
