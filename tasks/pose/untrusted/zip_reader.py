"""Open a zip from a stranger: bounded in members, bytes and ratio, confined to one folder.

People zip their whole project: videos, labeled frames, links. What is never read may be as large
as it likes; it is listed, and its name must not hide anything else.
"""

import copy
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.pose.untrusted.zip_names import (
    as_portable_key,
    folders_above,
    is_clutter,
    shorten_path,
    to_safe_path,
)
from tasks.pose.untrusted.zip_structure import ZipSource, check_structure

MAX_MEMBERS = 50_000
"""Members of an archive; a DeepLabCut model has fewer than twenty, its project one for each
labeled frame. So many are listed in about two seconds and 100 MB."""

MAX_UNPACKED_BYTES = 8 * 2**30
"""Bytes that are unpacked of an archive; the largest networks have snapshots of about 1 GB."""

MAX_RATIO = 200
"""Unpacked to packed bytes of one member. Weights hardly shrink, text shrinks about tenfold."""

SMALL_MEMBER_BYTES = 2**20
"""Bytes under which a member's ratio is of no interest."""

_CHUNK_BYTES = 2**20
_ENCRYPTED_FLAG = 0x1

_METHOD_NAMES = {
    9: "Deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
    99: "AES encryption",
}
"""Ways of packing that are not unpacked: rare, and Python unpacks some of them without a bound."""

_DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)
"""Errors that Python raises for a member that cannot be unpacked."""


@dataclass(frozen=True)
class ZipMember:
    """One file of an archive.

    Attributes:
        path: Where it lies in the archive, with forward slashes.
        info: What the zip's directory says of it.
    """

    path: PurePosixPath
    info: zipfile.ZipInfo


class CheckedZip:
    """The files of an archive whose names and sizes have been checked."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._name = name
        self._unpacked = 0
        everything = [self._check_member(info) for info in archive.infolist()]
        files = [member for member in everything if not _is_folder(member.info)]
        self._check_folders(everything, files)
        self.members = [member for member in files if not is_clutter(member.path)]
        self._by_path = {member.path: member for member in self.members}
        self._links = {member.path for member in everything if _is_link(member.info)}
        self._check_duplicates()
        self._spellings = Counter(as_portable_key(member.path) for member in self.members)

    def _check_member(self, info: zipfile.ZipInfo) -> ZipMember:
        """Refuse what no program writes for itself, and names that lead elsewhere."""
        path = to_safe_path(info.orig_filename, self._name)
        shown = f"{self._name}: {shorten_path(path)}"
        if _file_type(info) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise BadInput(f"{shown} is a device; zip files and folders only")
        if _is_folder(info) and info.file_size and not _is_link(info):
            raise BadInput(f"{shown} is a folder that has data; zip it again")
        return ZipMember(path, info)

    def _check_folders(self, everything: list[ZipMember], files: list[ZipMember]) -> None:
        taken = {str(member.path) for member in files}
        for member in everything:
            for path in folders_above(str(member.path), itself=_is_folder(member.info)):
                if path in taken:
                    raise BadInput(
                        f"{self._name}: {shorten_path(path)} is both a file and a folder in it; "
                        "zip the model's folder again"
                    )

    def _check_duplicates(self) -> None:
        if len(self._by_path) == len(self.members):
            return
        for path, count in Counter(member.path for member in self.members).items():
            if count > 1:
                raise BadInput(
                    f"{self._name}: it holds {shorten_path(path)} {count} times; zip it again"
                )

    def find_member(self, path: PurePosixPath) -> ZipMember | None:
        """The file at a path.

        Raises:
            BadInput: A link stands in its place, or in that of a folder above it.
        """
        for place in (path, *path.parents):
            if place in self._links:
                raise BadInput(
                    f"{self._name}: {shorten_path(place)} is a link, which a zip cannot resolve; "
                    "zip the file or the folder itself"
                )
        return self._by_path.get(path)

    def extract(self, member: ZipMember, target: Path) -> None:
        """Write one member to `target`, counting bytes and checking its CRC.

        Raises:
            BadInput: The member is damaged, or is not as long as the directory says.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in self._unpack_chunks(member):
                file.write(chunk)

    def read(self, member: ZipMember, limit: int) -> bytes:
        """Return a small member's bytes.

        Raises:
            BadInput: The member is damaged, or larger than `limit` bytes.
        """
        if member.info.file_size > limit:
            raise BadInput(
                f"{self._name}: {shorten_path(member.path)} has {member.info.file_size} bytes, "
                f"more than the {limit} that such a file may have; zip it as DeepLabCut wrote it"
            )
        return b"".join(self._unpack_chunks(member))

    def _unpack_chunks(self, member: ZipMember) -> Iterator[bytes]:
        """Unpack piece by piece, and refuse what is not as long as it says or has another CRC."""
        self._check_readable(member)
        self._check_size(member)
        shown, left = f"{self._name}: {shorten_path(member.path)}", member.info.file_size
        info = copy.copy(member.info)
        info.file_size += 1  # Python stops at the size; what goes on after it is to be seen
        try:
            with self._archive.open(info) as source:
                while left >= 0 and (chunk := source.read(min(_CHUNK_BYTES, left + 1))):
                    left -= len(chunk)
                    yield chunk
        except NotImplementedError as error:
            raise BadInput(
                f"{shown} is packed in a way that cannot be read here "
                f"({format_value(str(error))}); zip it again with another program"
            ) from error
        except _DAMAGE_ERRORS as error:
            raise BadInput(
                f"{shown} is damaged ({format_value(str(error))}); zip and upload it again"
            ) from error
        if left:
            length = "longer" if left < 0 else "shorter"
            raise BadInput(
                f"{shown} is damaged ({length} than it declares); zip and upload it again"
            )

    def _check_size(self, member: ZipMember) -> None:
        info, shown = member.info, f"{self._name}: {shorten_path(member.path)}"
        self._unpacked += info.file_size
        if info.file_size > SMALL_MEMBER_BYTES and info.file_size > MAX_RATIO * max(
            info.compress_size, 1
        ):
            raise BadInput(
                f"{shown} would unpack to {info.file_size} bytes from {info.compress_size}; this "
                "is a zip bomb, not a model: zip the model's folder itself"
            )
        if self._unpacked > MAX_UNPACKED_BYTES:
            raise BadInput(
                f"{shown} and the files read before it have {self._unpacked} bytes, more than the "
                f"{MAX_UNPACKED_BYTES} allowed; zip the files as DeepLabCut wrote them, which are "
                "smaller"
            )

    def _check_readable(self, member: ZipMember) -> None:
        self.find_member(member.path)
        if member.info.flag_bits & _ENCRYPTED_FLAG:
            raise BadInput(
                f"{self._name}: {shorten_path(member.path)} is encrypted; zip it without a password"
            )
        method = member.info.compress_type
        if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(
                f"{self._name}: {shorten_path(member.path)} is packed with "
                f"{_METHOD_NAMES.get(method, f'an unknown method ({method})')}, which is not read "
                "here; zip it again with the usual method, Deflate"
            )
        if self._spellings[as_portable_key(member.path)] > 1:
            raise BadInput(
                f"{self._name}: it holds {shorten_path(member.path)} in two spellings, which "
                "Windows or macOS take for one file; leave one in the zip"
            )


@contextmanager
def open_zip(path: Path, name: str) -> Iterator[CheckedZip]:
    """Open an archive and check every member's name and size before anything is unpacked.

    Args:
        path: The archive on disk.
        name: What to call it in messages.

    Yields:
        Its files.

    Raises:
        BadInput: It is no zip, or holds what a model archive may not hold.
    """
    with ExitStack() as stack:
        try:
            source = stack.enter_context(ZipSource(path, name))
            archive = stack.enter_context(zipfile.ZipFile(source))
        except (NotImplementedError, *_DAMAGE_ERRORS) as error:
            raise BadInput(
                f"{name}: expected a zip of a DeepLabCut model folder, found a file that is not a "
                f"zip, or only a part of one ({format_value(str(error))}); zip the folder and "
                "upload it again"
            ) from error
        _check_member_count(archive, name)
        check_structure(source, archive, name)
        yield CheckedZip(archive, name)


def _check_member_count(archive: zipfile.ZipFile, name: str) -> None:
    count = len(archive.infolist())
    if count > MAX_MEMBERS:
        raise BadInput(
            f"{name}: it has {count} members, more than the {MAX_MEMBERS} allowed; leave out "
            "videos and labeled-data"
        )


def _file_type(info: zipfile.ZipInfo) -> int:
    return stat.S_IFMT(info.external_attr >> 16)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return _file_type(info) == stat.S_IFLNK


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return _file_type(info) == stat.S_IFDIR or info.filename.endswith(("/", "\\"))
