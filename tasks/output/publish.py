"""Results, run record and report: from the scratch folder to the output location."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path

from prefect.logging import get_run_logger
from pydantic import ValidationError

from tasks.file_digest import compute_sha256
from tasks.output.hidden_folder import hidden_location, remove_objects
from tasks.output.leftovers import (
    MIN_ABANDONED_AGE,
    abort_unfinished_uploads,
    find_outdated_files,
    remove_checkpoints,
)
from tasks.output.links import create_links
from tasks.output.lock import check_lock, has_output_lock
from tasks.output.record import build_movie_records, build_run_record
from tasks.pose.child_functions import write_annotations
from tasks.pose.exports.write_exports import MovieExports
from tasks.pose.results.file_names import (
    LABELED_MOVIE_FILE,
    REPORT_FILE,
    RUN_RECORD_FILE,
    path_below_output,
)
from tasks.pose.results.output_metadata import LabeledMovieMetadata, render_output_metadata
from tasks.pose.results.report import MoviePictures, render_report
from tasks.pose.results.run_page import render_run_page
from tasks.pose.results.run_record import (
    MAX_RECORD_BYTES,
    MovieRecord,
    OutputFile,
    PublishedRecord,
    RunRecord,
)
from tasks.pose.settings import CropCoordinates
from tasks.processes.pool import RunProcesses
from tasks.processes.watchdog import Patience
from tasks.run_data import AnalyzedMovie, CheckedMovie, ResolvedRequest, RunDetails
from tasks.stages.artifacts import show_run_page
from tasks.stages.progress import SPEED_MARK, Progress
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.stages.stage_times import StageSeconds
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NoSuchObject

_CONTENT_TYPES = {
    ".h5": "application/x-hdf5",
    ".pickle": "application/octet-stream",
    ".nc": "application/x-netcdf",
    ".nwb": "application/x-hdf5",
    ".mp4": "video/mp4",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}


@stage("Withdraw old record", "withdraw old record", retries=STORE_RETRIES)
def withdraw_record(
    request: ResolvedRequest, scratch: Path, *, alone: bool
) -> tuple[RunRecord | None, str]:
    """Take an earlier run's record away: what lies beside it is about to change.

    It is put aside until this run has its record: a run that is started again must know, too,
    which files of an earlier run to remove.

    Args:
        request: The request.
        scratch: Its scratch folder.
        alone: Whether nobody but this run writes there, as long as it holds the lock.

    Returns:
        The earlier record, where there is one that this version can read.
    """
    check_lock()
    store, output = request.store, request.output
    earlier = _parse_record(set_record_aside(store, output, scratch))
    abort_unfinished_uploads(
        request, timedelta() if alone and has_output_lock() else MIN_ABANDONED_AGE
    )
    return earlier, f"no {RUN_RECORD_FILE} at {output} until this run is finished"


def set_record_aside(store: ObjectStore, output: Location, scratch: Path) -> bytes | None:
    """Move the record at an output location to the hidden folder; its text, if there is one.

    Where an earlier run has moved one there and did not finish, it is that one's.
    """
    location, aside = output.child(RUN_RECORD_FILE), earlier_record_location(output)
    path = scratch / "earlier.json"
    with suppress(NoSuchObject):
        store.download(store.stat(location), path)
        store.upload(path, aside)
        store.remove(location)
    with suppress(NoSuchObject):
        return store.read(aside, MAX_RECORD_BYTES)
    return None


def remove_record_aside(store: ObjectStore, output: Location) -> None:
    """Forget the earlier record: the run has its own."""
    remove_objects(store, earlier_record_location(output))


def earlier_record_location(output: Location) -> Location:
    """Location where the last complete run's record waits for the next one's."""
    return hidden_location(output, "earlier.json")


def _parse_record(data: bytes | None) -> RunRecord | None:
    with suppress(ValidationError):
        return RunRecord.model_validate_json(data) if data else None
    return None


@stage("Publish movie", "publish · {movie.name}", retries=STORE_RETRIES)
def publish_movie(
    movie: CheckedMovie,
    exports: MovieExports,
    labeled: Path,
    previews: dict[str, Path],
    request: ResolvedRequest,
    intact: dict[str, OutputFile],
) -> tuple[dict[str, OutputFile], str]:
    """Put one movie's results below the output location, each when it is whole.

    What is there already, as it should be, stays; what was published of the movie under a name
    that it no longer has goes.
    """
    files = {LABELED_MOVIE_FILE: labeled} | {path.name: path for path in previews.values()}
    files = exports.files | files
    there = {name: intact[name] for name in files if _is_published(files[name], intact.get(name))}
    new = {name: path for name, path in files.items() if name not in there}
    store, output, settings = request.store, request.output, request.given.settings
    relative_to_crop = movie.is_cropped and settings.crop_coordinates is CropCoordinates.CROP
    targets = {name: output.child(path_below_output(movie.name, name)) for name in new}
    made: dict[str, OutputFile] = {}
    size = sum(path.stat().st_size for path in new.values())
    with Progress(f"publish · {movie.name}", size, "bytes") as progress:
        if new:
            made = publish_files(store, new, targets, progress, relative_to_crop=relative_to_crop)
    for name in [name for name in intact if name not in files]:
        check_lock()
        store.remove(Location.parse(intact[name].location))
    # In an order that does not tell what was there before.
    outputs = {name: (made | there)[name] for name in files}
    folder = output.child(f"{movie.name}/")
    return outputs, f"{len(made)} files below {folder}, {len(there)} were there"


def _is_published(path: Path, published: OutputFile | None) -> bool:
    """Return whether a file is published; an earlier run's file is not in the scratch folder."""
    if published is None:
        return False
    return not path.exists() or compute_sha256(path) == published.sha256


def publish_files(
    store: ObjectStore,
    files: dict[str, Path],
    targets: dict[str, Location],
    progress: Progress,
    *,
    relative_to_crop: bool,
) -> dict[str, OutputFile]:
    """Put a movie's files where they belong, all at once: the lock is asked for once, just before.

    The largest goes in this thread, which is the one that is interrupted when the run ends.
    """
    *others, largest = sorted(files, key=lambda name: files[name].stat().st_size)

    failures: list[BaseException] = []

    def check_and_upload(name: str) -> OutputFile:
        try:
            check_lock(ask=False)
            return _upload_output(
                store, files[name], targets[name], progress, relative_to_crop=relative_to_crop
            )
        except BaseException as error:
            failures.append(error)
            progress.stop()  # the stage is tried again with all of them
            raise

    check_lock()
    with ThreadPoolExecutor(len(files)) as threads:
        sent = {name: threads.submit(copy_context().run, check_and_upload, name) for name in others}
        try:
            return {largest: check_and_upload(largest)} | {
                name: one.result() for name, one in sent.items()
            }
        except BaseException:
            progress.stop()
            if failures:  # the first one tells more than what it ended
                raise failures[0] from None
            raise


def publish_file(store: ObjectStore, path: Path, target: Location) -> OutputFile:
    """Put a file where it belongs, if nobody else writes there by now."""
    check_lock()
    return _upload_output(store, path, target)


def _upload_output(
    store: ObjectStore,
    path: Path,
    target: Location,
    progress: Progress | None = None,
    *,
    relative_to_crop: bool = False,
) -> OutputFile:
    info = store.upload(
        path, target, _CONTENT_TYPES[path.suffix], progress.add if progress else None
    )
    assert info.sha256 is not None
    relative_to = {
        ".h5": "crop" if relative_to_crop else "frame",
        ".parquet": "frame",
        ".csv": "frame",
    }
    return OutputFile.model_validate(
        {
            "location": str(target),
            "size": info.size,
            "sha256": info.sha256,
            "etag": info.etag,
            "coordinates": relative_to.get(path.suffix),
        }
    )


@stage("Write annotations", "annotations", retries=STORE_RETRIES)
def publish_annotations(
    request: ResolvedRequest,
    delivered: Sequence[AnalyzedMovie],
    scratch: Path,
    workers: RunProcesses,
) -> tuple[tuple[dict[int, int], dict[str, OutputFile]], str]:
    """Write all delivered movies' poses as one table, and publish it."""
    if not delivered:
        return ({}, {}), "no movie to annotate"
    form = request.given.settings.annotations_format
    target = scratch / f"annotations.{form.value}"
    tables = [m.poses_for_table for m in delivered]
    frames = sum(len(table.timing.seconds) for table in tables)
    patience = Patience(f"{len(tables)} movies", frames)
    with workers.finishers.lease() as process:
        rows = process.call(write_annotations, tables, target, form, patience=patience)
    output = publish_file(request.store, target, request.output.child(target.name))
    return (rows, {target.name: output}), f"{sum(rows.values())} rows"


@stage("Publish record", "publish record", retries=STORE_RETRIES)
def publish_record(
    facts: RunDetails,
    delivered: Sequence[AnalyzedMovie],
    failed: Sequence[MovieRecord],
    annotations: tuple[dict[int, int], dict[str, OutputFile]],
    earlier: RunRecord | None,
    seconds: StageSeconds,
    scratch: Path,
) -> tuple[RunRecord, str]:
    """Publish metadata, report and, last of all, the run record: the mark that all is there."""
    rows, outputs = annotations
    store, output = facts.request.store, facts.request.output
    movies = build_movie_records(facts, delivered, failed, rows)
    if delivered:
        metadata = scratch / "output_metadata.json"
        metadata.write_text(_render_metadata(facts, delivered), encoding="utf-8")
        published = publish_file(store, metadata, output.child(metadata.name))
        outputs = outputs | {metadata.name: published}
    record = build_run_record(facts, movies, outputs, seconds, earlier)
    report = scratch / REPORT_FILE
    report.write_text(render_report(record, _collect_pictures(delivered)), encoding="utf-8")
    outputs = outputs | {report.name: publish_file(store, report, output.child(report.name))}
    record = record.model_copy(update={"outputs": outputs})
    for location in find_outdated_files(earlier, record, output):
        check_lock()
        store.remove(location)
    for warning in record.warnings[:MAX_LOGGED_WARNINGS]:
        get_run_logger().warning("%s", warning)
    if record.bottleneck:
        get_run_logger().info("%s%s", SPEED_MARK, record.bottleneck.sentence)
    where = publish_run_json(record, store, output, scratch)
    remove_checkpoints(facts.request, [movie.source.name for movie in delivered])
    return record, f"{record.status.value}: {where}"


def publish_run_json(
    record: PublishedRecord, store: ObjectStore, output: Location, scratch: Path
) -> str:
    """Publish `run.json`, last of all: the mark that all is there.

    Returns:
        Its location.
    """
    final = scratch / RUN_RECORD_FILE
    final.write_text(record.to_json(), encoding="utf-8")
    published = publish_file(store, final, output.child(RUN_RECORD_FILE))
    remove_record_aside(store, output)
    return published.location


@stage("Show results", "show results")
def show_results(
    record: RunRecord, delivered: Sequence[AnalyzedMovie], request: ResolvedRequest
) -> tuple[None, str]:
    """Show the run's page in Prefect's UI: its movies, small pictures, links that open results."""
    output = str(request.output)

    def render() -> tuple[str, str]:
        links = create_links(request.store, record, record.request.settings.link_hours)
        page = render_run_page(record, output, _collect_pictures(delivered), links)
        return page, f"{len(links.by_location)} links"

    return None, show_run_page("results", output, record.status.value, render)


MAX_LOGGED_WARNINGS = 20
"""Warnings of the record that the run's log repeats."""


def _render_metadata(facts: RunDetails, delivered: Sequence[AnalyzedMovie]) -> str:
    made = [
        (m.labeled, m.labeled.size or (m.checked.info.width, m.checked.info.height))
        for m in delivered
    ]
    return render_output_metadata(
        facts.ready.model,
        [LabeledMovieMetadata(*size, labeled.frames, labeled.frame_rate) for labeled, size in made],
    )


def _collect_pictures(delivered: Sequence[AnalyzedMovie]) -> dict[str, MoviePictures]:
    return {
        m.source.name: MoviePictures(
            m.previews,
            m.labeled.worst,
            {frame.index: frame.picture for frame in m.exports.refine},
        )
        for m in delivered
    }
