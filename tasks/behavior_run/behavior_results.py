"""Record, report and page of a behavior run: what it ends with."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from prefect.logging import get_run_logger
from pydantic import ValidationError

from tasks.behavior.analyze import FIGURE_ENDINGS, RESULT_FILE_BEGINNINGS
from tasks.behavior.behavior_record import BehaviorRecord, TableRecord
from tasks.behavior.behavior_report import render_behavior_report
from tasks.behavior.behavior_summary import DEFINITIONS
from tasks.behavior_run.behavior_request import BehaviorRequest, TableSource
from tasks.behavior_run.behavior_stages import AnalyzedTable
from tasks.errors import MoviesFailed
from tasks.messages import as_markdown_code, describe_failure, escape_markdown
from tasks.output.leftovers import abort_uploads_of_analysis
from tasks.output.links import sign_link
from tasks.output.lock import check_lock
from tasks.output.publish import (
    MAX_LOGGED_WARNINGS,
    publish_file,
    publish_run_json,
    set_record_aside,
)
from tasks.output.record import classify_error, describe_run, to_input_record
from tasks.pose.results.file_names import REPORT_FILE, RUN_RECORD_FILE
from tasks.pose.results.run_record import ResultStatus, compute_run_status
from tasks.pose.settings import DEFAULT_LINK_HOURS
from tasks.stages.artifacts import show_run_page
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.run_states import NamedEnd, end_by_verdicts
from tasks.stages.stage import stage, to_pose_error
from tasks.stages.stage_times import StageSeconds
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore


@stage("Withdraw old record", "withdraw old record", retries=STORE_RETRIES)
def withdraw_behavior_record(
    request: BehaviorRequest, scratch: Path
) -> tuple[BehaviorRecord | None, str]:
    """Take an earlier run's record away: what lies beside it is about to change."""
    check_lock()
    data = set_record_aside(request.store, request.output, scratch)
    abort_uploads_of_analysis(request.store, request.output, partial(_is_result, request))
    earlier = None
    with suppress(ValidationError):
        earlier = BehaviorRecord.model_validate_json(data) if data else None
    return earlier, f"no {RUN_RECORD_FILE} at {request.output} until this run is finished"


def _is_result(request: BehaviorRequest, parts: list[str]) -> bool:
    """Return whether a path below the output location is that of a result of a table."""
    match parts:
        case [folder, name] if folder in {table.name for table in request.tables}:
            return name.startswith(RESULT_FILE_BEGINNINGS) or name.endswith(FIGURE_ENDINGS)
    return False


def collect_tables(request: BehaviorRequest, states: Sequence[Any]) -> list[AnalyzedTable]:
    """Collect each table's results, or the reason for its failure, in the request's order."""
    results = [state.result(raise_on_failure=False) for state in states]
    return [
        result
        if isinstance(result, AnalyzedTable)
        else AnalyzedTable(_build_failed_record(source, result), ())
        for source, result in zip(request.tables, results, strict=True)
    ]


def _build_failed_record(source: TableSource, error: BaseException) -> TableRecord:
    told = to_pose_error(error)
    return TableRecord.model_validate(
        {
            "number": source.number,
            "name": source.name,
            "status": ResultStatus.FAILED,
            "input": to_input_record(source.info),
            "error": str(told),
            "failed_stage": told.stage,
            "error_kind": classify_error(told),
        }
    )


@stage("Publish record", "publish record", retries=STORE_RETRIES)
def publish_behavior_record(
    request: BehaviorRequest,
    tables: Sequence[AnalyzedTable],
    earlier: BehaviorRecord | None,
    started: datetime,
    seconds: StageSeconds,
    scratch: Path,
) -> tuple[BehaviorRecord, str]:
    """Publish the report and, last of all, the run record: the mark that all is there."""
    store, output = request.store, request.output
    records = tuple(table.record for table in tables)
    record = BehaviorRecord(
        status=compute_run_status(records),
        **describe_run(started, seconds),
        request=request.given,
        tables=records,
        zones_sha256=None if request.zones is None else hashlib.sha256(request.zones).hexdigest(),
        definitions=dict(DEFINITIONS),
        outputs={},
        warnings=(
            *request.warnings,
            *(f"{one.name}: {warning}" for one in records for warning in one.warnings),
        ),
    )
    report = scratch / REPORT_FILE
    previews = {table.record.name: list(table.previews) for table in tables}
    report.write_text(render_behavior_report(record, previews), encoding="utf-8")
    outputs = {REPORT_FILE: publish_file(store, report, output.child(REPORT_FILE))}
    record = record.model_copy(update={"outputs": outputs})
    _remove_outdated(store, earlier, record, output)
    for warning in record.warnings[:MAX_LOGGED_WARNINGS]:
        get_run_logger().warning("%s", warning)
    where = publish_run_json(record, store, output, scratch)
    return record, f"{record.status.value}: {where}"


def _remove_outdated(
    store: ObjectStore, earlier: BehaviorRecord | None, record: BehaviorRecord, output: Location
) -> None:
    """Remove files of an earlier run that would contradict this one's, of tables that both have.

    A table that failed now keeps what an earlier run has made of it only where it is another one.
    """
    if earlier is None:
        return
    now = {table.name: table for table in record.tables}
    old = {
        one.location
        for table in earlier.tables
        if table.name in now
        for one in table.outputs.values()
    }
    new = {one.location for table in record.tables for one in table.outputs.values()}
    below = f"{str(output).rstrip('/')}/"
    for text in sorted(old - new):
        if text.startswith(below):
            check_lock()
            store.remove(Location.parse(text))


@stage("Show results", "show results")
def show_behavior(record: BehaviorRecord, request: BehaviorRequest) -> tuple[None, str]:
    """Show the run's page in Prefect's UI: its tables, and links that open results."""
    return None, show_run_page(
        "behavior",
        str(request.output),
        record.status.value,
        lambda: (_render_page(record, request), "shown"),
    )


def _render_page(record: BehaviorRecord, request: BehaviorRequest) -> str:
    output = request.output
    link = sign_link(request.store, output.child(REPORT_FILE), DEFAULT_LINK_HOURS)
    lines = [f"## {record.status.value.capitalize()}: behavior of {len(record.tables)} tables", ""]
    if link:
        lines += [f"**[Open the report]({link})** (for {DEFAULT_LINK_HOURS} hours)", ""]
    lines += [
        f"- results: {as_markdown_code(str(output))}",
        f"- run record: {as_markdown_code(str(output.child(RUN_RECORD_FILE)))}",
        "",
        "| table | animal | verdict | observed | distance | mean speed | rest | movement | why |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for table in record.tables:
        verdict = table.verdict.value if table.verdict else "failed"
        why = escape_markdown(table.error or "; ".join(table.reasons[:2]))
        rows = [
            [
                escape_markdown(animal.individual or ""),
                f"**{verdict}**",
                f"{animal.everything.observed_s:,.1f} s",
                *_format_motion(animal.everything),
                *(
                    "" if state is None or state.share is None else f"{100 * state.share:.0f} %"
                    for name in ("rest", "movement")
                    for state in [animal.everything.states.get(name)]
                ),
            ]
            for animal in table.animals
        ] or [["", f"**{verdict}**", *[""] * 5]]
        lines += [f"| {' | '.join([escape_markdown(table.name), *row, why])} |" for row in rows]
    if record.warnings:
        lines += ["", "### Worth knowing", ""]
        lines += [f"- {escape_markdown(line)}" for line in record.warnings[:10]]
    return "\n".join(lines)


def _format_motion(motion: Any) -> list[str]:
    unit = "px" if motion.distance_cm is None else "cm"
    distance = getattr(motion, f"distance_{unit}")
    speed = getattr(motion, f"mean_speed_{unit}_s")
    return [f"{distance:,.0f} {unit}", "–" if speed is None else f"{speed:,.3g} {unit}/s"]


def conclude_behavior(record: BehaviorRecord, output: Location) -> tuple[str, str | NamedEnd]:
    """The location of the run record, and how the run went, where every table was delivered.

    Raises:
        MoviesFailed: At least one table was not.
    """
    where = str(output.child(RUN_RECORD_FILE))
    failed = [table for table in record.tables if table.status is ResultStatus.FAILED]
    count = len(record.tables)
    if not failed:
        verdicts = [table.verdict.value for table in record.tables if table.verdict]
        told = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        reused = sum(table.reused for table in record.tables)
        more = f", {reused} reused" if reused else ""
        tables = f"{count} table{'s' if count != 1 else ''}"
        return where, end_by_verdicts(verdicts, f"{tables}, {told}{more}; see {where}")
    first = failed[0]
    cause = describe_failure(first.name, str(first.error))
    raise MoviesFailed(
        f"{cause}; {len(failed)} of {count} tables failed "
        f"({first.name} in {first.failed_stage or 'its run'}); see {where}",
        only_bad_input=len(failed) == count
        and all(table.error_kind == "bad input" for table in failed),
    )
