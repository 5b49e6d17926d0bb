"""Batches of an inbox: the work of one run each, and its state."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from tasks.inbox.fingerprints import compute_digest
from tasks.inbox.request_file import parent_folder
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.storage.store import ObjectInfo


class Standing(StrEnum):
    """State of a batch."""

    DUE = "due"
    STARTED = "started"
    WAITING = "waiting"
    FAILED = "failed"
    REFUSED = "refused"
    CURRENT = "current"


@dataclass(frozen=True, kw_only=True)
class InboxBatch(ABC):
    """The work of one run for an inbox.

    Attributes:
        name: What to call it: the folder below the inbox, or the movie.
        movies: The movies, in natural order.
        output: Location that the run's results go below.
        settings: How to analyze and what to draw.
        queue: The work queue that its run waits in; None is the deployment's own.
        asked: The nearest `request.yaml` at or above the movies.
        seen: Digest of what the run reads.
        source: Digest of all that the results depend on.
        standing: Whether to start it now.
        reason: Why it stands there, in one sentence.
        run: The flow run that was started for it.
    """

    name: str
    movies: tuple[ObjectInfo, ...]
    output: str
    settings: dict[str, Any]
    queue: str | None
    asked: ObjectInfo | None
    seen: str
    source: str
    standing: Standing = Standing.DUE
    reason: str = ""
    run: str | None = None

    @property
    @abstractmethod
    def inputs(self) -> list[str]:
        """Locations that its run reads, as the run's name names them."""

    @property
    @abstractmethod
    def instrument(self) -> str:
        """Name of what its run applies, as in the run's name: the model, or ``behavior``."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Parameters of its flow run."""

    @property
    def run_key(self) -> str:
        """No batch is started twice under one key.

        It changes when the content of an input, a setting or the output does, and when the nearest
        `request.yaml` is written again.
        """
        again = self.asked and (str(self.asked.location), self.asked.etag, self.asked.modified)
        return compute_digest(self.source, self.output, again)

    @property
    def record_location(self) -> str:
        """Location of the run record that says that its results are there."""
        return f"{self.output}{RUN_RECORD_FILE}"

    @property
    def movie_folders(self) -> set[str]:
        """The folders that its movies lie in."""
        return {parent_folder(movie.location) for movie in self.movies}

    def with_standing(self, standing: Standing, reason: str) -> Self:
        """The same batch, standing elsewhere."""
        return replace(self, standing=standing, reason=reason)


def summarize_batches(found: Iterable[InboxBatch], *, nothing: str = "no movies") -> str:
    """Count the batches in each state."""
    counts = Counter(batch.standing for batch in found)
    return ", ".join(f"{counts[s]} {s}" for s in Standing if counts[s]) or nothing
