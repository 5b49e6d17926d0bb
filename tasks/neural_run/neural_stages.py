"""The stages of a run on neural activity."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.logging import get_run_logger
from pydantic import ValidationError

from tasks.messages import as_markdown_code, escape_markdown
from tasks.neural import analyze_neural as analysis
from tasks.neural.analyze_neural import analyze_neural
from tasks.neural.neural_record import (
    DEFINITIONS,
    PARITY_DEFINITIONS,
    NeuralRecord,
    render_neural_report,
)
from tasks.neural.neural_work import RESULT_FILES, NeuralResult
from tasks.neural_run.neural_request import NeuralRequest
from tasks.output.hidden_folder import download_if_present
from tasks.output.leftovers import abort_uploads_of_analysis
from tasks.output.lock import check_lock
from tasks.output.publish import (
    publish_file,
    publish_files,
    publish_run_json,
    set_record_aside,
)
from tasks.output.record import describe_run
from tasks.output.reuse import is_intact
from tasks.pose.cache_keys import compute_code_digest, compute_digest
from tasks.pose.results.file_names import REPORT_FILE, RUN_RECORD_FILE
from tasks.pose.results.run_record import OutputFile, ResultStatus
from tasks.processes.pool import RunProcesses
from tasks.processes.watchdog import Patience
from tasks.run.fetch import MAX_NAME_BYTES, fetch_input
from tasks.run_data import FetchedInput
from tasks.stages.artifacts import show_run_page
from tasks.stages.progress import Progress
from tasks.stages.retries import PROCESS_RETRIES, STORE_RETRIES
from tasks.stages.stage import stage
from tasks.stages.stage_times import StageSeconds
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo

_LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy", "matplotlib", "isx", "h5py")
_SETTINGS_WITHOUT_EFFECT = {"timing_references", "behavior_movie"}
_MIN_SAMPLE_BYTES = 4


@stage("Withdraw old record", "withdraw old record", retries=STORE_RETRIES)
def withdraw_neural_record(
    request: NeuralRequest, scratch: Path
) -> tuple[NeuralRecord | None, str]:
    """Take an earlier run's record away: what lies beside it is about to change."""
    check_lock()
    data = set_record_aside(request.store, request.output, scratch)
    abort_uploads_of_analysis(
        request.store, request.output, lambda parts: parts[:-1] == [] and parts[-1] in RESULT_FILES
    )
    earlier = None
    with suppress(ValidationError):
        earlier = NeuralRecord.model_validate_json(data) if data else None
    return earlier, f"no {RUN_RECORD_FILE} at {request.output} until this run is finished"


@stage("Fetch input", "fetch · {info.location.name}", retries=STORE_RETRIES)
def fetch_neural_input(
    info: ObjectInfo, number: int, request: NeuralRequest, scratch: Path
) -> tuple[FetchedInput, str]:
    """Bring an input to the local disk, verified."""
    folder = scratch / str(number)
    folder.mkdir(exist_ok=True)
    name = info.location.name
    short = len(name.encode()) <= MAX_NAME_BYTES  # else the record names what is cut
    target = folder / (name if short else f"input{info.location.suffix.lower()}")
    return fetch_input(request.store, info, target, f"fetch {name}")


def compute_neural_key(fetched: list[FetchedInput], request: NeuralRequest) -> str:
    """Digest of all that the results depend on: content, settings, code; never names."""
    settings = request.given.settings.model_dump(mode="json", exclude=_SETTINGS_WITHOUT_EFFECT)
    counts = (len(request.cell_sets), len(request.event_sets), len(request.references))
    return compute_digest(
        [one.input.sha256 for one in fetched],
        counts,
        settings,
        request.start and request.start.seconds,
        compute_code_digest(analysis.__name__, *_LIBRARIES),
    )


@stage("Look back", "look back", retries=STORE_RETRIES)
def find_kept_neural(
    earlier: NeuralRecord | None, key: str, request: NeuralRequest, folder: Path
) -> tuple[NeuralResult | None, str]:
    """See whether an earlier run has made the same, all of it still there."""
    if earlier is None or earlier.key != key:
        return None, "nothing that holds is kept"
    outputs = {n: o for n, o in earlier.outputs.items() if n != REPORT_FILE}
    if not all(
        is_intact(request.store, one, request.output.child(name)) for name, one in outputs.items()
    ):
        return None, "a result is gone, or is no longer what was published"
    files = {}
    for name in outputs:
        found = download_if_present(request.store, request.output.child(name), folder / name)
        if found is None:
            return None, f"{name} is gone"
        files[name] = found
    facts = earlier.facts
    kept = NeuralResult(files, facts["verdict"], facts["reasons"], facts["warnings"], facts)
    return kept, "all of it is there"


@stage("Compare states", "compare states", retries=PROCESS_RETRIES)
def compare_states(
    fetched: list[FetchedInput], request: NeuralRequest, folder: Path, workers: RunProcesses
) -> tuple[NeuralResult, str]:
    """Map states to samples, and compare activity and correlations; in a child process."""
    paths = [one.path for one in fetched]
    cells, events = len(request.cell_sets), len(request.event_sets)
    with workers.finishers.lease() as process:
        result = process.call(
            analyze_neural,
            paths[:cells],
            paths[cells : cells + events],
            paths[cells + events : -1],
            paths[-1],
            request.table.location.name,
            folder,
            request.given.settings,
            request.start,
            patience=Patience("cells", sum(o.input.size for o in fetched) // _MIN_SAMPLE_BYTES),
        )
    return result, "; ".join((str(result.verdict), *result.reasons[:3]))


@stage("Publish results", "publish results", retries=STORE_RETRIES)
def publish_neural(
    result: NeuralResult, request: NeuralRequest
) -> tuple[dict[str, OutputFile], str]:
    """Put the results below the output location, each when it is whole."""
    files = result.files
    targets = {name: request.output.child(name) for name in files}
    total = sum(path.stat().st_size for path in files.values())
    with Progress("publish results", total, "bytes") as progress:
        made = publish_files(request.store, files, targets, progress, relative_to_crop=False)
    return {name: made[name] for name in files}, f"{len(made)} files below {request.output}"


@stage("Publish record", "publish record", retries=STORE_RETRIES)
def publish_neural_record(
    request: NeuralRequest,
    fetched: list[FetchedInput],
    key: str,
    result: NeuralResult,
    outputs: dict[str, OutputFile],
    earlier: NeuralRecord | None,
    started: datetime,
    seconds: StageSeconds,
    scratch: Path,
) -> tuple[NeuralRecord, str]:
    """Publish the report and, last of all, the run record: the mark that all is there."""
    store, output = request.store, request.output
    parity = request.given.settings.parity
    record = NeuralRecord(
        status=ResultStatus.COMPLETE,
        **describe_run(started, seconds),
        request=request.given,
        inputs=tuple(one.input for one in fetched),
        key=key,
        reused=earlier is not None and "Compare states" not in seconds,
        facts=result.facts,
        definitions=dict(DEFINITIONS) | (dict(PARITY_DEFINITIONS) if parity else {}),
        outputs=outputs,
        warnings=(*request.warnings, *result.warnings),
    )
    pictures = [path for path in result.files.values() if path.suffix in {".svg", ".png"}]
    report = scratch / REPORT_FILE
    report.write_text(render_neural_report(record, pictures), encoding="utf-8")
    published = publish_file(store, report, output.child(REPORT_FILE))
    record = record.model_copy(update={"outputs": outputs | {REPORT_FILE: published}})
    gone = earlier.outputs.keys() - record.outputs.keys() if earlier else ()
    for name in sorted(gone):
        check_lock()
        store.remove(output.child(name))
    for warning in record.warnings:
        get_run_logger().warning("%s", warning)
    where = publish_run_json(record, store, output, scratch)
    return record, f"{record.status.value}: {where}"


@stage("Show results", "show results")
def show_neural(record: NeuralRecord, output: Location) -> tuple[None, str]:
    """Show the run's page in Prefect's UI."""
    return None, show_run_page(
        "neural", str(output), "complete", lambda: (_render_page(record, output), "shown")
    )


def _render_page(record: NeuralRecord, output: Location) -> str:
    facts: dict[str, Any] = record.facts
    lines = [
        f"## Neural activity across states: {facts['verdict']}",
        "",
        f"- results: {as_markdown_code(str(output))}",
        f"- report: {as_markdown_code(str(output.child(REPORT_FILE)))}",
        "",
        "| comparison | cells | up | down |",
        "|---|---|---|---|",
    ]
    for label, one in facts.get("trace modulation", {}).items():
        lines.append(f"| {escape_markdown(label)} | {one['cells']} | {one['up']} | {one['down']} |")
    lines += ["", *(f"- {escape_markdown(line)}" for line in facts["reasons"])]
    return "\n".join(lines)
