"""Notices of runs that have ended: one for each run, with its reason and where its results are."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowFilter,
    FlowRunFilter,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort

from tasks import OWN_TAGS, UPKEEP_TAG
from tasks.recovery.lost_runs import RELEASE_TIMEOUT, state_age
from tasks.stages.run_states import ATTENTION_STATES
from tasks.upkeep.notice import Notice, join_lines, page_link

TOLD_LABEL = "dlcflow.told"
"""A run's label for the state that somebody has been told of."""

CLOCK_TOLERANCE = timedelta(minutes=15)
"""By how much a run's machine may be behind, and how long a crash takes to be decided on."""

MAX_RUNS = 200
"""Runs that the server tells of in one answer."""

_QUIET_FLOWS = ("one-movie",)
"""A spread request's own run tells of its movies."""

_RESULTS_PAGES = ("results-", "behavior-", "neural-")
"""How the keys of pages of results begin."""

_CRASH_SETTLED = RELEASE_TIMEOUT + timedelta(minutes=1)
"""After so long a crashed run is not going to be started again by itself."""


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended, as people are told of it.

    Attributes:
        run: The run.
        kind: ``failed``, ``verdict``, or ``finished``.
        word: What became of it, in a word or two.
    """

    run: FlowRun
    kind: str
    word: str

    @property
    def message(self) -> str:
        """What its last state says."""
        return (self.run.state.message if self.run.state else None) or "no reason is known"

    @property
    def is_look(self) -> bool:
        """Return whether it looked at an inbox, and analyzed nothing itself."""
        return UPKEEP_TAG in self.run.tags

    @property
    def is_told(self) -> bool:
        """Return whether somebody has been told of this end of it."""
        return bool(self.run.state and self.run.labels.get(TOLD_LABEL) == str(self.run.state.id))


def find_ended_runs(client: SyncPrefectClient, since: datetime) -> list[EndedRun]:
    """Runs of ours that have ended since a time, first to last; looks only where they failed."""
    ended = {
        "tags": {"any_": sorted(OWN_TAGS)},
        "state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}},
        "end_time": {"after_": since.isoformat()},
    }
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(ended),
        sort=FlowRunSort.END_TIME_DESC,
        limit=MAX_RUNS,
    )
    chosen = FlowFilter.model_validate({"name": {"any_": list(_QUIET_FLOWS)}})
    quiet = {flow.id for flow in client.read_flows(flow_filter=chosen)} if runs else set()
    found = [describe_end(run) for run in reversed(runs) if run.flow_id not in quiet]
    return [one for one in found if one is not None]


def describe_end(run: FlowRun) -> EndedRun | None:
    """Describe the end of a run; None where there is nothing to tell, or not yet."""
    state = run.state
    if state is None:
        return None
    if state.is_crashed():
        # One that is started again by itself ends in another way, and is told of then.
        return EndedRun(run, "failed", "crashed") if state_age(run) > _CRASH_SETTLED else None
    if state.is_failed():
        return EndedRun(run, "failed", "failed")
    if UPKEEP_TAG in run.tags or not state.is_completed():
        return None
    if (word := ATTENTION_STATES.get(str(state.name))) is not None:
        return EndedRun(run, "verdict", word)
    return EndedRun(run, "finished", "finished")


def mark_told(client: SyncPrefectClient, ended: EndedRun) -> None:
    """Note that somebody has been told of a run's end."""
    if ended.run.state is not None:
        client.update_flow_run_labels(ended.run.id, {TOLD_LABEL: str(ended.run.state.id)})


def build_notice(client: SyncPrefectClient, ended: EndedRun) -> Notice:
    """Write the notice of a run's end."""
    results = find_results_page(client, ended.run)
    lines = [
        ended.message,
        f"Results: {results}" if results else "",
        f"Run: {run_link(ended.run)}",
    ]
    return Notice(f"dlcflow: {ended.run.name} {ended.word}", join_lines(lines))


def run_link(run: FlowRun) -> str:
    """The address of a run's page, or its id where nobody has said where the UI is."""
    return page_link("runs", "flow-run", str(run.id)) or str(run.id)


def find_results_page(client: SyncPrefectClient, run: FlowRun) -> str:
    """The address of the page of a run's results; empty where there is none."""
    pages = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]),
            type=ArtifactFilterType(any_=["markdown"]),
        ),
        sort=ArtifactSort.UPDATED_DESC,
    )
    page = next((page for page in pages if (page.key or "").startswith(_RESULTS_PAGES)), None)
    return page_link("artifacts", "artifact", str(page.id)) if page else ""
