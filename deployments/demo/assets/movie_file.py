"""Writes and reads the demo's movies as a lab would: H.264 in an MP4 file."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from deployments.demo.assets.arena import FPS, HEIGHT, WIDTH

Picture = npt.NDArray[np.uint8]

_QUALITY = {"crf": "22", "preset": "slow", "threads": "1"}


def write_movie(path: Path, pictures: Iterable[Picture]) -> None:
    """Encode pictures, each RGB, (480, 640, 3)."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=_QUALITY)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def read_movie(path: Path) -> Iterator[Picture]:
    """Decode pictures, each RGB, (height, width, 3)."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
