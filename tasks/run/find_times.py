"""Find the times file beside each movie of a request."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from tasks.errors import BadInput
from tasks.pose.clock.times_names import RENAMED_ENDING, find_times_name, list_times_names
from tasks.pose.times_settings import AUTOMATIC_TIMES, TimesSettings
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

PARALLEL_REQUESTS = 8
"""Requests to the store at the same time."""

_MAX_NEIGHBORS = 1000
"""Objects whose names begin like a movie's that are looked at."""


def find_times_files(
    store: ObjectStore, movies: Sequence[ObjectInfo], settings: TimesSettings
) -> list[ObjectInfo | None]:
    """Find the file that has the times of each movie's frames: one request for each movie.

    Args:
        store: Where they are.
        movies: The movies.
        settings: Which file to take.

    Returns:
        The file of each movie, None where it has none.

    Raises:
        BadInput: A file that the settings name does not exist.
        Retriable: The store cannot be reached.
    """
    if not list_times_names("movie", settings.file):
        return [None] * len(movies)
    find = partial(_find_times_file, store, settings=settings)
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        return list(pool.map(find, (movie.location for movie in movies)))


def _find_times_file(
    store: ObjectStore, movie: Location, settings: TimesSettings
) -> ObjectInfo | None:
    folder = movie.key.removesuffix(movie.name)
    names = list_times_names(movie.name, settings.file)
    if settings.file != AUTOMATIC_TIMES:
        try:
            return store.stat(Location(movie.bucket, f"{folder}{names[0]}"))
        except NoSuchObject as error:
            raise BadInput(
                f"times: expected {names[0]} beside {movie}, found none; put it there, or change "
                "times.file"
            ) from error
    with suppress(NoSuchObject):
        begin = movie.stem.removesuffix(RENAMED_ENDING)
        near = zip(
            range(_MAX_NEIGHBORS),
            store.list_beginning(Location(movie.bucket, f"{folder}{begin}")),
            strict=False,
        )
        there = {info.location.name: info for _, info in near}
        name = find_times_name(movie.name, settings.file, there)
        return there[name] if name else None
    return None
