"""When a behavior recording began: as given, or as the header of its first .isxb movie says."""

import json
from contextlib import suppress
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import BehaviorStart
from tasks.pose.movies.isxb.isxb_format import HEADER_SIZE, parse_header
from tasks.pose.results.run_record import MAX_RECORD_BYTES
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore

BEHAVIOR_SUFFIX = ".isxb"


def find_behavior_start(
    store: ObjectStore, settings: NeuralSettings, poses: str | None
) -> BehaviorStart | None:
    """Find when time 0 of the annotations was.

    Only the header of a movie is read, whatever its size.

    Args:
        store: Where the movie is.
        settings: `behavior_start`, or `behavior_movie`.
        poses: Location of the pose run that the annotations come from, where that is known.

    Returns:
        None where nothing tells: no setting, and no pose run of .isxb movies that are still there.

    Raises:
        BadInput: `behavior_movie` is no .isxb that can be read.
    """
    if settings.behavior_start is not None:
        return BehaviorStart(settings.behavior_start.timestamp(), "behavior_start")
    if settings.behavior_movie is not None:
        where = Location.parse(settings.behavior_movie)
        if where.suffix.lower() != BEHAVIOR_SUFFIX:
            raise BadInput(
                f"behavior_movie: expected {BEHAVIOR_SUFFIX}, found {format_value(where.name)}; of "
                "other movies give behavior_start"
            )
        return _read_start(store, where)
    if poses is not None:
        with suppress(BadInput):
            first = _find_first_movie(store, Location.parse(poses))
            if first is not None and first.suffix.lower() == BEHAVIOR_SUFFIX:
                return _read_start(store, first)
    return None


def _read_start(store: ObjectStore, where: Location) -> BehaviorStart:
    info = store.stat(where)
    data = store.read_part(where, 0, max(1, min(HEADER_SIZE, info.size)), info.etag)
    header = parse_header(data, info.size, where.name)
    return BehaviorStart(float(header.start), f"the header of {where.name}")


def _find_first_movie(store: ObjectStore, poses: Location) -> Location | None:
    """The movie whose first frame is time 0, as the pose run's record names it."""
    record: Any = None
    with suppress(ValueError, RecursionError):
        record = json.loads(store.read(poses, MAX_RECORD_BYTES))
    try:
        first = next(movie for movie in record["movies"] if movie["number"] == 0)
        if first["status"] != "complete":
            return None
        return Location.parse(first["input"]["location"])
    except (KeyError, TypeError, StopIteration):
        return None
