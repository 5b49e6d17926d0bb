"""The progress of a run: what it waits for, its stages, its movies, and its end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from deployments.deploy import SHARED_QUEUES
from deployments.web.starting.prefect_runs import find_run
from tasks.messages import unescape_markdown
from tasks.stages.live_bars import parse_description
from tasks.stages.run_states import ATTENTION_STATES, WAITING_STATE
from tasks.stages.stage import REUSED_STATE

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import Artifact, FlowRun, State, TaskRun

T = TypeVar("T")

MAX_STAGES = 2000
"""Stages that are asked for, of all movies: those of some two hundred."""

MAX_BARS = 2000
"""Movies whose bars are asked for."""

SHOWN_BARS = 50
"""Bars that are shown, those under way first."""

_PER_ANSWER = 200
"""Items that the server lists in one answer."""

_MOVIE_STAGE = "movie"
_TIME_KEY = "time-"

_WORDS = {
    "SCHEDULED": "waiting",
    "PENDING": "starting",
    "RUNNING": "running",
    "PAUSED": "paused",
    "CANCELLING": "being cancelled",
    "COMPLETED": "done",
    "FAILED": "failed",
    "CRASHED": "crashed",
    "CANCELLED": "cancelled",
}
_MARKS = {"COMPLETED": "pass", "FAILED": "fail", "CRASHED": "fail"}


@dataclass(frozen=True)
class MovieState:
    """A movie of a run.

    Attributes:
        name: The movie.
        percent: How much of its work is done, 0 to 100.
        text: What goes on, how fast, and how long it will take.
        is_failed: Whether it failed.
    """

    name: str
    percent: float
    text: str

    @property
    def is_failed(self) -> bool:
        """Return whether the movie failed."""
        return self.text.startswith("failed: ")

    @property
    def is_done(self) -> bool:
        """Return whether nothing more is done for it."""
        return self.percent >= 100 or self.is_failed  # noqa: PLR2004


@dataclass(frozen=True)
class StageState:
    """A stage of a run, of all of its movies together.

    Attributes:
        name: The stage.
        done: How many of it are done, earlier results that are used again included.
        reused: How many of these are earlier results.
        working: How many are under way.
        failed: How many have failed.
        text: What the only one of it says.
    """

    name: str
    done: int
    reused: int
    working: int
    failed: int
    text: str = ""

    @property
    def word(self) -> str:
        """How far it is, in a word."""
        if self.working:
            return "working"
        return "failed" if self.failed else "done" if self.done else "waiting"


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        id: The run's id.
        name: Its name.
        word: Its state, in a word.
        mark: The verdict whose colors its state has; empty for none.
        message: What its state says.
        wait: What it waits for; empty where it does not.
        forecast: How long it will take, in a sentence; empty as long as that is not known.
        forecast_title: The same in a few words.
        created: When it was created.
        started: When it began; None before that.
        ended: When it ended; None before that.
        output: Location of its results, as its parameters say; empty if they do not.
        stages: Its stages, in order.
        movies: Its movies, those under way first.
        movie_counts: Number of movies that are known, done, and failed.
    """

    id: UUID
    name: str
    word: str
    mark: str
    message: str
    wait: str = ""
    forecast: str = ""
    forecast_title: str = ""
    created: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    output: str = ""
    stages: tuple[StageState, ...] = ()
    movies: tuple[MovieState, ...] = ()
    movie_counts: tuple[int, int, int] = (0, 0, 0)

    @property
    def is_active(self) -> bool:
        """Return whether it has not ended."""
        return self.ended is None

    @property
    def elapsed(self) -> timedelta | None:
        """Time from its start until now, or its end; None before its start."""
        if self.started is None:
            return None
        return (self.ended or datetime.now(UTC)) - self.started


def read_progress(client: "SyncPrefectClient", run_id: UUID) -> RunProgress:
    """Read how far a run is.

    Raises:
        NoSuchObject: The server has no such run.
    """
    run = find_run(client, run_id)
    stages = _read_stages(client, run_id)
    artifacts = _read_artifacts(client, [run_id, *_list_children(client, run_id)])
    bars = [_to_movie(one) for one in artifacts if one.type == "progress"]
    title, forecast = _find_forecast(artifacts)
    bars.sort(key=lambda bar: (bar.is_done, not bar.is_failed))
    return RunProgress(
        **_describe_run(run),
        wait=_find_wait(client, run, stages),
        forecast=forecast,
        forecast_title=title,
        stages=tuple(_summarize_stages(stages)),
        movies=tuple(bars[:SHOWN_BARS]),
        movie_counts=(
            len(bars),
            sum(bar.is_done for bar in bars),
            sum(bar.is_failed for bar in bars),
        ),
    )


def summarize_run(client: "SyncPrefectClient", run: "FlowRun") -> RunProgress:
    """Describe a run of a list: its state, and what it waits for."""
    return RunProgress(**_describe_run(run), wait=_find_wait(client, run, ()))


def _describe_run(run: "FlowRun") -> dict[str, Any]:
    state, kind = run.state, run.state.type.value if run.state else "SCHEDULED"
    name = str(state.name) if state else ""
    attention = ATTENTION_STATES.get(name, "")
    ended = state.timestamp if state is not None and state.is_final() else None
    return {
        "id": run.id,
        "name": run.name,
        "word": attention or _WORDS.get(kind, kind.lower()),
        "mark": name.removeprefix("Completed: ") if attention else _MARKS.get(kind, ""),
        "message": (state.message if state else None) or "",
        "created": run.created,
        "started": run.start_time,
        "ended": run.end_time or ended,
        "output": str(run.parameters.get("output", "")),
    }


def _find_wait(client: "SyncPrefectClient", run: "FlowRun", stages: "Sequence[TaskRun]") -> str:
    state = run.state
    if state is None or state.is_final():
        return ""
    if state.is_scheduled():
        from tasks.upkeep.waits import explain_run  # noqa: PLC0415 - loads Prefect

        told = state.message if state.name == WAITING_STATE else ""
        return explain_run(client, run, SHARED_QUEUES) or told or "A worker is about to take it."
    waiting = [one.state for one in stages if one.state and one.state.name == WAITING_STATE]
    return str(waiting[0].message or "") if waiting else ""


def _list_children(client: "SyncPrefectClient", run_id: UUID) -> list[UUID]:
    """The runs of a request's movies, where it is spread over workers."""
    from prefect.client.schemas.filters import FlowRunFilter  # noqa: PLC0415

    of_run = {"parent_flow_run_id": {"any_": [str(run_id)]}}
    chosen = FlowRunFilter.model_validate(of_run)
    return [run.id for run in client.read_flow_runs(flow_run_filter=chosen, limit=_PER_ANSWER)]


def _read_stages(client: "SyncPrefectClient", run_id: UUID) -> "list[TaskRun]":
    from prefect.client.schemas.filters import FlowRunFilter  # noqa: PLC0415
    from prefect.client.schemas.sorting import TaskRunSort  # noqa: PLC0415

    chosen = FlowRunFilter.model_validate({"id": {"any_": [str(run_id)]}})
    sort = TaskRunSort.EXPECTED_START_TIME_ASC
    read = partial(client.read_task_runs, flow_run_filter=chosen, sort=sort)
    return _read_pages(read, MAX_STAGES)


def _read_artifacts(client: "SyncPrefectClient", runs: Sequence[UUID]) -> "list[Artifact]":
    from prefect.client.schemas.filters import ArtifactFilter  # noqa: PLC0415
    from prefect.client.schemas.sorting import ArtifactSort  # noqa: PLC0415

    of_runs = {"flow_run_id": {"any_": [str(one) for one in runs]}}
    chosen = ArtifactFilter.model_validate(of_runs)
    sort = ArtifactSort.CREATED_DESC
    read = partial(client.read_artifacts, artifact_filter=chosen, sort=sort)
    return _read_pages(read, MAX_BARS)[::-1]


def _read_pages(read: Callable[..., list[T]], limit: int) -> list[T]:
    """All that a query finds, an answer after the other; no further answer beyond a limit."""
    found: list[T] = []
    while len(found) < limit:
        page = read(limit=_PER_ANSWER, offset=len(found))
        found += page
        if len(page) < _PER_ANSWER:
            break
    return found


def _to_movie(artifact: "Artifact") -> MovieState:
    name, text = parse_description(artifact.description or "")
    percent = artifact.data if isinstance(artifact.data, int | float) else 0.0
    return MovieState(name, float(percent), text)


def _find_forecast(artifacts: "Sequence[Artifact]") -> tuple[str, str]:
    """The title and the sentence of the last page on how long a run takes."""
    pages = [one for one in artifacts if (one.key or "").startswith(_TIME_KEY)]
    if not pages or not isinstance(pages[-1].data, str):
        return "", ""
    title, _, text = pages[-1].data.partition("\n")
    return title.lstrip("# "), unescape_markdown(text.strip())


def _summarize_stages(runs: "Sequence[TaskRun]") -> Iterator[StageState]:
    by_name: dict[str, list[TaskRun]] = {}
    for run in runs:
        by_name.setdefault(run.name.partition(" · ")[0], []).append(run)
    for name, ones in by_name.items():
        if name == _MOVIE_STAGE:
            continue
        states = [one.state for one in ones if one.state]
        yield StageState(
            name=name,
            done=sum(state.is_completed() for state in states),
            reused=sum(state.name == REUSED_STATE for state in states),
            working=sum(state.is_running() for state in states),
            failed=sum(state.is_failed() or state.is_crashed() for state in states),
            text=_describe_only(states),
        )


def _describe_only(states: "Sequence[State[Any]]") -> str:
    return (states[0].message or "") if len(states) == 1 else ""
