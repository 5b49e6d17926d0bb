"""Check that a zip's end, its directory, and its members' own headers agree.

Programs differ in which of them they believe, and an archive that tells each another story is
damaged or made to deceive. Layouts are those of PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.
"""

import io
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from tasks.errors import BadInput
from tasks.messages import format_value

MAX_DIRECTORY_BYTES = 8 * 2**20
"""Bytes of an archive's directory: 50,000 members with names and fields of 120 bytes."""

_LOCAL_HEADER = struct.Struct("<4s2xHH4xLLLHH")  # signature, flags, method, CRC, sizes, name, extra
_END_RECORD = struct.Struct("<4s6xH10x")
_END_RECORD_64 = struct.Struct("<4s28xQ16x")
_LOCATOR_SIZE = 20

_SPLIT_MARK = 4
"""Bytes that programs which can split archives put before the first member."""

_DESCRIPTOR_FLAG = 0x8
"""Flag of a member that was streamed: checksum and sizes stand behind it, not before."""

_IN_64_BIT_FIELD = 0xFFFFFFFF
"""Stands where the number needs 64 bits."""


class ZipSource(io.BufferedReader):
    """A zip on disk whose directory is not read when it is too large for a model.

    Python reads a directory as a whole and builds an object for each member, before anything can
    be asked.
    """

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(io.FileIO(path))
        self._label = name

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes.

        Raises:
            BadInput: They are more than a directory may have.
        """
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise BadInput(
                f"{self._label}: its list of members has {size} bytes, more than the "
                f"{MAX_DIRECTORY_BYTES} allowed, so it has too many members or too long names; "
                "leave out videos and labeled-data"
            )
        return super().read(size)


def check_structure(file: BinaryIO, archive: ZipFile, name: str) -> None:
    """Refuse an archive that contradicts itself.

    Args:
        file: The archive on disk.
        archive: The same, opened.
        name: What to call it in messages.

    Raises:
        BadInput: It does not begin or end where its file does, members share bytes, or a member's
            own header differs from what the directory says of it.
    """
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    begin = min((info.header_offset for info in infos), default=archive.start_dir)
    _check_end(file, len(infos), len(archive.comment), name)
    if begin > _SPLIT_MARK:
        raise BadInput(
            f"{name}: {begin} bytes stand before its first member, so it is a part of a zip or a "
            "program that unpacks itself; zip the model's folder and upload it again"
        )
    spans = [(info, *_member_span(file, info, name)) for info in infos]
    for (one, _, end), (other, start, _) in pairwise(spans):
        if end > start:
            raise BadInput(
                f"{name}: {format_value(one.filename)} and {format_value(other.filename)} overlap "
                "in it, so it is damaged or a zip bomb; zip the model's folder again"
            )
    if spans and spans[-1][2] > archive.start_dir:
        raise BadInput(
            f"{name}: {format_value(infos[-1].filename)} is cut short in it; zip it again"
        )


def _check_end(file: BinaryIO, members: int, comment: int, name: str) -> None:
    """Compare the archive's end with the file's, and its count of members with those found."""
    end = file.seek(0, io.SEEK_END) - _END_RECORD.size - comment
    file.seek(end)
    signature, count = _END_RECORD.unpack(file.read(_END_RECORD.size))
    if signature != b"PK\x05\x06":
        raise BadInput(
            f"{name}: something stands after its end, so it is not as it was zipped; zip the "
            "model's folder and upload it again"
        )
    before = end - _LOCATOR_SIZE - _END_RECORD_64.size
    if before >= 0:
        file.seek(before)
        record, locator = file.read(_END_RECORD_64.size), file.read(4)
        if locator == b"PK\x06\x07" and record.startswith(b"PK\x06\x06"):
            _, count = _END_RECORD_64.unpack(record)
    if count != members:
        raise BadInput(
            f"{name}: it says that it has {count} members and has {members}, so it is damaged; "
            "zip the model's folder and upload it again"
        )


def _member_span(file: BinaryIO, info: ZipInfo, name: str) -> tuple[int, int]:
    """Return where a member's header begins and its data end."""
    try:
        file.seek(info.header_offset)
        signature, flags, method, crc, packed, size, letters, extra = _LOCAL_HEADER.unpack(
            file.read(_LOCAL_HEADER.size)
        )
    except (struct.error, OSError, ValueError, OverflowError):
        signature = b""
    if signature != b"PK\x03\x04":
        raise BadInput(
            f"{name}: {format_value(info.filename)} is not where its list of members says, so it "
            "is damaged or only a part; zip and upload it again"
        )
    if not flags & _DESCRIPTOR_FLAG:
        file.seek(letters, io.SEEK_CUR)
        size, packed = _resolve_sizes(size, packed, file.read(extra))
        told = method, crc, packed, size
        if told != (info.compress_type, info.CRC, info.compress_size, info.file_size):
            raise BadInput(
                f"{name}: {format_value(info.filename)} has other sizes or another checksum in its "
                "own header than in the archive's list of members; zip it again"
            )
    start = info.header_offset
    return start, start + _LOCAL_HEADER.size + letters + extra + info.compress_size


def _resolve_sizes(size: int, packed: int, extra: bytes) -> tuple[int, int]:
    """Unpacked and packed size, from the field for 64 bits where they stand there."""
    if _IN_64_BIT_FIELD in {size, packed}:
        values = list(_read_64_bit_numbers(extra))
        size = values.pop(0) if size == _IN_64_BIT_FIELD and values else size
        packed = values.pop(0) if packed == _IN_64_BIT_FIELD and values else packed
    return size, packed


def _read_64_bit_numbers(extra: bytes) -> Iterator[int]:
    """The numbers in an extra field's part for 64 bits."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        place += 4
        if kind == 1:
            part = extra[place : place + length]
            yield from (n for (n,) in struct.iter_unpack("<Q", part[: len(part) // 8 * 8]))
        place += length
