"""Read `request.yaml`, which says how the movies of a folder are analyzed."""

import posixpath
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.errors import BadInput
from tasks.messages import find_field_problem
from tasks.neural.neural_settings import NeuralSettings
from tasks.pose.settings import PoseSettings
from tasks.pose.untrusted.yaml_loader import decode_text, load_mapping
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo

REQUEST_FILE = "request.yaml"


class NeuralFollowUp(BaseModel):
    """What the neural run that follows a behavior run reads, and its settings."""

    model_config = ConfigDict(frozen=True, extra="allow")

    cell_sets: list[str] = Field(min_length=1, description="Locations of cell sets.")
    event_sets: list[str] = Field(default=[], description="Locations of event sets.")

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the neural flow that are said."""
        return dict(self.model_extra or {})

    @property
    def neural_settings(self) -> NeuralSettings:
        """Every setting of the neural flow."""
        return NeuralSettings.model_validate(self.settings)

    @property
    def recordings(self) -> list[str]:
        """Every location that its run reads beside the behavior table."""
        return [*self.cell_sets, *self.event_sets, *self.settings.get("timing_references", ())]


class FolderRequest(BaseModel):
    """The contents of a `request.yaml`; the folder above supplies what it leaves out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(default=None, description="Location of the model's zip.")
    output: str | None = Field(
        default=None, description="Location below which results are written."
    )
    batch: Literal["movie", "folder"] | None = Field(
        default=None, description="One run for each movie, or one for a folder's movies together."
    )
    queue: Literal["urgent", "default", "bulk"] | None = Field(
        default=None, description="The work queue that its runs wait in."
    )
    wait_for_times: bool | None = Field(
        default=None,
        description="Whether a movie waits until the file with its frames' times is there.",
    )
    settings: dict[str, Any] = {}
    behavior: bool | dict[str, Any] | None = Field(
        default=None,
        description="Settings of the behavior run that follows each result; true for its defaults, "
        "false for none.",
    )
    behavior_output: str | None = Field(
        default=None,
        description="Location below which behavior results are written; by default the folder "
        "`behavior` of each result.",
    )
    neural: Literal[False] | dict[str, Any] | None = Field(
        default=None,
        description="`cell_sets`, `event_sets` and settings of the neural run that follows each "
        "behavior result; false for none.",
    )
    neural_output: str | None = Field(
        default=None,
        description="Location below which neural results are written; by default the folder "
        "`neural` of each result.",
    )

    @property
    def behavior_settings(self) -> dict[str, Any] | None:
        """Settings of the behavior run that follows; None if none follows."""
        if isinstance(self.behavior, dict):
            return self.behavior
        return {} if self.behavior else None

    @classmethod
    def from_form(cls, model: str | None, output: str | None, settings: PoseSettings) -> Self:
        """Build a request from a form's values, without settings left at their defaults."""
        changed = settings.model_dump(mode="json", exclude_defaults=True)
        return cls(model=model, output=output, settings=changed)

    def inherit_from(self, above: "FolderRequest") -> "FolderRequest":
        """This folder's request, completed by the one above; settings are merged one by one."""
        said = {k: v for k, v in self.model_dump().items() if v is not None}
        merged = {"settings": above.settings | self.settings}
        if self.behavior not in (None, False) and above.behavior_settings is not None:
            merged["behavior"] = above.behavior_settings | (self.behavior_settings or {})
        if self.neural and above.neural:
            merged["neural"] = above.neural | self.neural
        return FolderRequest(**(above.model_dump() | said | merged))


def parse_request(data: bytes, where: Location) -> FolderRequest:
    """Read a `request.yaml`; relative locations in it are relative to its folder.

    An empty file sets nothing itself: it may still be written last, or again.

    Raises:
        BadInput: It is no YAML, or says something that no request has.
    """
    text = decode_text(data)[0]
    values = load_mapping(text, str(where)) if text.strip() else {}
    known = FolderRequest.model_fields
    given = {k: v for k, v in values.items() if v is not None or k not in known}
    try:
        request = FolderRequest.model_validate(given)
    except ValidationError as error:
        raise BadInput(
            f"{where}: {_describe_error(error)}; a request has {', '.join(known)}"
        ) from error
    _check_settings(PoseSettings, request.settings, where, "settings")
    resolved: dict[str, Any] = {
        name: _resolve_location(where, text)
        for name in ("model", "output", "behavior_output", "neural_output")
        if (text := getattr(request, name)) is not None
    }
    if isinstance(request.behavior, dict):
        resolved["behavior"] = _parse_behavior(request.behavior, where)
    if request.neural:
        resolved["neural"] = _parse_neural(request.neural, where)
    return request.model_copy(update=resolved)


def _describe_error(error: ValidationError, *above: str) -> str:
    problem = find_field_problem(error)
    place = ".".join(map(str, (*above, *problem.path)))
    if problem.is_unknown:
        return f"{place} is not a known setting"
    return f"{place}: {problem.text}" if place else problem.text


def _check_settings(
    model: type[BaseModel], values: dict[str, Any], where: Location, name: str
) -> None:
    try:
        model.model_validate(values)
    except ValidationError as error:
        # A folder above may give what other settings need: `find_settings_problem` looks then.
        if find_field_problem(error).path:
            raise BadInput(f"{where}: {_describe_error(error, name)}") from error


def _parse_behavior(values: dict[str, Any], where: Location) -> dict[str, Any]:
    """Settings of the behavior flow; the location of its zones may be relative to the file."""
    _check_settings(BehaviorSettings, values, where, "behavior")
    if values.get("movies"):
        raise BadInput(
            f"{where}: behavior.movies: the inbox takes the movies of each result; leave it out"
        )
    zones = values.get("zones")
    return values | ({"zones": _resolve_location(where, zones)} if zones else {})


def _parse_neural(values: dict[str, Any], where: Location) -> dict[str, Any]:
    """Inputs and settings of the neural flow; locations may be relative to the file."""
    said = {k: v for k, v in values.items() if k not in NeuralFollowUp.model_fields}
    _check_settings(NeuralSettings, said, where, "neural")
    # A folder above may name what this one does not.
    given = {"cell_sets": ["-"]} | values
    _check_settings(NeuralFollowUp, given, where, "neural")
    resolved = dict(values)
    for name in ("cell_sets", "event_sets", "timing_references"):
        if name in values:
            resolved[name] = [_resolve_location(where, text) for text in values[name]]
    if movie := values.get("behavior_movie"):
        resolved["behavior_movie"] = _resolve_location(where, movie)
    return resolved


def find_settings_problem(request: FolderRequest) -> str:
    """Describe why a request's settings cannot be used; empty if they can.

    Each setting of a file is valid by itself, but may contradict others, or those that it inherits.
    """
    name = "settings"
    try:
        PoseSettings.model_validate(request.settings)
        name = "behavior"
        BehaviorSettings.model_validate(request.behavior_settings or {})
        name = "neural"
        if request.neural:
            _ = NeuralFollowUp.model_validate(request.neural).neural_settings
    except ValidationError as error:
        return _describe_error(error, name)
    if request.neural and request.behavior_settings is None:
        return "neural: it follows behavior, but behavior is not set; set behavior, too"
    return ""


def _resolve_location(file: Location, text: str) -> str:
    """A location as it stands, or relative to a file's folder.

    Raises:
        BadInput: It is no location.
    """
    try:
        if "://" in text or text.startswith(("/", "s3:", "file:")):
            Location.parse(text)
            return text
        folder = posixpath.dirname(file.key)
        key = posixpath.normpath(posixpath.join(folder, text)) + "/" * text.endswith("/")
        location = Location(file.bucket, key)
        Location.parse(str(location))
    except ValueError as error:
        raise BadInput(f"{file}: {error}") from error
    return str(location)


def find_request_files(objects: Iterable[ObjectInfo]) -> dict[str, ObjectInfo]:
    """The inbox' `request.yaml` files by folder."""
    return {parent_folder(o.location): o for o in objects if o.location.name == REQUEST_FILE}


def parent_folder(location: Location) -> str:
    """The key of the folder that an object lies in: empty, or with a slash at its end."""
    folder, slash, _ = location.key.rpartition("/")
    return folder + slash


def folder_and_ancestors(folder: str) -> list[str]:
    """A folder and all above it, from the outermost, which is the store's own root."""
    parts = folder.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts) + 1)]


def effective_request(requests: Mapping[str, FolderRequest], folder: str) -> FolderRequest:
    """Merge a folder's request with those of the folders above it."""
    above = [requests[f] for f in folder_and_ancestors(folder) if f in requests]
    return reduce(lambda held, request: request.inherit_from(held), above, FolderRequest())
