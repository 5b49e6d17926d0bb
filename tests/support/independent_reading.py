"""What other programs read of a movie: packets of ffprobe or PyAV, pictures of OpenCV."""

import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FFPROBE = shutil.which("ffprobe")
"""FFmpeg's own program, where it is installed."""


@dataclass(frozen=True)
class StoredPacket:
    """A frame as it is stored.

    Attributes:
        shown: When it is shown, in seconds.
        size: Bytes.
        place: Where it begins in the file.
        is_discard: Whether the edit list hides it.
    """

    shown: Fraction
    size: int
    place: int
    is_discard: bool


def list_packets(path: Path, *, ffprobe: bool) -> list[StoredPacket]:
    """The packets of an MP4's first video stream, in the order of storage."""
    if ffprobe and FFPROBE:
        return _list_with_ffprobe(path)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        clock = Fraction(stream.time_base or 1)
        return [
            StoredPacket((p.pts or 0) * clock, p.size, p.pos or 0, p.is_discard)
            for p in container.demux(stream)
            if p.size
        ]


def _list_with_ffprobe(path: Path) -> list[StoredPacket]:
    what = "stream=time_base:packet=pts,size,pos,flags"
    command = [str(FFPROBE), "-v", "error", "-select_streams", "v:0", "-show_entries", what]
    done = subprocess.run([*command, "-of", "json", str(path)], capture_output=True, check=True)
    found = json.loads(done.stdout)
    clock = Fraction(found["streams"][0]["time_base"])
    return [
        StoredPacket(int(p["pts"]) * clock, int(p["size"]), int(p["pos"]), "D" in p["flags"])
        for p in found["packets"]
    ]


def find_runs(data: bytes | bytearray) -> list[tuple[int, int]]:
    """The runs of frames in an MP4's fragments: how much must be there to know them, and frames."""
    found: list[tuple[int, int]] = []

    def walk(start: int, end: int) -> None:
        while start + 8 <= end:
            size, kind = struct.unpack_from(">I4s", data, start)
            if kind in {b"moof", b"traf"}:
                walk(start + 8, start + size)
            elif kind == b"trun":
                found.append((start + 16, *struct.unpack_from(">I", data, start + 12)))
            start += size

    walk(0, len(data))
    return found


def read_with_opencv(path: Path) -> Iterator[NDArray[np.uint8]]:
    """OpenCV's frames, as RGB."""
    capture = cv2.VideoCapture(os.fspath(path))
    while (read := capture.read())[0]:
        yield np.asarray(read[1][:, :, ::-1], np.uint8)


def as_key(image: NDArray[Any]) -> bytes:
    """Equal for equal pictures."""
    return np.ascontiguousarray(image).tobytes()
