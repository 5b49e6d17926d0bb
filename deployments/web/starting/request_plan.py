"""Plan a request: what its run would do, and every mistake in it, by the field that it belongs to.

It is asked in a child process: models and movies are anybody's.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployments.web.starting.run_request import RunRequest
from tasks.command_line.dry_run import plan_request
from tasks.command_line.dry_run_report import DryRunReport, MovieForecast
from tasks.errors import BadInput
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.run.find_model import find_model
from tasks.run.find_movies import find_entry_movies
from tasks.run.movie_order import check_one_format
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

PLAN_STEPS = (
    "looking for the model and the movies",
    "looking into the model and the movies",
    "trying the network for a second, once it is loaded",
)
"""What goes on, by the number of the step."""

_PULSE_SECONDS = 5.0
"""Seconds between two signs of life: a request may have thousands of movies."""


@dataclass(frozen=True)
class RequestPlan:
    """What a request would do.

    Attributes:
        report: The dry run's report; None where the request is refused before.
        problems: What is wrong, by the names of fields; what belongs to none has no name.
        entries: What is wrong with movies and folders, by their locations.
        has_earlier_run: Whether there is a run's record at its output.
    """

    report: DryRunReport | None
    problems: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    has_earlier_run: bool = False

    @property
    def can_start(self) -> bool:
        """Return whether its run would deliver anything."""
        report = self.report
        return (
            report is not None
            and not self.problems
            and any(movie.problem is None for movie in report.movies)
        )

    @property
    def urgent(self) -> list[MovieForecast]:
        """All movies, those that would be refused first."""
        return sorted(self.report.movies, key=lambda one: not one.problem) if self.report else []

    @property
    def refused(self) -> list[MovieForecast]:
        """Movies that would be refused, while others run."""
        return [movie for movie in self.report.movies if movie.problem] if self.report else []


def plan_for_page(request: RunRequest, progress: Callable[[int], None]) -> RequestPlan:
    """Plan a request.

    Args:
        request: The request.
        progress: Called with the number of the step that goes on, again and again.

    Raises:
        Retriable: The store cannot be reached.
    """
    with _show_steps(progress) as show:
        store = LocationStore()
        problems, entries = _find_field_problems(store, request)
        if problems:
            return RequestPlan(None, problems, entries)
        show(1)
        report = plan_request(
            request.model,
            request.movies,
            request.output,
            request.settings,
            lambda _text: show(2),
        )
    return RequestPlan(
        report,
        dict(_assign_problems(report)),
        {movie.location: movie.problem for movie in report.movies if movie.problem},
        _has_record(store, request.output),
    )


@contextmanager
def _show_steps(progress: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """Tell of the step that goes on until the block ends, also while it is silent."""
    step, ended = [0], threading.Event()

    def tell() -> None:
        progress(step[0])
        while not ended.wait(_PULSE_SECONDS):
            progress(step[0])

    def show(number: int) -> None:
        step[0] = number
        progress(number)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield show
    finally:
        ended.set()
        thread.join()


def _find_field_problems(
    store: ObjectStore, request: RunRequest
) -> tuple[dict[str, str], dict[str, str]]:
    """What is wrong with each field by itself, so that all is seen at once."""
    problems, entries = dict[str, str](), dict[str, str]()
    infos: list[ObjectInfo] = []
    for text in request.movies:
        try:
            infos += find_entry_movies(store, text).infos
        except BadInput as error:
            entries[text] = str(error)
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("model", lambda: find_model(store, request.model)),
        ("movies", lambda: check_one_format([info.location for info in infos])),
        ("output", lambda: store.check_writable(Location.parse(request.output))),
    )
    for name, check in checks:
        try:
            check()
        except BadInput as error:
            problems[name] = _without_field(name, str(error))
    if entries:
        problems["movies"] = _without_field("movies", next(iter(entries.values())))
    return problems, entries


def _assign_problems(report: DryRunReport) -> Iterator[tuple[str, str]]:
    """The fields that a report's problems belong to."""
    of_model = set(report.model["problems"]) if report.model else set()
    for problem in report.problems:
        yield ("model", problem) if problem in of_model else _split_problem(problem)
    refused = [movie.problem for movie in report.movies if movie.problem]
    if refused and len(refused) == len(report.movies):
        crop = next((one for one in refused if ": crop: " in one), None)
        if crop:
            yield "crop", crop.partition(": crop: ")[2]
        else:
            yield "movies", f"none of them can be analyzed; {refused[0]}"


def _split_problem(problem: str) -> tuple[str, str]:
    for name in ("model", "movies", "output", "displayed_body_parts", "nwb", "nwb_metadata"):
        if problem.startswith(f"{name}: "):
            return name, _without_field(name, problem)
    return "", problem


def _without_field(name: str, problem: str) -> str:
    """A problem without the field's name before it: it stands at the field."""
    return problem.removeprefix(f"{name}: ")


def _has_record(store: ObjectStore, output: str) -> bool:
    folder = Location.parse(f"{output.rstrip('/')}/")
    try:
        store.stat(folder.child(RUN_RECORD_FILE))
    except NoSuchObject:
        return False
    return True
