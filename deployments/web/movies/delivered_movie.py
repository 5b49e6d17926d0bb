"""A movie of a finished run, from the run's record: one of thousands is read as quickly as one."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from tasks.errors import BadInput
from tasks.messages import format_error
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES, MovieRecord, ResultStatus
from tasks.pose.settings import PoseSettings
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NoSuchObject


@dataclass(frozen=True)
class DeliveredMovie:
    """A movie of a run.

    Attributes:
        output: Location of the run's results.
        folder: Location of the movie's results.
        record: The movie's record; places in it are a stranger's.
        settings: The run's settings.
        skeleton: Pairs of body parts that the model joins by lines.
    """

    output: Location
    folder: Location
    record: MovieRecord
    settings: PoseSettings
    skeleton: tuple[tuple[str, str], ...]


def find_output(folder: Location) -> Location:
    """The location of a run's results, by that of one of its movies' folders."""
    return Location(folder.bucket, folder.key.removesuffix(f"{folder.name}/"))


def read_delivered_movie(store: ObjectStore, folder: Location) -> DeliveredMovie:
    """Read what a run's record says about one of its movies.

    Args:
        store: Where the results are.
        folder: The movie's folder, with a slash at its end.

    Raises:
        NoSuchObject: There is no such run, or it has no such movie.
        BadInput: The run has no poses of it, or its record is of another version.
    """
    output = find_output(folder)
    place = output.child(RUN_RECORD_FILE)
    data = store.read(place, MAX_RECORD_BYTES)
    try:
        run = from_json(data)
        found = [movie for movie in run["movies"] if movie["name"] == folder.name]
        record = [MovieRecord.model_validate(movie) for movie in found]
        settings = PoseSettings.model_validate(run["request"]["settings"])
        skeleton = _read_skeleton(run["model"]["skeleton"])
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{place}: expected the record of a pose run of this version, found another "
            f"({format_error(error)}); its files can still be downloaded"
        ) from error
    if not record:
        raise NoSuchObject(f"{folder}: this run has no movie of this name.")
    if record[0].status is not ResultStatus.COMPLETE:
        raise BadInput(f"{folder.name}: this movie failed, so that there are no poses to show")
    return DeliveredMovie(output, folder, record[0], settings, skeleton)


def _read_skeleton(pairs: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(first), str(second)) for first, second in pairs)
