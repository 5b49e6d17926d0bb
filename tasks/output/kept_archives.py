"""The archives of earlier results at the output location: their names, contents, and upload."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter

from tasks.errors import PoseError, StageFailed
from tasks.output.checkpoint_upload import CHECKPOINTS_FOLDER, CheckpointStore
from tasks.output.hidden_folder import download_if_present, hidden_location, log_info
from tasks.output.kept_progress import kept_progress
from tasks.output.result_archive import (
    check_archive,
    read_description,
    result_files,
    write_archive,
)
from tasks.pose.cache_keys import StageKeys
from tasks.pose.estimate import Estimate
from tasks.pose.movies.reader import MovieInfo
from tasks.run_data import (
    AnalyzedMovie,
    CheckedMovie,
    MovieSource,
    ResolvedRequest,
)
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.ranged_file import RangedFile
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NoSuchObject

ESTIMATE_ARCHIVE, RESULTS_ARCHIVE = "estimate.zip", "results.zip"
"""Names of a movie's two archives."""

T = TypeVar("T")

_JSON_CONFIG = ConfigDict(ser_json_inf_nan="constants")


@dataclass(frozen=True)
class KeptEstimate:
    """A movie's poses as the network gave them; their H5 lies beside this in the archive.

    Attributes:
        key: What they depend on.
        info: The movie's shape.
        edges: What of its frames went to the network; see `tasks.run_data.CheckedMovie`.
        found: Number and times of its frames, and what ran.
    """

    __pydantic_config__ = _JSON_CONFIG

    key: str
    info: MovieInfo
    edges: tuple[int, int, int, int]
    found: Estimate


@dataclass(frozen=True)
class KeptResults:
    """All that was made of a movie; its files lie beside this in the archive.

    Attributes:
        keys: What each part depends on.
        analyzed: The results.
    """

    __pydantic_config__ = _JSON_CONFIG

    keys: StageKeys
    analyzed: AnalyzedMovie


ESTIMATE_ADAPTER: TypeAdapter[KeptEstimate] = TypeAdapter(KeptEstimate)
RESULTS_ADAPTER: TypeAdapter[KeptResults] = TypeAdapter(KeptResults)


@dataclass(frozen=True)
class HiddenListing:
    """Listing of earlier runs' leftovers for a request's movies, taken when the run began.

    Asked for once: of two hundred new movies, none has to be looked for.

    Attributes:
        request: The request; while it has the lock, nobody else adds anything.
        names: Locations of archives and checkpoints; None where the store did not tell.
    """

    request: ResolvedRequest
    names: frozenset[str] | None

    @property
    def has_all_poses(self) -> bool:
        """Return whether poses of every movie are stored, so that no network may be needed."""
        return all(map(self.has_poses, self.request.movies))

    def has_poses(self, movie: MovieSource) -> bool:
        """Return whether poses of a movie are stored."""
        return self.names is not None and (
            str(_archive_location(self.request, movie.name, ESTIMATE_ARCHIVE)) in self.names
        )

    def can_contain(self, place: Location) -> bool:
        """Return whether this object, or something below this prefix, may exist."""
        if self.names is None or not place.is_prefix:
            return self.names is None or str(place) in self.names
        return any(name.startswith(str(place)) for name in self.names)


def list_hidden_objects(request: ResolvedRequest) -> HiddenListing:
    """List what earlier runs have left of a request's movies."""
    one = [movie.name for movie in request.movies if len(request.movies) == 1]
    folders = [
        hidden_location(request.output, "/".join((kind, *one)) + "/")
        for kind in ("movies", CHECKPOINTS_FOLDER)
    ]
    with suppress(PoseError):
        found = [info for folder in folders for info in request.store.list(folder)]
        return HiddenListing(request, frozenset(str(info.location) for info in found))
    return HiddenListing(request, None)


@stage("Keep poses", "keep poses · {movie.name}", retries=STORE_RETRIES)
def keep_estimate(
    movie: CheckedMovie,
    found: Estimate,
    raw: Path,
    keys: StageKeys,
    request: ResolvedRequest,
    checkpoints: CheckpointStore,
) -> tuple[None, str]:
    """Keep a movie's poses as the network gave them: a run that ends early goes on from there.

    Its checkpoints are of no more use then, and go.
    """
    kept = KeptEstimate(keys.estimate, movie.info, movie.edges, found)
    target = _archive_location(request, movie.name, ESTIMATE_ARCHIVE)
    told = _upload_archive(request.store, kept, ESTIMATE_ADAPTER, [raw], target, raw.parent)
    kept_progress.note_poses(movie.name)
    checkpoints.remove()
    return None, told


@stage("Keep results", "keep results · {made.source.name}", retries=STORE_RETRIES)
def keep_results(
    made: AnalyzedMovie, keys: StageKeys, request: ResolvedRequest, folder: Path
) -> tuple[None, str]:
    """Keep all that was made of a movie, for later runs with the same or other settings."""
    kept, target = (
        KeptResults(keys, made),
        _archive_location(request, made.source.name, RESULTS_ARCHIVE),
    )
    told = _upload_archive(request.store, kept, RESULTS_ADAPTER, result_files(made), target, folder)
    kept_progress.note_results(made.source.name)
    return None, told


def _upload_archive(
    store: ObjectStore,
    told: T,
    kind: TypeAdapter[T],
    files: Iterable[Path],
    target: Location,
    folder: Path,
) -> str:
    path = folder / target.name
    try:
        write_archive(told, kind, files, path)
        size = store.upload(path, target, "application/zip").size
    finally:
        path.unlink(missing_ok=True)
    return f"{size:,} bytes"


def _archive_location(request: ResolvedRequest, movie: str, name: str) -> Location:
    return hidden_location(request.output, "movies", movie, name)


class ArchiveReader(Protocol):
    """Reads what an archive's results are; None if there is none that this version can read."""

    def __call__(  # noqa: D102
        self, kind: TypeAdapter[T], names: HiddenListing, movie: MovieSource, path: Path
    ) -> T | None: ...


def peek_archive(
    kind: TypeAdapter[T], names: HiddenListing, movie: MovieSource, path: Path
) -> T | None:
    """Read an archive's description where it lies; its files are not fetched, nor looked at.

    Returns:
        The description; None if there is no archive that this version can read.
    """
    source = _archive_location(names.request, movie.name, path.name)
    if not names.can_contain(source):
        return None
    try:
        info = names.request.store.stat(source)
        return read_description(cast("BinaryIO", RangedFile(names.request.store, info)), kind)
    except (NoSuchObject, StageFailed):
        return None


def read_archive(
    kind: TypeAdapter[T], names: HiddenListing, movie: MovieSource, path: Path
) -> T | None:
    """Read an archive; return None if there is none that this version can read."""
    source = _archive_location(names.request, movie.name, path.name)
    if (
        not names.can_contain(source)
        or download_if_present(names.request.store, source, path) is None
    ):
        return None
    try:
        check_archive(path)
        return read_description(path, kind)
    except PoseError as error:
        log_info(f"{source} cannot be used, so its movie is analyzed again: {error}")
        return None
