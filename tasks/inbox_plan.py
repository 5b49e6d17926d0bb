"""What lies in an inbox, what is asked for it, and what is due: no Prefect, no network.

An inbox is a prefix or folder that movies are dropped into. A `request.yaml` in one of its folders
says what to do with the movies there and in the folders below, which may say it differently.
"""

import hashlib
import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import reduce
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.pose.errors import BadInput
from tasks.pose.movies import MOVIE_SUFFIXES
from tasks.pose.run_record import RUN_RECORD
from tasks.pose.settings import PoseSettings
from tasks.pose.yaml_files import decode, load_mapping
from tasks.storage.location import Location
from tasks.storage.matching import natural_order
from tasks.storage.store import ObjectInfo

REQUEST_FILE = "request.yaml"


class FolderRequest(BaseModel):
    """What a `request.yaml` says; what it leaves out is that of the folder above."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(default=None, description="Location of the model's zip.")
    output: str | None = Field(default=None, description="Location that results go below.")
    batch: Literal["movie", "folder"] | None = Field(
        default=None, description="One run for each movie, or one for a folder's movies together."
    )
    settings: dict[str, Any] = {}

    @classmethod
    def given(cls, model: str | None, output: str | None, settings: PoseSettings) -> Self:
        """What a form says, without the settings that are left at their defaults."""
        changed = settings.model_dump(mode="json", exclude_defaults=True)
        return cls(model=model, output=output, settings=changed)

    def over(self, above: "FolderRequest") -> "FolderRequest":
        """This folder's request, completed by the one above; settings are merged one by one."""
        said = {k: v for k, v in self.model_dump().items() if v is not None}
        return FolderRequest(
            **(above.model_dump() | said | {"settings": above.settings | self.settings})
        )


def read_request(data: bytes, where: Location) -> FolderRequest:
    """Read a `request.yaml`; relative locations in it are relative to its folder.

    Raises:
        BadInput: It is no YAML, or says something that no request has.
    """
    values = load_mapping(decode(data)[0], str(where))
    try:
        request = FolderRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        known = ", ".join(FolderRequest.model_fields)
        raise BadInput(f"{where}: {place}: {first['msg']}; a request has {known}") from error
    _settings(request.settings, where)
    resolved = {
        name: _beside(where, text)
        for name in ("model", "output")
        if (text := getattr(request, name)) is not None
    }
    return request.model_copy(update=resolved)


def _settings(values: dict[str, Any], where: Location) -> PoseSettings:
    try:
        return PoseSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        text = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{where}: settings.{place}: {text}, found {first['input']!r}") from error


def _beside(file: Location, text: str) -> str:
    """A location as it stands, or relative to a file's folder."""
    if "://" in text or text.startswith("/"):
        return text
    folder = posixpath.dirname(file.key)
    key = posixpath.normpath(posixpath.join(folder, text)) + "/" * text.endswith("/")
    return str(Location(file.bucket, key))


class Standing(StrEnum):
    """Where a batch of movies stands."""

    DUE = "due"
    STARTED = "started"
    WAITING = "waiting"
    CURRENT = "current"
    REFUSED = "refused"


@dataclass(frozen=True)
class Batch:
    """Movies that one run analyses.

    Attributes:
        name: What the run is called: the folder below the inbox, or the movie.
        movies: The movies, in natural order.
        model: Location of the model's zip.
        output: Location that the run's results go below.
        settings: How to analyse and what to draw.
        key: Changes whenever a movie, the model, the settings or the output does: no batch is
            started twice under one key.
        standing: Whether to start it now.
        reason: Why it stands there, in one sentence.
    """

    name: str
    movies: tuple[ObjectInfo, ...]
    model: str
    output: str
    settings: dict[str, Any]
    key: str
    standing: Standing
    reason: str


@dataclass(frozen=True)
class Contents:
    """What one look at an inbox finds.

    Attributes:
        inbox: The inbox.
        objects: Everything in it.
        requests: What each folder's `request.yaml` says, by folder (a key that ends in ``/``).
        refused: Why a folder's `request.yaml` cannot be used, by folder.
        written: When each folder's `request.yaml` was last written.
        models: The model archives that requests name, by location; absent ones are missing.
        records: When each run record was written, by location.
        seen: Keys of the batches that were there at the last look.
        started: Flow runs that looks have started, by the batch's key.
        arrived: The object whose arrival the store has told: it is whole.
    """

    inbox: Location
    objects: Sequence[ObjectInfo]
    requests: Mapping[str, FolderRequest]
    refused: Mapping[str, str]
    written: Mapping[str, datetime | None]
    models: Mapping[str, ObjectInfo]
    records: Mapping[str, datetime | None]
    seen: frozenset[str]
    started: Mapping[str, str]
    arrived: Location | None = None


def request_files(objects: Iterable[ObjectInfo]) -> dict[str, ObjectInfo]:
    """The inbox' `request.yaml` files by folder, from the outermost."""
    files = [info for info in objects if info.location.name == REQUEST_FILE]
    found = {folder_of(info.location): info for info in files}
    return {folder: found[folder] for folder in sorted(found, key=len)}


def folder_of(location: Location) -> str:
    """The key of the folder that an object lies in: empty, or with a slash at its end."""
    folder, slash, _ = location.key.rpartition("/")
    return folder + slash


def effective(requests: Mapping[str, FolderRequest], folder: str) -> FolderRequest:
    """What holds in a folder: its own request over those of the folders above."""
    above = sorted((f for f in requests if folder.startswith(f)), key=len)
    return reduce(lambda held, f: requests[f].over(held), above, FolderRequest())


def plan(contents: Contents) -> list[Batch]:
    """Say of every batch of movies in an inbox whether it is due.

    Args:
        contents: What the look found.

    Returns:
        The batches, in natural order of their folders and movies.
    """
    by_folder: dict[str, list[ObjectInfo]] = defaultdict(list)
    for info in sorted(_movies(contents), key=lambda info: natural_order(info.location.key)):
        by_folder[folder_of(info.location)].append(info)
    return [b for folder, movies in by_folder.items() for b in _batches(contents, folder, movies)]


def _movies(contents: Contents) -> list[ObjectInfo]:
    """The inbox' movies, without what runs have written into it."""
    outputs = {r.output.rstrip("/") + "/" for r in contents.requests.values() if r.output}
    root = str(contents.inbox).rstrip("/") + "/"
    within = tuple(output for output in outputs if output.startswith(root) and output != root)
    return [
        info
        for info in contents.objects
        if info.location.suffix.lower() in MOVIE_SUFFIXES
        and not info.location.name.startswith(".")
        and not str(info.location).startswith(within)
    ]


def _batches(contents: Contents, folder: str, movies: list[ObjectInfo]) -> Iterator[Batch]:
    request = effective(contents.requests, folder)
    refused = _refusal(contents, folder, request)
    for name, group in _groups(movies, whole=request.batch == "folder").items():
        place = posixpath.join(_below(contents.inbox, folder), name)
        batch = _batch(contents, place, request, tuple(group))
        standing, reason = refused or _standing(contents, folder, batch)
        yield replace(batch, standing=standing, reason=reason)


def _groups(movies: list[ObjectInfo], *, whole: bool) -> dict[str, list[ObjectInfo]]:
    """A folder's movies as runs take them, by a name within the folder that stays the same.

    A run takes movies of one format only.
    """
    if whole:
        suffixes = Counter(movie.location.suffix.lower() for movie in movies)
        names = {s: s.lstrip(".") if len(suffixes) > 1 else "" for s in suffixes}
        return {
            name: [movie for movie in movies if movie.location.suffix.lower() == suffix]
            for suffix, name in names.items()
        }
    stems = Counter(movie.location.stem.casefold() for movie in movies)
    return {
        m.location.stem if stems[m.location.stem.casefold()] == 1 else m.location.name: [m]
        for m in movies
    }


def _below(inbox: Location, folder: str) -> str:
    """A folder's path below the inbox."""
    root = inbox.key.rstrip("/") + "/" if inbox.key.strip("/") else ""
    return folder.removeprefix(root).rstrip("/")


def _refusal(
    contents: Contents, folder: str, request: FolderRequest
) -> tuple[Standing, str] | None:
    """Why nothing in a folder can be started, where that is so."""
    for above, reason in contents.refused.items():
        if folder.startswith(above):
            return Standing.REFUSED, reason
    missing = [name for name in ("model", "output") if getattr(request, name) is None]
    if missing:
        return Standing.REFUSED, (
            f"no {' and no '.join(missing)} is given for it; write a {REQUEST_FILE} beside the "
            "movies or in a folder above them"
        )
    if str(request.model) not in contents.models:
        return Standing.REFUSED, f"there is no model at {request.model}; check its name and case"
    return None


def _batch(
    contents: Contents, place: str, request: FolderRequest, movies: tuple[ObjectInfo, ...]
) -> Batch:
    place = place.rstrip("/")
    output = f"{(request.output or '').rstrip('/')}/{place}".rstrip("/") + "/"
    model = contents.models.get(request.model or "")
    depends = {
        "model": [request.model, model and model.etag],
        "movies": [[str(m.location), m.etag, m.size] for m in movies],
        "output": output,
        "settings": request.settings,
    }
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True, default=str).encode()).hexdigest()
    return Batch(
        name=place or contents.inbox.name,
        movies=movies,
        model=request.model or "",
        output=output,
        settings=request.settings,
        key=digest,
        standing=Standing.REFUSED,
        reason="",
    )


def _standing(contents: Contents, folder: str, batch: Batch) -> tuple[Standing, str]:
    record = f"{batch.output}{RUN_RECORD}"
    made = contents.records.get(record)
    inputs = [contents.models[batch.model].modified, *(m.modified for m in batch.movies)]
    asked = [when for above, when in contents.written.items() if folder.startswith(above)]
    newest = max(filter(None, (*inputs, *asked)), default=None)
    if made and newest and made >= newest:
        return Standing.CURRENT, f"{record} is newer than all that it was made from"
    if run := contents.started.get(batch.key):
        return Standing.STARTED, f"started before, as flow run {run}"
    if batch.key in contents.seen:
        return Standing.DUE, "unchanged since the last look"
    if [movie.location for movie in batch.movies] == [contents.arrived]:
        return Standing.DUE, "it has just arrived"
    told = contents.written.get(folder)
    if told and all(m.modified and m.modified <= told for m in batch.movies):
        return Standing.DUE, f"its {REQUEST_FILE} was written last"
    return Standing.WAITING, "new or changed; it is started when the next look finds it unchanged"
