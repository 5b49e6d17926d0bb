"""Results that are there already: their records and tables in the store, each read once."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tasks.behavior.behavior_settings import MAX_ZONES_BYTES
from tasks.errors import BadInput
from tasks.inbox.batches import MovieGroup
from tasks.inbox.behavior_batches import table_locations
from tasks.inbox.fingerprints import (
    RecordSummary,
    ResultOrigin,
    compute_digest,
    compute_digest_version,
    parse_behavior_origin,
    parse_neural_origin,
    parse_result_origin,
)
from tasks.inbox.inbox_batch import Standing
from tasks.inbox.memory import InboxMemory
from tasks.inbox.neural_batches import behavior_table_locations
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES
from tasks.storage.location import Location
from tasks.storage.lookup import expand_location
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

PARALLEL_REQUESTS = 16
"""Requests to the store at the same time."""

OriginParser = Callable[[bytes], ResultOrigin]
"""Reads from a run record what its result was made from."""

FilesByLocation = Mapping[str, ObjectInfo | str]
"""Run records and tables by their locations, or why they cannot be looked at."""


def list_results(store: ObjectStore, found: Sequence[MovieGroup]) -> FilesByLocation:
    """Run records of batches, and tables that behavior runs read; each place is listed once."""
    usable = [batch for batch in found if batch.standing is not Standing.REFUSED]
    following = [batch for batch in usable if batch.behavior_output]
    wanted = {batch.record_location for batch in usable}
    wanted |= {f"{batch.behavior_output}{RUN_RECORD_FILE}" for batch in following}
    wanted |= {text for batch in following for text in table_locations(batch)}
    neural = [batch for batch in usable if batch.neural_output]
    wanted |= {f"{batch.neural_output}{RUN_RECORD_FILE}" for batch in neural}
    wanted |= {text for batch in neural for text in behavior_table_locations(batch)}
    shelves = _outermost_folders(
        {batch.shelf for batch in usable}
        | {batch.behavior_output for batch in following}
        | {batch.neural_output for batch in neural}
    )
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        listings = pool.map(lambda shelf: _list_wanted_below(store, shelf, wanted), shelves)
        return {text: record for listing in listings for text, record in listing.items()}


def _outermost_folders(folders: Iterable[str]) -> list[str]:
    """Those folders that lie in no other."""
    found: list[str] = []
    for folder in sorted(folders):
        if not found or not folder.startswith(found[-1]):
            found.append(folder)
    return found


def _list_wanted_below(store: ObjectStore, shelf: str, wanted: set[str]) -> FilesByLocation:
    try:
        listing = store.list(Location.parse(shelf))
        return {text: o for o in listing if (text := str(o.location)) in wanted}
    except NoSuchObject:
        return {}
    except BadInput as error:
        below = [text for text in wanted if text.startswith(shelf)]
        return dict.fromkeys(below, str(error))


def choose_parsers(found: Iterable[MovieGroup]) -> dict[str, OriginParser]:
    """How the records of the runs that follow pose runs are read, by their locations."""
    parsers: dict[str, OriginParser] = {}
    for batch in found:
        if batch.behavior_output:
            parsers[f"{batch.behavior_output}{RUN_RECORD_FILE}"] = parse_behavior_origin
        if batch.neural_output:
            parsers[f"{batch.neural_output}{RUN_RECORD_FILE}"] = parse_neural_origin
    return parsers


def find_recordings(
    store: ObjectStore, found: Iterable[MovieGroup]
) -> dict[str, Sequence[ObjectInfo] | BadInput]:
    """What lies where complete results' requests name cell sets, or why nothing can be found."""
    current = [b.neural for b in found if b.neural and b.standing is Standing.CURRENT]
    places = {text for asked in current for text in asked.recordings}
    return {text: _expand_recording(store, text) for text in places}


def _expand_recording(store: ObjectStore, text: str) -> Sequence[ObjectInfo] | BadInput:
    try:
        return expand_location(store, text)
    except BadInput as error:
        return error


def stat_run_records(store: ObjectStore, found: Sequence[MovieGroup]) -> FilesByLocation:
    """The run records of batches, asked for one by one."""
    wanted = [batch.record_location for batch in found if batch.standing is not Standing.REFUSED]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        asked = zip(wanted, pool.map(partial(_stat_run_record, store), wanted), strict=True)
        return {text: record for text, record in asked if record is not None}


def _stat_run_record(store: ObjectStore, text: str) -> ObjectInfo | str | None:
    try:
        return store.stat(Location.parse(text))
    except NoSuchObject:
        return None
    except BadInput as error:
        return str(error)


def read_results(
    store: ObjectStore,
    records: FilesByLocation,
    memory: InboxMemory,
    parsers: Mapping[str, OriginParser],
) -> tuple[dict[str, ResultOrigin], dict[str, RecordSummary]]:
    """Read the run records that have not been read before.

    Args:
        store: Where they are.
        records: The records.
        memory: What earlier looks have read.
        parsers: How records of other runs than pose runs are read, by their locations.

    Returns:
        What to remember, and the results by the records' locations.
    """
    infos = {text: r for text, r in records.items() if isinstance(r, ObjectInfo)}
    # What another version remembered it may have digested otherwise: that is read again.
    version = compute_digest_version()
    ids = {text: compute_digest(text, info.etag, version) for text, info in infos.items()}
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        read = pool.map(
            lambda t: (
                memory.made.get(ids[t])
                or _read_result_origin(store, infos[t], parsers.get(t, parse_result_origin))
            ),
            infos,
        )
        made = dict(zip(infos, read, strict=True))
    results = {text: RecordSummary(*made[text], info.modified) for text, info in infos.items()}
    results |= {t: RecordSummary("", "", r, None) for t, r in records.items() if isinstance(r, str)}
    return {ids[text]: one for text, one in made.items()}, results


def _read_result_origin(store: ObjectStore, info: ObjectInfo, parse: OriginParser) -> ResultOrigin:
    try:
        return parse(store.read(info.location, MAX_RECORD_BYTES))
    except BadInput as error:
        return "", "", str(error)


def choose_records(files: FilesByLocation) -> FilesByLocation:
    """Choose the run records among files."""
    return {text: one for text, one in files.items() if text.endswith(f"/{RUN_RECORD_FILE}")}


def digest_zones_files(
    store: ObjectStore, found: Iterable[MovieGroup]
) -> dict[str, str | BadInput]:
    """SHA-256 of each zones file that complete results need, or why it cannot be read."""
    current = [b.behavior for b in found if b.behavior and b.standing is Standing.CURRENT]
    places = {settings["zones"] for settings in current if settings.get("zones")}
    return {text: _digest_zones(store, text) for text in places}


def _digest_zones(store: ObjectStore, text: str) -> str | BadInput:
    try:
        return hashlib.sha256(store.read(Location.parse(text), MAX_ZONES_BYTES)).hexdigest()
    except BadInput as error:
        return error
