"""Zips written byte by byte, so that every field of them can lie."""

import stat
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

STORED, DEFLATED, DEFLATE64, BZIP2, LZMA = 0, 8, 9, 12, 14
ENCRYPTED, DESCRIPTOR, UTF_8 = 0x1, 0x8, 0x800
FILE_MODE = stat.S_IFREG | 0o644
DEFERRED_32, DEFERRED_16 = 0xFFFFFFFF, 0xFFFF  # "see the zip64 field"


@dataclass
class ZipEntry:
    """One member; what is None is told truly.

    Attributes:
        name: Name in the directory.
        data: The bytes before packing.
        method: How they are packed; other methods than storing and deflating need `packed`.
        flags: General purpose flags, in both headers.
        mode: Type and permissions as Unix has them.
        extra: Extra field of the directory.
        packed: The bytes after packing.
        crc: Checksum in both headers.
        size: Size in the directory.
        packed_size: Packed size in the directory.
        offset: Where the directory says that the member begins.
        local_name: Name in the member's own header.
        local_size: Size in the member's own header.
        local_packed_size: Packed size in the member's own header.
        local_extra: Extra field of the member's own header.
        absent: Whether only the directory has this member.
    """

    name: bytes
    data: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    mode: int = FILE_MODE
    extra: bytes = b""
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    offset: int | None = None
    local_name: bytes | None = None
    local_size: int | None = None
    local_packed_size: int | None = None
    local_extra: bytes = b""
    absent: bool = False

    @cached_property
    def body(self) -> bytes:
        """The packed bytes."""
        if self.packed is not None:
            return self.packed
        return deflate_bytes(self.data) if self.method == DEFLATED else self.data

    def _header_fields(self, size: int | None, packed_size: int | None) -> tuple[int, ...]:
        return (
            self.flags,
            self.method,
            0,
            0x21,  # 1 January 1980
            zlib.crc32(self.data) if self.crc is None else self.crc,
            len(self.body) if packed_size is None else packed_size,
            len(self.data) if size is None else size,
        )

    def to_local_record(self) -> bytes:
        """The member's own header and its bytes."""
        if self.absent:
            return b""
        name = self.name if self.local_name is None else self.local_name
        fields = self._header_fields(self.local_size, self.local_packed_size)
        lengths = len(name), len(self.local_extra)
        header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, *fields, *lengths)
        tail = b""
        if self.flags & DESCRIPTOR:
            whole = self._header_fields(None, None)
            tail = struct.pack("<4sIII", b"PK\x07\x08", *whole[4:])
        return header + name + self.local_extra + self.body + tail

    def to_directory_record(self, offset: int) -> bytes:
        """The member's entry in the directory."""
        fields = self._header_fields(self.size, self.packed_size)
        begin = offset if self.offset is None else self.offset
        lengths = len(self.name), len(self.extra), 0, 0, 0
        header = struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            *(b"PK\x01\x02", 0x314, 20, *fields, *lengths, self.mode << 16, begin),
        )
        return header + self.name + self.extra


def deflate_bytes(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def build_zip64_field(*values: int) -> bytes:
    """An extra field with sizes and offsets of 64 bits."""
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)


def build_end_record(count: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    """The end of a zip, which says where its directory is."""
    short = min(count, DEFERRED_16)
    fields = 0, 0, short, short, min(size, DEFERRED_32), min(offset, DEFERRED_32), len(comment)
    return struct.pack("<4sHHHHIIH", b"PK\x05\x06", *fields) + comment


def build_zip64_end(count: int, size: int, offset: int, place: int) -> bytes:
    """The end of a zip in 64 bits, which lies at `place`."""
    fields = 44, 45, 45, 0, 0, count, count, size, offset
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", *fields)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, place, 1)
    return record + locator + build_end_record(DEFERRED_16, DEFERRED_32, DEFERRED_32)


def build_zip(
    entries: Sequence[ZipEntry],
    *,
    before: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
) -> bytes:
    """Put a zip together.

    Args:
        entries: Its members.
        before: What stands before the zip; its offsets do not know of it.
        after: What stands after the zip.
        comment: The archive's comment.
        count: Number of members that the zip says it has.
    """
    body, directory = bytearray(), bytearray()
    for entry in entries:
        directory += entry.to_directory_record(len(body))
        body += entry.to_local_record()
    told = len(entries) if count is None else count
    end = build_end_record(told, len(directory), len(body), comment)
    return before + bytes(body + directory) + end + after


def to_entries(files: dict[str, bytes]) -> list[ZipEntry]:
    return [ZipEntry(name.encode(), data) for name, data in files.items()]


def write_data(path: Path, data: bytes) -> None:
    path.write_bytes(data)
