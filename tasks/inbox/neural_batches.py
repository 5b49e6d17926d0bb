"""Neural runs that follow an inbox's behavior runs: one for each complete result that asks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.errors import BadInput
from tasks.inbox.batches import MovieGroup
from tasks.inbox.behavior_batches import BehaviorBatch
from tasks.inbox.fingerprints import (
    RecordSummary,
    compute_movies_digest,
    compute_neural_digest,
)
from tasks.inbox.inbox_batch import InboxBatch, Standing
from tasks.inbox.request_file import NeuralFollowUp
from tasks.inbox.standing import RETRY_HINT, assess_follow_up, find_table
from tasks.pose.settings import AnnotationsFormat
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo

Recordings = Mapping[str, Sequence[ObjectInfo] | BadInput]
"""What lies at each location that requests name: cell sets, event sets, timing references."""


@dataclass(frozen=True, kw_only=True)
class NeuralBatch(InboxBatch):
    """A neural run that follows a behavior run.

    Attributes:
        behavior: Location of the behavior run's record.
        cell_sets: Locations of cell sets.
        event_sets: Locations of event sets.
    """

    behavior: str
    cell_sets: tuple[str, ...]
    event_sets: tuple[str, ...]

    @property
    def inputs(self) -> list[str]:
        """Its cell sets."""
        return list(self.cell_sets)

    @property
    def instrument(self) -> str:
        """The flow."""
        return "neural"

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the neural flow."""
        return {
            "cell_sets": list(self.cell_sets),
            "annotations": self.behavior,
            "output": self.output,
            "event_sets": list(self.event_sets),
            "settings": self.settings,
        }


def find_neural_batches(
    groups: Iterable[MovieGroup],
    behavior: Iterable[BehaviorBatch],
    files: Mapping[str, ObjectInfo | str],
    recordings: Recordings,
    results: Mapping[str, RecordSummary],
) -> list[NeuralBatch]:
    """Find the neural runs that complete behavior results ask for, and where each stands.

    Args:
        groups: The inbox's movies.
        behavior: The behavior runs that follow, and where they stand.
        files: What was listed at the places of results, by location.
        recordings: What lies where requests name cell sets, event sets and timing references.
        results: What run records say, by their locations.

    Returns:
        One for each behavior result that is current and whose request goes on to neural activity.
    """
    by_poses = {group.record_location: group for group in groups}
    followed = [
        (by_poses[batch.poses], batch) for batch in behavior if batch.standing is Standing.CURRENT
    ]
    return [
        assess_follow_up(
            _build_batch(group, batch, group.neural, files, recordings),
            results,
            "its behavior is complete",
        )
        for group, batch in followed
        if group.neural is not None
    ]


def _build_batch(
    group: MovieGroup,
    behavior: BehaviorBatch,
    asked: NeuralFollowUp,
    files: Mapping[str, ObjectInfo | str],
    recordings: Recordings,
) -> NeuralBatch:
    table = find_table(files, behavior_table_locations(group))
    found = [recordings.get(text, BadInput("it was not looked for")) for text in asked.recordings]
    infos = [info for one in found if not isinstance(one, BadInput) for info in one]
    seen = compute_movies_digest([*infos, *([table] if table else [])])
    batch = NeuralBatch(
        name=f"{group.name} · neural",
        movies=group.movies,
        output=group.neural_output,
        settings=asked.settings,
        queue=None,  # that of its deployment
        asked=group.asked,
        seen=seen,
        source=compute_neural_digest(seen, asked.neural_settings),
        behavior=behavior.record_location,
        cell_sets=tuple(asked.cell_sets),
        event_sets=tuple(asked.event_sets),
    )
    if table is None:
        return batch.with_standing(
            Standing.REFUSED, f"there is no behavior table at {behavior.output}; {RETRY_HINT}"
        )
    for text, one in zip(asked.recordings, found, strict=True):
        if isinstance(one, BadInput):
            return batch.with_standing(Standing.REFUSED, f"neural: {text}: {one}")
    return batch


def behavior_table_locations(group: MovieGroup) -> list[str]:
    """Return the possible locations of the table of a group's behavior run."""
    name = Location.parse(group.output).name
    return [f"{group.behavior_output}{name}/behavior.{kind.value}" for kind in AnnotationsFormat]
