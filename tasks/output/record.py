"""The run record: what a run's movies, inputs and stages tell, put together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from prefect.context import FlowRunContext
from prefect.settings import PREFECT_UI_URL

import tasks
from tasks.errors import BadInput, MoviesFailed, PoseError, Retriable
from tasks.messages import describe_failure, format_list
from tasks.pose.clock.experiment_clock import ExperimentClock, UnusedTimes
from tasks.pose.movies.frame_ledger import (
    create_ledger,
    decode_warnings,
    filter_window_warnings,
    lost_frame_warnings,
)
from tasks.pose.movies.start_times import compute_starts
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import (
    EstimatorRecord,
    FlowRunRecord,
    FollowRecord,
    InputObject,
    MovieRecord,
    OutputFile,
    PrecisionRecord,
    RefineFrameRecord,
    ResultStatus,
    RunRecord,
    StageTime,
    compute_run_status,
    describe_host,
    utc_now,
)
from tasks.pose.speed.run_bottleneck import describe_bottleneck
from tasks.pose.speed.stage_parts import ESTIMATE_STAGE
from tasks.run_data import (
    AnalyzedMovie,
    MovieOutcome,
    MovieSource,
    ResolvedRequest,
    RunDetails,
)
from tasks.stages.run_states import NamedEnd, end_by_verdicts
from tasks.stages.stage import to_pose_error
from tasks.stages.stage_times import StageSeconds
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo


def build_delivered_record(
    movie: AnalyzedMovie, settings_crop: bool, window_length: int
) -> MovieRecord:
    """Tell one delivered movie's story, but for the annotations, which come last."""
    found, info = movie.found, movie.checked.info
    left, top = movie.checked.crop_offset
    recording = found.timing.recording
    frames = create_ledger(info.declared_frames, found.timing).model_copy(
        update={"labeled": movie.labeled.frames}
    )
    warnings = (
        *info.warnings,
        *(recording.warnings if recording else ()),
        *frames.dropped_frame_warnings(),
        *decode_warnings(found.decode_errors),
        *lost_frame_warnings(info.declared_frames, found.timing),
        *found.timing.warnings,
        *_times_warnings(movie),
        *found.warnings,
        *filter_window_warnings(found.frames, window_length),
        *(movie.quality.gaps.filter_warnings(window_length) if movie.quality.gaps else ()),
    )
    return MovieRecord(
        number=movie.source.number,
        name=movie.source.name,
        status=ResultStatus.COMPLETE,
        input=movie.fetched.input,
        width=info.width,
        height=info.height,
        codec=info.codec,
        batch_size=found.batch_size,
        path=found.loaded.path,
        execution=found.loaded.execution,
        precision=_to_precision_record(found.arithmetic),
        follow=found.follow and FollowRecord.model_validate(asdict(found.follow)),
        resumed=found.resumed or None,
        estimation=found.times if _is_estimated(movie) else None,
        frame_rate=float(found.timing.frame_rate),
        constant_frame_rate=found.timing.constant,
        duration=float(found.timing.seconds[-1] + 1 / found.timing.frame_rate),
        times=movie.experiment_clock and movie.experiment_clock.record,
        times_input=movie.times and movie.times.input,
        crop=(left, top, *movie.checked.cropped_size) if settings_crop else None,
        frames=frames,
        quality=movie.quality,
        stages=_stage_times(movie),
        outputs=movie.outputs,
        pose_file=movie.exports.poses or None,
        refine=tuple(
            RefineFrameRecord(frame=frame.index, file=frame.file, points=frame.points)
            for frame in movie.exports.refine
        ),
        warnings=warnings,
    )


def _is_estimated(movie: AnalyzedMovie) -> bool:
    """Return whether the network ran in this run: its poses are not those of an earlier one."""
    return movie.seconds.get(ESTIMATE_STAGE, 0.0) is not None


def _times_warnings(movie: AnalyzedMovie) -> tuple[str, ...]:
    """Warnings of the movie's times file: what it lacks, or why it is not used."""
    match movie.clock:
        case ExperimentClock(warnings=warnings):
            return warnings
        case UnusedTimes(warning=warning):
            return (warning,)
    return ()


def _to_precision_record(how: Arithmetic) -> PrecisionRecord:
    return PrecisionRecord.model_validate(
        {name: getattr(how, name) for name in PrecisionRecord.model_fields}
    )


def _stage_times(movie: AnalyzedMovie) -> dict[str, StageTime]:
    """Seconds and speed of each stage; the network's own for the estimation."""
    found = movie.found
    times = {
        name: to_stage_time(s, 0 if name in _TRANSFER_STAGES else found.frames)
        for name, s in movie.seconds.items()
    }
    if _is_estimated(movie):
        rate = None if found.rate is None else round(found.rate, 1)
        times[ESTIMATE_STAGE] = StageTime(seconds=round(found.seconds, 3), frames_per_second=rate)
    return times


def to_stage_time(seconds: float | None, frames: int) -> StageTime:
    """Record what a stage took; None stands for a result that was reused."""
    if seconds is None:
        return StageTime(seconds=0, reused=True)
    speed = round(frames / seconds, 1) if seconds and frames else None
    return StageTime(seconds=round(seconds, 3), frames_per_second=speed)


_TRANSFER_STAGES = {"Look back", "Fetch movie", "Keep poses", "Publish movie"}
"""Stages whose speed is that of the store, not of frames."""


def build_failed_record(source: MovieSource, error: BaseException) -> MovieRecord:
    """Tell why one movie was not delivered."""
    told = to_pose_error(error)
    return MovieRecord.model_validate(
        {
            "number": source.number,
            "name": source.name,
            "status": ResultStatus.FAILED,
            "input": to_input_record(source.info),
            "times_input": source.times and to_input_record(source.times),
            "error": str(told),
            "failed_stage": told.stage,
            "failed_output": told.output,
            "error_kind": classify_error(told),
        }
    )


def classify_error(error: PoseError) -> str:
    """Name the kind of an error, as records do."""
    kinds = {BadInput: "bad input", Retriable: "retriable", PoseError: "stage failed"}
    return next(name for kind, name in kinds.items() if isinstance(error, kind))


def to_input_record(info: ObjectInfo) -> InputObject:
    """An input as its store describes it, without having been read."""
    return InputObject(
        location=str(info.location),
        size=info.size,
        etag=info.etag,
        version=info.version,
        sha256=info.sha256,
    )


def collect_outcomes(request: ResolvedRequest, states: Sequence[Any]) -> list[MovieOutcome]:
    """Collect each movie's results, or the reason for its failure.

    Args:
        request: The request.
        states: Each movie's final Prefect state, in the request's order.

    Returns:
        Results, or the record of a movie that failed, in the request's order.
    """
    results = [state.result(raise_on_failure=False) for state in states]
    return [
        result if isinstance(result, AnalyzedMovie) else build_failed_record(source, result)
        for source, result in zip(request.movies, results, strict=True)
    ]


def split_by_success(
    found: Sequence[MovieOutcome],
) -> tuple[list[AnalyzedMovie], list[MovieRecord]]:
    """Part the movies that were delivered from the records of those that failed."""
    return (
        [one for one in found if isinstance(one, AnalyzedMovie)],
        [one for one in found if not isinstance(one, AnalyzedMovie)],
    )


def build_movie_records(
    facts: RunDetails,
    delivered: Sequence[AnalyzedMovie],
    failed: Sequence[MovieRecord],
    rows: dict[int, int],
) -> tuple[MovieRecord, ...]:
    """Tell every movie's story, in the request's order.

    Args:
        facts: What the run is.
        delivered: The movies that were delivered.
        failed: The records of those that were not.
        rows: Rows of each movie in the annotations, by its number.
    """
    settings = facts.request.given.settings
    records = list(failed)
    moments = [m.poses_for_table.moment for m in delivered]
    starts = compute_starts([m.found.timing for m in delivered], moments)
    for movie, start in zip(delivered, starts, strict=True):
        record = build_delivered_record(movie, settings.crop is not None, settings.window_length)
        assert record.frames is not None
        frames = record.frames.model_copy(update={"annotated": rows[record.number]})
        warnings = (*record.warnings, *frames.list_disagreements(), *start.warnings)
        known = {"start": float(start.seconds), "start_known_by": start.clock}
        changes = {"frames": frames, "warnings": warnings, **known}
        records.append(record.model_copy(update=changes))
    return tuple(sorted(records, key=lambda record: record.number))


def describe_run(started: datetime, seconds: StageSeconds) -> dict[str, Any]:
    """Describe a run that ends now: fields that the record of any kind of run has.

    Args:
        started: When it began.
        seconds: Time that each of its stages took.
    """
    finished = utc_now()
    return {
        "product": tasks.PRODUCT,
        "started": started,
        "finished": finished,
        "seconds": round((finished - started).total_seconds(), 3),
        "stages": {name: to_stage_time(s, 0) for name, s in seconds.items()},
        "host": describe_host(),
        "flow_run": describe_flow_run(),
    }


def build_run_record(
    facts: RunDetails,
    movies: tuple[MovieRecord, ...],
    outputs: dict[str, OutputFile],
    seconds: StageSeconds,
    earlier: RunRecord | None,
) -> RunRecord:
    """Put the record of a run together.

    Args:
        facts: What the run is.
        movies: The movies' records.
        outputs: What was published beside the movies', by name.
        seconds: Time that each stage of the run took.
        earlier: The record that was at this output location.
    """
    request, loaded, model = facts.request, facts.loaded, facts.ready.model
    repairs = loaded.repairs if loaded else ()
    model = model.model_copy(update={"repairs": (*model.repairs, *repairs)})
    record = RunRecord(
        status=compute_run_status(movies),
        **describe_run(facts.started, seconds),
        request=request.given,
        movies_resolved=tuple(str(movie.info.location) for movie in request.movies),
        movie_order=request.order,
        model_input=facts.model.input,
        model=model,
        estimator=EstimatorRecord(scorer=loaded.scorer, device=loaded.device, path=loaded.path)
        if loaded
        else None,
        movies=movies,
        outputs=outputs,
        warnings=(
            *request.warnings,
            *model.warnings,
            *(f"{movie.name}: {warning}" for movie in movies for warning in movie.warnings),
            *_order_warnings(movies),
            *_leftover_warnings(movies, earlier),
        ),
    )
    return record.model_copy(update={"bottleneck": describe_bottleneck(record)})


def _order_warnings(movies: Sequence[MovieRecord]) -> list[str]:
    """Say where movies are counted and timed without one before them."""
    failed = [movie.name for movie in movies if movie.status is ResultStatus.FAILED]
    after = movies and movies[-1].status is not ResultStatus.FAILED
    if not failed or not after:
        return []
    return [
        (f"{format_list(failed)} failed; later movies' frame numbers and times do not include it")
    ]


def _leftover_warnings(movies: Sequence[MovieRecord], earlier: RunRecord | None) -> list[str]:
    """Say what lies beside this run's results and is not of it."""
    names = {movie.name for movie in movies}
    left = [m.name for m in earlier.movies if m.outputs and m.name not in names] if earlier else []
    if not left:
        return []
    return [
        (
            "results of an earlier run are in the same location, but not in this record: "
            f"{format_list(left)}"
        )
    ]


def describe_flow_run() -> FlowRunRecord | None:
    """Describe the flow run that this is, in Prefect; None outside of one."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    run = context.flow_run
    base = PREFECT_UI_URL.value()
    url = f"{base}/runs/flow-run/{run.id}" if base else None
    return FlowRunRecord(id=str(run.id), name=run.name, url=url)


def conclude_run(record: RunRecord, output: Location) -> tuple[str, str | NamedEnd]:
    """The location of the run record, and how the run went, where every movie was delivered.

    Raises:
        MoviesFailed: At least one movie was not.
    """
    where = str(output.child(RUN_RECORD_FILE))
    failed = [movie for movie in record.movies if movie.status is ResultStatus.FAILED]
    if not failed:
        verdicts = [movie.quality.verdict.value for movie in record.movies if movie.quality]
        return where, end_by_verdicts(verdicts, f"{_summarize_movies(record.movies)}; see {where}")
    first = failed[0]
    cause = describe_failure(first.name, str(first.error))
    raise MoviesFailed(
        f"{cause}; {len(failed)} of {len(record.movies)} movies failed "
        f"({first.name} in {first.failed_stage or 'its run'}); see {where}",
        only_bad_input=len(failed) == len(record.movies)
        and all(movie.error_kind == "bad input" for movie in failed),
    )


def _summarize_movies(movies: Sequence[MovieRecord]) -> str:
    """Movies, frames and verdicts in a few words: ``3 movies, 2,160 frames, 2 pass, 1 look``."""
    frames = sum(movie.frames.poses for movie in movies if movie.frames)
    verdicts = Counter(movie.quality.verdict.value for movie in movies if movie.quality)
    count = f"{len(movies)} movie{'s' if len(movies) != 1 else ''}"
    told = [count, f"{frames:,} frames", *(f"{n} {v}" for v, n in verdicts.items())]
    if reused := sum(
        ESTIMATE_STAGE in m.stages and m.stages[ESTIMATE_STAGE].reused for m in movies
    ):
        told.append(f"poses of {'all' if reused == len(movies) else reused} reused")
    return ", ".join(told)
