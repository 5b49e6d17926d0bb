"""Interface of object stores."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from tasks.errors import BadInput
from tasks.storage.local_files import ProgressCallback
from tasks.storage.location import Location


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A store's description of an object.

    Attributes:
        location: Where it is.
        size: Its bytes.
        etag: Changes whenever the content does; not a digest that could be computed.
        version: The version's id, in a bucket that keeps versions.
        modified: When it was last written, in UTC.
        sha256: Hexadecimal digits, where `ObjectStore.upload` wrote them. Listings lack it.
    """

    location: Location
    size: int
    etag: str | None
    version: str | None
    modified: datetime | None
    sha256: str | None


class ObjectStore(Protocol):
    """Reads and writes objects; safe to use from several threads.

    Every method raises `BadInput` for what does not exist, is refused, or is wrongly configured,
    and `Retriable` for what may succeed on another try; `tasks.storage.store_errors` has the kinds
    of each that callers tell apart. Messages name the location and the remedy.
    """

    def stat(self, location: Location) -> ObjectInfo:
        """Describe one object.

        Raises:
            NoSuchObject: There is no such object, or no such bucket.
            BadInput: The location is a prefix or a folder.
        """

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        """Every object below a prefix, however deep, without the markers that stand for folders.

        Raises:
            NoSuchObject: There is no such bucket. An absent prefix is only empty.
        """

    def list_beginning(self, start: Location) -> Iterator[ObjectInfo]:
        """Every object of one folder whose name begins like another's.

        Args:
            start: The folder, and what names in it begin with.

        Raises:
            NoSuchObject: There is no such bucket.
        """

    def download(
        self, source: ObjectInfo, path: Path, progress: ProgressCallback | None = None
    ) -> str:
        """Fetch exactly the object that ``source`` describes; returns its SHA-256.

        Args:
            source: The object, as `stat` or `list` found it.
            path: The file to make or replace; its folder is made where it does not exist. On
                failure it is as it was, and nothing else remains.
            progress: Called with the bytes since the last call, from one thread at a time. A
                negative number takes back what is going to be fetched again.

        Raises:
            Retriable: The object is no longer the one that ``source`` describes, the disk has no
                room for it, or its content is not what was uploaded.
        """

    def upload(
        self,
        path: Path,
        target: Location,
        content_type: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> ObjectInfo:
        """Write a file to ``target``, where it appears only when it is whole.

        Args:
            path: The file.
            target: The object to make or replace.
            content_type: By default what the target's suffix stands for.
            progress: As for `download`.

        Raises:
            StoreUnavailable: The store does not hold what was sent, or could not be reached.
        """

    def read(self, location: Location, limit: int) -> bytes:
        """The content of a small object.

        Raises:
            BadInput: It is larger than ``limit`` bytes.
        """

    def read_part(
        self, location: Location, start: int, length: int, etag: str | None = None
    ) -> bytes:
        """A part of an object, in memory.

        Args:
            location: The object.
            start: The first byte, counted from 0.
            length: How many bytes, at least one.
            etag: The version that is meant; None for whichever is there.

        Returns:
            Exactly ``length`` bytes.

        Raises:
            BadInput: The object ends before the part does.
            Retriable: It is another version by now.
        """

    def put(self, location: Location, data: bytes) -> str | None:
        """Write a small object, whatever is there; it appears only when it is whole.

        Returns:
            The version's id, in a bucket that keeps versions.
        """

    def create(self, location: Location, data: bytes) -> bool:
        """Write a small object if there is none.

        Returns:
            Whether it was written. Where the answer to a request was lost and the request was made
            again, it may have been written all the same.

        Raises:
            NotSupported: This cannot be done here. Some stores do not say so: they overwrite.
        """

    def remove(self, location: Location) -> None:
        """Remove an object; one that is already absent is fine."""

    def remove_version(self, location: Location, version: str) -> None:
        """Remove one version of an object for good, in a bucket that keeps versions.

        Raises:
            BadInput: It must be kept, or these credentials may not remove versions.
        """

    def check_writable(self, prefix: Location) -> None:
        """Try whether objects can be written below a prefix, leaving nothing there.

        Raises:
            BadInput: They can't, with the present credentials.
        """

    def abort_unfinished_uploads(
        self,
        prefix: Location,
        chosen: Callable[[Location], bool],
        older_than: timedelta = timedelta(),
    ) -> int:
        """Abort unfinished uploads below a prefix: their parts take unseen space.

        One that is still under way is aborted, too.

        Args:
            prefix: Nothing beyond it is touched.
            chosen: Whether an upload to this location may be aborted.
            older_than: Leave those that began, or were last written to, less long ago.

        Returns:
            How many there were.
        """

    def local_path(self, source: ObjectInfo) -> Path | None:
        """The object as a file that can be read where it is, if it is one."""

    def known_sha256(self, source: ObjectInfo) -> str | None:
        """An object's SHA-256, as far as it is known without fetching it.

        Returns:
            Hexadecimal digits: of a local file they are computed, of an object they are those that
            `upload` wrote; None where it wrote none.
        """

    def create_signed_link(
        self, location: Location, seconds: int, download_name: str | None = None
    ) -> str | None:
        """A web address that opens an object to anyone who has it, for a limited time.

        Args:
            location: The object; whether there is one is not looked at.
            seconds: How long it works; credentials that end earlier end it too.
            download_name: Name under which a browser saves it; None lets it show what it can.

        Returns:
            The address; None where there are no such addresses, or browsers would change them: in
            a key they take ``.`` and ``..`` between slashes for folders. It is a secret: never log
            it.
        """


def check_size(location: Location, size: int, limit: int) -> None:
    """Refuse an object that is too large to be read into memory.

    Raises:
        BadInput: With the figures.
    """
    if size > limit:
        raise BadInput(
            f"{location}: expected at most {limit:,} bytes, found {size:,}; check that this is the "
            "right object.",
        )


def check_part(location: Location, start: int, length: int, received: int) -> None:
    """Refuse a part that is shorter than it should be.

    Raises:
        BadInput: With the figures.
    """
    if received < length:
        raise BadInput(
            f"{location}: expected {length:,} bytes from byte {start:,} on, found {received:,}; "
            "check that its upload finished.",
        )


def format_attachment(name: str) -> str:
    """The header by which a browser saves an answer under a name (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
