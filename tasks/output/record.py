"""The run record: what a run's movies, inputs and stages tell, put together."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefect.context import FlowRunContext
from prefect.settings import PREFECT_UI_URL

import tasks
from tasks.errors import BadInput, MoviesFailed, Retriable
from tasks.messages import listed
from tasks.pose.movies.frame_ledger import (
    decode_warnings,
    ledger_of,
    lost_warnings,
    window_warnings,
)
from tasks.pose.movies.start_times import starts
from tasks.pose.network.interface import Loaded
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.results.file_names import RUN_RECORD
from tasks.pose.results.run_record import (
    Estimator,
    FlowRun,
    Input,
    MovieRecord,
    Output,
    PrecisionRecord,
    RunRecord,
    StageTime,
    Status,
    now,
    status_of,
    this_host,
)
from tasks.run_data import (
    ESTIMATE,
    Analysed,
    MovieSource,
    Outcome,
    ResolvedRequest,
    RunFacts,
)
from tasks.stages.stage import explained
from tasks.stages.stage_times import Seconds
from tasks.storage.location import Location


def analysed_record(movie: Analysed, settings_crop: bool, window_length: int) -> MovieRecord:
    """Tell one delivered movie's story, but for the annotations, which come last."""
    found, info = movie.found, movie.checked.info
    left, top = movie.checked.offset
    recording = found.timing.recording
    frames = ledger_of(info.declared_frames, found.timing).model_copy(
        update={"labeled": movie.labeled.frames}
    )
    warnings = (
        *(recording.warnings if recording else ()),
        *frames.dropped_warnings(),
        *decode_warnings(found.decode_errors),
        *lost_warnings(info.declared_frames, found.timing),
        *found.timing.warnings,
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
        path=found.loaded.path,
        precision=_precision(found.arithmetic),
        resumed=found.resumed or None,
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


def _precision(how: Arithmetic) -> PrecisionRecord:
    return PrecisionRecord.model_validate(
        {name: getattr(how, name) for name in PrecisionRecord.model_fields}
    )


def _stages(movie: Analysed) -> dict[str, StageTime]:
    """Seconds and speed of each stage; the network's own time for the estimation."""
    found, seconds = movie.found, dict(movie.seconds)
    if seconds.get(ESTIMATE, 0.0) is not None:
        seconds[ESTIMATE] = found.seconds
    return {
        name: _stage(s, 0 if name in _TRANSFERS else found.frames - resumed)
        for name, s in seconds.items()
        for resumed in [found.resumed if name == ESTIMATE else 0]
    }


def _stage(seconds: float | None, frames: int) -> StageTime:
    if seconds is None:
        return StageTime(seconds=0, reused=True)
    speed = round(frames / seconds, 1) if seconds and frames else None
    return StageTime(seconds=round(seconds, 3), frames_per_second=speed)


_TRANSFERS = {"Look back", "Fetch movie", "Keep poses", "Publish movie"}
"""Stages whose speed is that of the store, not of frames."""


def failed_record(source: MovieSource, error: BaseException) -> MovieRecord:
    """Tell why one movie was not delivered."""
    told = explained(error)
    kinds = {BadInput: "bad input", Retriable: "retriable"}
    return MovieRecord.model_validate(
        {
            "number": source.number,
            "name": source.name,
            "status": Status.FAILED,
            "input": input_of(source),
            "error": str(told),
            "failed_stage": told.stage,
            "failed_output": told.output,
            "error_kind": kinds.get(type(told), "stage failed"),
        }
    )


def input_of(source: MovieSource) -> Input:
    """A movie as its store describes it, without having been read."""
    info = source.info
    return Input(
        location=str(info.location),
        size=info.size,
        etag=info.etag,
        version=info.version,
        sha256=info.sha256,
    )


def outcomes(request: ResolvedRequest, states: Sequence[Any]) -> list[Outcome]:
    """What was found in each movie, or why it failed.

    Args:
        request: The request.
        states: Each movie's final Prefect state, in the request's order.

    Returns:
        Results, or the record of a movie that failed, in the request's order.
    """
    results = [state.result(raise_on_failure=False) for state in states]
    return [
        result if isinstance(result, Analysed) else failed_record(source, result)
        for source, result in zip(request.movies, results, strict=True)
    ]


def parted(found: Sequence[Outcome]) -> tuple[list[Analysed], list[MovieRecord]]:
    """Part the movies that were delivered from the records of those that failed."""
    return (
        [one for one in found if isinstance(one, Analysed)],
        [one for one in found if not isinstance(one, Analysed)],
    )


def movie_records(
    facts: RunFacts,
    delivered: Sequence[Analysed],
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
    for movie, start in zip(delivered, starts([m.found.timing for m in delivered]), strict=True):
        record = analysed_record(movie, settings.crop is not None, settings.window_length)
        assert record.frames is not None
        frames = record.frames.model_copy(update={"annotated": rows[record.number]})
        warnings = (*record.warnings, *frames.disagreements(), *start.warnings)
        known = {"start": float(start.seconds), "start_known_by": start.clock}
        changes = {"frames": frames, "warnings": warnings, **known}
        records.append(record.model_copy(update=changes))
    return tuple(sorted(records, key=lambda record: record.number))


def run_record(
    facts: RunFacts,
    movies: tuple[MovieRecord, ...],
    outputs: dict[str, Output],
    seconds: Seconds,
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
    request, loaded, model, finished = facts.request, facts.loaded, facts.ready.model, now()
    repairs = loaded.repairs if loaded else ()
    model = model.model_copy(update={"repairs": (*model.repairs, *repairs)})
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
        estimator=_estimator(loaded) if loaded else None,
        movies=movies,
        outputs=outputs,
        stages={name: _stage(s, 0) for name, s in seconds.items()},
        warnings=(
            *request.warnings,
            *model.warnings,
            *_movie_warnings(movies),
            *_order_warnings(movies),
            *_leftover_warnings(movies, earlier),
        ),
        host=this_host(),
        flow_run=_flow_run(),
    )


def _estimator(loaded: Loaded) -> Estimator:
    return Estimator(scorer=loaded.scorer, device=loaded.device, path=loaded.path)


def _movie_warnings(movies: Sequence[MovieRecord]) -> list[str]:
    return [f"{movie.name}: {warning}" for movie in movies for warning in movie.warnings]


def _order_warnings(movies: Sequence[MovieRecord]) -> list[str]:
    """Say where movies are counted and timed without one before them."""
    failed = [movie.name for movie in movies if movie.status is Status.FAILED]
    after = movies and movies[-1].status is not Status.FAILED
    if not failed or not after:
        return []
    return [
        f"{listed(failed)} failed; frame numbers and times of the movies after it do not count it"
    ]


def _leftover_warnings(movies: Sequence[MovieRecord], earlier: RunRecord | None) -> list[str]:
    """Say what lies beside this run's results and is not of it."""
    names = {movie.name for movie in movies}
    left = [m.name for m in earlier.movies if m.outputs and m.name not in names] if earlier else []
    if not left:
        return []
    return [
        f"results of an earlier run lie beside these, and are not in this record: {listed(left)}"
    ]


def _flow_run() -> FlowRun | None:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    run = context.flow_run
    base = PREFECT_UI_URL.value()
    url = f"{base}/runs/flow-run/{run.id}" if base else None
    return FlowRun(id=str(run.id), name=run.name, url=url)


def conclusion(record: RunRecord, output: Location) -> tuple[str, str]:
    """The location of the run record, and how the run went, where every movie was delivered.

    Raises:
        MoviesFailed: At least one movie was not.
    """
    where = str(output.child(RUN_RECORD))
    failed = [movie for movie in record.movies if movie.status is Status.FAILED]
    if not failed:
        return where, f"{_delivered(record.movies)}; see {where}"
    first = f"{failed[0].name} ({failed[0].failed_stage}): {failed[0].error}"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    raise MoviesFailed(
        f"{len(failed)} of {len(record.movies)} movies failed: {first}{more}; see {where}",
        only_bad_input=len(failed) == len(record.movies)
        and all(movie.error_kind == "bad input" for movie in failed),
    )


def _delivered(movies: Sequence[MovieRecord]) -> str:
    """Movies, frames and verdicts in a few words: ``3 movies, 2,160 frames, 2 pass, 1 look``."""
    frames = sum(movie.frames.poses for movie in movies if movie.frames)
    verdicts = Counter(movie.quality.verdict.value for movie in movies if movie.quality)
    count = f"{len(movies)} movie{'s' if len(movies) != 1 else ''}"
    told = [count, f"{frames:,} frames", *(f"{n} {v}" for v, n in verdicts.items())]
    if reused := sum(ESTIMATE in m.stages and m.stages[ESTIMATE].reused for m in movies):
        told.append(f"poses of {'all' if reused == len(movies) else reused} reused")
    return ", ".join(told)
