"""The stages of one table: fetch, look back, measure, label, publish, keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tasks.behavior import analyze, state_movie
from tasks.behavior.analyze import BehaviorResult, analyze_annotations
from tasks.behavior.behavior_record import AnimalRecord, TableRecord
from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.state_movie import draw_state_movie
from tasks.behavior_run.behavior_request import BehaviorRequest, TableSource
from tasks.output.hidden_folder import download_if_present, hidden_location
from tasks.output.publish import publish_files
from tasks.output.record import to_stage_time
from tasks.output.reuse import is_intact
from tasks.pose.cache_keys import compute_code_digest, compute_digest
from tasks.pose.results.run_record import OutputFile, ResultStatus
from tasks.processes.pool import RunProcesses
from tasks.processes.watchdog import Patience
from tasks.run.fetch import fetch_input
from tasks.run_data import FetchedInput
from tasks.stages.progress import Progress
from tasks.stages.retries import PROCESS_RETRIES, STORE_RETRIES
from tasks.stages.stage import stage
from tasks.stages.stage_times import StageSeconds
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore

_LIBRARIES = (
    *("numpy", "pandas", "pyarrow", "scipy", "shapely", "matplotlib"),
    *("opencv-python-headless", "av", "isx"),
)
"""Libraries that results depend on."""

_SETTINGS_WITHOUT_EFFECT = {"zones", "movies"}
"""Settings that name places; what lies there counts instead."""


@dataclass(frozen=True)
class AnalyzedTable:
    """One table's results, on the way to the record.

    Attributes:
        record: What the record says of it.
        previews: The figures, in the scratch folder.
    """

    record: TableRecord
    previews: tuple[Path, ...]


@stage("Fetch annotations", "fetch · {table.name}", retries=STORE_RETRIES)
def fetch_table(table: TableSource, store: ObjectStore, folder: Path) -> tuple[FetchedInput, str]:
    """Bring a table to the local disk, verified."""
    target = folder / f"annotations{table.info.location.suffix.lower()}"
    return fetch_input(store, table.info, target, f"fetch · {table.name}")


@stage("Fetch movie", "fetch · {table.name} · movie {number}", retries=STORE_RETRIES)
def fetch_labeled_source(
    table: TableSource, number: int, store: ObjectStore, folder: Path
) -> tuple[FetchedInput, str]:
    """Bring a movie that is drawn on to the local disk, verified."""
    info = table.movies[number]
    target = folder / f"movie-{number}{info.location.suffix.lower()}"
    return fetch_input(store, info, target, f"fetch · {table.name}")


def compute_table_key(fetched: FetchedInput, table: TableSource, request: BehaviorRequest) -> str:
    """Digest of all that a table's results depend on: content, settings, code; never names."""
    settings = request.given.settings.model_dump(mode="json", exclude=_SETTINGS_WITHOUT_EFFECT)
    movies = {
        number: (info.size, info.sha256 or info.etag) for number, info in table.movies.items()
    }
    return compute_digest(
        fetched.input.sha256,
        settings,
        table.individuals,
        (request.zones or b"").hex(),
        sorted(movies.items()),
        compute_code_digest(analyze.__name__, *_LIBRARIES),
        compute_code_digest(state_movie.__name__, *_LIBRARIES),
    )


@stage("Look back", "look back · {table.name}", retries=STORE_RETRIES)
def find_kept_table(
    table: TableSource, key: str, request: BehaviorRequest, folder: Path
) -> tuple[AnalyzedTable | None, str]:
    """See whether an earlier run has made the same of the same table, all of it still there."""
    return read_kept_table(table, key, request, folder)


def read_kept_table(
    table: TableSource, key: str, request: BehaviorRequest, folder: Path
) -> tuple[AnalyzedTable | None, str]:
    """Read what an earlier run has made of a table.

    Args:
        table: The table.
        key: What its results depend on now.
        request: The request.
        folder: Where its figures go.

    Returns:
        The results, None where they do not hold any more; and why.
    """
    path = download_if_present(request.store, _kept_location(request, table), folder / "kept.json")
    if path is None:
        return None, "nothing is kept"
    try:
        kept = TableRecord.model_validate_json(path.read_bytes())
    except ValidationError:
        return None, "what is kept is of another version"
    if kept.key != key:
        return None, "it was made of other content, with other settings, or by other code"
    place = request.output.child(table.name)
    if not all(
        is_intact(request.store, one, place.child(name)) for name, one in kept.outputs.items()
    ):
        return None, "a result is gone, or is no longer what was published"
    previews = []
    for name in kept.previews:
        found = download_if_present(request.store, place.child(name), folder / name)
        if found is None:
            return None, f"{name} is gone"
        previews.append(found)
    record = kept.model_copy(update={"number": table.number, "name": table.name, "reused": True})
    return AnalyzedTable(record, tuple(previews)), "all of it is there"


def _kept_location(request: BehaviorRequest, table: TableSource) -> Location:
    return hidden_location(request.output, "tables", f"{table.name}.json")


@stage("Measure behavior", "measure · {table.name}", retries=PROCESS_RETRIES)
def measure_behavior(
    table: TableSource,
    fetched: FetchedInput,
    request: BehaviorRequest,
    folder: Path,
    workers: RunProcesses,
) -> tuple[BehaviorResult, str]:
    """Average keypoints, measure speed, states, bouts and zones, and draw the figures.

    In a child process: a file from a stranger may crash a reader, and only its own table fails.
    """
    results = folder / "results"
    results.mkdir(exist_ok=True)
    with workers.finishers.lease() as process:
        result = process.call(
            analyze_annotations,
            fetched.path,
            table.info.location.name,
            results,
            request.given.settings,
            table.individuals,
            request.zones,
            patience=Patience(table.name, fetched.input.size // _MIN_ROW_BYTES),
        )
    return result, "; ".join((result.verdict.value, *result.reasons[:3]))


_MIN_ROW_BYTES = 20
"""Bytes that a frame takes at least in a table."""


@stage("Label movie", "label · {table.name} · movie {number}", retries=PROCESS_RETRIES)
def label_states_on_movie(
    table: TableSource,
    number: int,
    movie: FetchedInput,
    result: BehaviorResult,
    settings: BehaviorSettings,
    workers: RunProcesses,
) -> tuple[Path, str]:
    """Draw position, state and speed on a movie."""
    written = next(p for p in result.files.values() if p.stem == analyze.TABLE_STEM)
    target = written.with_name(f"labeled-{number}.mp4")
    with (
        workers.finishers.lease() as process,
        Progress(f"label · {table.name}", result.frames) as progress,
    ):
        frames = process.call(
            draw_state_movie,
            movie.path,
            written,
            number,
            [animal.name for animal in result.animals],
            settings,
            target,
            on_progress=progress,
            patience=Patience(table.name, result.frames),
        )
    return target, f"{frames} frames"


@stage("Publish table", "publish · {table.name}", retries=STORE_RETRIES)
def publish_table(
    table: TableSource, files: dict[str, Path], request: BehaviorRequest
) -> tuple[dict[str, OutputFile], str]:
    """Put one table's results below the output location, each when it is whole."""
    folder = request.output.child(table.name)
    targets = {name: folder.child(name) for name in files}
    total = sum(path.stat().st_size for path in files.values())
    with Progress(f"publish · {table.name}", total, "bytes") as progress:
        made = publish_files(request.store, files, targets, progress, relative_to_crop=False)
    return {name: made[name] for name in files}, f"{len(made)} files below {folder}"


@stage("Keep results", "keep results · {table.name}", retries=STORE_RETRIES)
def keep_table(
    table: TableSource, record: TableRecord, request: BehaviorRequest, folder: Path
) -> tuple[None, str]:
    """Keep what was made of a table, for later runs."""
    path = folder / "kept.json"
    path.write_text(record.model_dump_json(), encoding="utf-8")
    request.store.upload(path, _kept_location(request, table), "application/json")
    return None, record.key or ""


def build_table_record(
    table: TableSource,
    fetched: FetchedInput,
    key: str,
    result: BehaviorResult,
    outputs: dict[str, OutputFile],
    seconds: StageSeconds,
) -> TableRecord:
    """Put together what the record says of a table that was analyzed."""
    return TableRecord(
        number=table.number,
        name=table.name,
        status=ResultStatus.COMPLETE,
        input=fetched.input,
        pose_run=table.pose_run.location if table.pose_run else None,
        key=key,
        frames=result.frames,
        pixels_per_cm=result.scale,
        verdict=result.verdict,
        reasons=result.reasons,
        animals=tuple(
            AnimalRecord(
                individual=one.name or None,
                keypoints=one.keypoints,
                rest_px_s=one.thresholds.rest if one.thresholds else None,
                movement_px_s=one.thresholds.movement if one.thresholds else None,
                proposed_px_s=one.proposed_threshold,
                path_ratio=one.path_ratio,
                everything=one.everything,
                movies=one.movies,
            )
            for one in result.animals
        ),
        outputs=outputs,
        previews=tuple(result.previews),
        stages={name: to_stage_time(s, 0) for name, s in seconds.items()},
        warnings=(*_maker_warnings(table, fetched), *result.warnings),
    )


def _maker_warnings(table: TableSource, fetched: FetchedInput) -> Sequence[str]:
    run = table.pose_run
    if run and run.sha256 and run.sha256 != fetched.input.sha256:
        return [f"the table is not the one that {run.location} names: it was changed since"]
    return []
