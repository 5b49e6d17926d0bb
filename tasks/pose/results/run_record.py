"""`run.json`: all that a reader needs to repeat a run, and the mark that it is finished."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib import metadata
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from tasks.pose.clock.experiment_clock import TimesRecord
from tasks.pose.model.description import Model
from tasks.pose.movies.frame_ledger import FrameLedger
from tasks.pose.movies.start_times import StartSource
from tasks.pose.network.precision_check import NumberType
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.quality import Quality
from tasks.processes.bottleneck import EstimationTimes

MAX_RECORD_BYTES = 2**28
"""Bytes of a run record; one of 10,000 movies has about 30 MB."""

RECORDED_PACKAGES = (
    "deeplabcut", "torch", "torchvision", "timm", "numpy", "scipy", "pandas", "pyarrow", "tables",
    "av", "opencv-python-headless", "matplotlib", "scikit-image", "prefect", "boto3", "isx",
)  # fmt: skip


class FrozenRecord(BaseModel):
    """Base of all parts: fixed once made, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ResultStatus(StrEnum):
    """Final status of a run or of one of its movies."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


class InputObject(FrozenRecord):
    """An object that was read: where, and exactly which bytes."""

    location: str
    size: int
    etag: str | None
    version: str | None
    sha256: str | None


class OutputFile(FrozenRecord):
    """A file that was written."""

    location: str
    size: int
    sha256: str
    etag: str | None = None
    coordinates: Literal["frame", "crop"] | None = Field(
        default=None,
        description="What coordinates in it are relative to: the whole frame, or the crop.",
    )


class StageTime(FrozenRecord):
    """Time that a stage took."""

    seconds: float
    frames_per_second: float | None = None
    reused: bool = Field(
        default=False, description="Whether the result is that of an earlier run; no work was done."
    )


class PrecisionRecord(FrozenRecord):
    """Precision of the network's arithmetic, and the distance that it moved points."""

    numbers: NumberType = Field(
        description="What it computed with; tfloat32 is float32 rounded to 10 binary digits on "
        "its way into a product, which PyTorch does on a GPU."
    )
    frames: int = Field(
        description="The movie's first frames, which were estimated in float32 too."
    )
    points: int = Field(description="Confident points in them.")
    most: float | None = Field(description="Pixels that 99.9 % of them are moved at most.")
    largest: float | None = Field(description="Pixels that any of them is moved.")


class FollowRecord(FrozenRecord):
    """How a window followed the animals, and the distance that it moved points."""

    windows: int = Field(description="Frames whose poses are from a window.")
    full: int = Field(description="Frames of which only the whole frame was looked at.")
    again: int = Field(
        description="Frames whose window could not be trusted, so that their poses are from the "
        "whole frame: a point too near where it cuts the frame, or a body part that was lost."
    )
    compared: int = Field(
        description="Frames of which both were looked at, at regular intervals; their poses are "
        "from the whole frame."
    )
    sides: tuple[int, ...] = Field(description="Widths of windows in pixels.")
    margin: int | None = Field(
        description="Pixels from where a window cuts the frame within which points were not "
        "trusted."
    )
    points: int = Field(description="Confident points of the frames that were compared.")
    median: float | None = Field(description="Pixels that half of them were moved at most.")
    most: float | None = Field(description="Pixels that 99 % of them were moved at most.")
    largest: float | None = Field(description="Pixels that any of them was moved.")
    reason: str | None = Field(
        description="Why whole frames were used, throughout or from some frame on."
    )


class RefineFrameRecord(FrozenRecord):
    """A frame that is delivered to be corrected."""

    frame: int = Field(description="Counted from 0 over the frames that decode.")
    file: str = Field(description="Which of the movie's outputs it is.")
    points: tuple[str, ...] = Field(
        description="What is wrong in it, the worst first: body part, likelihood, reason."
    )


class MovieRecord(FrozenRecord):
    """One movie of the request."""

    number: int = Field(description="Its `Movie number` in the annotations.")
    name: str = Field(description="Its folder below the output location.")
    status: Literal[ResultStatus.COMPLETE, ResultStatus.FAILED]
    input: InputObject
    error: str | None = None
    failed_stage: str | None = None
    failed_output: str | None = Field(default=None, description="The last lines of its process.")
    error_kind: Literal["bad input", "retriable", "stage failed"] | None = None
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    batch_size: int | None = Field(default=None, description="Frames at a time on the device.")
    resumed: int | None = Field(
        default=None, description="Frames whose poses were found by a try that ended early."
    )
    estimation: EstimationTimes | None = Field(
        default=None, description="Parts of the time that its estimation took in this run."
    )
    path: str | None = Field(
        default=None,
        description="Which feed its frames took: `device`, normalized there, or `deeplabcut`, "
        "prepared by DeepLabCut's own transforms, frame by frame.",
    )
    execution: str | None = Field(
        default=None,
        description="How batches went through the network: `prepared` (frozen or packed, found to "
        "give the network's own answers), or `as it is`, with the reason.",
    )
    precision: PrecisionRecord | None = None
    follow: FollowRecord | None = Field(
        default=None, description="How a window followed the animals, where that was asked for."
    )
    frame_rate: float | None = None
    constant_frame_rate: bool | None = None
    duration: float | None = Field(default=None, description="Seconds.")
    start: float | None = Field(
        default=None, description="Its first frame, in seconds since the first movie's first frame."
    )
    start_known_by: StartSource | None = Field(
        default=None, description="What tells when it started."
    )
    times: TimesRecord | None = Field(
        default=None, description="Where its frames' times on the experiment's clock are from."
    )
    times_input: InputObject | None = Field(
        default=None, description="The times file that lies beside it."
    )
    crop: tuple[int, int, int, int] | None = Field(
        default=None, description="Left, top, width, height in pixels of what the network saw."
    )
    frames: FrameLedger | None = None
    quality: Quality | None = None
    stages: dict[str, StageTime] = {}
    outputs: dict[str, OutputFile] = {}
    pose_file: str | None = Field(
        default=None,
        description="Which of its outputs holds the poses that are delivered, and that all else "
        "is made of.",
    )
    refine: tuple[RefineFrameRecord, ...] = Field(
        default=(), description="Frames that are delivered to be corrected, in order of time."
    )
    warnings: tuple[str, ...] = ()


class RequestRecord(FrozenRecord):
    """The request."""

    model: str
    movies: tuple[str, ...]
    output: str
    settings: PoseSettings


class EstimatorRecord(FrozenRecord):
    """Hardware and software that ran the network."""

    scorer: str
    device: str
    path: str


class HostRecord(FrozenRecord):
    """The machine and the software."""

    name: str
    platform: str
    cpus: int
    python: str
    packages: dict[str, str]


class FlowRunRecord(FrozenRecord):
    """The run in Prefect."""

    id: str
    name: str
    url: str | None


class Bottleneck(StrEnum):
    """Part of a run without which it would have been shorter than without any other."""

    START = "start"
    DECODING = "decoding"
    NETWORK = "network"
    TRACKING = "tracking"
    DRAWING = "drawing"
    DISK = "disk"
    STORE = "store"
    DEVICE = "device"
    OUTPUT = "output"
    PROGRAMS = "other programs"


class BottleneckRecord(FrozenRecord):
    """What bound a run, and what would help most."""

    by: Bottleneck = Field(
        description="start: programs and the model are loaded; decoding; network; tracking: "
        "animals are followed; drawing: labeled movies and all else that is made of poses; disk, "
        "store: transfers; device, output: waits for other runs; other programs on the machine."
    )
    seconds: float = Field(description="By which the run would have been shorter without it.")
    share: float = Field(description="The same as a share of the run, 0 to 1.")
    sentence: str = Field(description="What bound the run, and what would help most.")


class PublishedRecord(FrozenRecord):
    """A run record that is published as `run.json`."""

    def to_json(self) -> str:
        """Render as the text of `run.json`."""
        return self.model_dump_json(indent=2)


class RunRecord(PublishedRecord):
    """The whole of `run.json`."""

    schema_version: Literal[1] = 1
    status: ResultStatus
    product: str
    started: datetime
    finished: datetime
    seconds: float
    request: RequestRecord
    movies_resolved: tuple[str, ...]
    movie_order: str | None = Field(
        default=None, description="What the order of the movies was taken from."
    )
    model_input: InputObject
    model: Model
    estimator: EstimatorRecord | None
    movies: tuple[MovieRecord, ...]
    outputs: dict[str, OutputFile]
    stages: dict[str, StageTime]
    bottleneck: BottleneckRecord | None = Field(
        default=None, description="What bound the run; null where it took no time to speak of."
    )
    warnings: tuple[str, ...]
    host: HostRecord
    flow_run: FlowRunRecord | None

    @property
    def is_spread(self) -> bool:
        """Return whether each movie had a separate run, perhaps on another machine."""
        threshold = self.request.settings.spread_from
        return bool(threshold) and len(self.movies_resolved) >= threshold


class _HasStatus(Protocol):
    @property
    def status(self) -> ResultStatus: ...


def compute_run_status(parts: Sequence[_HasStatus]) -> ResultStatus:
    """Judge a run by its movies, or its tables: complete, partial or failed."""
    failed = sum(part.status is ResultStatus.FAILED for part in parts)
    if failed == len(parts):
        return ResultStatus.FAILED
    return ResultStatus.PARTIAL if failed else ResultStatus.COMPLETE


def describe_host() -> HostRecord:
    """Describe the machine and the packages that make results what they are."""
    return HostRecord(
        name=platform.node(),
        platform=platform.platform(),
        cpus=len(os.sched_getaffinity(0)),
        python=sys.version.split()[0],
        packages={name: metadata.version(name) for name in RECORDED_PACKAGES},
    )


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
