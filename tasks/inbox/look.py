"""Look at an inbox in its store: what lies there, and where each batch of movies stands."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.errors import BadInput
from tasks.inbox.batches import InboxContents, MovieGroup, find_groups
from tasks.inbox.behavior_batches import BehaviorBatch, find_behavior_batches
from tasks.inbox.inbox_batch import Standing, summarize_batches
from tasks.inbox.left_out import NONE, LeftOut, find_left_out
from tasks.inbox.memory import MAX_MEMORY_BYTES, MEMORY_FILE, InboxMemory, parse_memory
from tasks.inbox.neural_batches import NeuralBatch, find_neural_batches
from tasks.inbox.request_file import (
    REQUEST_FILE,
    FolderRequest,
    find_request_files,
    folder_and_ancestors,
    parent_folder,
    parse_request,
)
from tasks.inbox.result_records import (
    PARALLEL_REQUESTS,
    choose_parsers,
    choose_records,
    digest_zones_files,
    find_recordings,
    list_results,
    read_results,
    stat_run_records,
)
from tasks.inbox.standing import LookContext, assess_standing
from tasks.pose.results.file_names import LABELED_MOVIE_FILE
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import InvalidLocation, Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

MAX_REQUEST_BYTES = 2**20
"""Bytes of a `request.yaml`."""


@dataclass(frozen=True)
class LookResult:
    """The findings of a look at the inbox.

    Attributes:
        batches: Every batch of movies, and where it stands.
        behavior: The behavior runs that complete results ask for, and where they stand.
        neural: The neural runs that follow these, and where they stand.
        memory: What to remember.
        before: What was remembered.
        left_out: What lies there and no run takes.
    """

    batches: tuple[MovieGroup, ...]
    memory: InboxMemory
    before: InboxMemory
    behavior: Sequence[BehaviorBatch] = ()
    neural: Sequence[NeuralBatch] = ()
    left_out: LeftOut = NONE


def parse_inbox(text: str) -> Location:
    """Read the inbox' location, with or without the slash at its end.

    Raises:
        BadInput: It is no location.
    """
    return Location.parse(f"{text.rstrip('/')}/")


@stage("Look at inbox", "look · {inbox}", retries=STORE_RETRIES)
def look_at_inbox(inbox: Location, defaults: FolderRequest, quiet: float) -> tuple[LookResult, str]:
    """Find every batch of movies in the inbox, and where it stands.

    One listing of the inbox, and one of each place that results go to.

    Args:
        inbox: The inbox.
        defaults: What holds where no `request.yaml` says anything else.
        quiet: Seconds that movies must have been found unchanged.
    """
    store = LocationStore()
    objects = list(store.list(inbox))
    files = find_request_files(objects)
    contents = read_contents(store, inbox, defaults, objects, files)
    found = find_groups(contents)
    before = _read_memory(store, inbox)
    listed = list_results(store, found)
    made, results = read_results(store, choose_records(listed), before, choose_parsers(found))
    now = time.time()
    told = tuple(
        assess_standing(batch, LookContext(results, before.seen, now, quiet)) for batch in found
    )
    zones = digest_zones_files(store, told)
    behavior = find_behavior_batches(told, listed, zones, results)
    recordings = find_recordings(store, told)
    neural = find_neural_batches(told, behavior, listed, recordings, results)
    # A clock that was ahead must not make movies wait for it.
    seen = {
        batch.seen: min(before.seen.get(batch.seen, now), now)
        for batch in told
        if batch.standing is not Standing.CURRENT
    }
    memory = InboxMemory(seen=seen, made=made, refused=before.refused)
    left_out = find_left_out(contents, found)
    return LookResult(told, memory, before, behavior, neural, left_out), summarize_batches(told)


@stage("Look at arrivals", "look · {inbox}", retries=STORE_RETRIES)
def look_at_arrivals(
    inbox: Location, defaults: FolderRequest, arrived: Sequence[Location], quiet: float
) -> tuple[LookResult, str]:
    """Find the batches that arrivals concern: a movie's own, or its folder's.

    Notifications may come twice, late, or for what is gone again: what they name is looked at as
    it is now, in one listing of the folder that holds it all.
    """
    found = assess_arrivals(LocationStore(), inbox, defaults, arrived, quiet)
    return found, summarize_batches(found.batches)


def assess_arrivals(
    store: ObjectStore,
    inbox: Location,
    defaults: FolderRequest,
    arrived: Sequence[Location],
    quiet: float,
) -> LookResult:
    """Find the batches that arrivals concern, and where each stands; no task of Prefect's.

    Raises:
        PoseError: The store cannot be read.
    """
    before = InboxMemory()
    if not arrived:
        return LookResult((), before, before)
    folder = Location(inbox.bucket, _common_folder(arrived))
    objects = list(store.list(folder))
    files = _find_request_files_above(store, inbox, folder.key) | find_request_files(objects)
    inside = find_groups(read_contents(store, inbox, defaults, objects, files))
    found = [batch for batch in inside if _is_affected(batch, arrived)]
    before = _read_memory(store, inbox)
    _, results = read_results(store, stat_run_records(store, found), before, {})
    findings = LookContext(results, before.seen, time.time(), quiet, frozenset(arrived))
    told = tuple(assess_standing(batch, findings) for batch in found)
    return LookResult(told, before, before)


def parse_arrivals(inbox: Location, texts: Iterable[str]) -> list[Location]:
    """Read the locations of what arrived in an inbox.

    Hints that cannot be followed are passed over: the scheduled look finds what they meant. So are
    the movies that runs write: where an output lies in an inbox their arrival is told too.
    """
    found: dict[Location, None] = {}
    for text in texts:
        with suppress(InvalidLocation):
            if str(location := Location.parse(text)).startswith(str(inbox)):
                found[location] = None
    return [location for location in found if location.name != LABELED_MOVIE_FILE]


def _common_folder(arrived: Sequence[Location]) -> str:
    """The key of the innermost folder that holds it all."""
    above = [set(folder_and_ancestors(parent_folder(location))) for location in arrived]
    return max(set.intersection(*above), key=len)


def _is_affected(batch: MovieGroup, arrived: Sequence[Location]) -> bool:
    requested = {parent_folder(place) for place in arrived if place.name == REQUEST_FILE}
    return bool(
        batch.movie_folders & requested
        or {info.location for info in (*batch.movies, *batch.times)} & set(arrived)
    )


def _find_request_files_above(
    store: ObjectStore, inbox: Location, folder: str
) -> dict[str, ObjectInfo]:
    """The `request.yaml` files of the folders above a folder, up to the inbox."""
    found = {}
    for above in folder_and_ancestors(folder)[:-1]:
        if above.startswith(inbox.key):
            with suppress(NoSuchObject):
                location = Location(inbox.bucket, f"{above}{REQUEST_FILE}")
                found[above] = store.stat(location)
    return found


def read_contents(
    store: ObjectStore,
    inbox: Location,
    defaults: FolderRequest,
    objects: list[ObjectInfo],
    files: dict[str, ObjectInfo],
) -> InboxContents:
    """Read the requests of an inbox, and look for their models.

    Args:
        store: Where the inbox is.
        inbox: The inbox.
        defaults: What holds where no `request.yaml` says anything else.
        objects: What lies there.
        files: Each folder's `request.yaml`, by folder.
    """
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        answers = pool.map(partial(_read_folder_request, store), files.values())
        read = dict(zip(files, answers, strict=True))
    requests = {folder: r for folder, r in read.items() if isinstance(r, FolderRequest)}
    requests[""] = requests[""].inherit_from(defaults) if "" in requests else defaults
    return InboxContents(
        inbox=inbox,
        objects=objects,
        files=files,
        requests=requests,
        refused={folder: r for folder, r in read.items() if isinstance(r, str)},
        models={
            text: _find_model_archive(store, text)
            for text in {r.model for r in requests.values() if r.model}
        },
    )


def _read_folder_request(store: ObjectStore, info: ObjectInfo) -> FolderRequest | str:
    """Read a `request.yaml`, or explain why it cannot be used."""
    try:
        return parse_request(store.read(info.location, MAX_REQUEST_BYTES), info.location)
    except BadInput as error:
        return str(error)


def _find_model_archive(store: ObjectStore, text: str) -> ObjectInfo | str:
    """The model's zip, or why it cannot be used."""
    try:
        return store.stat(Location.parse(text))
    except BadInput as error:
        return f"the model: {error}"


def _read_memory(store: ObjectStore, inbox: Location) -> InboxMemory:
    try:
        return parse_memory(store.read(inbox.child(MEMORY_FILE), MAX_MEMORY_BYTES))
    except BadInput:
        return InboxMemory()


@stage("Remember", "remember", retries=STORE_RETRIES)
def write_memory(inbox: Location, found: LookResult) -> tuple[None, str]:
    """Write down for the next look what this one found, where that has changed.

    Of two looks at once the later one's memory stays. What the other knew is found again.
    """
    if found.memory == found.before:
        return None, "nothing new"
    with TemporaryDirectory(prefix="dlcflow-") as folder:
        path = Path(folder) / MEMORY_FILE
        path.write_text(found.memory.model_dump_json(), encoding="utf-8")
        LocationStore().upload(path, inbox.child(MEMORY_FILE), "application/json")
    return None, f"{len(found.memory.seen)} movies and {len(found.memory.made)} results"
