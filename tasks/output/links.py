"""Web addresses that open a run's results in a browser, for a limited time."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import BadInput
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, REPORT_FILE, RUN_RECORD_FILE
from tasks.pose.results.record_kind import POSE_KIND, RecordPart, read_record_kind
from tasks.pose.results.run_page import ResultLinks
from tasks.pose.results.run_record import MAX_RECORD_BYTES, RunRecord
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NoSuchObject

LINKED_FILES = (REPORT_FILE, LABELED_MOVIE_FILE)
"""Files that people open in a browser: the run's report, and each movie's labeled movie."""

_STATE_MOVIE = re.compile(r"labeled-\d+\.mp4")
"""The labeled movies of behavior runs, by movie number."""

_SECONDS_PER_HOUR = 3600


def create_links(store: ObjectStore, record: RunRecord, hours: int) -> ResultLinks:
    """Sign addresses for what people open of a run.

    Args:
        store: Where its results are.
        record: The run.
        hours: How long they work; 0 makes none.

    Returns:
        The addresses; none for results in folders, nor where browsers would change them.
    """
    if not hours:
        return ResultLinks({})
    found = {
        text: sign_link(store, Location.parse(text), hours) for _, text in _linked_outputs(record)
    }
    return ResultLinks({text: link for text, link in found.items() if link}, hours)


def _linked_outputs(record: "RunRecord | _AnalysisRecord") -> Iterator[tuple[str, str]]:
    """Name and location of the report, and of each labeled movie."""
    for folder, outputs in (
        ("", record.outputs),
        *((f"{m.name}/", m.outputs) for m in record.movies),
    ):
        yield from (
            (f"{folder}{name}", output.location)
            for name, output in outputs.items()
            if name in LINKED_FILES or _STATE_MOVIE.fullmatch(name)
        )


def sign_link(store: ObjectStore, location: Location, hours: int) -> str | None:
    """Sign an address for one object; None where there is none, as for a local file."""
    return store.create_signed_link(location, hours * _SECONDS_PER_HOUR)


class SignedAddress(BaseModel):
    """A web address that opens a result, as ``python -m flows open --json`` prints it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its path below the output location.")
    location: str = Field(description="The result.")
    address: str = Field(description="Of a result in a folder, a `file:` address.")
    expires: datetime | None = Field(
        description="When it stops to work, UTC; null for a file, whose address always works."
    )


def addresses_to_json(addresses: Sequence[SignedAddress]) -> str:
    """Render addresses as a JSON list, for programs."""
    found = [address.model_dump(mode="json") for address in addresses]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def find_addresses(text: str, hours: int) -> list[SignedAddress]:
    """Find the addresses that ``python -m flows open`` prints.

    Args:
        text: Where a run's results are, its run.json, or any one object.
        hours: How long addresses work.

    Returns:
        The addresses of the report and of each labeled movie, or of the object; of runs on
        behavior or neural activity, too.

    Raises:
        BadInput: There is no such object, or no run has ended there.
        Retriable: The store cannot be reached.
    """
    store, location = LocationStore(), Location.parse(text)
    if location.name != RUN_RECORD_FILE and not location.is_prefix and _has_object(store, location):
        return [_create_address(store, location.name, location, hours)]
    record = _read_record(store, location)
    return [
        _create_address(store, name, Location.parse(text), hours)
        for name, text in _linked_outputs(record)
    ]


def _has_object(store: ObjectStore, location: Location) -> bool:
    try:
        store.stat(location)
    except NoSuchObject:
        return False
    return True


class _Output(RecordPart):
    location: str


class _AnalyzedTable(RecordPart):
    name: str
    outputs: dict[str, _Output] = Field(default={})


class _AnalysisRecord(RecordPart):
    """Return the files to open of a run on behavior or neural activity."""

    outputs: dict[str, _Output]
    movies: tuple[_AnalyzedTable, ...] = Field(default=(), alias="tables")


def _read_record(store: ObjectStore, location: Location) -> RunRecord | _AnalysisRecord:
    """The record of the run whose results are at a location."""
    where = location if location.name == RUN_RECORD_FILE else location.child(RUN_RECORD_FILE)
    try:
        data = store.read(where, MAX_RECORD_BYTES)
        if read_record_kind(data) != POSE_KIND:
            return _AnalysisRecord.model_validate_json(data)
        return RunRecord.model_validate_json(data)
    except NoSuchObject as error:
        raise BadInput(
            f"there is no {RUN_RECORD_FILE} at {location}; give the output location of a finished "
            "run, or the location of one of its files"
        ) from error
    except ValidationError as error:
        raise BadInput(
            f"{where} is not a run record of this version; give the location of a single file"
        ) from error


def _create_address(store: ObjectStore, name: str, location: Location, hours: int) -> SignedAddress:
    address, expires = sign_link(store, location, hours), None
    if address is not None:
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
    elif location.is_local:
        address = location.path.as_uri()
    if address is not None:
        return SignedAddress(name=name, location=str(location), address=address, expires=expires)
    raise BadInput(
        f"{location}: expected a key that browsers can open, found one with '.' or '..' between "
        "slashes, which they take for folders; fetch the object with the store's own tools"
    )
