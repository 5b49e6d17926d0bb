"""From a request to files in the scratch folder: resolve, check that it can be done, fetch."""

import errno
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tasks.hidden import HIDDEN
from tasks.inspection import find_model
from tasks.movie_order import check_one_format, in_recording_order
from tasks.pose.errors import BadInput
from tasks.pose.movies import MOVIE_SUFFIXES
from tasks.pose.room import told_if_full
from tasks.pose.run_record import LABELED, RUN_RECORD, Input, Request
from tasks.pose.settings import PoseSettings
from tasks.progress import Progress
from tasks.retries import STORE_RETRIES, stage
from tasks.storage.files import sha256_of
from tasks.storage.location import Location
from tasks.storage.store import CHANGED, ObjectInfo, expand, store_for
from tasks.store_errors import store_errors

LONGEST_NAME = 200
"""Bytes of a file's name that every file system takes, with some left for suffixes."""


@dataclass(frozen=True)
class MovieSource:
    """One movie of a request.

    Attributes:
        number: Its place in the request, counted from 0.
        name: Its folder below the output location.
        info: The object.
    """

    number: int
    name: str
    info: ObjectInfo


@dataclass(frozen=True)
class ResolvedRequest:
    """A request whose locations have been found.

    Attributes:
        given: The request as it was given.
        model: The model archive.
        movies: The movies, in order.
        output: The prefix or folder that results go below.
        warnings: What the user should know, one sentence each.
    """

    given: Request
    model: ObjectInfo
    movies: tuple[MovieSource, ...]
    output: Location
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Fetched:
    """An input on the local disk, and exactly which bytes it is."""

    path: Path
    input: Input


def resolve(
    model: str, movies: Sequence[str], output: str, settings: PoseSettings
) -> ResolvedRequest:
    """Find every object that a request names, before anything is downloaded.

    Args:
        model: Location of the model's zip.
        movies: Locations of movies: objects, prefixes that end in ``/``, or globs.
        output: Location that results go below.
        settings: The request's settings.

    Returns:
        The objects, in the request's order.

    Raises:
        BadInput: A location is malformed, does not exist, or may not be read or written.
        Retriable: The store cannot be reached.
    """
    with store_errors():
        target = Location.parse(output)
        found = find_model(model)
        infos, warnings = _movies(movies, target)
        store_for(target).check_writable(target)
        names = folder_names([info.location.stem for info in infos])
        for name in names:
            target.child(name)  # refuses names that no location can hold
    sources = zip(count(), names, infos, strict=False)
    return ResolvedRequest(
        given=Request(model=model, movies=tuple(movies), output=output, settings=settings),
        model=found,
        movies=tuple(MovieSource(*source) for source in sources),
        output=target,
        warnings=tuple(warnings),
    )


def _movies(texts: Sequence[str], output: Location) -> tuple[list[ObjectInfo], list[str]]:
    """Expand every entry; what is named twice counts once."""
    found: dict[Location, ObjectInfo] = {}
    warnings = []
    for info in (info for text in texts for info in _movies_of(text)):
        if info.location in found:
            warnings.append(f"{info.location} is named more than once; it is analysed once")
        elif _is_result(info.location, output):
            warnings.append(f"{info.location} is a labelled movie of an earlier run; left out")
        else:
            found[info.location] = info
    if not found:
        raise BadInput("movies: expected at least one location of a movie, found none")
    check_one_format(list(found))
    infos, changes = in_recording_order(list(found.values()))
    return infos, warnings + changes


def _is_result(location: Location, output: Location) -> bool:
    """Whether a prefix that holds movies and results names our own labelled movie."""
    folder = f"{str(output).rstrip('/')}/"
    below = str(location).removeprefix(folder)
    return str(location).startswith(folder) and below.split("/")[1:] == [LABELED]


def _movies_of(text: str) -> list[ObjectInfo]:
    """The movies that one entry names; beside movies, a prefix may hold anything."""
    infos = expand(text)
    movies = [info for info in infos if _is_movie(info.location, alone=len(infos) == 1)]
    if not movies:
        kinds = ", ".join(MOVIE_SUFFIXES)
        raise BadInput(
            f"movies: expected movies ({kinds}), found "
            f"{', '.join(sorted({i.location.name for i in infos})[:5])} at {text}"
        )
    return movies


def _is_movie(location: Location, *, alone: bool) -> bool:
    """Whether a name is a movie's; hidden files (macOS leaves ``._m1.mp4``) only when asked for."""
    hidden = location.name.startswith(".") and not alone
    return location.suffix.lower() in MOVIE_SUFFIXES and not hidden


def folder_names(stems: Sequence[str]) -> list[str]:
    """Give each movie a folder of its own: its stem, with a suffix only where stems repeat.

    >>> folder_names(["m1", "m10", "m1", "m1-2"])
    ['m1', 'm10', 'm1-3', 'm1-2']
    """
    stems = [_as_folder(stem) for stem in stems]
    shared = {stem for stem, n in Counter(map(str.casefold, stems)).items() if n > 1}
    taken = {stem.casefold() for stem in stems}
    seen: set[str] = set()
    names = []
    for stem in stems:
        name = stem
        if stem.casefold() in shared and stem.casefold() in seen:
            name = next(n for i in count(2) if (n := f"{stem}-{i}").casefold() not in taken)
            taken.add(name.casefold())
        seen.add(stem.casefold())
        names.append(name)
    return names


def _as_folder(stem: str) -> str:
    """A stem that can be a folder: not this one, not the one above, not a file of the run's."""
    if not stem.strip(". "):
        return "movie"
    return f"{stem}-movie" if stem.casefold() in {*RUN_FILES, HIDDEN} else stem


RUN_FILES = frozenset(
    {
        RUN_RECORD,
        "annotations.parquet",
        "annotations.csv",
        "report.html",
        "output_metadata.json",
    }
)
"""Names that a run publishes beside its movies' folders."""


@contextmanager
def movie_folder(scratch: Path, movie: MovieSource) -> Iterator[Path]:
    """A movie's own scratch folder; what is large in it goes as soon as the movie is done.

    Poses and previews stay: the annotations and the report need them at the end. Local originals
    lie elsewhere and are never touched.
    """
    folder = scratch / str(movie.number)
    folder.mkdir()  # not without the run's own: what nobody holds is never swept
    (folder / INPUT).mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder / INPUT, ignore_errors=True)
        (folder / LABELED).unlink(missing_ok=True)


INPUT = "input"
"""Where a fetched movie lies in its scratch folder, apart from results of the same name."""


@stage("Resolve request", "resolve request", retries=STORE_RETRIES)
def resolve_request(
    model: str, movies: Sequence[str], output: str, settings: PoseSettings
) -> tuple[ResolvedRequest, str]:
    """Find the request's objects; see `resolve`."""
    request = resolve(model, movies, output, settings)
    count = f"{len(request.movies)} movie{'s' if len(request.movies) != 1 else ''}"
    return request, f"{count}, model {request.model.location.name}"


@stage("Fetch model", "fetch model · {info.location.name}", retries=STORE_RETRIES)
def fetch_model(info: ObjectInfo, folder: Path) -> tuple[Fetched, str]:
    """Bring the model's zip to the local disk, verified."""
    return _fetch(info, folder / "model.zip", f"fetch {info.location.name}")


@stage("Fetch movie", "fetch · {movie.name}", retries=STORE_RETRIES)
def fetch_movie(movie: MovieSource, folder: Path) -> tuple[Fetched, str]:
    """Bring a movie to the local disk, verified."""
    name = movie.name if len(movie.name.encode()) <= LONGEST_NAME else "movie"
    target = folder / f"{name}{movie.info.location.suffix.lower()}"
    return _fetch(movie.info, target, f"fetch · {movie.name}")


def _taken(info: ObjectInfo, path: Path, target: Path, progress: Progress) -> str:
    """Bring an object to its target, unless it is read where it is; its SHA-256."""
    if path != target:
        return sha256_of(path)
    return store_for(info.location).download(info, path, progress.add)


def _fetch(info: ObjectInfo, target: Path, what: str) -> tuple[Fetched, str]:
    """Download an object, or take a local file where it is."""
    store = store_for(info.location)
    with store_errors():
        # Asked again, since a listing knows no digest, and an object may have been replaced.
        info = store.stat(info.location)
        path = store.local_path(info) or target
        with Progress(what, info.size, "bytes") as progress, told_if_full(target.parent):
            sha256 = _taken(info, path, target, progress)
        if store.stat(info.location).etag != info.etag:
            raise OSError(errno.ESTALE, f"{info.location}: {CHANGED}")
    fetched = Input(
        location=str(info.location),
        size=info.size,
        etag=info.etag,
        version=info.version,
        sha256=sha256,
    )
    return Fetched(path, fetched), f"{info.size:,} bytes, SHA-256 {sha256[:12]}…"
