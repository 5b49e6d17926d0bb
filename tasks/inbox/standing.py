"""The state of each group of movies in the inbox, judged by its earlier runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tasks.inbox.batches import MovieGroup
from tasks.inbox.fingerprints import RecordSummary
from tasks.inbox.inbox_batch import InboxBatch, Standing
from tasks.inbox.request_file import REQUEST_FILE, parent_folder
from tasks.messages import format_value, strip_full_stop
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo

Batch = TypeVar("Batch", bound=InboxBatch)


@dataclass(frozen=True)
class LookContext:
    """Facts about batches other than the inbox's contents.

    Attributes:
        results: What run records say, by their locations.
        seen: When movies were first found as they are, in seconds since 1970, by their digest.
        now: The present, in the same seconds.
        quiet: Seconds that movies must have been found unchanged.
        arrived: Objects whose arrival the store has told: they are whole.
    """

    results: Mapping[str, RecordSummary]
    seen: Mapping[str, float]
    now: float
    quiet: float
    arrived: frozenset[Location] = field(default_factory=frozenset)


def assess_standing(batch: MovieGroup, findings: LookContext) -> MovieGroup:
    """Say whether a batch has a current result, is due, or must wait."""
    if batch.standing is Standing.REFUSED:
        return batch
    known = find_result_standing(batch, findings.results)
    result = findings.results.get(batch.record_location)
    return batch.with_standing(*(known or _assess_due(batch, findings, result)))


def find_result_standing(
    batch: InboxBatch, results: Mapping[str, RecordSummary]
) -> tuple[Standing, str] | None:
    """Say where a batch stands by the result that is there; None if none of this is there.

    Args:
        batch: The batch.
        results: What run records say, by their locations.
    """
    result = results.get(batch.record_location)
    if result and not result.source:
        return Standing.REFUSED, f"{batch.record_location}: {result.problem}"
    if result and result.source == batch.source and not _is_requested_again(batch, result):
        if not result.problem:
            return Standing.CURRENT, (
                f"{batch.record_location} was made from these inputs and these settings"
            )
        return Standing.FAILED, f"{strip_full_stop(result.problem)}; {RETRY_HINT}"
    return None


def assess_follow_up(batch: Batch, results: Mapping[str, RecordSummary], due: str) -> Batch:
    """Say whether a run that follows a complete one has a current result, or is due.

    Args:
        batch: The batch of what follows.
        results: What run records say, by their locations.
        due: Why it is due where it has no result.
    """
    if batch.standing is Standing.REFUSED:
        return batch
    return batch.with_standing(*(find_result_standing(batch, results) or (Standing.DUE, due)))


def find_table(
    files: Mapping[str, ObjectInfo | str], locations: Iterable[str]
) -> ObjectInfo | None:
    """Find the table that a run wrote, in whichever format.

    Args:
        files: What was listed at the places of results, by location.
        locations: Where the table may be.
    """
    there = (files.get(text) for text in locations)
    return next((info for info in there if isinstance(info, ObjectInfo)), None)


RETRY_HINT = f"to try again, write its {REQUEST_FILE} again"


def _is_requested_again(batch: InboxBatch, result: RecordSummary) -> bool:
    """Return whether the request is newer than the result; the same second does not count."""
    asked = batch.asked and batch.asked.modified
    return bool(asked and result.written and asked > result.written)


def _assess_due(
    batch: MovieGroup, findings: LookContext, result: RecordSummary | None
) -> tuple[Standing, str]:
    if batch.awaited:
        return Standing.WAITING, (
            f"its {REQUEST_FILE} waits for its times file, such as {format_value(batch.awaited)}"
        )
    asked = batch.asked
    since = findings.seen.get(batch.seen)
    if result and result.movies == batch.seen:
        return Standing.DUE, (
            "its results were made with other inputs or settings, or it was requested again"
        )
    if since is not None and findings.now - since >= findings.quiet:
        return Standing.DUE, "unchanged since an earlier look"
    arrivals = [batch.movies, *([batch.times] if batch.waits else [])]
    if not batch.together and any(
        {info.location for info in infos} <= findings.arrived for infos in arrivals
    ):
        return Standing.DUE, "it has just arrived"
    written = (
        asked.modified if asked and parent_folder(asked.location) in batch.movie_folders else None
    )
    if written and all(m.modified and m.modified < written for m in batch.movies):
        return Standing.DUE, f"its {REQUEST_FILE} was written last"
    return Standing.WAITING, "new or changed; it is started when a later look finds it unchanged"


@dataclass(frozen=True)
class InboxRun:
    """A flow run, as the Prefect server knows it.

    Attributes:
        id: Its id.
        state: Its state's type, such as ``RUNNING``.
        message: What its state says.
        comes_back: Whether it has crashed and will be restarted automatically.
    """

    id: str
    state: str
    message: str
    comes_back: bool = False

    @property
    def is_under_way(self) -> bool:
        """Return whether the run may still write results."""
        return self.state not in FINAL_STATE_TYPES or self.comes_back

    @property
    def state_description(self) -> str:
        """Describe the progress of a run that is under way."""
        crashed = "has crashed and will be restarted automatically"
        return crashed if self.comes_back else f"is {self.state.lower()}"


FINAL_STATE_TYPES = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
"""Types of states that a run ends in."""


def apply_known_run(batch: Batch, run: InboxRun | None, busy: Mapping[str, InboxRun]) -> Batch:
    """Say of a batch without a current result whether it has been started already.

    Args:
        batch: The batch.
        run: The flow run that has the batch's key.
        busy: Flow runs that are under way, by their output.
    """
    if batch.standing not in {Standing.DUE, Standing.WAITING}:
        return batch
    if run and run.is_under_way:
        started = batch.with_standing(Standing.STARTED, f"its run {run.state_description}")
        return replace(started, run=run.id)
    if run:
        gone = run.state == "COMPLETED"
        told = (
            "its results have been removed"
            if gone
            else strip_full_stop(run.message) or "the reason is not known"
        )
        ended = batch.with_standing(
            Standing.FAILED, f"its run {run.state.lower()}: {told}; {RETRY_HINT}"
        )
        return replace(ended, run=run.id)
    if other := busy.get(batch.output):
        reason = (
            f"an earlier run writes to the same output ({other.state_description}); waiting for it "
            "to finish"
        )
        return replace(batch.with_standing(Standing.WAITING, reason), run=other.id)
    return batch
