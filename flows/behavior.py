"""From poses to behavior: annotations in; speed, states, bouts and zones out."""

from dataclasses import replace
from pathlib import Path

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior_run.behavior_request import (
    BehaviorRequest,
    TableSource,
    resolve_behavior_request,
)
from tasks.behavior_run.behavior_results import (
    collect_tables,
    conclude_behavior,
    publish_behavior_record,
    show_behavior,
    withdraw_behavior_record,
)
from tasks.behavior_run.behavior_stages import (
    AnalyzedTable,
    build_table_record,
    compute_table_key,
    fetch_labeled_source,
    fetch_table,
    find_kept_table,
    keep_table,
    label_states_on_movie,
    measure_behavior,
    publish_table,
)
from tasks.behavior_run.behavior_workers import MAX_TABLES_AT_ONCE, start_behavior_processes
from tasks.output.lock import OutputLock, check_lock, hold_output_lock
from tasks.output.lock_stage import acquire_output_lock
from tasks.pose.results.run_record import utc_now
from tasks.pose.settings import LocationText
from tasks.processes.pool import RunProcesses
from tasks.run.scratch_folder import create_scratch_folder
from tasks.stages.fan_out import wait_for_all
from tasks.stages.progress import check_running
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.run_names import name_run
from tasks.stages.run_states import NamedEnd
from tasks.stages.stage import end_with_message, stage
from tasks.stages.stage_times import time_run, time_stages


@flow(
    name="behavior",
    flow_run_name=name_run,
    task_runner=ThreadPoolTaskRunner(max_workers=MAX_TABLES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
@end_with_message
def behavior(
    annotations: list[LocationText],
    output: LocationText,
    settings: BehaviorSettings = BehaviorSettings(),  # noqa: B008 - frozen, and the form shows it
) -> tuple[str, str | NamedEnd]:
    """Average keypoints and compute locomotion metrics for every animal of every table.

    Args:
        annotations: Pose runs (their run.json, or its folder), or tables (.parquet, .csv).
        output: Location that the results go below; not that of a pose run itself.
        settings: What is averaged, and how speed, states and zones are defined.

    Returns:
        The location of run.json, and how the run went.
    """
    started = utc_now()
    with (
        hold_output_lock() as writer,
        create_scratch_folder() as scratch,
        start_behavior_processes(scratch) as workers,
        time_run() as seconds,
    ):
        request = resolve_behavior_request(annotations, output, settings)
        request = lock_behavior_output(request, writer, workers)
        earlier = withdraw_behavior_record(request, scratch)
        at_work = (analyze_table.submit(one, request, scratch, workers) for one in request.tables)
        tables = collect_tables(request, wait_for_all(at_work, workers.end))
        record = publish_behavior_record(request, tables, earlier, started, seconds, scratch)
        show_behavior(record, request)
    return conclude_behavior(record, request.output)


@stage("Lock output", "lock output", retries=STORE_RETRIES)
def lock_behavior_output(
    request: BehaviorRequest, writer: OutputLock, workers: RunProcesses
) -> tuple[BehaviorRequest, str]:
    """Wait until no other run writes to the output location, and keep others from it."""
    warnings, told = acquire_output_lock(request.store, request.output, writer, workers)
    return replace(request, warnings=(*request.warnings, *warnings)), told


@stage("Table", "table · {table.name}")
def analyze_table(
    table: TableSource, request: BehaviorRequest, scratch: Path, workers: RunProcesses
) -> tuple[AnalyzedTable, str]:
    """Take one table from its store through every stage to the output location."""
    check_lock(ask=False)
    check_running(table.name)
    folder = scratch / str(table.number)
    folder.mkdir(exist_ok=True)
    with time_stages() as seconds:
        fetched = fetch_table(table, request.store, folder)
        key = compute_table_key(fetched, table, request)
        if kept := find_kept_table(table, key, request, folder):
            return kept, "reused"
        result = measure_behavior(table, fetched, request, folder, workers)
        files = result.files | result.previews
        for number in table.movies:
            movie = fetch_labeled_source(table, number, request.store, folder)
            labeled = label_states_on_movie(
                table, number, movie, result, request.given.settings, workers
            )
            files[labeled.name] = labeled
        outputs = publish_table(table, files, request)
        record = build_table_record(table, fetched, key, result, outputs, seconds)
        keep_table.try_to_run(table, record, request, folder)
    return AnalyzedTable(record, tuple(result.previews.values())), result.verdict.value
