"""Order of a request's movies: as given, by name, or by the start of their recordings."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.pose.movies.isxb.isxb_format import (
    HEADER_SIZE,
    RecordingSession,
    parse_header,
    parse_session,
)
from tasks.pose.movies.reader import RECORDING_SUFFIX
from tasks.run.find_movies import FoundMovies
from tasks.run.recording_times import disagreement_warnings
from tasks.storage.chapter_order import find_chapters, missing_chapter_warnings
from tasks.storage.location import Location
from tasks.storage.lookup import sort_by_name
from tasks.storage.patterns import natural_sort_key
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NotSupported

PARALLEL_READS = 8
"""Recordings whose beginnings are read from the store at the same time."""

_MAX_NAMED = 5


def describe_order(entries: Sequence[FoundMovies]) -> str:
    """Say how the order of a request's movies was found.

    Args:
        entries: What its entries name; at least one.
    """
    infos = [info for entry in entries for info in entry.infos]
    if infos[0].location.suffix.lower() == RECORDING_SUFFIX:
        return "by the start of each recording"
    listed = [entry for entry in entries if entry.is_listed]
    if not listed:
        return "as given"
    keys = [[info.location.key for info in entry.infos] for entry in listed]
    together = ", with the chapters of each recording together (GoPro)"
    by_name = f"by name{together if any(map(find_chapters, keys)) else ''}"
    return by_name if len(entries) == 1 else f"entries as given; within them {by_name}"


def order_warnings(store: ObjectStore, entries: Sequence[FoundMovies]) -> list[str]:
    """Warn where the order of movies by name may not be that of their recording.

    Args:
        store: Where they are.
        entries: What the request's entries name.
    """
    if any(e.infos[0].location.suffix.lower() == RECORDING_SUFFIX for e in entries):
        return []  # these have been put in order of their recording
    found = _shell_order_warnings(entries)
    for entry in (entry for entry in entries if entry.is_listed):
        keys = [info.location.key for info in entry.infos]
        found += missing_chapter_warnings(list(find_chapters(keys).values()))
        found += disagreement_warnings(store, entry.infos)
    return found


def _shell_order_warnings(entries: Sequence[FoundMovies]) -> list[str]:
    """Warn of a pattern that a shell has replaced by names in alphabetical order."""
    given = [info for entry in entries for info in entry.infos]
    keys = [info.location.key for info in given]
    is_sorted = keys in (sorted(keys), sorted(keys, key=str.casefold))
    if any(entry.is_listed for entry in entries) or not is_sorted:
        return []
    swapped = next(
        (n for n, by_name in zip(given, sort_by_name(given), strict=True) if n != by_name), None
    )
    if swapped is None:
        return []
    warning = (
        "the movies are in alphabetical order, in which a shell gives names that fit a pattern; "
        f"from {format_value(swapped.location.name)} on, their numbers say another order: put the "
        "pattern in quotes to follow them"
    )
    return [warning]


def check_one_format(locations: Sequence[Location]) -> None:
    """Refuse a request for movies of several formats.

    Raises:
        BadInput: With the number of movies of each.
    """
    formats = Counter(location.suffix.lower() for location in locations)
    if len(formats) > 1:
        found = " and ".join(f"{count} {suffix}" for suffix, count in sorted(formats.items()))
        raise BadInput(
            f"movies: expected one format in a request, found {found}; make one request for each "
            "format, and narrow a folder that holds several with a pattern such as "
            f"{str(locations[0]).removesuffix(locations[0].name)}*{locations[0].suffix}"
        )


@dataclass(frozen=True)
class _RecordedMovie:
    """A movie, and how it was recorded."""

    info: ObjectInfo
    session: RecordingSession


def sort_by_recording(
    store: ObjectStore, infos: Sequence[ObjectInfo]
) -> tuple[list[ObjectInfo], list[str]]:
    """Put recordings in order of their start; other movies stay as they are.

    A file that cannot be read as a recording keeps its place, and fails later by itself.

    Args:
        store: Where they are.
        infos: The request's movies, of one format.

    Returns:
        The movies, and a warning where this has changed their order.

    Raises:
        BadInput: Movies of one recording have different frame sizes.
        Retriable: The store cannot be reached.
    """
    if not infos or infos[0].location.suffix.lower() != RECORDING_SUFFIX:
        return list(infos), []
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        recorded = list(pool.map(partial(_read_recorded_movie, store), infos))
    known = [movie for movie in recorded if movie]
    _check_frame_sizes(known)
    known.sort(key=_recording_sort_key)
    in_order = iter(known)
    ordered = [
        next(in_order).info if movie else info for info, movie in zip(infos, recorded, strict=True)
    ]
    return ordered, _order_warnings(infos, ordered)


def _recording_sort_key(movie: _RecordedMovie) -> tuple[object, ...]:
    location = movie.info.location
    return movie.session.start, natural_sort_key(location.name), natural_sort_key(str(location))


def _read_recorded_movie(store: ObjectStore, info: ObjectInfo) -> _RecordedMovie | None:
    """Read the beginning of a file and what it says of its session: two small requests."""
    name = info.location.name
    try:
        if not info.size:
            return None
        first = store.read_part(info.location, 0, min(HEADER_SIZE, info.size))
        header = parse_header(first, info.size, name)
        place = header.session
        session = store.read_part(info.location, place.offset, place.size)
        return _RecordedMovie(info, parse_session(session, header, name))
    except NotSupported:
        raise
    except BadInput:  # also where the file ends before what its header names
        return None


def _check_frame_sizes(movies: Sequence[_RecordedMovie]) -> None:
    """Refuse a recording, by one of the recorder's cameras, whose parts differ in size."""
    parts: dict[tuple[str, str], list[_RecordedMovie]] = defaultdict(list)
    for movie in movies:
        if movie.session.recording:
            parts[movie.session.recording, movie.session.camera].append(movie)
    for (recording, _), of_one in parts.items():
        sizes = {(part.session.width, part.session.height): part for part in reversed(of_one)}
        if len(sizes) > 1:
            found = " and ".join(
                f"{width}×{height} in {part.info.location.name}"
                for (width, height), part in sizes.items()
            )
            raise BadInput(
                f"movies: expected one frame size in the recording {recording}, found {found}; "
                "leave out what does not belong to it"
            )


def _order_warnings(given: Sequence[ObjectInfo], ordered: Sequence[ObjectInfo]) -> list[str]:
    if list(given) == list(ordered):
        return []
    names = [info.location.name for info in ordered]
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return [
        f"the movies were put in order of their recording: {', '.join(names[:_MAX_NAMED])}{more}"
    ]
