"""A run in a few words, read from its record: what lists of runs show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field, ValidationError

from tasks.pose.results.file_names import HIDDEN_FOLDER, RUN_RECORD_FILE
from tasks.pose.results.record_kind import POSE_KIND, RecordPart, read_record_kind
from tasks.storage.location import Location

FAILED = "failed"
"""Verdict on a movie, or a table, without results."""

VERDICTS = (FAILED, "fail", "look", "pass")
"""Verdicts, those that need a person first."""

UNREADABLE = "unreadable"
"""Status of a run whose record cannot be read."""

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".svg"})
"""How names of pictures end that a browser shows."""

_MAX_REASONS, _MAX_REASON_LENGTH = 20, 500


@dataclass(frozen=True)
class MovieSummary:
    """One movie of a pose run, or what other runs have in its place.

    Attributes:
        number: Its place in the request.
        name: Its folder below the output location; of neural runs the name of a cell set.
        verdict: One of `VERDICTS`.
        reasons: Why it is not a pass, the worst first; of one without results, why there are none.
        frames: Number of its frames with poses, where that is known.
        seconds: Its length, where that is known.
        picture: Path below the output location of a picture that stands for it; or empty.
    """

    number: int
    name: str
    verdict: str
    reasons: tuple[str, ...] = ()
    frames: int | None = None
    seconds: float | None = None
    picture: str = ""


@dataclass(frozen=True)
class RunSummary:
    """A finished run.

    Attributes:
        finished: When it ended, UTC, in ISO 8601; empty where its record is unreadable.
        status: Complete, partial, or failed; unreadable if its record cannot be read.
        kind: Pose, behavior, or neural; another, or empty, if its record is unreadable.
        model: File name of the model; empty for runs that use none.
        movies: Its movies; of behavior runs their tables, of neural ones their cell sets.
        files: Sizes of the files that are the whole run's, by path below the output location.
        folders: Names of folders below the output location that hold files of several movies.
    """

    finished: str
    status: str
    kind: str
    model: str = ""
    movies: tuple[MovieSummary, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    @property
    def verdicts(self) -> dict[str, int]:
        """Number of movies by verdict."""
        return dict(Counter(movie.verdict for movie in self.movies))


def summarize_record(data: bytes) -> RunSummary:
    """Summarize a run from its record's text, of any kind and of any version that says as much."""
    kind = read_record_kind(data)
    try:
        if kind == POSE_KIND:
            return _summarize_pose_run(_PoseRecord.model_validate_json(data))
        return _summarize_analysis(_AnalysisRecord.model_validate_json(data), kind)
    except ValidationError:
        return RunSummary("", UNREADABLE, "" if kind == POSE_KIND else kind)


class _File(RecordPart):
    size: int = 0


class _Quality(RecordPart):
    verdict: str
    reasons: tuple[str, ...] = ()


class _Frames(RecordPart):
    poses: int | None = None


class _Movie(RecordPart):
    number: int
    name: str
    error: str | None = None
    failed_stage: str | None = None
    duration: float | None = None
    frames: _Frames | None = None
    quality: _Quality | None = None
    outputs: dict[str, Any] = Field(default={})


class _PoseRequest(RecordPart):
    model: str


class _PoseRecord(RecordPart):
    status: str
    finished: datetime
    request: _PoseRequest
    movies: tuple[_Movie, ...]
    outputs: dict[str, _File] = Field(default={})


class _AnalyzedTable(RecordPart):
    number: int = 0
    name: str
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    error: str | None = None
    failed_stage: str | None = None
    frames: int | None = None
    outputs: dict[str, Any] = Field(default={})


class _AnalysisRequest(RecordPart):
    cell_sets: tuple[str, ...] = ()


class _AnalysisFacts(RecordPart):
    verdict: str | None = None
    reasons: tuple[str, ...] = ()


class _AnalysisRecord(RecordPart):
    status: str
    finished: datetime
    request: _AnalysisRequest
    tables: tuple[_AnalyzedTable, ...] = ()
    facts: _AnalysisFacts = Field(default=_AnalysisFacts())
    outputs: dict[str, _File] = Field(default={})


def _summarize_pose_run(record: _PoseRecord) -> RunSummary:
    movies = tuple(
        MovieSummary(
            number=movie.number,
            name=movie.name,
            verdict=movie.quality.verdict if movie.quality else FAILED,
            reasons=_explain(movie, movie.quality.reasons if movie.quality else ()),
            frames=movie.frames.poses if movie.frames else None,
            seconds=movie.duration,
            picture=_choose_picture(movie.outputs, movie.name),
        )
        for movie in record.movies
    )
    shared = {name for movie in record.movies for name in movie.outputs if "/" in name}
    return RunSummary(
        finished=_format_time(record.finished),
        status=record.status,
        kind=POSE_KIND,
        model=record.request.model.rpartition("/")[2],
        movies=movies,
        files={name: file.size for name, file in record.outputs.items()},
        folders=tuple(sorted({name.partition("/")[0] for name in shared})),
    )


def _summarize_analysis(record: _AnalysisRecord, kind: str) -> RunSummary:
    tables = tuple(
        MovieSummary(
            number=table.number,
            name=table.name,
            verdict=table.verdict or FAILED,
            reasons=_explain(table, table.reasons),
            frames=table.frames,
            picture=_choose_picture(table.outputs, table.name),
        )
        for table in record.tables
    )
    cells = tuple(
        MovieSummary(
            number=number,
            name=text.rpartition("/")[2],
            verdict=record.facts.verdict or FAILED,
            reasons=record.facts.reasons,
            picture=_choose_picture(record.outputs, ""),
        )
        for number, text in enumerate(record.request.cell_sets)
    )
    return RunSummary(
        finished=_format_time(record.finished),
        status=record.status,
        kind=kind,
        movies=cells or tables,
        files={name: file.size for name, file in record.outputs.items()},
    )


def _explain(part: _Movie | _AnalyzedTable, reasons: Sequence[str]) -> tuple[str, ...]:
    if part.error:
        reasons = (f"{part.failed_stage}: {part.error}" if part.failed_stage else part.error,)
    return tuple(reason[:_MAX_REASON_LENGTH] for reason in reasons[:_MAX_REASONS])


def _choose_picture(outputs: Mapping[str, Any], folder: str) -> str:
    """Choose a picture in a folder: where the animal has been, or else the first one."""
    names = [
        name
        for name in outputs
        if PurePosixPath(name).suffix in PICTURE_SUFFIXES and "/" not in name
    ]
    name = next((name for name in names if "trajectory" in name), next(iter(names), ""))
    return f"{folder}/{name}" if folder and name else name


def _format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def is_run_record(location: Location) -> bool:
    """Return whether an object is a run's record, and no copy in a hidden folder."""
    return location.name == RUN_RECORD_FILE and f"/{HIDDEN_FOLDER}/" not in location.key
