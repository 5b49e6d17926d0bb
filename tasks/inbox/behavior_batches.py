"""Behavior runs that follow an inbox's pose runs: one for each complete result that asks for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.errors import BadInput
from tasks.inbox.batches import MovieGroup
from tasks.inbox.fingerprints import (
    RecordSummary,
    compute_behavior_digest,
    compute_movies_digest,
)
from tasks.inbox.inbox_batch import InboxBatch, Standing
from tasks.inbox.standing import RETRY_HINT, assess_follow_up, find_table
from tasks.pose.settings import AnnotationsFormat
from tasks.storage.store import ObjectInfo


@dataclass(frozen=True, kw_only=True)
class BehaviorBatch(InboxBatch):
    """A behavior run that follows a pose run.

    Attributes:
        poses: Location of the pose run's record.
    """

    poses: str

    @property
    def inputs(self) -> list[str]:
        """The folder of the pose run."""
        return [self.poses.rpartition("/")[0]]

    @property
    def instrument(self) -> str:
        """The flow."""
        return "behavior"

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the behavior flow."""
        return {"annotations": [self.poses], "output": self.output, "settings": self.settings}


def find_behavior_batches(
    groups: Iterable[MovieGroup],
    files: Mapping[str, ObjectInfo | str],
    zones: Mapping[str, str | BadInput],
    results: Mapping[str, RecordSummary],
) -> list[BehaviorBatch]:
    """Find the behavior runs that complete pose results ask for, and where each stands.

    Args:
        groups: The inbox's movies, and where they stand.
        files: What was listed at the places of results, by location.
        zones: SHA-256 of each zones file by its location, or why it cannot be read.
        results: What run records say, by their locations.

    Returns:
        One for each pose result that is current and whose request goes on to behavior.
    """
    return [
        assess_follow_up(_build_batch(group, files, zones), results, "its poses are complete")
        for group in groups
        if group.behavior is not None and group.standing is Standing.CURRENT
    ]


def _build_batch(
    group: MovieGroup,
    files: Mapping[str, ObjectInfo | str],
    zones: Mapping[str, str | BadInput],
) -> BehaviorBatch:
    settings = group.behavior or {}
    table = find_table(files, table_locations(group))
    digest = zones[settings["zones"]] if settings.get("zones") else ""
    seen = compute_movies_digest([table] if table else [])
    batch = BehaviorBatch(
        name=f"{group.name} · behavior",
        movies=group.movies,
        output=group.behavior_output,
        settings=settings,
        queue=None,  # that of its deployment: a request's queue is for estimation
        asked=group.asked,
        seen=seen,
        source=compute_behavior_digest(
            seen, BehaviorSettings.model_validate(settings), str(digest)
        ),
        poses=group.record_location,
    )
    if table is None:
        return batch.with_standing(
            Standing.REFUSED,
            f"there is no annotations table at {group.output}; {RETRY_HINT}",
        )
    if isinstance(digest, BadInput):
        return batch.with_standing(Standing.REFUSED, f"behavior.zones: {digest}")
    return batch


def table_locations(group: MovieGroup) -> list[str]:
    """Return the possible locations of a pose run's annotations table."""
    return [f"{group.output}annotations.{kind.value}" for kind in AnnotationsFormat]
