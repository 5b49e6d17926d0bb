"""Movies made for tests."""

import math
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

MAX_REFERENCES = 8
"""Frames that a copied frame may refer to, and that come after it in the file."""


def draw_picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """A picture that differs from frame to frame: a ramp and a moving bar."""
    ramp = np.linspace(0, 200, width, dtype=np.uint8)
    image = np.repeat(np.tile(ramp, (height, 1))[:, :, None], 3, axis=2)
    left = (7 * index) % max(1, width - 8)
    image[:, left : left + 8] = (255, (index * 11) % 256, 40)
    return image


def write_movie(
    path: Path,
    frames: int = 30,
    *,
    rate: Fraction | int = 30,
    width: int = 96,
    height: int = 64,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    stamps: list[int] | None = None,
    clock: Fraction = Fraction(1, 1000),
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    container_format: str | None = None,
    draw: Callable[[int, int, int], NDArray[np.uint8]] = draw_picture,
) -> Path:
    """Encode a small movie; `stamps` are presentation times in ticks of `clock`."""
    options, container_options = options or {}, container_options or {}
    with (
        keep_scheduling(),
        av.open(str(path), "w", container_format, container_options) as container,
    ):
        stream: Any = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        if stamps is not None:
            stream.codec_context.time_base = clock
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(index, width, height), format="rgb24")
            if stamps is not None:
                frame.pts, frame.time_base = stamps[index], clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@contextmanager
def keep_scheduling() -> Iterator[None]:
    """Keep this process as urgent as it was.

    SVT-AV1 makes the thread that it is called from a real-time one where it may, and with it all
    processes that are started later: nothing else gets to run while these have something to do.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def turn(
    path: Path, degrees: float, mirrored: bool = False, box: bytes = b"tkhd", place: int = 40
) -> None:
    """Write a rotation into an MP4's track header, as phones do, or its movie header."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    flip = -1 if mirrored else 1
    matrix = (cosine * flip, sine * flip, 0, -sine, cosine, 0, 0, 0, 1)
    scale = (65536, 65536, 2**30) * 3
    numbers = [round(m * s) for m, s in zip(matrix, scale, strict=True)]
    overwrite(path, box, place + 4, ">9i", *numbers)


def overwrite(path: Path, name: bytes, place: int, form: str, *values: int) -> None:
    """Write numbers into a box (MP4) or chunk (AVI), counted from its name."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, data.index(name) + place, *values)
    path.write_bytes(data)


def cut_movie(source: Path, target: Path, frames: int) -> Path:
    """Copy the first frames of a movie, or a few more, without encoding them again.

    The last ones may lack the frames that they refer to, and then differ from the original's.
    """
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        video = whole.streams.video[0]
        copy = part.add_stream_from_template(video)
        for _, packet in zip(range(frames + MAX_REFERENCES), whole.demux(video), strict=False):
            packet.stream = copy
            part.mux(packet)
    return target
