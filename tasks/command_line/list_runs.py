"""The runs whose results lie below a location: ``python -m flows list``."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.output.run_summary import is_run_record, summarize_record
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore

_HEADINGS = (
    "finished (UTC)",
    "status",
    "kind",
    "model",
    "movies",
    "pass",
    "look",
    "fail",
    "results",
)
_READS_AT_ONCE = 8


@dataclass(frozen=True)
class ListedRun:
    """A finished run.

    Attributes:
        output: Location of its results.
        finished: When it ended, UTC, in ISO 8601.
        status: Complete, partial, or failed; unreadable if its record is not of this version.
        kind: Pose, behavior, or neural; another, or empty, if its record is unreadable.
        model: File name of the model; empty for runs that use none.
        movies: Names of its movies; of behavior runs of their tables, of neural ones of cell sets.
        verdicts: Number of those by verdict: pass, look, or fail; and failed, without results.
    """

    output: str
    finished: str
    status: str
    kind: str
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
    records = [info.location for info in store.list(prefix) if is_run_record(info.location)]
    if not records:
        raise BadInput(
            f"there is no {RUN_RECORD_FILE} below {location}; give the output location of a run, "
            "or a folder that holds several"
        )
    with ThreadPoolExecutor(_READS_AT_ONCE) as readers:
        runs = list(readers.map(partial(_read_run, store), records))
    return sorted(runs, key=lambda run: run.finished, reverse=True)


def _read_run(store: LocationStore, location: Location) -> ListedRun:
    run = summarize_record(store.read(location, MAX_RECORD_BYTES))
    return ListedRun(
        output=str(location).removesuffix(RUN_RECORD_FILE),
        finished=run.finished,
        status=run.status,
        kind=run.kind,
        model=run.model,
        movies=tuple(movie.name for movie in run.movies),
        verdicts=run.verdicts,
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
        format_value(run.status),
        format_value(run.kind) if run.kind else "",
        format_value(run.model) if run.model else "",
        *map(str, counts),
        run.output if run.output.isprintable() else ascii(run.output),
    )


def runs_to_json(runs: list[ListedRun]) -> str:
    """Render runs as a JSON list, for programs."""
    return json.dumps([asdict(run) for run in runs], indent=2, ensure_ascii=False) + "\n"
