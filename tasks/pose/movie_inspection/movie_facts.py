"""Facts about a movie, with the verdict that a run would give on its frames."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.pose.clock.experiment_clock import TimesRecord


class FrameGap(BaseModel):
    """A stretch of a movie without a frame."""

    model_config = ConfigDict(frozen=True)

    after: int = Field(description="The frame before it, counted from 0 among those that decode.")
    at: float = Field(description="Time of that frame in seconds since the first one.")
    seconds: float = Field(description="Time from that frame to the next one.")


class MovieFacts(BaseModel):
    """One movie, as ``python -m flows inspect --movie`` reports it.

    What is not known is null: of a refused movie, nearly all.
    """

    model_config = ConfigDict(frozen=True)

    location: str
    usable: bool = Field(description="Whether a run can analyze it.")
    problems: tuple[str, ...] = Field(default=(), description="What prevents that.")
    warnings: tuple[str, ...] = Field(default=(), description="What a run will warn of.")
    verdict: Literal["pass", "look", "fail"] | None = Field(
        default=None,
        description="The verdict on its frames that a run would give with default settings, "
        "before that on its poses.",
    )
    size: int | None = Field(default=None, description="Bytes.")
    container: str | None = None
    codec: str | None = Field(default=None, description="FFmpeg's name.")
    pixel_format: str | None = Field(default=None, description="FFmpeg's name.")
    width: int | None = Field(default=None, description="Columns of a frame as it is shown.")
    height: int | None = Field(default=None, description="Rows of a frame as it is shown.")
    turned: int | None = Field(
        default=None, description="Degrees counterclockwise by which stored pictures are turned."
    )
    decoded: bool = Field(
        default=False,
        description="Whether every frame was decoded; else counts are those of the file's lists.",
    )
    declared_frames: int | None = Field(
        default=None, description="Frames that it should have, dropped ones included."
    )
    frames: int | None = Field(
        default=None, description="Frames that decode; where nothing was decoded, that are there."
    )
    lost_frames: int | None = Field(
        default=None, description="Frames that are declared, were not dropped, and are not there."
    )
    lost_ranges: tuple[tuple[int, int], ...] = Field(
        default=(), description="Which these are, as first and last of each run, where certain."
    )
    dropped_frames: int | None = Field(
        default=None, description="Frames that the recorder says it dropped."
    )
    dropped_ranges: tuple[tuple[int, int], ...] = Field(
        default=(), description="Which these are, as first and last of each run."
    )
    frame_rate: float | None = Field(default=None, description="Frames per second, on average.")
    constant_rate: bool | None = None
    seconds: float | None = Field(
        default=None, description="From the first frame to the last's end."
    )
    step: tuple[float, float, float] | None = Field(
        default=None,
        description="Shortest, median and longest time from one frame to the next, in seconds.",
    )
    gaps: tuple[FrameGap, ...] = Field(
        default=(), description="The longest times without a frame, in order of time."
    )
    gap_count: int = Field(default=0, description="How many there are, these included.")
    times_file: str | None = Field(
        default=None, description="Location of the file with its frames' times, where there is one."
    )
    times: TimesRecord | None = Field(
        default=None,
        description="Source of these times and how they fit its frames; null where they cannot be "
        "used.",
    )
    recorded: datetime | None = Field(
        default=None, description="When it was recorded, as the file has it."
    )
    sheet: str | None = Field(default=None, description="The file with its contact sheet.")
