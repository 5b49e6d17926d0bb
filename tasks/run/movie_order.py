"""A request's movies: of one format, and those of the nVision recorder in order of recording."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tasks.errors import BadInput
from tasks.pose.movies.isxb_format import HEADER_SIZE, RecordingSession, parse_header, parse_session
from tasks.pose.movies.reader import RECORDING_SUFFIX
from tasks.storage.location import Location
from tasks.storage.patterns import natural_sort_key
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NotSupported

PARALLEL_READS = 8
"""Recordings whose beginnings are read from the store at the same time."""

_MAX_NAMED = 5


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
            "format, and narrow a prefix that holds several with a pattern such as "
            f"{_folder_prefix(locations[0])}*{locations[0].suffix}"
        )


def _folder_prefix(location: Location) -> str:
    return str(location).removesuffix(location.name)


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
        _check_frame_size(recording, of_one)


def _check_frame_size(recording: str, parts: Sequence[_RecordedMovie]) -> None:
    sizes = {(part.session.width, part.session.height): part for part in reversed(parts)}
    if len(sizes) > 1:
        found = " and ".join(
            f"{width}×{height} in {part.info.location.name}"
            for (width, height), part in sizes.items()
        )
        raise BadInput(
            f"movies: expected one frame size in the recording {recording}, found {found}; leave "
            "out what does not belong to it"
        )


def _order_warnings(given: Sequence[ObjectInfo], ordered: Sequence[ObjectInfo]) -> list[str]:
    if list(given) == list(ordered):
        return []
    names = [info.location.name for info in ordered]
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return [
        f"the movies were put in order of their recording: {', '.join(names[:_MAX_NAMED])}{more}"
    ]
