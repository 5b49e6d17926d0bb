"""Find what a request on neural activity names: cell sets, annotations, events, references."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tasks.behavior.annotations_file import TABLE_SUFFIXES
from tasks.behavior.behavior_record import BEHAVIOR_KIND
from tasks.errors import BadInput
from tasks.messages import format_list, format_value
from tasks.neural.neural_record import NeuralRequestRecord
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import BehaviorStart
from tasks.neural.timing_references import GPIO_SUFFIX
from tasks.neural_run.behavior_start import find_behavior_start
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore, expand_location
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

RECORDING_SUFFIX = ".isxd"
REFERENCE_SUFFIXES = (RECORDING_SUFFIX, GPIO_SUFFIX)


@dataclass(frozen=True)
class NeuralRequest:
    """A request whose locations have been found.

    Attributes:
        given: The request as it was given.
        cell_sets: The cell sets.
        event_sets: The event sets; none, or one for each.
        references: Raw miniscope movies or .gpio files; none, or one for each.
        table: The annotations.
        output: The prefix or folder that results go below.
        store: Where all of it is.
        start: When time 0 of the table was; None where nothing tells.
        warnings: What the user should know, one sentence each.
    """

    given: NeuralRequestRecord
    cell_sets: tuple[ObjectInfo, ...]
    event_sets: tuple[ObjectInfo, ...]
    references: tuple[ObjectInfo, ...]
    table: ObjectInfo
    output: Location
    store: ObjectStore
    start: BehaviorStart | None = None
    warnings: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[ObjectInfo, ...]:
        """Everything that is read, in one order."""
        return (*self.cell_sets, *self.event_sets, *self.references, self.table)


def resolve_neural(
    cell_sets: Sequence[str],
    annotations: str,
    output: str,
    event_sets: Sequence[str],
    settings: NeuralSettings,
) -> NeuralRequest:
    """Find every object that a request names, before anything is downloaded.

    Args:
        cell_sets: Locations of cell sets, one or a series.
        annotations: Location of a behavior run (its ``run.json``, or its folder), or of a table.
        output: Location that results go below.
        event_sets: Locations of event sets, one for each cell set, or none.
        settings: The request's settings.

    Raises:
        BadInput: A location is malformed, does not exist, is something else, or may not be read
            or written.
        Retriable: The store cannot be reached.
    """
    store, target = LocationStore(), Location.parse(output)
    cells = _find_recordings(store, cell_sets, "cell_sets", (RECORDING_SUFFIX,))
    if not cells:
        raise BadInput("cell_sets: expected at least one cell set (.isxd), found none")
    events = _find_recordings(store, event_sets, "event_sets", (RECORDING_SUFFIX,))
    references = _find_recordings(
        store, settings.timing_references, "timing_references", REFERENCE_SUFFIXES
    )
    for name, found in (("event_sets", events), ("timing_references", references)):
        if found and len(found) != len(cells):
            raise BadInput(
                f"{name}: expected one for each of the {len(cells)} cell sets, found {len(found)}"
            )
    table, poses = _find_table(store, annotations)
    start = find_behavior_start(store, settings, poses)
    _check_output(store, target)
    store.check_writable(target)
    given = NeuralRequestRecord(
        cell_sets=tuple(cell_sets),
        annotations=annotations,
        output=output,
        event_sets=tuple(event_sets),
        settings=settings,
    )
    return NeuralRequest(given, cells, events, references, table, target, store, start)


@stage("Resolve request", "resolve request", retries=STORE_RETRIES)
def resolve_neural_request(
    cell_sets: Sequence[str],
    annotations: str,
    output: str,
    event_sets: Sequence[str],
    settings: NeuralSettings,
) -> tuple[NeuralRequest, str]:
    """Find the request's objects; see `resolve_neural`."""
    request = resolve_neural(cell_sets, annotations, output, event_sets, settings)
    return request, f"{len(request.cell_sets)} cell sets"


def _find_recordings(
    store: ObjectStore, texts: Sequence[str], option: str, suffixes: Sequence[str]
) -> tuple[ObjectInfo, ...]:
    found = {info.location: info for text in texts for info in expand_location(store, text)}
    for location in found:
        if location.suffix.lower() not in suffixes:
            raise BadInput(
                f"{option}: expected {format_list(suffixes)}, found {format_value(location.name)}"
            )
    return tuple(found.values())


def _find_table(store: ObjectStore, text: str) -> tuple[ObjectInfo, str | None]:
    """The table, and the pose run that it comes from, where that is known."""
    location = Location.parse(text)
    if location.is_prefix:
        location = location.child(RUN_RECORD_FILE)
    if location.name == RUN_RECORD_FILE:
        return _find_behavior_table(store, location)
    if location.suffix.lower() not in TABLE_SUFFIXES:
        raise BadInput(
            f"annotations: expected {RUN_RECORD_FILE} of a behavior run, or a table "
            f"({', '.join(TABLE_SUFFIXES)}), found {format_value(location.name)}"
        )
    return store.stat(location), None


def _find_behavior_table(store: ObjectStore, where: Location) -> tuple[ObjectInfo, str | None]:
    record: Any = None
    with suppress(ValueError, RecursionError):
        record = json.loads(store.read(where, MAX_RECORD_BYTES))
    if not isinstance(record, dict) or record.get("kind") != BEHAVIOR_KIND:
        raise BadInput(
            f"annotations: {where} is not the record of a behavior run; run "
            "`python -m flows behavior` on the poses first, or give a table with a state column"
        )
    tables = [one for one in record.get("tables", ()) if one.get("outputs")]
    if len(tables) != 1:
        raise BadInput(
            f"annotations: {where} names {len(tables)} tables; give the location of one of them"
        )
    name = next((n for n in tables[0]["outputs"] if n.startswith("behavior.")), "")
    folder = Location(where.bucket, where.key.rpartition("/")[0] + "/")
    for place in (
        folder.child(str(tables[0]["name"]), name),
        Location.parse(str(tables[0]["outputs"][name]["location"])),
    ):
        with suppress(NoSuchObject):
            return store.stat(place), tables[0].get("pose_run")
    raise BadInput(f"annotations: the table that {where} names is not there any more")


def _check_output(store: ObjectStore, output: Location) -> None:
    """Refuse to put results where a run of another kind has its own."""
    where = output.child(RUN_RECORD_FILE)
    record: Any = None
    with suppress(NoSuchObject, ValueError, RecursionError):
        record = json.loads(store.read(where, MAX_RECORD_BYTES))
    if isinstance(record, dict) and record.get("kind") != "neural":
        raise BadInput(
            f"output: {output} holds the results of another run; name another location, such as "
            f"{output.child('neural/')}"
        )
