"""Open a zip from a stranger: bounded in members, bytes and ratio, confined to one folder."""

import lzma
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.pose.errors import BadInput

MAX_MEMBERS = 10_000
"""Members of a model archive; a DeepLabCut model has fewer than twenty."""

MAX_BYTES = 8 * 2**30
"""Bytes that an archive may unpack to; the largest networks have snapshots of about 1 GB."""

MAX_RATIO = 200
"""Unpacked to packed bytes of one member. Weights hardly shrink, text shrinks about tenfold."""

SMALL = 2**20
"""Bytes under which a member's ratio is of no interest."""

_CHUNK = 2**20
_ENCRYPTED = 0x1

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that break or garble a line of a message: controls and line ends."""

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
)
"""What Python raises for a member that cannot be unpacked, one class for each compressor."""


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
        self.members = [m for m in map(self._checked, infos) if m and not _is_clutter(m.path)]
        self._check_together()

    def _checked(self, info: zipfile.ZipInfo) -> Member | None:
        """Refuse what could write outside its folder; None for a folder."""
        path = _safe_path(info.filename, self._name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadInput(f"{self._name}: {path} is a link or a device; zip the file itself")
        if info.flag_bits & _ENCRYPTED:
            raise BadInput(f"{self._name}: {path} is encrypted; zip it without a password")
        if info.filename.endswith(("/", "\\")):
            return None
        if info.file_size > SMALL and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise BadInput(
                f"{self._name}: {path} would unpack to {info.file_size} bytes from "
                f"{info.compress_size}; that is no model but a zip bomb"
            )
        return Member(path, info)

    def _check_together(self) -> None:
        total = sum(member.info.file_size for member in self.members)
        if total > MAX_BYTES:
            raise BadInput(
                f"{self._name}: it would unpack to {total} bytes, more than the {MAX_BYTES} "
                "allowed; leave out all snapshots but the one to use"
            )
        for path, count in Counter(member.path for member in self.members).items():
            if count > 1:
                raise BadInput(f"{self._name}: it holds {path} {count} times; zip it again")

    def extract(self, member: Member, target: Path) -> None:
        """Write one member to `target`, counting bytes and checking its CRC.

        Raises:
            BadInput: The member is damaged, or is not as long as the directory says.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in self._chunks(member, member.info.file_size):
                file.write(chunk)

    def read(self, member: Member, limit: int) -> bytes:
        """Return a small member's bytes.

        Raises:
            BadInput: The member is damaged, or larger than `limit` bytes.
        """
        if member.info.file_size > limit:
            raise BadInput(
                f"{self._name}: {member.path} has {member.info.file_size} bytes, more than the "
                f"{limit} that such a file may have"
            )
        return b"".join(self._chunks(member, limit))

    def _chunks(self, member: Member, limit: int) -> Iterator[bytes]:
        """Unpack piece by piece, stopping at the declared size and at a wrong CRC."""
        try:
            with self._archive.open(member.info) as source:
                while limit >= 0 and (chunk := source.read(_CHUNK)):
                    limit -= len(chunk)
                    yield chunk
        except NotImplementedError as error:
            raise BadInput(
                f"{self._name}: {member.path} is packed in a way that cannot be read here "
                f"({error}); zip it again with another program"
            ) from error
        except _DAMAGED as error:
            raise BadInput(
                f"{self._name}: {member.path} is damaged ({error}); zip and upload it again"
            ) from error
        if limit < 0:
            raise BadInput(f"{self._name}: {member.path} is longer than it says; zip it again")


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
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
        raise BadInput(
            f"{name}: expected a zip of a DeepLabCut model folder, found a file that is no zip, "
            f"or only a part of one ({error}); zip the folder and upload it again"
        ) from error
    with archive:
        yield ZipOfFiles(archive, name)


def _safe_path(filename: str, archive: str) -> PurePosixPath:
    """Turn a member's name into a path below the archive's root, or refuse it."""
    # Windows tools write backslashes, which the format does not allow.
    path = PurePosixPath(filename.replace("\\", "/"))
    broken = any(unicodedata.category(sign) in _UNPRINTABLE for sign in filename)
    outside = path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]
    if not filename or broken or outside:
        raise BadInput(
            f"{archive}: a member is called {ascii(filename)[:300]}, which is no name, leads "
            "outside the archive or holds control characters; zip the model's folder again"
        )
    return path


def _is_clutter(path: PurePosixPath) -> bool:
    """Whether a file is what macOS adds to zips, or what must never be unpickled."""
    return (
        "__MACOSX" in path.parts
        or path.name.startswith("._")
        or path.name in {".DS_Store", "Thumbs.db", "desktop.ini"}
        or "training-datasets" in path.parts
    )
