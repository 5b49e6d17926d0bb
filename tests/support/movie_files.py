"""Movies made for tests."""

import os
from collections.abc import Iterator
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
) -> Path:
    """Encode a small movie; `stamps` are presentation times in ticks of `clock`."""
    with keep_scheduling(), av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        if stamps is not None:
            stream.codec_context.time_base = clock
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(draw_picture(index, width, height), format="rgb24")
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
