"""The contents of an inbox, its requests, and which batches are due; no Prefect, no network.

An inbox is a prefix or folder that movies are dropped into. A `request.yaml` in one of its folders
says what to do with the movies there and in the folders below, which may say it differently.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tasks.inbox.fingerprints import compute_movies_digest, compute_source_digest
from tasks.inbox.inbox_batch import InboxBatch, Standing
from tasks.inbox.request_file import (
    REQUEST_FILE,
    FolderRequest,
    NeuralFollowUp,
    effective_request,
    find_settings_problem,
    folder_and_ancestors,
    parent_folder,
)
from tasks.pose.clock.times_names import find_times_name, list_times_names
from tasks.pose.movies.reader import MOVIE_SUFFIXES
from tasks.pose.settings import PoseSettings
from tasks.pose.times_settings import NO_TIMES
from tasks.storage.location import Location
from tasks.storage.lookup import sort_by_name
from tasks.storage.store import ObjectInfo

BEHAVIOR_FOLDER, NEURAL_FOLDER = "behavior", "neural"
"""Folders of a pose run's output that the runs that follow write to, unless a request names one."""


@dataclass(frozen=True, kw_only=True)
class MovieGroup(InboxBatch):
    """Movies that one run analyzes.

    Attributes:
        model: Location of the model's zip.
        shelf: Location to list for its run record and those of its neighbors.
        together: Whether these are all of a folder's movies, and there may be more to come.
        times: The files with the times of its movies' frames, as far as they are there.
        awaited: Name of a times file that its request waits for; empty where it waits for none.
        waits: Whether its request waits for times files.
        behavior: Settings of the behavior run that follows; None for none.
        behavior_output: Location that the behavior run's results go below.
        neural: What the neural run that follows that reads and how; None for none.
        neural_output: Location that the neural run's results go below.
    """

    model: str
    shelf: str
    together: bool
    times: tuple[ObjectInfo, ...] = ()
    awaited: str = ""
    waits: bool = False
    behavior: dict[str, Any] | None = None
    behavior_output: str = ""
    neural: NeuralFollowUp | None = None
    neural_output: str = ""

    @property
    def inputs(self) -> list[str]:
        """Locations of its movies."""
        return [str(movie.location) for movie in self.movies]

    @property
    def instrument(self) -> str:
        """Location of the model's zip."""
        return self.model

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the pose-estimation flow."""
        return {
            "model": self.model,
            "movies": self.inputs,
            "output": self.output,
            "settings": self.settings,
        }


@dataclass(frozen=True)
class InboxContents:
    """The result of listing an inbox.

    Attributes:
        inbox: The inbox.
        objects: Everything in it.
        files: Each folder's `request.yaml`, by folder (a key that ends in ``/``).
        requests: What they say, by folder; that of the deployment is at ``""``.
        refused: Why a folder's `request.yaml` cannot be used, by folder.
        models: The model archives that requests name, by location, or why there is none.
    """

    inbox: Location
    objects: Sequence[ObjectInfo]
    files: Mapping[str, ObjectInfo]
    requests: Mapping[str, FolderRequest]
    refused: Mapping[str, str]
    models: Mapping[str, ObjectInfo | str]

    @cached_property
    def names_by_folder(self) -> Mapping[str, Mapping[str, ObjectInfo]]:
        """Everything in it by the name it has in its folder."""
        found: dict[str, dict[str, ObjectInfo]] = defaultdict(dict)
        for info in self.objects:
            found[parent_folder(info.location)][info.location.name] = info
        return found


def find_groups(contents: InboxContents) -> list[MovieGroup]:
    """Find the batches of movies in an inbox, and refuse those that no run can be started for.

    Args:
        contents: What the look found.

    Returns:
        The batches, in natural order of their folders and movies.
    """
    by_folder: dict[str, list[ObjectInfo]] = defaultdict(list)
    for info in sort_by_name(_find_movies(contents)):
        by_folder[parent_folder(info.location)].append(info)
    found = [
        b
        for folder, movies in by_folder.items()
        for b in _find_folder_groups(contents, folder, movies)
    ]
    return _refuse_shared_outputs(found)


def find_result_folders(contents: InboxContents) -> tuple[str, ...]:
    """Find folders of the inbox that hold results only.

    An output that holds the folder of its own request holds movies too: that is refused.
    """
    root = str(contents.inbox)
    outputs = {
        f"{text.rstrip('/')}/": str(Location(contents.inbox.bucket, folder))
        for folder, request in contents.requests.items()
        for text in (request.output, request.behavior_output, request.neural_output)
        if text
    }
    return tuple(
        output
        for output, folder in outputs.items()
        if output.startswith(root) and output != root and not folder.startswith(output)
    )


def _find_movies(contents: InboxContents) -> list[ObjectInfo]:
    """The inbox' movies, without what runs have written into it."""
    within = find_result_folders(contents)
    return [
        info
        for info in contents.objects
        if info.location.suffix.lower() in MOVIE_SUFFIXES
        and not info.location.name.startswith(".")
        and not str(info.location).startswith(within)
    ]


def _find_folder_groups(
    contents: InboxContents, folder: str, movies: list[ObjectInfo]
) -> Iterator[MovieGroup]:
    request = effective_request(contents.requests, folder)
    refusal = find_folder_refusal(contents, folder, request)
    asked = [contents.files[f] for f in folder_and_ancestors(folder) if f in contents.files]
    invalid = find_settings_problem(request)
    settings = PoseSettings() if invalid else PoseSettings.model_validate(request.settings)
    for name, group in _split_movies(movies, whole=request.batch == "folder").items():
        place = f"{_path_below_inbox(contents.inbox, folder)}{name}".removesuffix("/")
        batch = _build_group(contents, place, request, settings, tuple(group))
        batch = replace(batch, asked=asked[-1] if asked else None)
        reason = refusal or _find_group_refusal(contents, batch, place)
        yield batch.with_standing(Standing.REFUSED, reason) if reason else batch


def _split_movies(movies: list[ObjectInfo], *, whole: bool) -> dict[str, list[ObjectInfo]]:
    """A folder's movies as runs take them, by a name within the folder that stays the same.

    A run takes movies of one format only. Of movies that share a stem the first to come keeps it,
    so that one that comes later does not move its results.
    """
    if whole:
        suffixes = Counter(movie.location.suffix.lower() for movie in movies)
        names = {s: s.lstrip(".") if len(suffixes) > 1 else "" for s in suffixes}
        return {
            name: [movie for movie in movies if movie.location.suffix.lower() == suffix]
            for suffix, name in names.items()
        }
    first: dict[str, ObjectInfo] = {}
    for movie in sorted(movies, key=lambda m: (str(m.modified), m.location.key)):
        first.setdefault(movie.location.stem.casefold(), movie)
    keepers = {movie.location for movie in first.values()}
    return {m.location.stem if m.location in keepers else m.location.name: [m] for m in movies}


def _path_below_inbox(inbox: Location, folder: str) -> str:
    """A folder's path below the inbox: empty, or with a slash at its end."""
    root = inbox.key.rstrip("/") + "/" if inbox.key.strip("/") else ""
    return folder.removeprefix(root)


def find_folder_refusal(contents: InboxContents, folder: str, request: FolderRequest) -> str:
    """Explain why nothing in a folder can be started; return an empty string if it can."""
    for above in folder_and_ancestors(folder):
        if above in contents.refused:
            return contents.refused[above]
    missing = [name for name in ("model", "output") if getattr(request, name) is None]
    if missing:
        return (
            f"no {' and no '.join(missing)} is set for it; write a {REQUEST_FILE} beside the "
            "movies or in a folder above them"
        )
    if problem := find_settings_problem(request):
        return f"its {REQUEST_FILE} and those above it together: {problem}"
    model = contents.models[str(request.model)]
    return model if isinstance(model, str) else ""


def _find_group_refusal(contents: InboxContents, batch: MovieGroup, place: str) -> str:
    """Explain why a batch with a valid request cannot be started; empty if it can."""
    if empty := [movie for movie in batch.movies if not movie.size]:
        return describe_empty_file(empty[0].location.name)
    if batch.waits and PoseSettings.model_validate(batch.settings).times.file == NO_TIMES:
        return "it waits for a times file, but its times.file is none; set another, or do not wait"
    try:
        for text in (batch.output, *batch.inputs):
            Location.parse(text)
        # Parts of a path that are empty or lead upwards are refused.
        contents.inbox.child(*place.split("/") if place else ())
    except ValueError as error:
        return f"{error} Rename it."
    within = find_result_folders(contents)
    for output in _list_outputs(batch):
        if output.startswith(str(contents.inbox)) and not output.startswith(within):
            return (
                f"results below {output} would be among the inbox's movies; name an output "
                "outside the inbox, or a folder in it that holds no movies"
            )
    return ""


def describe_empty_file(name: str) -> str:
    """Say that a file is empty, and what to do."""
    return f"{name} is empty (0 bytes); copy it again"


def _build_group(
    contents: InboxContents,
    place: str,
    request: FolderRequest,
    settings: PoseSettings,
    movies: tuple[ObjectInfo, ...],
) -> MovieGroup:
    above = f"{(request.output or '').rstrip('/')}/"
    output = f"{above}{place}/" if place else above
    model = contents.models.get(request.model or "")
    times = _find_times_files(contents, movies, settings)
    seen = compute_movies_digest((*movies, *(info for info in times.values() if info)))
    behavior = request.behavior_settings
    # What is wrong with a request refuses the batch: `find_settings_problem` tells it.
    sound = request.neural and not find_settings_problem(request)
    neural = NeuralFollowUp.model_validate(request.neural) if sound else None

    def follow(text: str | None, folder: str) -> str:
        """Where a run that follows writes: below a location that is named, else in a folder."""
        below = f"{text.rstrip('/')}/" if text else ""
        return f"{below}{place}/" if below and place else below or f"{output}{folder}/"

    lacking = [movie for movie in movies if times[movie.location] is None]
    awaited = list_times_names(lacking[0].location.name, settings.times.file) if lacking else ()
    return MovieGroup(
        name=place or contents.inbox.name,
        movies=movies,
        model=request.model or "",
        output=output,
        shelf=output[: output.rstrip("/").rindex("/") + 1] if place else above,
        settings=request.settings,
        together=request.batch == "folder",
        queue=request.queue,
        asked=None,
        seen=seen,
        source=compute_source_digest(
            seen, model if isinstance(model, ObjectInfo) else None, settings
        ),
        times=tuple(info for info in times.values() if info),
        awaited=awaited[0] if request.wait_for_times and awaited else "",
        waits=bool(request.wait_for_times),
        behavior=behavior,
        behavior_output=""
        if behavior is None
        else follow(request.behavior_output, BEHAVIOR_FOLDER),
        neural=neural,
        neural_output="" if neural is None else follow(request.neural_output, NEURAL_FOLDER),
    )


def _find_times_files(
    contents: InboxContents, movies: tuple[ObjectInfo, ...], settings: PoseSettings
) -> dict[Location, ObjectInfo | None]:
    """The times file beside each movie, None where there is none; as a run finds it."""
    folder = parent_folder(movies[0].location)
    there = contents.names_by_folder[folder]
    names = (find_times_name(m.location.name, settings.times.file, there) for m in movies)
    return {m.location: there[n] if n else None for m, n in zip(movies, names, strict=True)}


def _refuse_shared_outputs(found: list[MovieGroup]) -> list[MovieGroup]:
    """Refuse batches whose results would go to one place: ``day1.mp4`` and the folder ``day1``."""
    outputs = Counter(o for batch in found for o in _list_outputs(batch))
    return [
        batch.with_standing(
            Standing.REFUSED,
            f"{outputs[shared[0]]} batches would put their results below {shared[0]}; "
            "rename a movie or a folder",
        )
        if (shared := [output for output in _list_outputs(batch) if outputs[output] > 1])
        and batch.standing is not Standing.REFUSED
        else batch
        for batch in found
    ]


def _list_outputs(batch: MovieGroup) -> list[str]:
    """The locations that a batch's runs write below: of its poses, and of what follows."""
    return [o for o in (batch.output, batch.behavior_output, batch.neural_output) if o]
