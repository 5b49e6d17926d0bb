"""Models, movies and runs for tests of what is told about them."""

from datetime import UTC, datetime
from typing import Any

from tasks.behavior.behavior_record import BehaviorRecord
from tasks.pose.model.description import Model
from tasks.pose.movies.frame_ledger import FrameLedger
from tasks.pose.results.run_record import (
    EstimatorRecord,
    FlowRunRecord,
    HostRecord,
    InputObject,
    MovieRecord,
    OutputFile,
    RequestRecord,
    ResultStatus,
    RunRecord,
    StageTime,
    compute_run_status,
)
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.quality import BodyPartQuality, Quality, Verdict

DIGEST = "0123456789abcdef" * 4


def example_model(**changes: Any) -> Model:
    values: dict[str, Any] = {
        "name": "m.zip",
        "sha256": DIGEST,
        "size": 1000,
        "engine": "pytorch",
        "net_type": "resnet_50",
        "task": "openfield",
        "date": "Oct30",
        "experimenter": "Pranav",
        "shuffle": 1,
        "training_fraction": 0.95,
        "snapshot": "snapshot-100.pt",
        "snapshots": ("snapshot-100.pt",),
        "snapshot_sha256": DIGEST,
        "body_parts": ("nose", "ear", "tail"),
        "individuals": ("individual_1",),
        "unique_body_parts": (),
        "multi_animal": False,
        "method": "bu",
        "skeleton": (("nose", "ear"),),
        "skeleton_color": "black",
        "alpha": 0.7,
        "batch_size": 8,
        "repairs": (),
        "warnings": (),
    }
    return Model(**(values | changes))


def example_input(location: str) -> InputObject:
    return InputObject(location=location, size=2_500_000, etag="e", version=None, sha256=DIGEST)


def example_output(location: str) -> OutputFile:
    return OutputFile(location=location, size=1234, sha256=DIGEST)


def example_quality(verdict: Verdict = Verdict.PASS, *reasons: str) -> Quality:
    part = BodyPartQuality(
        name="nose", below_cutoff=0.25, jumps=0, outside=0, median_likelihood=0.9
    )
    unknown = BodyPartQuality(
        name="ear", below_cutoff=1, jumps=0, outside=0, median_likelihood=None
    )
    return Quality(verdict=verdict, reasons=reasons, parts=(part, unknown), worst_frames=(3,))


def example_movie(name: str = "mouse1", number: int = 0, **changes: Any) -> MovieRecord:
    values: dict[str, Any] = {
        "number": number,
        "name": name,
        "status": ResultStatus.COMPLETE,
        "input": example_input(f"s3://lab/in/{name}.mp4"),
        "width": 640,
        "height": 480,
        "codec": "h264",
        "frame_rate": 30.0,
        "constant_frame_rate": True,
        "duration": 10.0,
        "frames": FrameLedger(declared=300, decoded=300, poses=300, annotated=300, labeled=300),
        "quality": example_quality(),
        "stages": {"Estimate poses": StageTime(seconds=10, frames_per_second=30)},
        "outputs": {"labeled.mp4": example_output(f"s3://lab/out/{name}/labeled.mp4")},
    }
    return MovieRecord.model_validate(values | changes)


def example_failed_movie(name: str = "broken", number: int = 1, **changes: Any) -> MovieRecord:
    values: dict[str, Any] = {
        "number": number,
        "name": name,
        "status": ResultStatus.FAILED,
        "input": example_input(f"s3://lab/in/{name}.mp4"),
        "error": f"{name}.mp4: the file is empty (0 bytes); copy it again",
        "error_kind": "bad input",
    }
    return MovieRecord.model_validate(values | changes)


def example_run(*movies: MovieRecord, **changes: Any) -> RunRecord:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    values: dict[str, Any] = {
        "status": compute_run_status(movies),
        "product": "dlcflow 0.1.0",
        "started": at,
        "finished": at,
        "seconds": 12.5,
        "request": RequestRecord(
            model="s3://lab/m.zip",
            movies=tuple(movie.input.location for movie in movies),
            output="s3://lab/out",
            settings=PoseSettings(),
        ),
        "movies_resolved": tuple(movie.input.location for movie in movies),
        "model_input": example_input("s3://lab/m.zip"),
        "model": example_model(),
        "estimator": EstimatorRecord(scorer="DLC_Resnet50", device="cpu", path="device"),
        "movies": movies,
        "outputs": {},
        "stages": {"Load model": StageTime(seconds=2)},
        "warnings": (),
        "host": HostRecord(
            name="host", platform="Linux", cpus=2, python="3.11", packages={"numpy": "2"}
        ),
        "flow_run": FlowRunRecord(id="1", name="brave-mouse", url=None),
    }
    return RunRecord.model_validate(values | changes)


def example_behavior_run(table: dict[str, Any], **request: Any) -> BehaviorRecord:
    """A behavior run of one table, whose input is given."""
    record = {"number": 0, "name": "m1", "status": ResultStatus.COMPLETE, "input": table}
    return BehaviorRecord.model_validate(
        {
            "status": ResultStatus.COMPLETE,
            "product": "dlcflow 0",
            "started": datetime(2026, 11, 20, 12, tzinfo=UTC),
            "finished": datetime(2026, 11, 20, 12, 1, tzinfo=UTC),
            "seconds": 60.0,
            "request": {"annotations": ["s3://lab/out/run.json"], "output": "s3://lab/out/behavior"}
            | {"settings": {}}
            | request,
            "tables": [record],
            "definitions": {},
            "outputs": {},
            "stages": {},
            "warnings": (),
            "host": example_run().host,
            "flow_run": None,
        }
    )
