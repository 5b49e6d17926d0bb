"""Find out what a behavior request would do: ``python -m flows behavior --dry-run``."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.behavior.behavior_record import BehaviorRecord
from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior_run.behavior_request import BehaviorRequest, TableSource, resolve_behavior
from tasks.behavior_run.behavior_stages import compute_table_key, read_kept_table
from tasks.errors import BadInput
from tasks.messages import format_duration, format_value
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES, InputObject
from tasks.pose.speed.stage_parts import START_STAGE
from tasks.run_data import FetchedInput


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class PlannedTable(_Part):
    """One table of a behavior request."""

    name: str = Field(description="Its folder below the output location.")
    location: str = Field(description="The table.")
    action: Literal["run", "reuse"]
    reason: str = Field(description="Why nothing, or all of it, is reused.")


class BehaviorPlan(_Part):
    """The report of ``python -m flows behavior --dry-run``, as ``--json`` prints it."""

    refused: bool = Field(description="Whether the request would be refused.")
    problems: tuple[str, ...] = Field(default=(), description="Why it would be.")
    tables: tuple[PlannedTable, ...] = Field(default=(), description="In the request's order.")
    output: str | None = Field(default=None, description="Location that results would go below.")
    seconds: float | None = Field(
        default=None,
        description="How long it takes, from the run whose record is at the output now; null "
        "where there is none.",
    )

    def to_json(self) -> str:
        """Render as one JSON object, for programs."""
        return self.model_dump_json(indent=2) + "\n"


def plan_behavior(
    annotations: Sequence[str], output: str, settings: BehaviorSettings
) -> BehaviorPlan:
    """Find out what a run of a behavior request would do; nothing is written to the output.

    Args:
        annotations: Locations of pose runs or of annotations tables.
        output: Location that results go below.
        settings: The request's settings.

    Raises:
        Retriable: The store cannot be reached.
    """
    try:
        request = resolve_behavior(annotations, output, settings)
    except BadInput as error:
        return BehaviorPlan(refused=True, problems=(str(error),))
    with TemporaryDirectory(prefix="dlcflow-") as scratch:
        tables = tuple(_plan_table(table, request, Path(scratch)) for table in request.tables)
    return BehaviorPlan(
        refused=False,
        tables=tables,
        output=str(request.output),
        seconds=_forecast_seconds(request, tables),
    )


def _plan_table(table: TableSource, request: BehaviorRequest, scratch: Path) -> PlannedTable:
    info, store = table.info, request.store
    sha256 = store.known_sha256(store.stat(info.location))
    kept, reason = None, "its content is known once it is fetched"
    if sha256:
        content = InputObject(
            location=str(info.location),
            size=info.size,
            etag=info.etag,
            version=info.version,
            sha256=sha256,
        )
        fetched = FetchedInput(scratch / "table", content)
        folder = scratch / str(table.number)
        folder.mkdir()
        key = compute_table_key(fetched, table, request)
        kept, reason = read_kept_table(table, key, request, folder)
    return PlannedTable(
        name=table.name,
        location=str(info.location),
        action="run" if kept is None else "reuse",
        reason=reason,
    )


def _forecast_seconds(request: BehaviorRequest, tables: Sequence[PlannedTable]) -> float | None:
    """Forecast a run's time from the record of the run before it at the same place."""
    with suppress(BadInput, ValidationError):
        data = request.store.read(request.output.child(RUN_RECORD_FILE), MAX_RECORD_BYTES)
        record = BehaviorRecord.model_validate_json(data)
        measured = [table for table in record.tables if not table.reused]
        start = record.stages.get(START_STAGE)
        fixed = start.seconds if start else 0.0
        work = sum(sum(s.seconds for s in table.stages.values()) for table in measured)
        size = sum(table.input.size for table in measured)
        sizes = {table.name: table.info.size for table in request.tables}
        wanted = sum(sizes[table.name] for table in tables if table.action == "run")
        if size:
            return round(fixed + max(0.0, record.seconds - work) + work * wanted / size, 1)
    return None


def format_behavior_plan(plan: BehaviorPlan) -> str:
    """Format a plan for a terminal, without its problems, which are errors.

    Args:
        plan: The plan.
    """
    lines = ["Dry run: nothing is written.", ""]
    for table in plan.tables:
        action = "runs" if table.action == "run" else "reused"
        lines.append(f"{format_value(table.name)}  {action}: {table.reason}")
    if plan.output:
        lines.append(f"output  {format_value(plan.output)}")
    if plan.seconds is not None:
        told = format_duration(plan.seconds)
        lines.append(f"time  about {told}, from the run whose record is there now")
    return "\n".join(lines) + "\n"
