"""Open a zip from a stranger: bounded in members, bytes and ratio, confined to one folder."""

import copy
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.pose.errors import BadInput
from tasks.pose.quoting import said
from tasks.pose.zip_structure import ZipSource, check_structure

MAX_MEMBERS = 10_000
"""Members of a model archive; a DeepLabCut model has fewer than twenty."""

MAX_BYTES = 8 * 2**30
"""Bytes that an archive may unpack to; the largest networks have snapshots of about 1 GB."""

MAX_RATIO = 200
"""Unpacked to packed bytes of one member. Weights hardly shrink, text shrinks about tenfold."""

SMALL = 2**20
"""Bytes under which a member's ratio is of no interest."""

MAX_PART = 255
"""Characters of a file's or folder's name; no file system that is in use allows more."""

MAX_DEPTH = 50
"""Folders in folders; a DeepLabCut model lies in five."""

_CHUNK = 2**20
_LONGEST = 200
_ENCRYPTED = 0x1

_METHODS = {
    9: "Deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
    99: "AES encryption",
}
"""Ways of packing that are not unpacked: rare, and Python unpacks some of them without a bound."""

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that break or garble a line of a message: controls and line ends."""

_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Unicode directions that make a name look like another."""

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)
"""What Python raises for a member that cannot be unpacked."""


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Attributes:
        path: Where it lies in the archive, with forward slashes.
        info: What the zip's directory says of it.
    """

    path: PurePosixPath
    info: zipfile.ZipInfo


class ZipOfFiles:
    """The files of an archive whose names and sizes have been checked."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._name = name
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise BadInput(
                f"{name}: it has {len(infos)} members, more than the {MAX_MEMBERS} allowed; "
                "zip only config.yaml and the model's own folder"
            )
        everything = [self._checked(info) for info in infos]
        folders = {member.path for member in everything if _is_folder(member.info)}
        files = [member for member in everything if not _is_folder(member.info)]
        self._check_folders(folders, files)
        self.members = [member for member in files if not _is_clutter(member.path)]
        self._check_together()
        self._spellings = Counter(_as_elsewhere(member.path) for member in self.members)

    def _checked(self, info: zipfile.ZipInfo) -> Member:
        """Refuse what could write outside its folder, and what lies about its size."""
        path = _safe_path(info.orig_filename, self._name)
        shown = f"{self._name}: {_shown(path)}"
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadInput(f"{shown} is a link or a device; zip the file itself")
        if info.flag_bits & _ENCRYPTED:
            raise BadInput(f"{shown} is encrypted; zip it without a password")
        if info.file_size > SMALL and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise BadInput(
                f"{shown} would unpack to {info.file_size} bytes from {info.compress_size}; that "
                "is no model but a zip bomb: zip the model's folder itself"
            )
        if _is_folder(info) and info.file_size:
            raise BadInput(f"{shown} is a folder that has data; zip it again")
        return Member(path, info)

    def _check_folders(self, folders: set[PurePosixPath], files: list[Member]) -> None:
        above = folders | {parent for member in files for parent in member.path.parents}
        for member in files:
            if member.path in above:
                raise BadInput(
                    f"{self._name}: {_shown(member.path)} is both a file and a folder in it; zip "
                    "the model's folder again"
                )

    def _check_together(self) -> None:
        total = sum(member.info.file_size for member in self.members)
        if total > MAX_BYTES:
            raise BadInput(
                f"{self._name}: it would unpack to {total} bytes, more than the {MAX_BYTES} "
                "allowed; leave out all snapshots but the one to use"
            )
        for path, count in Counter(member.path for member in self.members).items():
            if count > 1:
                raise BadInput(f"{self._name}: it holds {_shown(path)} {count} times; zip it again")

    def extract(self, member: Member, target: Path) -> None:
        """Write one member to `target`, counting bytes and checking its CRC.

        Raises:
            BadInput: The member is damaged, or is not as long as the directory says.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in self._chunks(member):
                file.write(chunk)

    def read(self, member: Member, limit: int) -> bytes:
        """Return a small member's bytes.

        Raises:
            BadInput: The member is damaged, or larger than `limit` bytes.
        """
        if member.info.file_size > limit:
            raise BadInput(
                f"{self._name}: {_shown(member.path)} has {member.info.file_size} bytes, more than "
                f"the {limit} that such a file may have; zip it as DeepLabCut wrote it"
            )
        return b"".join(self._chunks(member))

    def _chunks(self, member: Member) -> Iterator[bytes]:
        """Unpack piece by piece, and refuse what is not as long as it says or has another CRC."""
        self._check_readable(member)
        shown, left = f"{self._name}: {_shown(member.path)}", member.info.file_size
        info = copy.copy(member.info)
        info.file_size += 1  # Python stops at the size; what goes on after it is to be seen
        try:
            with self._archive.open(info) as source:
                while left >= 0 and (chunk := source.read(min(_CHUNK, left + 1))):
                    left -= len(chunk)
                    yield chunk
        except NotImplementedError as error:
            raise BadInput(
                f"{shown} is packed in a way that cannot be read here ({said(str(error))}); zip it "
                "again with another program"
            ) from error
        except _DAMAGED as error:
            raise BadInput(
                f"{shown} is damaged ({said(str(error))}); zip and upload it again"
            ) from error
        if left:
            length = "longer" if left < 0 else "shorter"
            raise BadInput(f"{shown} is damaged ({length} than it says); zip and upload it again")

    def _check_readable(self, member: Member) -> None:
        method = member.info.compress_type
        if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(
                f"{self._name}: {_shown(member.path)} is packed with {_METHODS.get(method, 'an ')}"
                f"{'' if method in _METHODS else f'unknown method ({method})'}, which is not read "
                "here; zip it again with the usual method, Deflate"
            )
        if self._spellings[_as_elsewhere(member.path)] > 1:
            raise BadInput(
                f"{self._name}: it holds {_shown(member.path)} in two spellings, which Windows or "
                "macOS take for one file; leave one in the zip"
            )


@contextmanager
def open_zip(path: Path, name: str) -> Iterator[ZipOfFiles]:
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
        except (NotImplementedError, *_DAMAGED) as error:
            raise BadInput(
                f"{name}: expected a zip of a DeepLabCut model folder, found a file that is no "
                f"zip, or only a part of one ({said(str(error))}); zip the folder and upload it "
                "again"
            ) from error
        check_structure(source, archive, name)
        yield ZipOfFiles(archive, name)


def _safe_path(filename: str, archive: str) -> PurePosixPath:
    """Turn a member's name into a path below the archive's root, or refuse it."""
    # Windows tools write backslashes, which the format does not allow.
    path = PurePosixPath(filename.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]
    if not filename or outside or any(map(_garbles, filename)):
        raise BadInput(
            f"{archive}: a member is called {ascii(filename)[:300]}, which is no name, leads "
            "outside the archive or holds control characters; zip the model's folder again"
        )
    if len(path.parts) > MAX_DEPTH or any(len(part) > MAX_PART for part in path.parts):
        raise BadInput(
            f"{archive}: a member is called {_shown(path)}, which is longer or deeper than any "
            "file system allows; zip the model's folder again"
        )
    return path


def _garbles(sign: str) -> bool:
    """Whether a character breaks a line of a message, or turns around what follows it."""
    category = unicodedata.category(sign)
    return category in _UNPRINTABLE or unicodedata.bidirectional(sign) in _TURNING


def _shown(path: PurePosixPath) -> str:
    """A checked path in a message, its middle left out where it is long."""
    text = str(path)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"


def _is_folder(info: zipfile.ZipInfo) -> bool:
    by_mode = stat.S_IFMT(info.external_attr >> 16) == stat.S_IFDIR
    return by_mode or info.filename.endswith(("/", "\\"))


def _as_elsewhere(path: PurePosixPath) -> str:
    """A path as Windows and macOS compare it: without case, accents in one form, ends trimmed."""
    parts = (part.rstrip(". ") for part in path.parts)
    return unicodedata.normalize("NFC", "/".join(parts)).casefold()


def _is_clutter(path: PurePosixPath) -> bool:
    """Whether a file is what macOS adds to zips, or what must never be unpickled."""
    return (
        "__MACOSX" in path.parts
        or path.name.startswith("._")
        or path.name in {".DS_Store", "Thumbs.db", "desktop.ini"}
        or "training-datasets" in path.parts
    )
