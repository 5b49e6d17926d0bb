"""AVI files whose every chunk is chosen, for tests."""

import struct
from collections.abc import Sequence
from pathlib import Path

import av

_CHUNK = struct.Struct("<4sI")
_NO_KEYFRAME, _KEYFRAME = 0, 16


def read_packets(path: Path) -> list[bytes]:
    """The data of each frame of a movie, in the order of storage."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def as_packed(picture: bytes) -> bytes:
    """A first picture of MPEG-4 that says that later ones are packed."""
    at = picture.index(b"\0\0\1\xb6")
    return picture[:at] + b"\0\0\1\xb2DivX503b1393p" + picture[at:]


def as_before(place: int) -> bytes:
    """A picture of MPEG-4 at 30 frames/s that is not coded: the one before is shown again."""
    bits = f"0101{place % 30:05b}10"
    stuffed = bits + "0" + "1" * (-(len(bits) + 1) % 8)
    return b"\0\0\1\xb6" + int(stuffed, 2).to_bytes(len(stuffed) // 8, "big")


def write_avi(
    path: Path,
    like: Path,
    chunks: Sequence[bytes],
    *,
    index: str = "idx1",
    groups: bool = False,
    declared: int | None = None,
    unfinished: bool = False,
) -> Path:
    """Write an AVI of given chunks.

    Args:
        path: The file.
        like: An AVI whose header it gets.
        chunks: What is in each place; nothing for a place that is empty.
        index: Which index it has: ``idx1``, ``OpenDML``, or none.
        groups: Whether each chunk is in a list of its own.
        declared: Places that its header declares; by default as many as there are chunks.
        unfinished: Whether sizes are not known, as where the recorder did not end the file.
    """
    source = like.read_bytes()
    start = source.index(b"hdrl") - 8
    header = bytearray(source[start : start + 8 + struct.unpack_from("<I", source, start + 4)[0]])
    count = len(chunks) if declared is None else declared
    struct.pack_into("<I", header, header.index(b"avih") + 24, count)
    struct.pack_into("<I", header, header.index(b"strh") + 40, count)
    header = header.replace(b"indx", b"JUNK")  # room for the index of a large file
    data, places = bytearray(), []
    for chunk in chunks:
        whole = _CHUNK.pack(b"00dc", len(chunk)) + chunk + b"\0" * (len(chunk) % 2)
        if groups:
            data += _CHUNK.pack(b"LIST", len(whole) + 4) + b"rec "
        places.append(len(data))
        data += whole
    begin = 12 + len(header) + 12
    tail = b""
    if index == "idx1":
        rows = (
            struct.pack("<4sIII", b"00dc", _KEYFRAME if chunk else _NO_KEYFRAME, at + 4, len(chunk))
            for at, chunk in zip(places, chunks, strict=True)
        )
        tail = _CHUNK.pack(b"idx1", 16 * len(chunks)) + b"".join(rows)
    elif index == "OpenDML":
        header, data = _with_large_index(header, data, begin, places, chunks)
    sizes = [0, 0] if unfinished else [len(header) + len(data) + 16 + len(tail), len(data) + 4]
    path.write_bytes(
        _CHUNK.pack(b"RIFF", sizes[0])
        + b"AVI "
        + header
        + _CHUNK.pack(b"LIST", sizes[1])
        + b"movi"
        + data
        + tail
    )
    return path


def _with_large_index(
    header: bytearray, data: bytearray, begin: int, places: list[int], chunks: Sequence[bytes]
) -> tuple[bytearray, bytearray]:
    """An index of two indices in place of the room for it, each after its half of the chunks."""
    place = next(
        at
        for at in range(header.index(b"strf"), len(header))
        if header[at : at + 4] == b"JUNK" and struct.unpack_from("<I", header, at + 4)[0] >= 64
    )
    (room,) = struct.unpack_from("<I", header, place + 4)
    half, table = len(chunks) // 2, b""
    for part in (range(half), range(half, len(chunks))):
        rows = b"".join(
            struct.pack("<II", places[i] + 8, len(chunks[i]) | (0 if i == 0 else 1 << 31))
            for i in part
        )
        content = struct.pack("<HBBI4sQI", 2, 0, 1, len(part), b"00dc", begin, 0) + rows
        table += struct.pack("<QII", begin + len(data), len(content) + 8, len(part))
        data = data + _CHUNK.pack(b"ix00", len(content)) + content
    content = struct.pack("<HBBI4s12x", 4, 0, 0, 2, b"00dc") + table
    header[place : place + 8 + len(content)] = _CHUNK.pack(b"indx", room) + content
    return header, data
