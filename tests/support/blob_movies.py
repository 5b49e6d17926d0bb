"""Movies of colored blobs that move, and are now and then not there."""

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

BLOB_COLORS = ((250, 60, 60), (60, 250, 60), (80, 80, 250))
WIDTH, HEIGHT = 160, 128


def draw_blobs(index: int, animals: int) -> NDArray[np.uint8]:
    """A dark picture with animals of three blobs each, on circles of their own."""
    picture = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for animal in range(animals):
        angle = index / 15 + 2.5 * animal
        x = WIDTH * (0.3 + 0.4 * animal) + 16 * np.cos(angle)
        y = HEIGHT / 2 + 16 * np.sin(angle)
        for blob, color in enumerate(BLOB_COLORS):
            shift = (blob - 1) * 12
            inside = (columns - x - shift) ** 2 + (rows - y - shift / 2) ** 2 < 49
            picture[inside] = color
    return picture


def write_blobs(path: Path, animals: list[int]) -> Path:
    """Write a movie; `animals` says how many are to be seen in each frame."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, count in enumerate(animals):
            frame = av.VideoFrame.from_ndarray(draw_blobs(index, count), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
