"""The contents of an inbox, its requests, and which batches are due; no Prefect, no network.

An inbox is a prefix or folder that movies are dropped into. A `request.yaml` in one of its folders
says what to do with the movies there and in the folders below, which may say it differently.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from tasks.inbox.fingerprints import compute_digest, compute_movies_digest, compute_source_digest
from tasks.inbox.request_file import (
    REQUEST_FILE,
    FolderRequest,
    effective_request,
    folder_and_ancestors,
    parent_folder,
)
from tasks.pose.clock.times_names import find_times_name, list_times_names
from tasks.pose.movies.reader import MOVIE_SUFFIXES
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.settings import PoseSettings
from tasks.pose.times_settings import NO_TIMES
from tasks.storage.location import Location
from tasks.storage.lookup import sort_by_name
from tasks.storage.store import ObjectInfo


class Standing(StrEnum):
    """State of a batch of movies."""

    DUE = "due"
    STARTED = "started"
    WAITING = "waiting"
    FAILED = "failed"
    REFUSED = "refused"
    CURRENT = "current"


@dataclass(frozen=True)
class MovieGroup:
    """Movies that one run analyzes.

    Attributes:
        name: What to call it: the folder below the inbox, or the movie.
        movies: The movies, in natural order.
        model: Location of the model's zip.
        output: Location that the run's results go below.
        shelf: Location to list for its run record and those of its neighbors.
        settings: How to analyze and what to draw.
        together: Whether these are all of a folder's movies, and there may be more to come.
        queue: The work queue that its run waits in; None is the deployment's own.
        asked: The nearest `request.yaml` at or above the movies.
        seen: Digest of the movies.
        source: Digest of all that the results depend on.
        standing: Whether to start it now.
        reason: Why it stands there, in one sentence.
        run: The flow run that was started for it.
        times: The files with the times of its movies' frames, as far as they are there.
        awaited: Name of a times file that its request waits for; empty where it waits for none.
        waits: Whether its request waits for times files.
    """

    name: str
    movies: tuple[ObjectInfo, ...]
    model: str
    output: str
    shelf: str
    settings: dict[str, Any]
    together: bool
    queue: str | None
    asked: ObjectInfo | None
    seen: str
    source: str
    standing: Standing = Standing.DUE
    reason: str = ""
    run: str | None = None
    times: tuple[ObjectInfo, ...] = ()
    awaited: str = ""
    waits: bool = False

    @property
    def run_key(self) -> str:
        """No batch is started twice under one key.

        It changes when the content of a movie or of the model, a setting or the output does, and
        when the nearest `request.yaml` is written again.
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


def _find_result_folders(contents: InboxContents) -> tuple[str, ...]:
    """Folders of the inbox that hold results only.

    An output that holds the folder of its own request holds movies too: that is refused.
    """
    root = str(contents.inbox)
    outputs = {
        f"{request.output.rstrip('/')}/": str(Location(contents.inbox.bucket, folder))
        for folder, request in contents.requests.items()
        if request.output
    }
    return tuple(
        output
        for output, folder in outputs.items()
        if output.startswith(root) and output != root and not folder.startswith(output)
    )


def _find_movies(contents: InboxContents) -> list[ObjectInfo]:
    """The inbox' movies, without what runs have written into it."""
    within = _find_result_folders(contents)
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
    refusal = _find_folder_refusal(contents, folder, request)
    asked = [contents.files[f] for f in folder_and_ancestors(folder) if f in contents.files]
    settings = PoseSettings.model_validate(request.settings)
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


def _find_folder_refusal(contents: InboxContents, folder: str, request: FolderRequest) -> str:
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
    model = contents.models[str(request.model)]
    return model if isinstance(model, str) else ""


def _find_group_refusal(contents: InboxContents, batch: MovieGroup, place: str) -> str:
    """Explain why a batch with a valid request cannot be started; empty if it can."""
    if empty := [movie for movie in batch.movies if not movie.size]:
        return f"{empty[0].location.name} is empty (0 bytes); copy it again"
    if batch.waits and PoseSettings.model_validate(batch.settings).times.file == NO_TIMES:
        return "it waits for a times file, but its times.file is none; set another, or do not wait"
    try:
        for text in (batch.output, *(str(movie.location) for movie in batch.movies)):
            Location.parse(text)
        # Parts of a path that are empty or lead upwards are refused.
        contents.inbox.child(*place.split("/") if place else ())
    except ValueError as error:
        return f"{error} Rename it."
    within = _find_result_folders(contents)
    if batch.output.startswith(str(contents.inbox)) and not batch.output.startswith(within):
        return (
            f"results below {batch.output} would be among the inbox's movies; name an output "
            "outside the inbox, or a folder in it that holds no movies"
        )
    return ""


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
    outputs = Counter(batch.output for batch in found)
    return [
        batch.with_standing(
            Standing.REFUSED,
            f"{outputs[batch.output]} batches would put their results below {batch.output}; "
            "rename a movie or a folder",
        )
        if outputs[batch.output] > 1 and batch.standing is not Standing.REFUSED
        else batch
        for batch in found
    ]


def summarize_groups(found: Iterable[MovieGroup]) -> str:
    """Count the batches in each state."""
    counts = Counter(batch.standing for batch in found)
    return ", ".join(f"{counts[s]} {s}" for s in Standing if counts[s]) or "no movies"
