"""Folders on the local disk, as an object store."""

import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.errors import BadInput, Retriable
from tasks.file_digest import compute_sha256
from tasks.storage.local_files import (
    ProgressCallback,
    check_disk_space,
    copy_and_hash,
    create_file,
    is_partial,
    nearest_folder,
    open_replacement,
    partial_target,
)
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, ObjectStore, check_part, check_size
from tasks.storage.store_errors import (
    CHANGED_MESSAGE,
    NoSuchObject,
    NotSupported,
    convert_os_errors,
)


class LocalStore(ObjectStore):
    """Files in local folders."""

    @convert_os_errors()
    def stat(self, location: Location) -> ObjectInfo:
        """Describe one file; its ETag is made of its size and the time of its last change."""
        path = location.path
        if location.key.endswith("/") or path.is_dir():
            raise BadInput(f"{location}: expected a file, found a folder.")
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchObject(
                f"{location}: there is no such file. Check its folder, its name and its case."
            ) from None
        if not stat.S_ISREG(found.st_mode):
            raise NoSuchObject(f"{location}: expected a file, found a pipe or a device.")
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
        with convert_os_errors():
            if not prefix.path.is_dir():
                return
            for folder, subfolders, names in os.walk(prefix.path, onerror=_raise_error):
                subfolders.sort()
                paths = (os.path.join(folder, name) for name in sorted(names))  # noqa: PTH118
                yield from filter(None, map(stat_if_complete, paths))

    def list_beginning(self, start: Location) -> Iterator[ObjectInfo]:
        """Every file of one folder whose name begins like another's."""
        folder, begin = start.key.rpartition("/")[::2]
        with convert_os_errors():
            if not os.path.isdir(f"{folder}/"):  # noqa: PTH112
                return
            names = sorted(name for name in os.listdir(f"{folder}/") if name.startswith(begin))  # noqa: PTH208
            paths = (f"{folder}/{name}" for name in names)
            files = filter(os.path.isfile, paths)
            yield from filter(None, map(stat_if_complete, files))

    @convert_os_errors()
    def download(
        self, source: ObjectInfo, path: Path, progress: ProgressCallback | None = None
    ) -> str:
        """Copy a file."""
        check_disk_space(path.parent, source.size)
        self._check_unchanged(source)
        with source.location.path.open("rb") as file, open_replacement(path) as copy:
            sha256 = copy_and_hash(file, copy, progress)
            self._check_unchanged(source)
        return sha256

    @convert_os_errors()
    def upload(
        self,
        path: Path,
        target: Location,
        content_type: str | None = None,  # noqa: ARG002 - a file has none
        progress: ProgressCallback | None = None,
    ) -> ObjectInfo:
        """Copy a file into a folder, and see that it is on the disk before it gets its name."""
        if target.is_prefix:
            raise BadInput(f"{target}: expected the name of a file, found a folder.")
        check_disk_space(target.path.parent, path.stat().st_size)
        with path.open("rb") as file, open_replacement(target.path) as copy:
            sha256 = copy_and_hash(file, copy, progress)
            copy.flush()
            os.fsync(copy.fileno())
        return replace(self.stat(target), sha256=sha256)

    @convert_os_errors()
    def read(self, location: Location, limit: int) -> bytes:
        """The content of a small file."""
        check_size(location, self.stat(location).size, limit)
        return location.path.read_bytes()

    @convert_os_errors()
    def read_part(
        self, location: Location, start: int, length: int, etag: str | None = None
    ) -> bytes:
        """A part of a file."""
        found = self.stat(location)  # refuses folders and pipes
        if etag and found.etag != etag:
            raise Retriable(f"{location}: {CHANGED_MESSAGE}.")
        with location.path.open("rb") as file:
            file.seek(start)
            part = file.read(length)
        check_part(location, start, length, len(part))
        return part

    @convert_os_errors()
    def put(self, location: Location, data: bytes) -> str | None:
        """Write a small file."""
        with open_replacement(location.path) as file:
            file.write(data)
        return None

    @convert_os_errors()
    def create(self, location: Location, data: bytes) -> bool:
        """Write a small file if there is none."""
        return create_file(location.path, data)

    @convert_os_errors()
    def remove(self, location: Location) -> None:
        """Remove a file."""
        location.path.unlink(missing_ok=True)

    def remove_version(self, location: Location, version: str) -> None:
        """Refuse: folders keep no versions.

        Raises:
            NotSupported: Always.
        """
        raise NotSupported(f"{location}: expected a version in a bucket, found {version} of a file")

    @convert_os_errors()
    def check_writable(self, prefix: Location) -> None:
        """Make and remove a file in the folder, or where the folder would be made."""
        folder = nearest_folder(prefix.path)
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except PermissionError:
            raise BadInput(
                f"{prefix}: this user may not write to {folder}. Choose another folder, or have "
                "its owner grant the right to write."
            ) from None

    @convert_os_errors()
    def abort_unfinished_uploads(
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
            for path in (one for one in partials if chosen(Location("", str(partial_target(one))))):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime <= last:
                        path.unlink()
                        found += 1
        return found

    def local_path(self, source: ObjectInfo) -> Path | None:
        """The file itself."""
        return source.location.path

    @convert_os_errors()
    def known_sha256(self, source: ObjectInfo) -> str | None:
        """The digest of the file as it is now."""
        return compute_sha256(source.location.path)

    def create_signed_link(
        self,
        location: Location,  # noqa: ARG002
        seconds: int,  # noqa: ARG002
        download_name: str | None = None,  # noqa: ARG002
    ) -> str | None:
        """Nothing: browsers do not follow links from a web page to a local file."""
        return None

    def _check_unchanged(self, source: ObjectInfo) -> None:
        if source.etag and self.stat(source.location).etag != source.etag:
            raise Retriable(f"{source.location}: {CHANGED_MESSAGE}.")


def stat_if_complete(path: str) -> ObjectInfo | None:
    """A file that was found, unless it is unfinished, gone again, or a pipe or device."""
    if is_partial(os.path.basename(path)) or not Path(path).is_file():  # noqa: PTH119
        return None
    with suppress(NoSuchObject):
        return LocalStore().stat(Location("", path))
    return None


def _raise_error(error: OSError) -> None:
    raise error
