"""From behavior to neural activity: cell sets and states in; what differs across states out."""

from dataclasses import replace

from prefect import flow

from tasks.behavior_run.behavior_workers import start_behavior_processes
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural_run.neural_request import NeuralRequest, resolve_neural_request
from tasks.neural_run.neural_stages import (
    compare_states,
    compute_neural_key,
    fetch_neural_input,
    find_kept_neural,
    publish_neural,
    publish_neural_record,
    show_neural,
    withdraw_neural_record,
)
from tasks.output.lock import OutputLock, hold_output_lock
from tasks.output.lock_stage import acquire_output_lock
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import utc_now
from tasks.pose.settings import LocationText
from tasks.processes.pool import RunProcesses
from tasks.run.scratch_folder import create_scratch_folder
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.run_names import name_run
from tasks.stages.run_states import NamedEnd, end_by_verdicts
from tasks.stages.stage import end_with_message, stage
from tasks.stages.stage_times import time_run


@flow(name="neural", flow_run_name=name_run, persist_result=False)
@end_with_message
def neural(
    cell_sets: list[LocationText],
    annotations: LocationText,
    output: LocationText,
    event_sets: list[LocationText] = [],  # noqa: B006 - never changed, and the form shows it
    settings: NeuralSettings = NeuralSettings(),  # noqa: B008 - frozen, and the form shows it
) -> tuple[str, str | NamedEnd]:
    """Compare neural activity and correlations across behavioral states, for one recording.

    Args:
        cell_sets: Cell sets (.isxd) of one recording, or miniscope movies; one or a series.
        annotations: A behavior run (its run.json, or its folder), or a table with a state column.
        output: Location that the results go below; not that of another run.
        event_sets: Event sets (.isxd), one for each cell set, or none.
        settings: How states are mapped to samples, and how they are compared.

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
        request = resolve_neural_request(cell_sets, annotations, output, event_sets, settings)
        fetched = [
            fetch_neural_input(info, number, request, scratch)
            for number, info in enumerate(request.inputs)
        ]
        request = lock_neural_output(request, writer, workers)
        earlier = withdraw_neural_record(request, scratch)
        key = compute_neural_key(fetched, request)
        folder = scratch / "results"
        folder.mkdir()
        result = find_kept_neural(earlier, key, request, folder)
        if result is not None and earlier is not None:
            outputs = {name: earlier.outputs[name] for name in result.files}
        else:
            result = compare_states(fetched, request, folder, workers)
            outputs = publish_neural(result, request)
        record = publish_neural_record(
            request, fetched, key, result, outputs, earlier, started, seconds, scratch
        )
        show_neural(record, request.output)
    where = str(request.output.child(RUN_RECORD_FILE))
    verdict = record.facts["verdict"]
    told = f"{record.facts['cells']} cells, {verdict}; see {where}"
    return where, end_by_verdicts([verdict], told)


@stage("Lock output", "lock output", retries=STORE_RETRIES)
def lock_neural_output(
    request: NeuralRequest, writer: OutputLock, workers: RunProcesses
) -> tuple[NeuralRequest, str]:
    """Wait until no other run writes to the output location, and keep others from it."""
    warnings, told = acquire_output_lock(request.store, request.output, writer, workers)
    return replace(request, warnings=(*request.warnings, *warnings)), told
