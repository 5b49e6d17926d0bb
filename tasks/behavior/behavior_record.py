"""The record of a behavior run: its `run.json`, with every number's definition."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.behavior_summary import MotionSummary
from tasks.pose.results.run_record import (
    FlowRunRecord,
    FrozenRecord,
    HostRecord,
    InputObject,
    OutputFile,
    PublishedRecord,
    ResultStatus,
    StageTime,
)
from tasks.pose.tables.quality import Verdict

BEHAVIOR_KIND = "behavior"
"""The record's `kind`, which tells it from a pose run's."""


class BehaviorRequestRecord(FrozenRecord):
    """The request."""

    annotations: tuple[str, ...]
    output: str
    settings: BehaviorSettings


class AnimalRecord(FrozenRecord):
    """The figures of one animal of a table."""

    individual: str | None
    keypoints: tuple[str, ...]
    rest_px_s: float | None = Field(description="Threshold of rest.")
    movement_px_s: float | None = Field(description="Threshold of movement.")
    proposed_px_s: float | None = Field(description="Valley of the histogram of log speed.")
    path_ratio: float | None = Field(description="Path length ÷ that after smoothing.")
    everything: MotionSummary
    movies: tuple[MotionSummary, ...]


class TableRecord(FrozenRecord):
    """One annotations table of the request."""

    number: int
    name: str = Field(description="Its folder below the output location.")
    status: Literal[ResultStatus.COMPLETE, ResultStatus.FAILED]
    input: InputObject
    pose_run: str | None = Field(default=None, description="The pose run that made it.")
    key: str | None = Field(default=None, description="Digest of all that the results depend on.")
    error: str | None = None
    failed_stage: str | None = None
    error_kind: Literal["bad input", "retriable", "stage failed"] | None = None
    frames: int | None = None
    pixels_per_cm: float | None = None
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    animals: tuple[AnimalRecord, ...] = ()
    outputs: dict[str, OutputFile] = Field(default={})
    previews: tuple[str, ...] = Field(default=(), description="Which outputs are figures.")
    stages: dict[str, StageTime] = Field(default={})
    reused: bool = Field(default=False, description="Whether an earlier run made all of it.")
    warnings: tuple[str, ...] = ()


class BehaviorRecord(PublishedRecord):
    """The whole of a behavior run's `run.json`."""

    schema_version: Literal[1] = 1
    kind: Literal["behavior"] = "behavior"
    status: ResultStatus
    product: str
    started: datetime
    finished: datetime
    seconds: float
    request: BehaviorRequestRecord
    tables: tuple[TableRecord, ...]
    zones_sha256: str | None = Field(default=None, description="Digest of the zones file.")
    definitions: dict[str, str]
    outputs: dict[str, OutputFile]
    stages: dict[str, StageTime]
    warnings: tuple[str, ...]
    host: HostRecord
    flow_run: FlowRunRecord | None
