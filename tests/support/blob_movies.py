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
        for (x, y), color in zip(find_blobs(index, animal), BLOB_COLORS, strict=True):
            inside = (columns - x) ** 2 + (rows - y) ** 2 < 49
            picture[inside] = color
    return picture


def find_blobs(index: int, animal: int) -> NDArray[np.float64]:
    """Centers of an animal's blobs in a frame, in pixels: shape (blobs, 2), x and y."""
    angle = index / 15 + 2.5 * animal
    x = WIDTH * (0.3 + 0.4 * animal) + 16 * np.cos(angle)
    y = HEIGHT / 2 + 16 * np.sin(angle)
    shifts = (np.arange(len(BLOB_COLORS)) - 1) * 12
    return np.stack([x + shifts, y + shifts / 2], axis=1)


def write_blobs(
    path: Path, animals: list[int], *, width: int = WIDTH, height: int = HEIGHT
) -> Path:
    """Write a movie; `animals` says how many are to be seen in each frame.

    A smaller picture is the upper left part of the usual one.
    """
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"crf": "10"})
        halves = width % 2 == height % 2 == 0
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if halves else "yuv444p"
        for index, count in enumerate(animals):
            picture = np.ascontiguousarray(draw_blobs(index, count)[:height, :width])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
