"""Movies of the nVision recorder (.isxb) made for tests, of the parts that the format has.

Twelve little-endian 64-bit numbers; the pictures, each a JPEG; a sample for each picture, as JSON;
and the session, as JSON.
"""

import io
import json
import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEADER = struct.Struct("<12Q")
FIRST_COUNT = 5_000_000_000
"""Microseconds of the recorder's counter at the first frame."""

START_MS = 1_700_000_000_000
SYSTEM_NAME = "GA-12345678-0000000000"


def draw_gray(index: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A gray picture that differs from frame to frame."""
    generator = np.random.default_rng(index)
    coarse = generator.integers(30, 220, (max(1, height // 8), max(1, width // 8)))
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)[:height, :width]


def encode_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """One picture as the recorder stores it: with color, of which only the luma is used."""
    file = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


def encode_jpegs(frames: int, width: int = 64, height: int = 48) -> list[bytes]:
    return [encode_jpeg(draw_gray(index, width, height)) for index in range(frames)]


def write_isxb(
    path: Path,
    frames: int = 8,
    *,
    dropped: Sequence[int] = (),
    pictures: Iterable[bytes] | None = None,
    width: int = 64,
    height: int = 48,
    period_us: int = 50_000,
    first_count: int = FIRST_COUNT,
    start_ms: int = START_MS,
    uuid: str | None = f"{SYSTEM_NAME}-{START_MS}",
    raw: bool = False,
    samples: Any = ...,
    header: dict[int, int] | None = None,
    session: dict[str, Any] | None = None,
) -> Path:
    """Write a recording of `frames` positions, of which those in `dropped` have no picture.

    Args:
        path: The file to make.
        frames: Positions, dropped ones included.
        dropped: Positions without a picture.
        pictures: JPEGs to store instead of one for each position.
        width: Columns of a picture, a multiple of 64.
        height: Rows of a picture.
        period_us: Microseconds from frame to frame.
        first_count: The recorder's counter at the first position.
        start_ms: When the recording began, in milliseconds since 1970.
        uuid: The recording's name; None for none.
        raw: As it comes from the recorder, without what Inscopix' software adds to the session.
        samples: What to write for each picture; by default its counters. None for nothing.
        header: Numbers to write into the header instead of the true ones, by their place.
        session: Keys of the session to write instead.
    """
    recorded = [index for index in range(frames) if index not in set(dropped)]
    stored = list(pictures) if pictures is not None else encode_jpegs(len(recorded), width, height)
    if samples is ...:
        samples = [{"fc": i, "tsc": first_count + i * period_us} for i in recorded]
    described = _build_session(frames, dropped, width, height, period_us, start_ms, uuid, raw=raw)
    by_frame = {"droppedFrames": list(dropped), "samples": samples}
    parts = (
        b"".join(stored),
        b"" if samples is None else json.dumps(by_frame).encode(),
        json.dumps(described | (session or {})).encode(),
    )
    places = [HEADER.size, *np.cumsum([len(part) for part in parts]).tolist()]
    places[1:] = [place + HEADER.size for place in places[1:]]
    sections = chain.from_iterable(zip(places, map(len, parts), strict=False))
    numbers = [100, HEADER.size, start_ms, 0, len(recorded), len(dropped), *sections]
    for place, number in (header or {}).items():
        numbers[place] = number
    path.write_bytes(HEADER.pack(*numbers) + b"".join(parts))
    return path


def _build_session(
    frames: int,
    dropped: Sequence[int],
    width: int,
    height: int,
    period_us: int,
    start_ms: int,
    uuid: str | None,
    *,
    raw: bool,
) -> dict[str, Any]:
    view = {"width": width, "height": height, "originx": 0, "originy": 0}
    processing: dict[str, Any] = {"camera-1": {"recordFov": view}}
    if uuid is not None:
        processing["recordingUUID"] = uuid
    session = {"cameraName": "camera-1", "processingInterface": processing}
    if raw:
        return session
    one, zero = {"num": 3, "den": 1}, {"num": 0, "den": 1}
    return session | {
        "spacingInfo": {
            "numPixels": {"x": width, "y": height},
            "pixelSize": {"x": one, "y": one},
            "topLeft": {"x": zero, "y": zero},
        },
        "timingInfo": {
            "numTimes": frames,
            "period": {"num": period_us, "den": 1_000_000},
            "start": {"secsSinceEpoch": {"num": start_ms, "den": 1000}, "utcOffset": 0},
            "dropped": list(dropped),
            "cropped": [],
            "blank": [],
        },
    }
