"""Web addresses that open a run's results in a browser, for a limited time."""

from collections.abc import Iterator

from pydantic import ValidationError

from tasks.errors import BadInput
from tasks.pose.results.file_names import LABELED, RUN_RECORD
from tasks.pose.results.run_page import Links
from tasks.pose.results.run_record import LARGEST_RECORD, RunRecord
from tasks.storage.location import Location
from tasks.storage.lookup import store_for
from tasks.storage.user_errors import store_errors

OPENED = ("report.html", LABELED)
"""What people open in a browser: the run's report, and each movie's labelled movie."""

_HOUR = 3600


def links_of(record: RunRecord, hours: int) -> Links:
    """Sign addresses for what people open of a run.

    Args:
        record: The run.
        hours: How long they work; 0 makes none.

    Returns:
        The addresses; none for results in folders.
    """
    if not hours:
        return Links({})
    found = {text: signed(Location.parse(text), hours) for _, text in _opened(record)}
    return Links({text: link for text, link in found.items() if link}, hours)


def _opened(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Name and location of the report, and of each movie's labelled movie."""
    for folder, outputs in (
        ("", record.outputs),
        *((f"{m.name}/", m.outputs) for m in record.movies),
    ):
        yield from ((f"{folder}{n}", outputs[n].location) for n in OPENED if n in outputs)


def signed(location: Location, hours: int) -> str | None:
    """Sign an address for one object; None where the location is a local file."""
    with store_errors():
        return store_for(location).signed_link(location, hours * _HOUR)


def addresses(text: str, hours: int) -> list[tuple[str, str]]:
    """What ``python -m flows open`` tells.

    Args:
        text: Where a run's results are, its run.json, or any one object.
        hours: How long addresses work.

    Returns:
        Name and address of the report and of each labelled movie, or of the object.

    Raises:
        BadInput: There is no such object, or no run has ended there.
        Retriable: The store cannot be reached.
    """
    with store_errors():
        location = Location.parse(text)
        if location.name != RUN_RECORD and not location.is_prefix and _exists(location):
            return [(location.name, _address(location, hours))]
        record = _record(location)
    return [(name, _address(Location.parse(text), hours)) for name, text in _opened(record)]


def _exists(location: Location) -> bool:
    try:
        store_for(location).stat(location)
    except FileNotFoundError:
        return False
    return True


def _record(location: Location) -> RunRecord:
    """The record of the run whose results are at a location."""
    where = location if location.name == RUN_RECORD else location.child(RUN_RECORD)
    try:
        return RunRecord.model_validate_json(store_for(where).read(where, LARGEST_RECORD))
    except FileNotFoundError as error:
        raise BadInput(
            f"there is no {RUN_RECORD} at {location}; give the output location of a run that has "
            "ended, or the location of one of its files"
        ) from error
    except ValidationError as error:
        raise BadInput(
            f"{where} is no run record of this version; give the location of a single file"
        ) from error


def _address(location: Location, hours: int) -> str:
    return signed(location, hours) or location.path.as_uri()
