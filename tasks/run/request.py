"""From a request to files in the scratch folder: resolve, check that it can be done, fetch."""

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import count

from tasks.errors import BadInput
from tasks.pose.exports.nwb_metadata import (
    MAX_METADATA_BYTES,
    NwbMetadata,
    check_metadata,
    parse_metadata,
)
from tasks.pose.movies.reader import RECORDING_SUFFIX
from tasks.pose.results.file_names import (
    HIDDEN_FOLDER,
    LABELED_MOVIE_FILE,
    RUN_FILES,
    RUN_FOLDERS,
)
from tasks.pose.results.run_record import RequestRecord
from tasks.pose.settings import PoseSettings
from tasks.run.check_readable import UNREADABLE, check_readable
from tasks.run.find_model import find_model
from tasks.run.find_movies import FoundMovies, find_entry_movies
from tasks.run.find_times import find_times_files
from tasks.run.movie_order import (
    check_one_format,
    describe_order,
    order_warnings,
    sort_by_recording,
)
from tasks.run_data import MovieSource, ResolvedRequest
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectStore


def resolve_locations(
    model: str,
    movies: Sequence[str],
    output: str,
    settings: PoseSettings,
    *,
    warns_of_order: bool = True,
) -> ResolvedRequest:
    """Find every object that a request names, before anything is downloaded.

    Args:
        model: Location of the model's zip.
        movies: Locations of movies: objects, prefixes that end in ``/``, or globs.
        output: Location below which results are written.
        settings: The request's settings.
        warns_of_order: Whether to look into movies for when they were recorded, for a warning.

    Returns:
        The objects, in the request's order.

    Raises:
        BadInput: A location is malformed, does not exist, or may not be read or written.
        Retriable: The store cannot be reached.
    """
    store = LocationStore()
    target = Location.parse(output)
    found = find_model(store, model)
    named = [find_entry_movies(store, text) for text in movies]
    entries, warnings = _choose_movies(named, target)
    infos, changes = sort_by_recording(store, [info for entry in entries for info in entry.infos])
    unreadable = check_readable(store, found, infos)
    store.check_writable(target)
    names = make_folder_names([info.location.stem for info in infos])
    for name in names:
        target.child(name)  # refuses names that no location can hold
    if warns_of_order:
        changes += order_warnings(store, entries)
    metadata, unknown = _read_nwb_metadata(store, settings, [info.location for info in infos])
    times = find_times_files(store, infos, settings.times)
    sources = zip(count(), names, infos, times, strict=False)
    return ResolvedRequest(
        given=RequestRecord(model=model, movies=tuple(movies), output=output, settings=settings),
        model=found,
        movies=tuple(MovieSource(*source) for source in sources),
        output=target,
        warnings=(*unreadable, *warnings, *changes, *unknown),
        store=store,
        order=describe_order(entries),
        nwb_metadata=metadata,
    )


def _read_nwb_metadata(
    store: ObjectStore, settings: PoseSettings, movies: Sequence[Location]
) -> tuple[NwbMetadata | None, list[str]]:
    """Read a lab's metadata for its movies, with warnings; refuse what is too little for NWB."""
    if not settings.nwb or settings.nwb_metadata is None:
        return None, []
    if find_spec("ndx_pose") is None:
        raise BadInput(
            "nwb: expected pynwb and ndx-pose, found neither in this environment; install them "
            "with `uv sync --extra nwb`"
        )
    location = Location.parse(settings.nwb_metadata)
    metadata = parse_metadata(store.read(location, MAX_METADATA_BYTES), str(location))
    names = [movie.name for movie in movies]
    recorded = all(movie.suffix.lower() == RECORDING_SUFFIX for movie in movies)
    return metadata, check_metadata(metadata, names, recorded=recorded, source=str(location))


def _choose_movies(
    found: Sequence[FoundMovies], output: Location
) -> tuple[list[FoundMovies], list[str]]:
    """The movies of all entries; what is named twice counts once."""
    seen: set[Location] = set()
    warnings, entries = [], []
    for entry in found:
        chosen = []
        for info in entry.infos:
            if info.location in seen:
                warnings.append(f"{info.location} is named more than once; it is analyzed once")
            elif _is_own_labeled_movie(info.location, output):
                warnings.append(f"{info.location} is a labeled movie of an earlier run; left out")
            else:
                seen.add(info.location)
                chosen.append(info)
        if chosen:
            entries.append(FoundMovies(tuple(chosen), entry.is_listed))
    if not entries:
        raise BadInput("movies: expected at least one location of a movie, found none")
    check_one_format([info.location for entry in entries for info in entry.infos])
    return entries, warnings


def _is_own_labeled_movie(location: Location, output: Location) -> bool:
    """Return whether a name below a prefix is that of our own labeled movie."""
    folder = f"{str(output).rstrip('/')}/"
    below = str(location).removeprefix(folder)
    return str(location).startswith(folder) and below.split("/")[1:] == [LABELED_MOVIE_FILE]


def make_folder_names(stems: Sequence[str]) -> list[str]:
    """Give each movie a separate folder: its stem, with a suffix only where stems repeat.

    >>> make_folder_names(["m1", "m10", "m1", "m1-2"])
    ['m1', 'm10', 'm1-3', 'm1-2']
    """
    stems = [_as_folder_name(stem) for stem in stems]
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


def _as_folder_name(stem: str) -> str:
    """A stem that can be a folder: not this one, not the one above, not a file of the run's."""
    if not stem.strip(". "):
        return "movie"
    return f"{stem}-movie" if stem.casefold() in {*RUN_FILES, *RUN_FOLDERS, HIDDEN_FOLDER} else stem


@stage("Resolve request", "resolve request", retries=STORE_RETRIES)
def resolve_request(
    model: str, movies: Sequence[str], output: str, settings: PoseSettings
) -> tuple[ResolvedRequest, str]:
    """Find the request's objects; see `resolve_locations`."""
    request = resolve_locations(model, movies, output, settings)
    count = f"{len(request.movies)} movie{'s' if len(request.movies) != 1 else ''}"
    unreadable = [f"; {warning}" for warning in request.warnings if UNREADABLE in warning]
    return request, f"{count}, model {request.model.location.name}{''.join(unreadable)}"
