"""`TimesSettings`: which file has the times of a movie's frames, and what is in it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks.pose.form_schema import ERROR_MESSAGE, add_ranges

AUTOMATIC_TIMES = "auto"
"""Take the times file that lies beside a movie, if there is one."""

NO_TIMES = "none"
"""Take no times file."""

_NAME_ONLY = "must be a name in the movie's folder, without a path"


class TimesKind(StrEnum):
    """Contents of a times file."""

    AUTO = "auto"
    TIMES = "times"
    EDGES = "edges"
    SIGNAL = "signal"


class TimeUnit(StrEnum):
    """Unit of the times in a file."""

    AUTO = "auto"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    SAMPLES = "samples"


class TimesSettings(BaseModel):
    """A file with the time of each frame on the experiment's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=add_ranges)

    file: str = Field(
        default=AUTOMATIC_TIMES,
        min_length=1,
        max_length=200,
        title="Times file",
        description="File in each movie's folder with a time for each frame: auto takes one with "
        "a usual name if there is one, none takes none; else its name, in which {stem} and "
        "{name} stand for the movie's.",
        json_schema_extra={"pattern": r"^[^/\\]+$", ERROR_MESSAGE: _NAME_ONLY},
    )
    column: str = Field(
        default="",
        max_length=100,
        title="Times: column",
        description="The column of times: its name, or its number counted from 1; empty finds it.",
    )
    unit: TimeUnit = Field(
        default=TimeUnit.AUTO,
        title="Times: unit",
        description="What times count; auto goes by the file, else by the movie's frame rate.",
    )
    kind: TimesKind = Field(
        default=TimesKind.AUTO,
        title="Times: kind",
        description="What the file holds: times; edges, a time and a state for each change of "
        "a TTL line; signal, a line's samples. A line's rising edges are the times.",
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        allow_inf_nan=False,
        title="Times: sampling rate",
        description="Samples per second, where times count samples or the file is a signal.",
    )

    @field_validator("file")
    @classmethod
    def _check_file_is_a_name(cls, value: str) -> str:
        if "/" in value or "\\" in value or value in {".", ".."}:
            raise ValueError(_NAME_ONLY)
        return value
