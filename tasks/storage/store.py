"""What an object store does, its form for local folders, and how a request finds its objects."""

import errno
import glob
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from tasks.storage.files import (
    Progress,
    check_room,
    copy_and_hash,
    create_file,
    existing_folder,
    is_partial,
    replacing,
    target_of,
)
from tasks.storage.location import Location
from tasks.storage.matching import fixed_folder, matches, natural_order, with_whole_stars

CHANGED = (
    "the object changed while it was being read; let its upload come to an end, then run again"
)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store says of an object.

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

    Every method raises built-in exceptions only: FileNotFoundError for what does not exist,
    PermissionError for what is refused, ConnectionError and TimeoutError for what may succeed
    on another try, ValueError for a wrong configuration and other kinds of OSError, with their
    ``errno``, for the rest. Messages name the location and the remedy.
    """

    def stat(self, location: Location) -> ObjectInfo:
        """Describe one object.

        Raises:
            FileNotFoundError: There is no such object, or no such bucket.
            IsADirectoryError: The location is a prefix or a folder.
        """

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        """Every object below a prefix, however deep, without the markers that stand for folders.

        Raises:
            FileNotFoundError: There is no such bucket. An absent prefix is only empty.
        """

    def download(self, source: ObjectInfo, path: Path, progress: Progress | None = None) -> str:
        """Fetch exactly the object that ``source`` describes; returns its SHA-256.

        Args:
            source: The object, as `stat` or `list` found it.
            path: The file to make or replace; its folder is made where it does not exist. On
                failure it is as it was, and nothing else remains.
            progress: Called with the bytes since the last call, from one thread at a time. A
                negative number takes back what is going to be fetched again.

        Raises:
            OSError: With ``errno.ESTALE`` the object is no longer the one that ``source``
                describes, with ``errno.ENOSPC`` the disk has no room for it, with ``errno.EIO``
                its content is not what was uploaded.
        """

    def upload(
        self,
        path: Path,
        target: Location,
        content_type: str | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Write a file to ``target``, where it appears only when it is whole.

        Args:
            path: The file.
            target: The object to make or replace.
            content_type: By default what the target's suffix stands for.
            progress: As for `download`.

        Raises:
            ConnectionError: The store does not hold what was sent, or could not be reached.
        """

    def read(self, location: Location, limit: int) -> bytes:
        """The content of a small object.

        Raises:
            OSError: With ``errno.EFBIG`` it is larger than ``limit`` bytes.
        """

    def read_part(self, location: Location, start: int, length: int) -> bytes:
        """A part of an object, in memory.

        Args:
            location: The object.
            start: The first byte, counted from 0.
            length: How many bytes, at least one.

        Returns:
            Exactly ``length`` bytes.

        Raises:
            OSError: With ``errno.EINVAL`` the object ends before the part does.
        """

    def put(self, location: Location, data: bytes) -> None:
        """Write a small object, whatever is there; it appears only when it is whole."""

    def create(self, location: Location, data: bytes) -> bool:
        """Write a small object if there is none.

        Returns:
            Whether it was written. Where the answer to a request was lost and the request was made
            again, it may have been written all the same.

        Raises:
            OSError: With ``errno.ENOTSUP`` this cannot be done here. Some stores do not say so:
                they overwrite.
        """

    def remove(self, location: Location) -> None:
        """Remove an object; one that is already absent is fine."""

    def check_writable(self, prefix: Location) -> None:
        """Try whether objects can be written below a prefix, leaving nothing there.

        Raises:
            PermissionError: They can't, with the present credentials.
        """

    def abort_unfinished(
        self,
        prefix: Location,
        chosen: Callable[[Location], bool],
        older_than: timedelta = timedelta(),
    ) -> int:
        """Abort uploads below a prefix that never came to an end: their parts take room, unseen.

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

    def signed_link(self, location: Location, seconds: int) -> str | None:
        """A web address that opens an object for whoever has it, for a limited time.

        Args:
            location: The object; whether there is one is not looked at.
            seconds: How long it works; credentials that end earlier end it too.

        Returns:
            The address; None where there are no such addresses. It is a secret: never log it.
        """


class LocalStore(ObjectStore):
    """Files in local folders."""

    def stat(self, location: Location) -> ObjectInfo:
        """Describe one file; its ETag is made of its size and the time of its last change."""
        path = location.path
        if location.key.endswith("/") or path.is_dir():
            raise IsADirectoryError(f"{location}: expected a file, found a folder.")
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(
                f"{location}: there is no such file. Check its folder, its name and its case."
            ) from None
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(f"{location}: expected a file, found a pipe or a device.")
        return ObjectInfo(
            location=location,
            size=found.st_size,
            etag=f"{found.st_size:x}-{found.st_mtime_ns:x}",
            version=None,
            modified=datetime.fromtimestamp(found.st_mtime, UTC),
            sha256=None,
        )

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        """Every file below a folder; links to folders are not followed."""
        if not prefix.path.is_dir():
            return
        for folder, subfolders, names in os.walk(prefix.path, onerror=_raise):
            subfolders.sort()
            paths = (os.path.join(folder, name) for name in sorted(names))  # noqa: PTH118
            yield from filter(None, map(_listed, paths))

    def download(self, source: ObjectInfo, path: Path, progress: Progress | None = None) -> str:
        """Copy a file."""
        check_room(path.parent, source.size)
        self._check_same(source)
        with source.location.path.open("rb") as file, replacing(path) as copy:
            sha256 = copy_and_hash(file, copy, progress)
            self._check_same(source)
        return sha256

    def upload(
        self,
        path: Path,
        target: Location,
        content_type: str | None = None,  # noqa: ARG002 - a file has none
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Copy a file into a folder, and see that it is on the disk before it gets its name."""
        if target.is_prefix:
            raise IsADirectoryError(f"{target}: expected the name of a file, found a folder.")
        check_room(target.path.parent, path.stat().st_size)
        with path.open("rb") as file, replacing(target.path) as copy:
            sha256 = copy_and_hash(file, copy, progress)
            copy.flush()
            os.fsync(copy.fileno())
        return replace(self.stat(target), sha256=sha256)

    def read(self, location: Location, limit: int) -> bytes:
        """The content of a small file."""
        check_size(location, self.stat(location).size, limit)
        return location.path.read_bytes()

    def read_part(self, location: Location, start: int, length: int) -> bytes:
        """A part of a file."""
        self.stat(location)  # refuses folders and pipes
        with location.path.open("rb") as file:
            file.seek(start)
            part = file.read(length)
        check_part(location, start, length, len(part))
        return part

    def put(self, location: Location, data: bytes) -> None:
        """Write a small file."""
        with replacing(location.path) as file:
            file.write(data)

    def create(self, location: Location, data: bytes) -> bool:
        """Write a small file if there is none."""
        return create_file(location.path, data)

    def remove(self, location: Location) -> None:
        """Remove a file."""
        location.path.unlink(missing_ok=True)

    def check_writable(self, prefix: Location) -> None:
        """Make and remove a file in the folder, or where the folder would be made."""
        folder = existing_folder(prefix.path)
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except PermissionError:
            raise PermissionError(
                f"{prefix}: this user may not write to {folder}. Choose another folder, or have "
                "its owner grant the right to write."
            ) from None

    def abort_unfinished(
        self,
        prefix: Location,
        chosen: Callable[[Location], bool],
        older_than: timedelta = timedelta(),
    ) -> int:
        """Remove files that were to take a name and never did."""
        last = time.time() - older_than.total_seconds()
        found = 0
        for folder, _, names in os.walk(prefix.path):
            partials = (Path(folder, name) for name in names if is_partial(name))
            for path in (one for one in partials if chosen(Location("", str(target_of(one))))):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime <= last:
                        path.unlink()
                        found += 1
        return found

    def local_path(self, source: ObjectInfo) -> Path | None:
        """The file itself."""
        return source.location.path

    def signed_link(self, location: Location, seconds: int) -> str | None:  # noqa: ARG002
        """Nothing: browsers do not follow links from a web page to a local file."""
        return None

    def _check_same(self, source: ObjectInfo) -> None:
        if source.etag and self.stat(source.location).etag != source.etag:
            raise OSError(errno.ESTALE, f"{source.location}: {CHANGED}.")


def _listed(path: str) -> ObjectInfo | None:
    """A file that was found, unless it is unfinished, gone again, or a pipe or device."""
    if is_partial(os.path.basename(path)) or not Path(path).is_file():  # noqa: PTH119
        return None
    with suppress(FileNotFoundError):
        return LocalStore().stat(Location("", path))
    return None


def store_for(location: Location) -> ObjectStore:
    """The store that holds a location. boto3 is loaded only for one in a bucket."""
    if location.is_local:
        return LocalStore()
    from tasks.storage.s3 import S3Store  # noqa: PLC0415 - half a second that local runs don't need

    return S3Store()


def expand(text: str) -> list[ObjectInfo]:
    """Find what one entry of a request means, in natural order.

    Args:
        text: An object; or a prefix that ends in ``/``, or a local folder, for everything below
            it; or a pattern in which ``*`` stays within a folder and ``**`` crosses folders. An
            object whose key looks like a pattern is taken as it is.

    Returns:
        At least one object.

    Raises:
        ValueError: The text is no location.
        FileNotFoundError: It names nothing that exists.
    """
    location = Location.parse(text)
    store = store_for(location)
    found = list(store.list(location)) if location.is_prefix else _one(store, location)
    if not found and location.has_glob:
        found = _matching(store, location)
    if not found:
        raise FileNotFoundError(_nothing(location))
    return sorted(found, key=lambda info: natural_order(info.location.key))


def _one(store: ObjectStore, location: Location) -> list[ObjectInfo]:
    """The object itself, or nothing where the location may still be a pattern."""
    try:
        return [store.stat(location)]
    except FileNotFoundError:
        if location.has_glob:
            return []
        if not any(store.list(location)):
            raise
    raise FileNotFoundError(
        f"{location}: there is no object of this name, but there are objects below it. "
        f"To take them all, write {location}/ with a slash at its end."
    )


def _matching(store: ObjectStore, location: Location) -> list[ObjectInfo]:
    pattern = with_whole_stars(location.key + "**" * location.key.endswith("/"))
    if location.is_local and "**" not in pattern:
        # A listing would enter every folder below, also those that nobody may read.
        paths = glob.iglob(pattern, include_hidden=True)  # noqa: PTH207 - the pattern is absolute
        return [info for path in paths if (info := _listed(path))]
    folder = Location(location.bucket, fixed_folder(pattern))
    return [info for info in store.list(folder) if matches(info.location.key, pattern)]


def _nothing(location: Location) -> str:
    if not location.has_glob:
        return f"{location}: there are no objects below this prefix. Check its spelling and case."
    return (
        f"{location}: no object fits this pattern. In it * stays within a folder, ** crosses "
        "folders, and [[] stands for a bracket."
    )


def check_size(location: Location, size: int, limit: int) -> None:
    """Refuse an object that is too large to be read into memory.

    Raises:
        OSError: With ``errno.EFBIG`` and the figures.
    """
    if size > limit:
        raise OSError(
            errno.EFBIG,
            f"{location}: expected at most {limit:,} bytes, found {size:,}; "
            "check that this is the right object.",
        )


def check_part(location: Location, start: int, length: int, received: int) -> None:
    """Refuse a part that is shorter than it should be.

    Raises:
        OSError: With ``errno.EINVAL`` and the figures.
    """
    if received < length:
        raise OSError(
            errno.EINVAL,
            f"{location}: expected {length:,} bytes from byte {start:,} on, found {received:,}; "
            "check that its upload came to an end.",
        )


def _raise(error: OSError) -> None:
    raise error
