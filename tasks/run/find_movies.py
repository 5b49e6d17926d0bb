"""Find the movies that the entries of a request name, without loading Prefect."""

from dataclasses import dataclass

from tasks.errors import BadInput
from tasks.pose.movies.reader import MOVIE_SUFFIXES
from tasks.storage.location import Location
from tasks.storage.lookup import expand_location
from tasks.storage.store import ObjectInfo, ObjectStore


@dataclass(frozen=True)
class FoundMovies:
    """The movies that one entry of a request names.

    Attributes:
        infos: The movies, in order of their names.
        is_listed: Whether the entry is a prefix or a pattern, and not the movie itself.
    """

    infos: tuple[ObjectInfo, ...]
    is_listed: bool


def find_entry_movies(store: ObjectStore, text: str) -> FoundMovies:
    """Find the movies that one entry names; beside movies, a prefix may hold anything.

    Args:
        store: Where they are.
        text: The entry.

    Raises:
        BadInput: It names no movie.
        Retriable: The store cannot be reached.
    """
    infos = expand_location(store, text)
    movies = [info for info in infos if _is_movie(info.location, alone=len(infos) == 1)]
    if not movies:
        kinds = ", ".join(MOVIE_SUFFIXES)
        raise BadInput(
            f"movies: expected movies ({kinds}), found "
            f"{', '.join(sorted({i.location.name for i in infos})[:5])} at {text}"
        )
    alone = len(infos) == 1 and infos[0].location == Location.parse(text)
    return FoundMovies(tuple(movies), is_listed=not alone)


def _is_movie(location: Location, *, alone: bool) -> bool:
    """Return whether a name is a movie's; hidden files (macOS: ``._m1.mp4``) only on request."""
    hidden = location.name.startswith(".") and not alone
    return location.suffix.lower() in MOVIE_SUFFIXES and not hidden
