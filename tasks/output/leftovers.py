"""Find and remove what earlier runs left at the output location."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

from prefect.logging import get_run_logger

from tasks.errors import PoseError
from tasks.output.checkpoint_upload import CHECKPOINTS_FOLDER
from tasks.output.hidden_folder import (
    hidden_location,
    remove_empty_folders,
    remove_objects,
)
from tasks.output.lock import LOCK_FOLDER, has_output_lock
from tasks.pose.results.file_names import (
    HIDDEN_FOLDER,
    LABELED_DATA_FOLDER,
    LABELED_MOVIE_FILE,
    POSES_FOLDER,
    PREVIEW_FILES,
    REPORT_FILE,
    RUN_FILES,
    RUN_RECORD_FILE,
)
from tasks.pose.results.run_record import (
    OutputFile,
    RunRecord,
)
from tasks.run_data import (
    ResolvedRequest,
)
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore


def find_outdated_files(
    earlier: RunRecord | None, record: RunRecord, output: Location
) -> list[Location]:
    """Find files of an earlier run that would contradict this one's.

    Those are the run's own files under other names, files of movies that are delivered anew, and
    files of another movie of the same name where this one failed. Movies that this run has
    nothing to do with keep theirs.

    Args:
        earlier: The record that was at this output location.
        record: This run's record.
        output: Where both put their results; nothing beyond it is ever named.

    Returns:
        Locations below `output`.
    """
    if earlier is None:
        return []
    now_there = {m.name: m for m in record.movies}
    old = set(_output_locations(earlier.outputs))
    for movie in earlier.movies:
        same = now_there.get(movie.name)
        if same and (same.outputs or same.input.location != movie.input.location):
            old.update(_output_locations(movie.outputs))
    new = set(_output_locations(record.outputs)).union(
        *(_output_locations(m.outputs) for m in record.movies)
    )
    below = f"{str(output).rstrip('/')}/"
    return [Location.parse(text) for text in sorted(old - new) if text.startswith(below)]


def _output_locations(outputs: dict[str, OutputFile]) -> list[str]:
    return [output.location for output in outputs.values()]


def abort_unfinished_uploads(request: ResolvedRequest, age: timedelta) -> None:
    """Free what a run that was killed has left."""
    _abort_uploads(request.store, request.output, partial(is_own_output, request), age)


def abort_uploads_of_analysis(
    store: ObjectStore, output: Location, is_result: Callable[[list[str]], bool]
) -> None:
    """Free what a killed run that analyzes poses has left; one run at a time writes there.

    Args:
        store: Where the output location is.
        output: The output location, which this run has locked.
        is_result: Whether a path below it, in parts, is one that only such runs write to.
    """

    def is_own(location: Location) -> bool:
        match _split_below(output, location):
            case [name] if name in {RUN_RECORD_FILE, REPORT_FILE}:
                return True
            case [folder, *names] if folder == HIDDEN_FOLDER:
                return names[0] != LOCK_FOLDER.rstrip("/")
            case parts:
                return is_result(parts)

    _abort_uploads(store, output, is_own, timedelta() if has_output_lock() else MIN_ABANDONED_AGE)


def _abort_uploads(
    store: ObjectStore, output: Location, chosen: Callable[[Location], bool], age: timedelta
) -> None:
    """Abort uploads that began that long ago; who may write might not be allowed to look."""
    try:
        found = store.abort_unfinished_uploads(output, chosen, age)
    except PoseError as error:
        get_run_logger().warning("Unfinished uploads below %s stay: %s", output, error)
        return
    if found:
        get_run_logger().info("%d unfinished uploads below %s were aborted", found, output)


def is_own_output(request: ResolvedRequest, location: Location) -> bool:
    """Return whether only runs with this request's output location write to a location.

    Below it may lie anything: movies that somebody is just uploading, the output locations of other
    requests, their scratch folders. Claims are those of runs that wait, too.
    """
    match _split_below(request.output, location):
        case [name]:
            return name in RUN_FILES
        case [folder, *names] if folder == HIDDEN_FOLDER:
            return names[0] != LOCK_FOLDER.rstrip("/")
        case [folder, movie, _] if folder == LABELED_DATA_FOLDER:
            return movie in {one.name for one in request.movies}
        case [folder, name] if folder == POSES_FOLDER:
            return any(name.startswith(movie.name) for movie in request.movies)
        case [folder, name]:
            stems = {movie.name: movie.info.location.stem for movie in request.movies}
            return folder in stems and (
                name in {LABELED_MOVIE_FILE, *PREVIEW_FILES}
                or (name.startswith(stems[folder]) and name.endswith(_EXPORT_ENDINGS))
            )
    return False


def _split_below(output: Location, location: Location) -> list[str]:
    """The parts of a location's path below an output location; none if it is not below it."""
    below = f"{str(output).rstrip('/')}/"
    text = str(location)
    return text.removeprefix(below).split("/") if text.startswith(below) else []


_EXPORT_ENDINGS = (".h5", "_meta.pickle", ".movement.nc", ".nwb")
"""Endings of the names of a movie's pose files, which begin with its stem."""


MIN_ABANDONED_AGE = timedelta(hours=6)
"""Age at which an upload is aborted that another run may still be making."""


def remove_checkpoints(request: ResolvedRequest, movies: Sequence[str]) -> None:
    """Remove checkpoints of delivered movies that a kill or the store has kept from going."""
    folder = hidden_location(request.output, f"{CHECKPOINTS_FOLDER}/")
    there: set[str] = set()
    with suppress(PoseError):
        found = [str(info.location) for info in request.store.list(folder)]
        there = {location.removeprefix(str(folder)).split("/")[0] for location in found}
    for movie in there & set(movies):
        remove_objects(request.store, folder.child(f"{movie}/"))
    remove_empty_folders(folder)
