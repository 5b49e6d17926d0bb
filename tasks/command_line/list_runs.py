"""The runs whose results lie below a location: ``python -m flows list``."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial

from pydantic import ValidationError

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES, RunRecord
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore

_HEADINGS = ("finished (UTC)", "status", "model", "movies", "pass", "look", "fail", "results")
_READS_AT_ONCE = 8


@dataclass(frozen=True)
class ListedRun:
    """A finished run.

    Attributes:
        output: Location of its results.
        finished: When it ended, UTC, in ISO 8601.
        status: Complete, partial, or failed; unreadable if its record is not of this version.
        model: File name of the model.
        movies: Names of its movies.
        verdicts: Number of movies by verdict: pass, look, or fail; and failed, without poses.
    """

    output: str
    finished: str
    status: str
    model: str
    movies: tuple[str, ...]
    verdicts: dict[str, int]


def list_runs(text: str) -> list[ListedRun]:
    """List the runs whose records lie at or below a location, the newest first.

    Args:
        text: An output location, or a folder above several.

    Returns:
        The runs.

    Raises:
        BadInput: There is no run below it.
        Retriable: The store cannot be reached.
    """
    location, store = Location.parse(text), LocationStore()
    prefix = location if location.is_prefix else Location.parse(f"{location}/")
    records = [
        info.location
        for info in store.list(prefix)
        if info.location.name == RUN_RECORD_FILE and "/.dlcflow/" not in str(info.location)
    ]
    if not records:
        raise BadInput(
            f"there is no {RUN_RECORD_FILE} below {location}; give the output location of a run, "
            "or a folder that holds several"
        )
    with ThreadPoolExecutor(_READS_AT_ONCE) as readers:
        runs = list(readers.map(partial(_read_run, store), records))
    return sorted(runs, key=lambda run: run.finished, reverse=True)


def _read_run(store: LocationStore, location: Location) -> ListedRun:
    output = str(location).removesuffix(RUN_RECORD_FILE)
    try:
        record = RunRecord.model_validate_json(store.read(location, MAX_RECORD_BYTES))
    except ValidationError:
        return ListedRun(output, "", "unreadable", "", (), {})
    verdicts: dict[str, int] = {}
    for movie in record.movies:
        verdict = movie.quality.verdict.value if movie.quality else "failed"
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    return ListedRun(
        output=output,
        finished=record.finished.isoformat(timespec="seconds"),
        status=record.status.value,
        model=record.request.model.rpartition("/")[2],
        movies=tuple(movie.name for movie in record.movies),
        verdicts=verdicts,
    )


def format_runs(runs: list[ListedRun]) -> str:
    """Format runs as a table with a line each."""
    rows = [_HEADINGS, *(_table_row(run) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _table_row(run: ListedRun) -> tuple[str, ...]:
    failed = run.verdicts.get("fail", 0) + run.verdicts.get("failed", 0)
    counts = (len(run.movies), run.verdicts.get("pass", 0), run.verdicts.get("look", 0), failed)
    return (
        run.finished[: len("2026-01-01T00:00")].replace("T", " "),
        run.status,
        format_value(run.model),
        *map(str, counts),
        run.output if run.output.isprintable() else ascii(run.output),
    )


def runs_to_json(runs: list[ListedRun]) -> str:
    """Render runs as a JSON list, for programs."""
    return json.dumps([asdict(run) for run in runs], indent=2, ensure_ascii=False) + "\n"
