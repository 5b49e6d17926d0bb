"""What is known of a file before any of it is sent: its place, why it is refused, what is there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tasks.errors import BadInput
from tasks.inbox.accepted_files import explain_upload_refusal
from tasks.storage.location import Location
from tasks.storage.multipart import choose_sent_part_bytes
from tasks.storage.part_uploads import list_uploads
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

MAX_KEY_BYTES = 1024
"""Bytes of a key, as S3 has it."""

_REQUESTS_AT_ONCE = 8


@dataclass(frozen=True)
class FileCheck:
    """What is known of a file that somebody wants to upload.

    Attributes:
        refusal: Why it is not taken; empty if it is.
        existing: What lies there under its name.
        unfinished: Ids of uploads to the same place that are not finished, the oldest first.
        part_bytes: Length of the parts that it is sent in.
    """

    refusal: str = ""
    existing: ObjectInfo | None = None
    unfinished: tuple[str, ...] = ()
    part_bytes: int = 0


def check_inbox(inbox: Location | None) -> Location:
    """Check that there is an inbox that movies can be uploaded to.

    Raises:
        BadInput: There is none, or it is a folder.
    """
    if inbox is None:
        raise BadInput("this page has no inbox; whoever runs it can set DLCFLOW_INBOX")
    if inbox.is_local:
        raise BadInput(f"this inbox is a folder; copy movies to {inbox} instead")
    return inbox


def locate_file(inbox: Location, folder: str, name: str) -> Location:
    """Find where a file goes, from what a browser says.

    Args:
        inbox: The inbox.
        folder: Path of a folder below it; empty for the inbox itself.
        name: The file's name.

    Raises:
        BadInput: It leads elsewhere, or no object can have this name.
    """
    if not name or "/" in name:
        raise BadInput(f"{name!r}: expected the name of a file, without a folder; rename it")
    try:
        folders = folder.removesuffix("/").split("/") if folder else []
        location = inbox.child(*folders, name)
        Location.parse(str(location))
    except ValueError as error:
        raise BadInput(f"{error} Rename it.") from error
    if (length := len(location.key.encode())) > MAX_KEY_BYTES:
        raise BadInput(
            f"{name[:40]}…: expected a name with which the key has at most {MAX_KEY_BYTES:,} "
            f"bytes, found {length:,}; shorten it"
        )
    return location


def check_file(inbox: Location, folder: str, name: str, size: int) -> Location:
    """Refuse a file that no run takes; returns where it goes.

    Raises:
        BadInput: In the words of the inbox.
    """
    location = locate_file(inbox, folder, name)
    if refusal := explain_upload_refusal(name, size):
        raise BadInput(refusal)
    return location


def check_files(
    store: ObjectStore, inbox: Location, folder: str, files: Sequence[tuple[str, int]]
) -> list[FileCheck]:
    """Look at files before any of them is sent.

    Args:
        store: Where the inbox is.
        inbox: The inbox.
        folder: Path of the folder below it that they go to.
        files: Name and size of each.
    """
    places: list[Location | str] = []
    for name, size in files:
        try:
            places.append(check_file(inbox, folder, name, size))
        except BadInput as error:
            places.append(str(error))
    taken = [place for place in places if isinstance(place, Location)]
    uploads: dict[Location, list[str]] = {}
    if taken:
        above = Location(inbox.bucket, taken[0].key.removesuffix(taken[0].name))
        for upload in list_uploads(above):
            uploads.setdefault(upload.location, []).append(upload.id)
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        found = dict(
            zip(taken, pool.map(lambda one: _find_existing(store, one), taken), strict=True)
        )
    return [
        FileCheck(refusal=place)
        if isinstance(place, str)
        else FileCheck(
            existing=found[place],
            unfinished=tuple(uploads.get(place, ())),
            part_bytes=choose_sent_part_bytes(size),
        )
        for place, (_, size) in zip(places, files, strict=True)
    ]


def _find_existing(store: ObjectStore, location: Location) -> ObjectInfo | None:
    try:
        return store.stat(location)
    except NoSuchObject:
        return None
