"""Each frame's time on the experiment's clock, and how it was found."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from tasks.pose.clock.listed_times import EPOCH_ORIGIN, GUESSED_EPOCH_ORIGIN
from tasks.pose.movies.json_arrays import FloatArray


class TimesRecord(BaseModel):
    """Source of a movie's times, and how they were matched with its frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: str = Field(description="What kind of file it is.")
    column: str | None = Field(description="What of the file the times are.")
    unit: str = Field(description="What they count in the file; tables have seconds.")
    unit_known_by: str = Field(description="Evidence for the unit.")
    origin: str = Field(description="What they count from.")
    count: int = Field(description="How many times the file has.")
    matched_by: str = Field(description="Evidence for the frame of each time.")
    first: float | None = Field(description="The first frame's time, in seconds.")
    last: float | None = Field(description="The last frame's time, in seconds.")
    frame_rate: float | None = Field(description="Frames per second by these times.")
    frames_without_time: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="Frames that have no time, as first and last of each run; they are counted "
        "among those that can be decoded.",
    )
    times_without_frame: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="Times, counted from 0, that no frame has, as first and last of each run.",
    )

    @property
    def clock_name(self) -> str:
        """What they count from, however that is known."""
        return EPOCH_ORIGIN if self.origin == GUESSED_EPOCH_ORIGIN else self.origin


@dataclass(frozen=True)
class ExperimentClock:
    """Times of a movie's frames on the experiment's clock.

    Attributes:
        seconds: The time of each frame, NaN where it has none, shape (frames,).
        record: Where they are from.
        warnings: What the user should know, one sentence each.
    """

    seconds: FloatArray
    record: TimesRecord
    warnings: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Return whether every frame has a time."""
        return not self.record.frames_without_time

    @property
    def summary(self) -> str:
        """Say what was found, in one sentence."""
        record = self.record
        return f"{record.count} times in {record.unit} since {record.origin}: {record.matched_by}"


@dataclass(frozen=True)
class UnusedTimes:
    """A times file that was found and cannot be used.

    Attributes:
        warning: The reason, in one sentence.
    """

    warning: str

    @property
    def summary(self) -> str:
        """Say what was found, in one sentence."""
        return self.warning
