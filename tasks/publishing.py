"""Results, run record and report: from the scratch folder to the output location."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.context import FlowRunContext
from prefect.settings import PREFECT_UI_URL
from pydantic import ValidationError

import tasks
from tasks.estimation import CheckedMovie, ReadyModel, Workers
from tasks.pose.annotations import MoviePoses, write_annotations
from tasks.pose.errors import BadInput, MoviesFailed, Retriable
from tasks.pose.estimate import Estimate
from tasks.pose.finishing import Labeled
from tasks.pose.ledger import FrameLedger, decode_warnings, lost_warnings, window_warnings
from tasks.pose.network import Loaded
from tasks.pose.output_metadata import LabeledMovie, output_metadata
from tasks.pose.quality import Quality
from tasks.pose.report import MoviePictures, render_report
from tasks.pose.run_record import (
    Estimator,
    FlowRun,
    Input,
    MovieRecord,
    Output,
    RunRecord,
    StageTime,
    Status,
    now,
    status_of,
    this_host,
)
from tasks.pose.series import starts
from tasks.progress import Progress
from tasks.retries import STORE_RETRIES, explained, stage
from tasks.staging import LABELED, POSES, RAW, Fetched, MovieSource, ResolvedRequest
from tasks.storage.location import Location
from tasks.storage.store import store_for
from tasks.store_errors import store_errors

RUN_RECORD = "run.json"

_CONTENT_TYPES = {
    ".h5": "application/x-hdf5",
    ".mp4": "video/mp4",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True)
class Analysed:
    """One movie's results, on the way to the run record.

    Attributes:
        source: The movie of the request.
        fetched: Its bytes.
        checked: Its shape.
        found: Its poses and times.
        poses: The H5 that is delivered, in the scratch folder.
        quality: The verdict.
        labeled: The labelled movie.
        previews: The preview files, in the scratch folder, by their published names.
        outputs: What was published, by name.
        seconds: Time that each stage took.
    """

    source: MovieSource
    fetched: Fetched
    checked: CheckedMovie
    found: Estimate
    poses: Path
    quality: Quality
    labeled: Labeled
    previews: dict[str, Path]
    outputs: dict[str, Output]
    seconds: dict[str, float] = field(default_factory=dict)


@stage("Withdraw old record", "withdraw old record", "store", retries=STORE_RETRIES)
def withdraw_record(output: Location) -> tuple[RunRecord | None, str]:
    """Remove an earlier run's record: what lies beside it is about to change.

    Returns:
        The earlier record, where there is one that this version can read.
    """
    store, location = store_for(output), output.child(RUN_RECORD)
    earlier = None
    with store_errors(), suppress(FileNotFoundError):
        # What cannot be read as a record is none of ours; only its name must go.
        with suppress(ValidationError):
            earlier = RunRecord.model_validate_json(store.read(location, LARGEST_RECORD))
        store.remove(location)
    return earlier, f"no {RUN_RECORD} at {output} until this run is finished"


LARGEST_RECORD = 2**28
"""Bytes of a run record; one of 10,000 movies has about 30 MB."""


def outdated(earlier: RunRecord | None, record: RunRecord, output: Location) -> list[Location]:
    """Find files of an earlier run that would contradict this one's.

    Those are the run's own files under other names, files of movies that are delivered anew, and
    files of another movie of the same name where this one failed. Movies that this run has
    nothing to do with keep theirs.

    Args:
        earlier: The record that was at this output location.
        record: This run's record.
        output: Where both put their results; nothing beyond it is ever named.

    Returns:
        Locations below `output`.
    """
    if earlier is None:
        return []
    now_there = {m.name: m for m in record.movies}
    old = set(_locations(earlier.outputs))
    for movie in earlier.movies:
        same = now_there.get(movie.name)
        if same and (same.outputs or same.input.location != movie.input.location):
            old.update(_locations(movie.outputs))
    new = set(_locations(record.outputs)).union(*(_locations(m.outputs) for m in record.movies))
    below = f"{str(output).rstrip('/')}/"
    return [Location.parse(text) for text in sorted(old - new) if text.startswith(below)]


def _locations(outputs: dict[str, Output]) -> list[str]:
    return [output.location for output in outputs.values()]


@stage("Publish movie", "publish · {movie.name}", "store", retries=STORE_RETRIES)
def publish_movie(
    movie: CheckedMovie,
    raw: Path,
    poses: Path,
    labeled: Path,
    previews: dict[str, Path],
    output: Location,
) -> tuple[dict[str, Output], str]:
    """Put one movie's results below the output location, each when it is whole."""
    files = {POSES: poses, LABELED: labeled}
    files |= {path.name: path for path in previews.values()}
    if raw != poses:
        files[RAW] = raw
    folder = output.child(movie.name)
    with Progress(f"publish · {movie.name}", _total(files.values()), "bytes") as progress:
        outputs = {
            name: _publish(path, folder.child(name), progress) for name, path in files.items()
        }
    return outputs, f"{len(outputs)} files below {folder}"


def _total(paths: Any) -> int:
    return sum(path.stat().st_size for path in paths)


def _publish(path: Path, target: Location, progress: Progress | None = None) -> Output:
    with store_errors():
        info = store_for(target).upload(
            path, target, _CONTENT_TYPES[path.suffix], progress.add if progress else None
        )
    assert info.sha256 is not None
    coordinates = {".h5": "crop", ".parquet": "frame", ".csv": "frame"}.get(path.suffix)
    return Output.model_validate(
        {
            "location": str(target),
            "size": info.size,
            "sha256": info.sha256,
            "coordinates": coordinates,
        }
    )


def analysed_record(movie: Analysed, settings_crop: bool, window_length: int) -> MovieRecord:
    """Tell one delivered movie's story, but for the annotations, which come last."""
    found, info = movie.found, movie.checked.info
    left, top = movie.checked.offset
    recording = found.timing.recording
    frames = FrameLedger(
        declared=info.declared_frames,
        dropped=recording.dropped if recording else (),
        decoded=found.frames,
        poses=found.frames,
        labeled=movie.labeled.frames,
    )
    warnings = (
        *(recording.warnings if recording else ()),
        *frames.dropped_warnings(),
        *decode_warnings(found.decode_errors),
        *lost_warnings(info.declared_frames, found.timing),
        *found.warnings,
        *window_warnings(found.frames, window_length),
    )
    return MovieRecord(
        number=movie.source.number,
        name=movie.source.name,
        status=Status.COMPLETE,
        input=movie.fetched.input,
        width=info.width,
        height=info.height,
        codec=info.codec,
        batch_size=found.batch_size,
        frame_rate=float(found.timing.frame_rate),
        constant_frame_rate=found.timing.constant,
        duration=float(found.timing.seconds[-1] + 1 / found.timing.frame_rate),
        crop=(left, top, *movie.checked.cropped_size) if settings_crop else None,
        frames=frames,
        quality=movie.quality,
        stages=_stages(movie),
        outputs=movie.outputs,
        warnings=warnings,
    )


def _stages(movie: Analysed) -> dict[str, StageTime]:
    """Seconds and speed of each stage; the network's own time for the estimation."""
    seconds = movie.seconds | {"Estimate poses": movie.found.seconds}
    frames = movie.found.frames
    return {
        name: StageTime(seconds=round(s, 3), frames_per_second=round(frames / s, 1) if s else None)
        for name, s in seconds.items()
    }


def failed_record(source: MovieSource, error: BaseException) -> MovieRecord:
    """Tell why one movie was not delivered."""
    told = explained(error)
    kinds = {BadInput: "bad input", Retriable: "retriable"}
    return MovieRecord.model_validate(
        {
            "number": source.number,
            "name": source.name,
            "status": Status.FAILED,
            "input": _input(source),
            "error": str(told),
            "failed_stage": told.stage,
            "failed_output": told.output,
            "error_kind": kinds.get(type(told), "stage failed"),
        }
    )


def _input(source: MovieSource) -> Input:
    info = source.info
    return Input(
        location=str(info.location),
        size=info.size,
        etag=info.etag,
        version=info.version,
        sha256=info.sha256,
    )


def gather(
    request: ResolvedRequest, states: Sequence[Any]
) -> tuple[list[Analysed], list[MovieRecord]]:
    """Part the movies that were delivered from those that failed.

    Args:
        request: The request.
        states: Each movie's final Prefect state, in the request's order.

    Returns:
        The delivered movies, and the records of the failed ones.
    """
    results = [state.result(raise_on_failure=False) for state in states]
    delivered = [result for result in results if isinstance(result, Analysed)]
    failed = [
        failed_record(source, result)
        for source, result in zip(request.movies, results, strict=True)
        if not isinstance(result, Analysed)
    ]
    return delivered, failed


@stage("Write annotations", "annotations", "cpu", "store", retries=STORE_RETRIES)
def publish_annotations(
    request: ResolvedRequest, delivered: Sequence[Analysed], scratch: Path, workers: Workers
) -> tuple[tuple[dict[int, int], dict[str, Output]], str]:
    """Write all delivered movies' poses as one table, and publish it."""
    if not delivered:
        return ({}, {}), "no movie to annotate"
    form = request.given.settings.annotations_format
    target = scratch / f"annotations.{form.value}"
    tables = [
        MoviePoses(m.source.number, m.poses, m.found.timing, m.checked.offset) for m in delivered
    ]
    with workers.finishers.lease() as process:
        rows = process.call(write_annotations, tables, target, form)
    output = _publish(target, request.output.child(target.name))
    return (rows, {target.name: output}), f"{sum(rows.values())} rows"


@dataclass(frozen=True)
class RunFacts:
    """What the run record tells beside the movies."""

    request: ResolvedRequest
    model: Fetched
    ready: ReadyModel
    loaded: Loaded
    started: datetime


@stage("Publish record", "publish record", "store", retries=STORE_RETRIES)
def publish_record(
    facts: RunFacts,
    delivered: Sequence[Analysed],
    failed: Sequence[MovieRecord],
    annotations: tuple[dict[int, int], dict[str, Output]],
    earlier: RunRecord | None,
    seconds: dict[str, float],
    scratch: Path,
) -> tuple[RunRecord, str]:
    """Publish metadata, report and, last of all, the run record: the mark that all is there."""
    rows, outputs = annotations
    output = facts.request.output
    movies = _movie_records(facts, delivered, failed, rows)
    if delivered:
        metadata = scratch / "output_metadata.json"
        metadata.write_text(_metadata(facts, delivered), encoding="utf-8")
        outputs = outputs | {metadata.name: _publish(metadata, output.child(metadata.name))}
    record = _record(facts, movies, outputs, seconds)
    report = scratch / "report.html"
    report.write_text(render_report(record, _pictures(delivered)), encoding="utf-8")
    outputs = outputs | {report.name: _publish(report, output.child(report.name))}
    record = record.model_copy(update={"outputs": outputs})
    for location in outdated(earlier, record, output):
        with store_errors():
            store_for(location).remove(location)
    final = scratch / RUN_RECORD
    final.write_text(record.to_json(), encoding="utf-8")
    _publish(final, output.child(RUN_RECORD))
    return record, f"{record.status.value}: {output.child(RUN_RECORD)}"


def _movie_records(
    facts: RunFacts,
    delivered: Sequence[Analysed],
    failed: Sequence[MovieRecord],
    rows: dict[int, int],
) -> tuple[MovieRecord, ...]:
    settings = facts.request.given.settings
    records = list(failed)
    for movie, start in zip(delivered, starts([m.found.timing for m in delivered]), strict=True):
        record = analysed_record(movie, settings.crop is not None, settings.window_length)
        assert record.frames is not None
        frames = record.frames.model_copy(update={"annotated": rows[record.number]})
        warnings = (*record.warnings, *frames.disagreements())
        known = {"start": float(start.seconds), "start_known_by": start.clock}
        changes = {"frames": frames, "warnings": warnings, **known}
        records.append(record.model_copy(update=changes))
    return tuple(sorted(records, key=lambda record: record.number))


def _metadata(facts: RunFacts, delivered: Sequence[Analysed]) -> str:
    movies = [(m.checked.info, m.labeled) for m in delivered]
    return output_metadata(
        facts.ready.model,
        [LabeledMovie(i.width, i.height, made.frames, made.frame_rate) for i, made in movies],
    )


def _pictures(delivered: Sequence[Analysed]) -> dict[str, MoviePictures]:
    return {m.source.name: MoviePictures(m.previews, m.labeled.worst) for m in delivered}


def _record(
    facts: RunFacts,
    movies: tuple[MovieRecord, ...],
    outputs: dict[str, Output],
    seconds: dict[str, float],
) -> RunRecord:
    request, loaded, model, finished = facts.request, facts.loaded, facts.ready.model, now()
    model = model.model_copy(update={"repairs": (*model.repairs, *loaded.repairs)})
    return RunRecord(
        status=status_of(movies),
        product=f"dlcflow {tasks.__version__}",
        started=facts.started,
        finished=finished,
        seconds=round((finished - facts.started).total_seconds(), 3),
        request=request.given,
        movies_resolved=tuple(str(movie.info.location) for movie in request.movies),
        model_input=facts.model.input,
        model=model,
        estimator=Estimator(
            scorer=loaded.scorer,
            device=loaded.device,
            path=loaded.path,
        ),
        movies=movies,
        outputs=outputs,
        stages={name: StageTime(seconds=round(s, 3)) for name, s in seconds.items()},
        warnings=(*request.warnings, *model.warnings, *_movie_warnings(movies)),
        host=this_host(),
        flow_run=_flow_run(),
    )


def _movie_warnings(movies: Sequence[MovieRecord]) -> list[str]:
    return [f"{movie.name}: {warning}" for movie in movies for warning in movie.warnings]


def _flow_run() -> FlowRun | None:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    run = context.flow_run
    base = PREFECT_UI_URL.value()
    url = f"{base}/runs/flow-run/{run.id}" if base else None
    return FlowRun(id=str(run.id), name=run.name, url=url)


def conclusion(record: RunRecord, output: Location) -> str:
    """The location of the run record, where every movie was delivered.

    Raises:
        MoviesFailed: At least one movie was not.
    """
    where = str(output.child(RUN_RECORD))
    failed = [movie for movie in record.movies if movie.status is Status.FAILED]
    if not failed:
        return where
    first = f"{failed[0].name} ({failed[0].failed_stage}): {failed[0].error}"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    raise MoviesFailed(
        f"{len(failed)} of {len(record.movies)} movies failed: {first}{more}; see {where}",
        only_bad_input=len(failed) == len(record.movies)
        and all(movie.error_kind == "bad input" for movie in failed),
    )
