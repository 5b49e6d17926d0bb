"""Find what a behavior request names: tables, the pose runs that made them, movies, and zones."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.behavior.annotations_file import TABLE_SUFFIXES
from tasks.behavior.behavior_record import BEHAVIOR_KIND, BehaviorRequestRecord
from tasks.behavior.behavior_settings import MAX_ZONES_BYTES, BehaviorSettings
from tasks.behavior.zones import parse_zones
from tasks.errors import BadInput
from tasks.messages import format_list, format_value
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.record_kind import RecordPart
from tasks.pose.results.run_record import MAX_RECORD_BYTES
from tasks.run.request import make_folder_names
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore, expand_location
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

_ANNOTATION_NAMES = ("annotations.parquet", "annotations.csv")


class _Object(RecordPart):
    location: str
    sha256: str | None = None


class _PoseMovie(RecordPart):
    number: int
    status: str
    input: _Object


class _PoseModel(RecordPart):
    individuals: tuple[str, ...]
    multi_animal: bool


class _PoseRecord(RecordPart):
    model: _PoseModel
    movies: tuple[_PoseMovie, ...]
    outputs: dict[str, _Object]


@dataclass(frozen=True)
class PoseRun:
    """Facts from a pose run's record about the table that it made.

    Attributes:
        location: Location of its ``run.json``.
        individuals: The animals; empty for a single-animal model.
        movies: Location of each movie, by its number in the table.
        sha256: Digest of the table as the run published it.
    """

    location: str
    individuals: tuple[str, ...]
    movies: dict[int, str]
    sha256: str | None


@dataclass(frozen=True)
class TableSource:
    """One annotations table of a request.

    Attributes:
        number: Its place in the request, counted from 0.
        name: Its folder below the output location.
        info: The object.
        pose_run: The run that made it, where that is known.
        movies: The movies to draw on, by their number in the table.
    """

    number: int
    name: str
    info: ObjectInfo
    pose_run: PoseRun | None
    movies: dict[int, ObjectInfo] = field(default_factory=dict)

    @property
    def individuals(self) -> tuple[str, ...]:
        """The animals that the pose run names; empty for one without a prefix."""
        return self.pose_run.individuals if self.pose_run else ()


@dataclass(frozen=True)
class BehaviorRequest:
    """A behavior request whose locations have been found.

    Attributes:
        given: The request as it was given.
        tables: The tables, in order.
        zones: The zones file's bytes.
        output: The prefix or folder that results go below.
        store: Where all of it is.
        warnings: What the user should know, one sentence each.
    """

    given: BehaviorRequestRecord
    tables: tuple[TableSource, ...]
    zones: bytes | None
    output: Location
    store: ObjectStore
    warnings: tuple[str, ...] = ()


def resolve_behavior(
    annotations: Sequence[str], output: str, settings: BehaviorSettings
) -> BehaviorRequest:
    """Find every object that a request names, before anything is downloaded.

    Args:
        annotations: Locations of pose runs (their ``run.json``, or the folder that holds it), or of
            annotations tables (Parquet or CSV): objects, or globs.
        output: Location that results go below.
        settings: The request's settings.

    Raises:
        BadInput: A location is malformed, does not exist, is something else, or may not be read
            or written.
        Retriable: The store cannot be reached.
    """
    store, target = LocationStore(), Location.parse(output)
    found = _find_tables(store, annotations)
    _check_output(store, target)
    store.check_writable(target)
    names = make_folder_names([_name_table(info) for info, _ in found])
    for name in names:
        target.child(name)  # refuses names that no location can hold
    zones = _read_zones(store, settings)
    tables = tuple(
        TableSource(number, name, info, run)
        for number, (name, (info, run)) in enumerate(zip(names, found, strict=True))
    )
    if settings.labeled_movie:
        tables = _find_movies(store, tables, settings)
    return BehaviorRequest(
        BehaviorRequestRecord(annotations=tuple(annotations), output=output, settings=settings),
        tables,
        zones,
        target,
        store,
    )


@stage("Resolve request", "resolve request", retries=STORE_RETRIES)
def resolve_behavior_request(
    annotations: Sequence[str], output: str, settings: BehaviorSettings
) -> tuple[BehaviorRequest, str]:
    """Find the request's objects; see `resolve_behavior`."""
    request = resolve_behavior(annotations, output, settings)
    count = len(request.tables)
    return request, f"{count} table{'s' if count != 1 else ''}"


def _find_tables(
    store: ObjectStore, texts: Sequence[str]
) -> list[tuple[ObjectInfo, PoseRun | None]]:
    """Expand every entry; what is named twice counts once."""
    found: dict[Location, tuple[ObjectInfo, PoseRun | None]] = {}
    for text in texts:
        for info, run in _find_entry_tables(store, text):
            found.setdefault(info.location, (info, run))
    if not found:
        raise BadInput("annotations: expected at least one location of a table, found none")
    return list(found.values())


def _find_entry_tables(store: ObjectStore, text: str) -> list[tuple[ObjectInfo, PoseRun | None]]:
    location = Location.parse(text)
    if location.is_prefix:
        record = location.child(RUN_RECORD_FILE)
        try:
            store.stat(record)
        except NoSuchObject as error:
            raise BadInput(
                f"annotations: there is no {RUN_RECORD_FILE} at {location}; give the output "
                "location of a pose run that has ended, or the location of a table"
            ) from error
        return [_find_run_table(store, record)]
    found: list[tuple[ObjectInfo, PoseRun | None]] = []
    for info in expand_location(store, text):
        if info.location.name == RUN_RECORD_FILE:
            found.append(_find_run_table(store, info.location))
        elif info.location.suffix.lower() in TABLE_SUFFIXES:
            found.append((info, _find_maker(store, info)))
    if not found:
        kinds = ", ".join(TABLE_SUFFIXES)
        raise BadInput(
            f"annotations: expected {RUN_RECORD_FILE} of a pose run, or a table ({kinds}), found "
            f"{format_value(location.name)}"
        )
    return found


def _folder_of(location: Location) -> Location:
    folder, slash, _ = location.key.rpartition("/")
    return Location(location.bucket, folder + slash)


def _find_run_table(store: ObjectStore, where: Location) -> tuple[ObjectInfo, PoseRun]:
    """The table of a pose run: beside its record, or where the record says that it is."""
    record = _read_pose_record(store, where)
    name = next((n for n in _ANNOTATION_NAMES if n in record.outputs), None)
    if name is None:
        raise BadInput(
            f"annotations: {where} names no annotations table, since no movie was delivered"
        )
    places = (_folder_of(where).child(name), Location.parse(record.outputs[name].location))
    for place in places:
        with suppress(NoSuchObject):
            return store.stat(place), _to_pose_run(where, record, name)
    raise BadInput(
        f"annotations: {where} names the table {places[1]}, but it is not there any more; "
        "run the pose estimation again"
    )


def _read_pose_record(store: ObjectStore, where: Location) -> _PoseRecord:
    data = store.read(where, MAX_RECORD_BYTES)
    values: Any = None
    with suppress(ValueError, RecursionError):
        values = json.loads(data)
    if isinstance(values, dict) and values.get("kind") == BEHAVIOR_KIND:
        raise BadInput(
            f"annotations: {where} is the record of a behavior run; give that of a pose run"
        )
    try:
        return _PoseRecord.model_validate(values)
    except ValueError as error:
        raise BadInput(
            f"annotations: {where} is no record of a pose run that can be read; give the location "
            "of its annotations table"
        ) from error


def _to_pose_run(where: Location, record: _PoseRecord, name: str) -> PoseRun:
    return PoseRun(
        str(where),
        record.model.individuals if record.model.multi_animal else (),
        {m.number: m.input.location for m in record.movies if m.status == "complete"},
        record.outputs[name].sha256,
    )


def _find_maker(store: ObjectStore, info: ObjectInfo) -> PoseRun | None:
    """The pose run whose record lies beside a table; a table of anybody else has none."""
    if info.location.name not in _ANNOTATION_NAMES:
        return None
    where = _folder_of(info.location).child(RUN_RECORD_FILE)
    with suppress(BadInput):
        record = _read_pose_record(store, where)
        if info.location.name in record.outputs:
            return _to_pose_run(where, record, info.location.name)
    return None


def _name_table(info: ObjectInfo) -> str:
    """Name a table's folder: its run's folder, or the table's own name."""
    folder = _folder_of(info.location).name
    if info.location.name in _ANNOTATION_NAMES and folder:
        return folder
    return info.location.stem


def _check_output(store: ObjectStore, output: Location) -> None:
    """Refuse to put results where a pose run has its own: each has a run.json."""
    where = output.child(RUN_RECORD_FILE)
    try:
        _read_pose_record(store, where)
    except BadInput:
        return
    raise BadInput(
        f"output: {output} holds the results of a pose run; name another location, such as "
        f"{output.child('behavior/')}"
    )


def _read_zones(store: ObjectStore, settings: BehaviorSettings) -> bytes | None:
    if settings.zones is None:
        return None
    where = Location.parse(settings.zones)
    data = store.read(where, MAX_ZONES_BYTES)
    parse_zones(data, str(where))  # refused before any work
    return data


def _find_movies(
    store: ObjectStore, tables: tuple[TableSource, ...], settings: BehaviorSettings
) -> tuple[TableSource, ...]:
    if settings.movies and len(tables) > 1:
        raise BadInput(
            f"movies: they can be given for one table only, and there are {len(tables)}; make a "
            "request for each"
        )
    found = []
    for table in tables:
        named = dict(enumerate(settings.movies)) or (
            table.pose_run.movies if table.pose_run else {}
        )
        if not named:
            raise BadInput(
                f"labeled_movie: no pose run names the movies that {table.info.location} was made "
                "of; give movies"
            )
        infos = {number: _find_movie(store, text) for number, text in named.items()}
        found.append(replace(table, movies=infos))
    return tuple(found)


def _find_movie(store: ObjectStore, text: str) -> ObjectInfo:
    from tasks.pose.movies.reader import MOVIE_SUFFIXES  # noqa: PLC0415

    location = Location.parse(text)
    if location.suffix.lower() not in MOVIE_SUFFIXES:
        raise BadInput(
            f"movies: expected {format_list(MOVIE_SUFFIXES)}, found {format_value(location.name)}"
        )
    return store.stat(location)
