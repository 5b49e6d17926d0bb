"""Look at an inbox, and start one run for each batch of movies that is due."""

import json
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.deployments import run_deployment

from tasks.inbox_plan import (
    REQUEST_FILE,
    Batch,
    Contents,
    FolderRequest,
    Standing,
    folder_of,
    plan,
    read_request,
    request_files,
)
from tasks.pose.errors import BadInput
from tasks.pose.run_record import RUN_RECORD
from tasks.retries import STORE_RETRIES, stage
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, store_for
from tasks.store_errors import store_errors

MEMORY = ".dlcflow-inbox.json"
"""What looks remember, in the inbox itself: it outlives the Prefect server's database."""

LARGEST_REQUEST = 2**20
"""Bytes of a `request.yaml`."""

LARGEST_MEMORY = 2**27

AT_ONCE = 8
"""Requests to the store and to the Prefect server at the same time."""


def parse_inbox(text: str) -> Location:
    """Read the inbox' location, with or without the slash at its end.

    Raises:
        BadInput: It is no location.
    """
    with store_errors():
        return Location.parse(f"{text.rstrip('/')}/")


def parse_arrival(text: str) -> Location:
    """Read the location of what arrived.

    Raises:
        BadInput: It is no location.
    """
    with store_errors():
        return Location.parse(text)


@stage("Look at inbox", "look · {inbox}", "store", retries=STORE_RETRIES)
def look(inbox: Location, defaults: FolderRequest) -> tuple[list[Batch], str]:
    """Find every batch of movies in the inbox, and where it stands.

    One listing of the inbox, and one of each output location that requests name.
    """
    with store_errors():
        objects = list(store_for(inbox).list(inbox))
        contents = _contents(inbox, defaults, objects, request_files(objects))
    return _told(plan(contents))


@stage("Look at arrival", "look · {arrived}", "store", retries=STORE_RETRIES)
def look_at_arrival(
    inbox: Location, defaults: FolderRequest, arrived: Location
) -> tuple[list[Batch], str]:
    """Find the batches that an object's arrival concerns: a movie's own, or its folder's.

    Notifications may come twice, late, or for what is gone again: what they name is looked at as
    it is now.
    """
    with store_errors():
        files = _requests_above(inbox, arrived)
        folder = Location(arrived.bucket, folder_of(arrived))
        objects = [
            info for info in store_for(inbox).list(folder) if folder_of(info.location) == folder.key
        ]
        contents = _contents(inbox, defaults, objects, files)
    batches = plan(replace(contents, arrived=arrived))
    concerned = [b for b in batches if arrived.name == REQUEST_FILE or _holds(b, arrived)]
    return _told(concerned)


def _holds(batch: Batch, location: Location) -> bool:
    return any(movie.location == location for movie in batch.movies)


def _told(batches: list[Batch]) -> tuple[list[Batch], str]:
    return batches, in_one_sentence(batches)


def _requests_above(inbox: Location, arrived: Location) -> dict[str, ObjectInfo]:
    """The `request.yaml` files of an object's folder and of those above it, up to the inbox."""
    if not str(arrived).startswith(str(inbox)):
        raise BadInput(f"{arrived} is not in the inbox {inbox}; check what the trigger sends")
    parts = arrived.key.removeprefix(inbox.key).split("/")[:-1]
    found = {}
    for depth in range(len(parts) + 1):
        location = inbox.child(*parts[:depth], REQUEST_FILE)
        with suppress(FileNotFoundError):
            found[folder_of(location)] = store_for(inbox).stat(location)
    return found


def _contents(
    inbox: Location,
    defaults: FolderRequest,
    objects: list[ObjectInfo],
    files: dict[str, ObjectInfo],
) -> Contents:
    requests, refused = {"": defaults}, {}
    for folder, info in files.items():
        try:
            data = store_for(inbox).read(info.location, LARGEST_REQUEST)
            requests[folder] = read_request(data, info.location)
        except BadInput as error:
            refused[folder] = str(error)
    memory = _remembered(inbox)
    return Contents(
        inbox=inbox,
        objects=objects,
        requests=requests,
        refused=refused,
        written={folder: info.modified for folder, info in files.items()},
        models=_models(requests.values()),
        records=_records(requests.values()),
        seen=frozenset(memory.get("seen", ())),
        started=memory.get("started", {}),
    )


def _models(requests: Iterable[FolderRequest]) -> dict[str, ObjectInfo]:
    found = {}
    for text in {request.model for request in requests if request.model}:
        location = Location.parse(text)
        with suppress(FileNotFoundError, IsADirectoryError):
            found[text] = store_for(location).stat(location)
    return found


def _records(requests: Iterable[FolderRequest]) -> dict[str, datetime | None]:
    """When the run records below the output locations were written."""
    found = {}
    for text in {request.output for request in requests if request.output}:
        location = Location.parse(f"{text.rstrip('/')}/")
        with suppress(FileNotFoundError):
            for info in store_for(location).list(location):
                if info.location.name == RUN_RECORD:
                    found[str(info.location)] = info.modified
    return found


def _remembered(inbox: Location) -> dict[str, Any]:
    location = inbox.child(MEMORY)
    with suppress(FileNotFoundError, ValueError):
        memory = json.loads(store_for(inbox).read(location, LARGEST_MEMORY))
        return memory if isinstance(memory, dict) else {}
    return {}


@stage("Start runs", "start runs", "prefect")
def start(batches: Sequence[Batch], deployment: str) -> tuple[dict[str, str], str]:
    """Start one flow run for every batch that is due; a batch that has one gets no other.

    Returns:
        The flow runs' ids, by the batches' keys.
    """
    due = [batch for batch in batches if batch.standing is Standing.DUE]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = list(pool.map(lambda batch: _start(batch, deployment), due))
    return {batch.key: run for batch, run in zip(due, runs, strict=True)}, f"{len(due)} runs"


def _start(batch: Batch, deployment: str) -> str:
    run: Any = run_deployment(
        deployment,
        parameters={
            "model": batch.model,
            "movies": [str(movie.location) for movie in batch.movies],
            "output": batch.output,
            "settings": batch.settings,
        },
        idempotency_key=batch.key,
        timeout=0,
        as_subflow=False,
        tags=["inbox"],
    )
    return str(run.id)


@stage("Remember", "remember", "store", retries=STORE_RETRIES)
def remember(inbox: Location, batches: Sequence[Batch], runs: dict[str, str]) -> tuple[None, str]:
    """Write down what this look saw and started, for the next one."""
    with store_errors():
        before = _remembered(inbox).get("started", {})
        here = {batch.key for batch in batches}
        memory = {
            "seen": sorted(here),
            "started": {k: run for k, run in (before | runs).items() if k in here},
        }
        with TemporaryDirectory(prefix="dlcflow-") as folder:
            path = Path(folder) / MEMORY
            path.write_text(json.dumps(memory), encoding="utf-8")
            store_for(inbox).upload(path, inbox.child(MEMORY), "application/json")
    return None, f"{len(batches)} batches"


def tell(inbox: Location, batches: Sequence[Batch], runs: dict[str, str]) -> str:
    """Show what was found, started and skipped, as an artifact.

    Returns:
        The same in one sentence.
    """
    told = [
        replace(batch, standing=Standing.STARTED, reason="now") if batch.key in runs else batch
        for batch in batches
    ]
    sentence = in_one_sentence(told)
    lines = [f"# {inbox}", "", sentence, ""]
    for standing in (Standing.REFUSED, Standing.STARTED, Standing.WAITING, Standing.CURRENT):
        lines += _section(standing, [b for b in told if b.standing is standing])
    key = re.sub(r"[^a-z0-9]+", "-", f"inbox-{inbox}".lower()).strip("-")
    create_markdown_artifact("\n".join(lines), key=key, description=sentence)
    return sentence


def in_one_sentence(batches: Sequence[Batch]) -> str:
    """How many batches stand where."""
    counts = {s: sum(batch.standing is s for batch in batches) for s in Standing}
    found = ", ".join(f"{count} {standing}" for standing, count in counts.items() if count)
    return found or "no movies"


def _section(standing: Standing, batches: Sequence[Batch]) -> list[str]:
    """A table of the first batches that stand alike."""
    if not batches:
        return []
    rows = [f"| {b.name} | {len(b.movies)} | {b.reason} |" for b in batches[:SHOWN]]
    more = [f"| … and {len(batches) - SHOWN} more | | |"] if len(batches) > SHOWN else []
    head = ["| batch | movies | why |", "|---|---|---|"]
    return [f"## {standing}: {len(batches)}", "", *head, *rows, *more, ""]


SHOWN = 50
"""Batches of each kind that an artifact shows."""
