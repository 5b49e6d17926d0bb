"""The models and movies below the configured locations, to be picked from, and their folders."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tasks.errors import PoseError
from tasks.pose.movies.reader import MOVIE_SUFFIXES
from tasks.pose.results.file_names import HIDDEN_FOLDER, LABELED_MOVIE_FILE, RUN_RECORD_FILE
from tasks.storage.location import Location
from tasks.storage.lookup import sort_by_name
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

log = logging.getLogger("web")

PAGE_LENGTH = 100
"""Rows of a page."""

_SHORTEST_PAUSE = 5.0
"""Seconds from one look at the store to the next, at least."""

_LISTING_SHARE = 4
"""Pauses are this many times as long as the last look took: listing large buckets has a price."""


@dataclass(frozen=True)
class FoundInputs:
    """What a look at the store found.

    Attributes:
        models: Zips, in order of their names.
        movies: Movies, those of our own results left out.
        problems: Why some folders could not be looked at.
        looked: Whether there has been a look.
    """

    models: tuple[ObjectInfo, ...] = ()
    movies: tuple[ObjectInfo, ...] = ()
    problems: tuple[str, ...] = ()
    looked: bool = False


@dataclass(frozen=True)
class FolderRow:
    """A folder with movies in it.

    Attributes:
        location: The folder, with a slash at its end.
        name: Its name, or the whole location of one of the configured folders.
        movies: How many movies are in it, however deep.
        first: The first of them.
    """

    location: Location
    name: str
    movies: int
    first: Location


@dataclass(frozen=True)
class FolderPage:
    """A page of what is in a folder.

    Attributes:
        folder: The folder; None above all of the configured ones.
        parents: The folders above it, down to it, each with its name.
        rows: Folders, then movies.
        count: How many rows there are in all.
    """

    folder: Location | None
    parents: tuple[tuple[str, Location | None], ...]
    rows: tuple[FolderRow | ObjectInfo, ...]
    count: int


class InputIndex:
    """Models and movies below some folders; listed in a thread when somebody looks at them.

    Args:
        store: Where the folders are.
        folders: The folders; one in another counts once.
    """

    def __init__(self, store: ObjectStore, folders: Sequence[Location]) -> None:
        self.folders = tuple(_without_inner_folders(folders))
        self.found = FoundInputs()
        self._store = store
        self._lock = threading.Lock()
        self._is_looking, self._due = False, 0.0

    def request_refresh(self) -> None:
        """Ask for a look at the store, unless there was one just now; return at once."""
        with self._lock:
            if self._is_looking or time.monotonic() < self._due:
                return
            self._is_looking = True
        threading.Thread(target=self._refresh_once, name="inputs", daemon=True).start()

    @property
    def is_looking(self) -> bool:
        """Return whether the store is being looked at."""
        return self._is_looking

    def _refresh_once(self) -> None:
        began = time.monotonic()
        try:
            self.refresh()
        except Exception:
            log.exception("looking for models and movies failed")
        finally:
            took = time.monotonic() - began
            with self._lock:
                self._due = time.monotonic() + max(_SHORTEST_PAUSE, _LISTING_SHARE * took)
                self._is_looking = False

    def refresh(self) -> None:
        """List the folders."""
        infos: list[ObjectInfo] = []
        problems = []
        for folder in self.folders:
            try:
                infos += _keep_inputs(self._store.list(folder))
            except NoSuchObject as error:
                problems.append(str(error))
            except PoseError as error:  # what was known stays
                old = (*self.found.models, *self.found.movies)
                infos += [info for info in old if _is_in(info.location, folder)]
                problems.append(str(error))
        models = [info for info in infos if info.location.suffix.lower() == ".zip"]
        movies = [info for info in infos if info.location.suffix.lower() != ".zip"]
        found = FoundInputs(tuple(sort_by_name(models)), tuple(sort_by_name(movies)))
        self.found = replace(found, problems=tuple(problems), looked=True)

    def find_models(self, text: str, page: int) -> tuple[list[ObjectInfo], int]:
        """A page of the models that fit all words of a text, and how many there are."""
        found = [info for info in self.found.models if _has_words(info.location.key, text)]
        return found[PAGE_LENGTH * (page - 1) : PAGE_LENGTH * page], len(found)

    def open_folder(self, folder: Location | None, text: str, page: int) -> FolderPage:
        """A page of a folder.

        Args:
            folder: The folder; None for the configured ones, or for the only one with movies.
            text: Words; if there are any, all movies below the folder that fit them are listed.
            page: Which page, from 1.
        """
        folder = folder or self._find_only_folder()
        movies = [m for m in self.found.movies if folder is None or _is_in(m.location, folder)]
        rows: list[FolderRow | ObjectInfo]
        if text.strip():
            start = len(folder.key) if folder else 0
            rows = [m for m in movies if _has_words(m.location.key[start:], text)]
        elif folder is None:
            rows = [*self._list_configured(movies)]
        else:
            rows = [*_list_folders(folder, movies), *_list_own(folder, movies)]
        chosen = tuple(rows[PAGE_LENGTH * (page - 1) : PAGE_LENGTH * page])
        return FolderPage(folder, tuple(self._list_parents(folder)), chosen, len(rows))

    def _find_only_folder(self) -> Location | None:
        """The configured folder that has all the movies, if it is one."""
        if len(self.folders) == 1:
            return self.folders[0]
        movies = self.found.movies
        filled = [f for f in self.folders if any(_is_in(movie.location, f) for movie in movies)]
        return filled[0] if len(filled) == 1 else None

    def _list_configured(self, movies: Sequence[ObjectInfo]) -> Iterator[FolderRow]:
        for folder in self.folders:
            inside = [movie for movie in movies if _is_in(movie.location, folder)]
            if inside:
                yield FolderRow(folder, str(folder), len(inside), inside[0].location)

    def _list_parents(self, folder: Location | None) -> Iterator[tuple[str, Location | None]]:
        if self._find_only_folder() is None:
            yield "All folders", None
        root = next((one for one in self.folders if folder and _is_in(folder, one)), None)
        if folder is None or root is None:
            return
        yield str(root), root
        parts = folder.key[len(root.key) :].strip("/").split("/")
        for end in range(1, len(parts) + 1 if parts != [""] else 1):
            yield parts[end - 1], Location(root.bucket, f"{root.key}{'/'.join(parts[:end])}/")


def _without_inner_folders(folders: Iterable[Location]) -> Iterator[Location]:
    unique = list(dict.fromkeys(folders))
    for folder in unique:
        if not any(other != folder and _is_in(folder, other) for other in unique):
            yield folder


def _is_in(location: Location, folder: Location) -> bool:
    return location.bucket == folder.bucket and location.key.startswith(folder.key)


def _has_words(text: str, words: str) -> bool:
    folded = text.casefold()
    return all(word in folded for word in words.casefold().split())


def _keep_inputs(infos: Iterable[ObjectInfo]) -> list[ObjectInfo]:
    """Keep zips and movies; what runs have made is no input."""
    kept, runs = [], set[str]()
    for info in infos:
        key, name = info.location.key, info.location.name
        inside, hidden, _ = key.partition(f"{HIDDEN_FOLDER}/")
        if hidden and (not inside or inside.endswith("/")):
            runs.add(inside)
        elif name == RUN_RECORD_FILE:
            runs.add(key.removesuffix(name))
        elif info.location.suffix.lower() in {*MOVIE_SUFFIXES, ".zip"} and name[0] != ".":
            kept.append(info)
    return [info for info in kept if not _is_labeled_movie(info.location, runs)]


def _is_labeled_movie(location: Location, runs: set[str]) -> bool:
    folder = location.key.removesuffix(f"/{LABELED_MOVIE_FILE}")
    return folder != location.key and f"{folder.rpartition('/')[0]}/" in runs


def _list_folders(folder: Location, movies: Sequence[ObjectInfo]) -> Iterator[FolderRow]:
    counts, firsts = Counter[str](), dict[str, Location]()
    for movie in movies:
        name, slash, _ = movie.location.key[len(folder.key) :].partition("/")
        if slash:
            counts[name] += 1
            firsts.setdefault(name, movie.location)
    for name, count in counts.items():
        yield FolderRow(Location(folder.bucket, f"{folder.key}{name}/"), name, count, firsts[name])


def _list_own(folder: Location, movies: Sequence[ObjectInfo]) -> list[ObjectInfo]:
    return [movie for movie in movies if "/" not in movie.location.key[len(folder.key) :]]
