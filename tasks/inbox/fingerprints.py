"""Fingerprints of the inputs of results: they show without a clock which results are current."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.messages import format_value
from tasks.neural.neural_settings import NeuralSettings
from tasks.pose.results.run_record import ResultStatus
from tasks.pose.settings import PoseSettings
from tasks.storage.store import ObjectInfo

ResultOrigin = tuple[str, str, str]
"""Digests of the movies and of all that a result was made from, and what is wrong with it."""


@dataclass(frozen=True)
class RecordSummary:
    """Summary of a run record.

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


_SETTINGS_WITHOUT_EFFECT = {"link_hours", "spread_from"}
"""Settings that no result depends on: how long links work, and which machines do the work."""


def compute_digest(*values: object) -> str:
    """Say in a few characters what values are, so that they can be compared."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def compute_movies_digest(movies: Iterable[ObjectInfo]) -> str:
    """Compute a digest of the locations, sizes, and contents of movies and their times files."""
    return compute_digest(sorted((str(m.location), _strip_quotes(m.etag), m.size) for m in movies))


def compute_source_digest(movies: str, model: ObjectInfo | None, settings: PoseSettings) -> str:
    """Compute a digest of a result's inputs; the model's location plays no part.

    Args:
        movies: Digest of the movies.
        model: The model's zip.
        settings: Every setting; those that no result depends on play no part.
    """
    known = model and (_strip_quotes(model.etag), model.size)
    return compute_digest(movies, known, _relevant_settings(settings))


def _relevant_settings(settings: PoseSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude=_SETTINGS_WITHOUT_EFFECT)


def compute_behavior_digest(table: str, settings: BehaviorSettings, zones: str) -> str:
    """Compute a digest of the inputs of a behavior result; locations of zones play no part.

    Args:
        table: Digest of the annotations table, as `compute_movies_digest` makes it.
        settings: Every setting of the behavior flow.
        zones: SHA-256 of the zones file; empty without one.
    """
    return compute_digest(table, settings.model_dump(mode="json", exclude={"zones"}), zones)


def compute_neural_digest(inputs: str, settings: NeuralSettings) -> str:
    """Compute a digest of the inputs of a neural result.

    Args:
        inputs: Digest of all that is read, as `compute_movies_digest` makes it.
        settings: Every setting of the neural flow; the references are among the inputs.
    """
    return compute_digest(inputs, settings.model_dump(mode="json", exclude={"timing_references"}))


def compute_digest_version() -> str:
    """Compute a digest that changes when this version digests otherwise than another one."""
    return compute_digest(
        compute_source_digest("", None, PoseSettings()),
        compute_behavior_digest("", BehaviorSettings(), ""),
        compute_neural_digest("", NeuralSettings()),
    )


def _strip_quotes(etag: str | None) -> str | None:
    return etag and etag.strip('"')


def parse_result_origin(data: bytes) -> ResultOrigin:
    """Read from a run record what its result was made from.

    No more of it is read than that, so that a record of another version of this product is still
    understood.

    Returns:
        Two digests and what is wrong with the result; two empty texts where nothing is known.
    """
    try:
        record = json.loads(data)
        read = [m["input"] for m in record["movies"]]
        read += [m["times_input"] for m in record["movies"] if m.get("times_input")]
        inputs = [(one["location"], _etag_and_size(one)) for one in read]
        movies = compute_digest(sorted((place, *known) for place, known in inputs))
        settings = PoseSettings.model_validate(record["request"]["settings"])
        source = compute_digest(
            movies, _etag_and_size(record["model_input"]), _relevant_settings(settings)
        )
        return movies, source, _describe_problem(record, "movies")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", "", UNREADABLE_RECORD


def parse_behavior_origin(data: bytes) -> ResultOrigin:
    """Read from the run record of a behavior run what its result was made from.

    Returns:
        Digests of the tables and of all inputs, and what is wrong with the result; two empty texts
        where nothing is known.
    """
    try:
        record = json.loads(data)
        inputs = [table["input"] for table in record["tables"]]
        tables = compute_digest(sorted((one["location"], *_etag_and_size(one)) for one in inputs))
        settings = BehaviorSettings.model_validate(record["request"]["settings"])
        source = compute_behavior_digest(tables, settings, record.get("zones_sha256") or "")
        return tables, source, _describe_problem(record, "tables")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", "", UNREADABLE_RECORD


def parse_neural_origin(data: bytes) -> ResultOrigin:
    """Read from the run record of a neural run what its result was made from.

    Returns:
        Digests of its inputs and of these with the settings, and what is wrong with the result;
        two empty texts where nothing is known.
    """
    try:
        record = json.loads(data)
        found = [(one["location"], *_etag_and_size(one)) for one in record["inputs"]]
        inputs = compute_digest(sorted(found))
        settings = NeuralSettings.model_validate(record["request"]["settings"])
        source = compute_neural_digest(inputs, settings)
        return inputs, source, _describe_problem(record, "inputs")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", "", UNREADABLE_RECORD


UNREADABLE_RECORD = "it is not a readable run record; remove it, or name another output"


def _etag_and_size(record: dict[str, Any]) -> tuple[str | None, int]:
    return _strip_quotes(record["etag"]), record["size"]


def _describe_problem(record: dict[str, Any], kind: str) -> str:
    """Describe why a run's result is not complete."""
    if record["status"] == ResultStatus.COMPLETE:
        return ""
    failed = [one for one in record[kind] if one["status"] == ResultStatus.FAILED]
    if not failed:
        return f"its run ended {format_value(record['status'])}"
    count = f"{len(failed)} of {len(record[kind])} {kind} failed"
    return f"{count}: {format_value(failed[0]['name'])}: {failed[0]['error']}"
