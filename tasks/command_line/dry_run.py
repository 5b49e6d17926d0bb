"""Find out what a request would do, without doing it: ``python -m flows run --dry-run``.

Nothing is written to the output location. The model is opened, movies are looked into, earlier
results are compared by the keys that a run compares, and the time is forecast from past runs on
this machine, or from a second's trial of the network.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir

from tasks.command_line.dry_run_report import DiskSpace, DryRunReport
from tasks.command_line.movie_plans import MoviePlan, plan_movies
from tasks.command_line.request_forecast import forecast_request
from tasks.errors import BadInput, PoseError, Retriable
from tasks.full_disk import count_free_bytes
from tasks.output.hidden_folder import hidden_location
from tasks.output.lock import LOCK_FOLDER
from tasks.output.process_identity import has_ended
from tasks.pose.cache_keys import compute_network_digest
from tasks.pose.model.inspection import Inspection, as_object, inspect_archive
from tasks.pose.model.selection import ModelChoice
from tasks.pose.settings import PoseSettings
from tasks.processes.pool import MOVIES_AT_ONCE
from tasks.run.request import resolve_locations
from tasks.run.scratch_folder import create_scratch_folder
from tasks.run.scratch_space import describe_missing_space, estimate_scratch_bytes
from tasks.run_data import ReadyModel, ResolvedRequest
from tasks.storage.claims import read_holders
from tasks.storage.store_errors import CHANGED_MESSAGE


def plan_request(
    model: str,
    movies: Sequence[str],
    output: str,
    settings: PoseSettings,
    notify: Callable[[str], None] = lambda _text: None,
) -> DryRunReport:
    """Find out what a run of a request would do.

    Args:
        model: Location of the model's zip.
        movies: Locations of movies.
        output: Location that results go below.
        settings: The request's settings.
        notify: Called with what goes on, where that takes a while.

    Raises:
        Retriable: The store cannot be reached.
    """
    try:
        request = resolve_locations(model, movies, output, settings)
        with create_scratch_folder() as scratch:
            return _plan_resolved(request, scratch, notify)
    except BadInput as error:
        return DryRunReport(refused=True, problems=(str(error),))


def _plan_resolved(
    request: ResolvedRequest, scratch: Path, notify: Callable[[str], None]
) -> DryRunReport:
    inspection = _inspect_model(request, scratch)
    problems = [*inspection.problems, *_find_request_problems(request, inspection)]
    ready = None
    if inspection.model is not None and inspection.is_usable:
        project = _project_folder(scratch)
        ready = ReadyModel(inspection.model, project, compute_network_digest(project))
    plans = plan_movies(request, ready, scratch)
    output = _measure_output(request, plans)
    if output.free is not None and output.needed > output.free:
        problems.append(
            f"about {output.needed:,} bytes are needed for results, and {output.free:,} are free "
            f"at {request.output}; make room there, or name another output"
        )
    time, no_time = None, "not known, since this would be refused"
    if ready and not problems and any(not plan.problem for plan in plans):
        time, no_time = forecast_request(request, ready, plans, scratch, notify)
    facts = [(plan.source.name, plan.facts) for plan in plans if plan.facts]
    return DryRunReport(
        refused=bool(problems) or any(plan.problem for plan in plans),
        problems=tuple(problems),
        warnings=(
            *request.warnings,
            *inspection.warnings,
            *(f"{name}: {warning}" for name, found in facts for warning in found.warnings),
        ),
        model=as_object(inspection),
        movies=tuple(plan.to_forecast(request.given.settings) for plan in plans),
        order=request.order,
        waits_for=tuple(_find_other_runs(request)),
        scratch=DiskSpace(
            location=gettempdir(),
            needed=estimate_scratch_bytes(request, MOVIES_AT_ONCE),
            free=count_free_bytes(scratch),
        ),
        output=output,
        time=time,
        no_time=no_time or None,
    )


def _project_folder(scratch: Path) -> Path:
    return scratch / "project"


def _inspect_model(request: ResolvedRequest, scratch: Path) -> Inspection:
    """Look into a request's model; a remote one is fetched first."""
    store, info = request.store, request.model
    path, sha256 = store.local_path(info), None
    if path is None:
        path = scratch / "model.zip"
        sha256 = store.download(info, path)
    settings = request.given.settings
    choice = ModelChoice(settings.shuffle, settings.snapshot)
    found = inspect_archive(path, info.location.name, _project_folder(scratch), sha256, choice)
    if store.stat(info.location).etag != info.etag:
        raise Retriable(f"{info.location}: {CHANGED_MESSAGE}")
    return found


def _find_request_problems(request: ResolvedRequest, inspection: Inspection) -> Iterator[str]:
    """Find what a run would refuse before its first movie."""
    if missing := describe_missing_space(request, Path(gettempdir()), MOVIES_AT_ONCE):
        yield missing
    if inspection.model is not None and inspection.is_usable:
        try:
            inspection.model.check_displayed_parts(request.given.settings.displayed_body_parts)
        except BadInput as error:
            yield str(error)


def _measure_output(request: ResolvedRequest, plans: Sequence[MoviePlan]) -> DiskSpace:
    output = request.output
    return DiskSpace(
        location=str(output),
        needed=sum(plan.output_bytes for plan in plans),
        free=count_free_bytes(output.path) if output.is_local else None,
    )


def _find_other_runs(request: ResolvedRequest) -> Iterator[str]:
    """Find runs that write to the output now, as far as it is known that they have not ended."""
    with suppress(PoseError):
        for holder in read_holders(request.store, hidden_location(request.output, LOCK_FOLDER)):
            if not has_ended(holder.process):
                yield str(holder)
