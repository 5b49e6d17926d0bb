"""One store for all locations, and the objects that a location names."""

import glob
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from tasks.storage.chapter_order import find_chapters, name_sort_key
from tasks.storage.local_files import ProgressCallback
from tasks.storage.local_store import LocalStore, stat_if_complete
from tasks.storage.location import Location
from tasks.storage.patterns import (
    is_match,
    literal_folder,
    normalize_double_stars,
)
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject, convert_os_errors


class LocationStore(ObjectStore):
    """Local folders and buckets as one store: each call goes to the store of its location.

    boto3 is loaded with the first location in a bucket.
    """

    def stat(self, location: Location) -> ObjectInfo:
        """Describe one object."""
        return _store_for(location).stat(location)

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        """Every object below a prefix."""
        return _store_for(prefix).list(prefix)

    def list_beginning(self, start: Location) -> Iterator[ObjectInfo]:
        """Every object of one folder whose name begins like another's."""
        return _store_for(start).list_beginning(start)

    def download(
        self, source: ObjectInfo, path: Path, progress: ProgressCallback | None = None
    ) -> str:
        """Fetch an object."""
        return _store_for(source.location).download(source, path, progress)

    def upload(
        self,
        path: Path,
        target: Location,
        content_type: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> ObjectInfo:
        """Write a file."""
        return _store_for(target).upload(path, target, content_type, progress)

    def read(self, location: Location, limit: int) -> bytes:
        """The content of a small object."""
        return _store_for(location).read(location, limit)

    def read_part(
        self, location: Location, start: int, length: int, etag: str | None = None
    ) -> bytes:
        """A part of an object."""
        return _store_for(location).read_part(location, start, length, etag)

    def put(self, location: Location, data: bytes) -> str | None:
        """Write a small object."""
        return _store_for(location).put(location, data)

    def create(self, location: Location, data: bytes) -> bool:
        """Write a small object if there is none."""
        return _store_for(location).create(location, data)

    def remove(self, location: Location) -> None:
        """Remove an object."""
        _store_for(location).remove(location)

    def remove_version(self, location: Location, version: str) -> None:
        """Remove one version of an object for good."""
        _store_for(location).remove_version(location, version)

    def check_writable(self, prefix: Location) -> None:
        """Try whether objects can be written below a prefix."""
        _store_for(prefix).check_writable(prefix)

    def abort_unfinished_uploads(
        self,
        prefix: Location,
        chosen: Callable[[Location], bool],
        older_than: timedelta = timedelta(),
    ) -> int:
        """Abort uploads below a prefix that were never completed."""
        return _store_for(prefix).abort_unfinished_uploads(prefix, chosen, older_than)

    def local_path(self, source: ObjectInfo) -> Path | None:
        """The object as a local file, if it is one."""
        return _store_for(source.location).local_path(source)

    def known_sha256(self, source: ObjectInfo) -> str | None:
        """An object's SHA-256, as far as it is known without fetching it."""
        return _store_for(source.location).known_sha256(source)

    def create_signed_link(
        self, location: Location, seconds: int, download_name: str | None = None
    ) -> str | None:
        """A web address that opens an object for a limited time."""
        return _store_for(location).create_signed_link(location, seconds, download_name)


def _store_for(location: Location) -> ObjectStore:
    if location.is_local:
        return LocalStore()
    from tasks.storage.s3_store import S3Store  # noqa: PLC0415 - half a second that local runs don't need

    return S3Store()


@convert_os_errors()
def expand_location(store: ObjectStore, text: str) -> list[ObjectInfo]:
    """Find what one entry of a request means, in order of names.

    That is natural order, with the chapters of each recording together.

    Args:
        store: Where it is looked for.
        text: An object; or a prefix that ends in ``/``, or a local folder, for everything below
            it; or a pattern in which ``*`` stays within a folder and ``**`` crosses folders. An
            object whose key looks like a pattern is taken as it is.

    Returns:
        At least one object.

    Raises:
        InvalidLocation: The text is no location.
        NoSuchObject: It names nothing that exists.
    """
    location = Location.parse(text)
    found = list(store.list(location)) if location.is_prefix else _find_object(store, location)
    if not found and location.has_glob:
        found = _find_matches(store, location)
    if not found:
        raise NoSuchObject(_describe_no_match(location))
    return sort_by_name(found)


def sort_by_name(infos: Sequence[ObjectInfo]) -> list[ObjectInfo]:
    """Put objects in natural order, with the chapters of each recording together."""
    sort_key = name_sort_key(find_chapters(info.location.key for info in infos))
    return sorted(infos, key=lambda info: sort_key(info.location.key))


def _find_object(store: ObjectStore, location: Location) -> list[ObjectInfo]:
    """The object itself, or nothing where the location may still be a pattern."""
    try:
        return [store.stat(location)]
    except NoSuchObject:
        if location.has_glob:
            return []
        if not any(store.list(location)):
            raise
    raise NoSuchObject(
        f"{location}: there is no object of this name, but there are objects below it. To take "
        f"them all, write {location}/ with a slash at its end."
    )


def _find_matches(store: ObjectStore, location: Location) -> list[ObjectInfo]:
    pattern = normalize_double_stars(location.key + "**" * location.key.endswith("/"))
    if location.is_local and "**" not in pattern:
        # A listing would enter every folder below, also those that nobody may read.
        paths = glob.iglob(pattern, include_hidden=True)  # noqa: PTH207 - the pattern is absolute
        return [info for path in paths if (info := stat_if_complete(path))]
    folder = Location(location.bucket, literal_folder(pattern))
    return [info for info in store.list(folder) if is_match(info.location.key, pattern)]


def _describe_no_match(location: Location) -> str:
    if not location.has_glob:
        return f"{location}: there is nothing in this folder. Check its spelling and case."
    return (
        f"{location}: no object fits this pattern. In it * stays within a folder, ** crosses "
        "folders, and [[] stands for a bracket."
    )
