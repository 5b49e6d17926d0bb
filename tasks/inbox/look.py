"""Look at an inbox in its store: what lies there, and where each batch of movies stands."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.errors import BadInput
from tasks.inbox.batches import Batch, Contents, Standing, batches, in_one_sentence
from tasks.inbox.fingerprints import Made, Result, digest, read_made, source_digest
from tasks.inbox.memory import LARGEST_MEMORY, MEMORY, Memory, read_memory
from tasks.inbox.request_file import (
    REQUEST_FILE,
    FolderRequest,
    folder_of,
    folders_above,
    read_request,
    request_files,
)
from tasks.inbox.standing import Findings, judged
from tasks.pose.results.file_names import LABELED
from tasks.pose.results.run_record import LARGEST_RECORD
from tasks.pose.settings import PoseSettings
from tasks.stages.stage import STORE_RETRIES, stage
from tasks.storage.location import Location
from tasks.storage.lookup import store_for
from tasks.storage.store import ObjectInfo
from tasks.storage.user_errors import store_errors

LARGEST_REQUEST = 2**20
"""Bytes of a `request.yaml`."""

AT_ONCE = 16
"""Requests to the store at the same time."""


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        batches: Every batch, and where it stands.
        memory: What to remember.
        before: What was remembered.
    """

    batches: tuple[Batch, ...]
    memory: Memory
    before: Memory


def parse_inbox(text: str) -> Location:
    """Read the inbox' location, with or without the slash at its end.

    Raises:
        BadInput: It is no location.
    """
    with store_errors():
        return Location.parse(f"{text.rstrip('/')}/")


@stage("Look at inbox", "look · {inbox}", retries=STORE_RETRIES)
def look(inbox: Location, defaults: FolderRequest, quiet: float) -> tuple[Look, str]:
    """Find every batch of movies in the inbox, and where it stands.

    One listing of the inbox, and one of each place that results go to.

    Args:
        inbox: The inbox.
        defaults: What holds where no `request.yaml` says anything else.
        quiet: Seconds that movies must have been found unchanged.
    """
    with store_errors():
        objects = list(store_for(inbox).list(inbox))
        found = batches(_contents(inbox, defaults, objects, request_files(objects)))
        before = _remembered(inbox)
        made, results = _results(_listed_records(found), before)
    now = time.time()
    told = tuple(judged(batch, Findings(results, before.seen, now, quiet)) for batch in found)
    # A clock that was ahead must not make movies wait for it.
    seen = {
        batch.seen: min(before.seen.get(batch.seen, now), now)
        for batch in told
        if batch.standing is not Standing.CURRENT
    }
    return Look(told, Memory(seen=seen, made=made), before), in_one_sentence(told)


@stage("Look at arrivals", "look · {inbox}", retries=STORE_RETRIES)
def look_at_arrivals(
    inbox: Location, defaults: FolderRequest, arrived: Sequence[Location], quiet: float
) -> tuple[Look, str]:
    """Find the batches that arrivals concern: a movie's own, or its folder's.

    Notifications may come twice, late, or for what is gone again: what they name is looked at as
    it is now, in one listing of the folder that holds it all.
    """
    before = Memory()
    if not arrived:
        return Look((), before, before), in_one_sentence(())
    with store_errors():
        folder = Location(inbox.bucket, _common_folder(arrived))
        objects = list(store_for(inbox).list(folder))
        files = _requests_above(inbox, folder.key) | request_files(objects)
        inside = batches(_contents(inbox, defaults, objects, files))
        found = [batch for batch in inside if _is_concerned(batch, arrived)]
        before = _remembered(inbox)
        _, results = _results(_asked_records(found), before)
    findings = Findings(results, before.seen, time.time(), quiet, frozenset(arrived))
    told = tuple(judged(batch, findings) for batch in found)
    return Look(told, before, before), in_one_sentence(told)


def parse_arrivals(inbox: Location, texts: Iterable[str]) -> list[Location]:
    """Read the locations of what arrived in an inbox.

    Hints that cannot be followed are passed over: the scheduled look finds what they meant. So are
    the movies that runs write: where an output lies in an inbox their arrival is told too.
    """
    found: dict[Location, None] = {}
    for text in texts:
        with suppress(ValueError):
            if str(location := Location.parse(text)).startswith(str(inbox)):
                found[location] = None
    return [location for location in found if location.name != LABELED]


def _common_folder(arrived: Sequence[Location]) -> str:
    """The key of the innermost folder that holds it all."""
    above = [set(folders_above(folder_of(location))) for location in arrived]
    return max(set.intersection(*above), key=len)


def _is_concerned(batch: Batch, arrived: Sequence[Location]) -> bool:
    requested = {folder_of(place) for place in arrived if place.name == REQUEST_FILE}
    return bool(batch.folders & requested or {m.location for m in batch.movies} & set(arrived))


def _requests_above(inbox: Location, folder: str) -> dict[str, ObjectInfo]:
    """The `request.yaml` files of the folders above a folder, up to the inbox."""
    found = {}
    for above in folders_above(folder)[:-1]:
        if above.startswith(inbox.key):
            with suppress(FileNotFoundError):
                location = Location(inbox.bucket, f"{above}{REQUEST_FILE}")
                found[above] = store_for(inbox).stat(location)
    return found


def _contents(
    inbox: Location,
    defaults: FolderRequest,
    objects: list[ObjectInfo],
    files: dict[str, ObjectInfo],
) -> Contents:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        read = dict(zip(files, pool.map(_request, files.values()), strict=True))
    requests = {folder: r for folder, r in read.items() if isinstance(r, FolderRequest)}
    requests[""] = requests[""].over(defaults) if "" in requests else defaults
    return Contents(
        inbox=inbox,
        objects=objects,
        files=files,
        requests=requests,
        refused={folder: r for folder, r in read.items() if isinstance(r, str)},
        models={text: _model(text) for text in {r.model for r in requests.values() if r.model}},
    )


def _request(info: ObjectInfo) -> FolderRequest | str:
    """What a `request.yaml` says, or why it cannot be used."""
    try:
        with store_errors():
            data = store_for(info.location).read(info.location, LARGEST_REQUEST)
            return read_request(data, info.location)
    except BadInput as error:
        return str(error)


def _model(text: str) -> ObjectInfo | str:
    """The model's zip, or why it cannot be used."""
    try:
        with store_errors():
            location = Location.parse(text)
            return store_for(location).stat(location)
    except BadInput as error:
        return f"the model: {error}"


Records = Mapping[str, ObjectInfo | str]
"""Run records by their locations, or why they cannot be looked at."""


def _listed_records(found: Sequence[Batch]) -> Records:
    """The run records of batches, from one listing of each place that results go to."""
    usable = [batch for batch in found if batch.standing is not Standing.REFUSED]
    wanted = {batch.record for batch in usable}
    shelves = _outermost({batch.shelf for batch in usable})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        listings = pool.map(lambda shelf: _records_below(shelf, wanted), shelves)
        return {text: record for listing in listings for text, record in listing.items()}


def _outermost(folders: Iterable[str]) -> list[str]:
    """Those folders that lie in no other."""
    found: list[str] = []
    for folder in sorted(folders):
        if not found or not folder.startswith(found[-1]):
            found.append(folder)
    return found


def _records_below(shelf: str, wanted: set[str]) -> Records:
    try:
        with store_errors():
            location = Location.parse(shelf)
            listing = store_for(location).list(location)
            return {text: o for o in listing if (text := str(o.location)) in wanted}
    except BadInput as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return {}
        below = [text for text in wanted if text.startswith(shelf)]
        return dict.fromkeys(below, str(error))


def _asked_records(found: Sequence[Batch]) -> Records:
    """The run records of batches, asked for one by one."""
    wanted = [batch.record for batch in found if batch.standing is not Standing.REFUSED]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = zip(wanted, pool.map(_asked_record, wanted), strict=True)
        return {text: record for text, record in asked if record is not None}


def _asked_record(text: str) -> ObjectInfo | str | None:
    try:
        with store_errors():
            location = Location.parse(text)
            return store_for(location).stat(location)
    except BadInput as error:
        return None if isinstance(error.__cause__, FileNotFoundError) else str(error)


def _results(records: Records, memory: Memory) -> tuple[dict[str, Made], dict[str, Result]]:
    """What records say; those that were read before are not read again.

    Returns:
        What to remember, and the results by the records' locations.
    """
    infos = {text: r for text, r in records.items() if isinstance(r, ObjectInfo)}
    # What another version remembered it may have digested otherwise: that is read again.
    version = source_digest("", None, PoseSettings())
    ids = {text: digest(text, info.etag, version) for text, info in infos.items()}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        read = pool.map(lambda t: memory.made.get(ids[t]) or _made(infos[t]), infos)
        made = dict(zip(infos, read, strict=True))
    results = {text: Result(*made[text], info.modified) for text, info in infos.items()}
    results |= {t: Result("", "", r, None) for t, r in records.items() if isinstance(r, str)}
    return {ids[text]: one for text, one in made.items()}, results


def _made(info: ObjectInfo) -> Made:
    try:
        with store_errors():
            return read_made(store_for(info.location).read(info.location, LARGEST_RECORD))
    except BadInput as error:
        return "", "", str(error)


def _remembered(inbox: Location) -> Memory:
    try:
        with store_errors():
            return read_memory(store_for(inbox).read(inbox.child(MEMORY), LARGEST_MEMORY))
    except BadInput:
        return Memory()


@stage("Remember", "remember", retries=STORE_RETRIES)
def remember(inbox: Location, found: Look) -> tuple[None, str]:
    """Write down for the next look what this one found, where that has changed.

    Of two looks at once the later one's memory stays. What the other knew is found again.
    """
    if found.memory == found.before:
        return None, "nothing new"
    with store_errors(), TemporaryDirectory(prefix="dlcflow-") as folder:
        path = Path(folder) / MEMORY
        path.write_text(found.memory.model_dump_json(), encoding="utf-8")
        store_for(inbox).upload(path, inbox.child(MEMORY), "application/json")
    return None, f"{len(found.memory.seen)} movies and {len(found.memory.made)} results"
