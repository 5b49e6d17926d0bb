"""What results were made from, so that whether they are current needs no clock."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.messages import said
from tasks.pose.results.run_record import Status
from tasks.pose.settings import PoseSettings
from tasks.storage.store import ObjectInfo

Made = tuple[str, str, str]
"""Digests of the movies and of all that a result was made from, and what is wrong with it."""


@dataclass(frozen=True)
class Result:
    """What a run record says, in short.

    Attributes:
        movies: Digest of the movies.
        source: Digest of all that it was made from: movies, model, settings.
        problem: Why it is not complete, in one sentence; empty when it is.
        written: When the record was written, by its store's clock.
    """

    movies: str
    source: str
    problem: str
    written: datetime | None


_OF_NO_RESULT = {"link_hours", "spread_from"}
"""Settings that no result depends on: how long links work, and which machines do the work."""


def digest(*values: object) -> str:
    """Say in a few characters what values are, so that they can be compared."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def movies_digest(movies: Iterable[ObjectInfo]) -> str:
    """What the movies are: where, how large, with what content."""
    return digest(sorted((str(m.location), _plain(m.etag), m.size) for m in movies))


def source_digest(movies: str, model: ObjectInfo | None, settings: PoseSettings) -> str:
    """What a result is made from; where the model lies plays no part.

    Args:
        movies: Digest of the movies.
        model: The model's zip.
        settings: Every setting; those that no result depends on play no part.
    """
    known = model and (_plain(model.etag), model.size)
    return digest(movies, known, _that_count(settings))


def _that_count(settings: PoseSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude=_OF_NO_RESULT)


def _plain(etag: str | None) -> str | None:
    return etag and etag.strip('"')


def read_made(data: bytes) -> Made:
    """Read from a run record what its result was made from.

    No more of it is read than that, so that a record of another version of this product is still
    understood.

    Returns:
        Two digests and what is wrong with the result; two empty texts where nothing is known.
    """
    try:
        record = json.loads(data)
        inputs = [(m["input"]["location"], _known(m["input"])) for m in record["movies"]]
        movies = digest(sorted((place, *known) for place, known in inputs))
        settings = PoseSettings.model_validate(record["request"]["settings"])
        source = digest(movies, _known(record["model_input"]), _that_count(settings))
        return movies, source, _problem(record)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", "", UNREADABLE


UNREADABLE = "it is no run record that can be read; remove it, or name another output"


def _known(record: dict[str, Any]) -> tuple[str | None, int]:
    return _plain(record["etag"]), record["size"]


def _problem(record: dict[str, Any]) -> str:
    """Why a run's result is not complete."""
    if record["status"] == Status.COMPLETE:
        return ""
    failed = [movie for movie in record["movies"] if movie["status"] == Status.FAILED]
    if not failed:
        return f"its run ended {said(record['status'])}"
    count = f"{len(failed)} of {len(record['movies'])} movies failed"
    return f"{count}: {said(failed[0]['name'])}: {failed[0]['error']}"
