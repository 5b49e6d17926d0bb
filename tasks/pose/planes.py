"""A frame as its decoder gives it: brightness and two color differences, each on a plane.

A labelled movie that is drawn on these planes needs no conversion to RGB and back, which takes
longer than decoding and encoding, and what is not drawn on stays exactly as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

    from av.video.frame import VideoFrame

_FORMATS = {
    f"yuv{full}{chroma}p": bool(full) for full in ("", "j") for chroma in ("420", "422", "444")
}
"""Formats that can be drawn on, and whether their name says that they use all 256 values."""

_RED_BLUE = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 5: (0.299, 0.114), 6: (0.299, 0.114)}
"""How much of red and blue is in brightness, by FFmpeg's number for the color space.

2 is "unspecified", which OpenCV, and so DeepLabCut, takes for 6 whatever the size is.
"""

_STANDARD = {1: 1, 2: 6, 5: 5, 6: 6}
"""What to call each in the labelled movie."""

_FULL_RANGE = 2
_LARGEST_SHARE = 4
"""Strokes of more than this part of the picture have many pixels twice: these are looked for."""


class Stroke(NamedTuple):
    """Pixels to be colored.

    Attributes:
        rows: Shape (pixels,).
        columns: The same.
        colors: Index of each pixel's color; or one for all.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    colors: NDArray[np.intp] | int


@dataclass(frozen=True)
class Colors:
    """How numbers on planes mean colors, in FFmpeg's numbering.

    Attributes:
        space: The color space: which numbers make which red, green and blue.
        full: Whether 0 to 255 are black to white, instead of 16 to 235.
    """

    space: int
    full: bool

    def of(self, rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Brightness and color differences of colors, shape (colors, 3), as they are on planes."""
        red, blue = _RED_BLUE[self.space]
        r, g, b = rgb.astype(np.float64).T / 255
        y = red * r + (1 - red - blue) * g + blue * b
        u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
        low, luma, chroma = (0, 255, 255) if self.full else (16, 219, 224)
        values = np.stack([low + luma * y, 128 + chroma * u, 128 + chroma * v], axis=1)
        whole: NDArray[np.int32] = np.rint(values).clip(0, 255).astype(np.int32)
        return whole


class Planes:
    """A frame of its own that can be drawn on: yuv420p, both sides even.

    Args:
        frame: What the decoder gave, which is left as it is: later frames refer to it.
        colors: What its numbers mean.

    Attributes:
        colors: What its numbers mean.
        frame: What is drawn on.
    """

    def __init__(self, frame: VideoFrame, colors: Colors) -> None:
        self.colors = colors
        self.frame = _owned(frame)

    @classmethod
    def of(cls, frame: VideoFrame) -> Self | None:
        """A frame's planes; None where it must go through RGB: an odd, turned or deep one."""
        full = _FORMATS.get(frame.format.name)
        odd = frame.width % 2 or frame.height % 2
        if full is None or odd or frame.rotation or frame.colorspace not in _RED_BLUE:
            return None
        return cls(frame, Colors(frame.colorspace, full or frame.color_range == _FULL_RANGE))

    @property
    def tag(self) -> int:
        """What to call the color space; a browser would guess the unspecified by the size."""
        return _STANDARD[self.colors.space]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the picture, as an RGB image has them."""
        return self.frame.height, self.frame.width, 3


class Brush:
    """Draws strokes of a few colors on planes; one for a movie, whose frames have one size.

    Args:
        palette: RGB, shape (colors, 3).
    """

    def __init__(self, palette: NDArray[np.uint8]) -> None:
        self._palette = palette
        self._values: dict[Colors, NDArray[np.int32]] = {}
        self._cover = np.zeros((0, 0), np.uint16)

    def draw(self, planes: Planes, strokes: Iterable[Stroke]) -> None:
        """Color pixels; each color difference covers four, and becomes the mean of theirs.

        Args:
            planes: What is drawn on.
            strokes: What comes later covers what was before.
        """
        drawn = [stroke for stroke in strokes if len(stroke.rows)]
        if not drawn:
            return
        cover = self._covered(planes.shape[:2], drawn)
        rows, columns = _places(drawn, cover)
        values = self._values_in(planes.colors)
        brightness, *differences = (_array(planes.frame, index) for index in range(3))
        brightness[rows, columns] = values[cover[rows, columns] - 1, 0]
        _blend(differences, cover, (rows >> 1, columns >> 1), values[:, 1:])
        cover[rows, columns] = 0

    def _covered(self, shape: tuple[int, ...], drawn: list[Stroke]) -> NDArray[np.uint16]:
        """What color each pixel has in the end, counted from 1; 0 where there is none."""
        if self._cover.shape != shape:
            self._cover = np.zeros(shape, np.uint16)
        for stroke in drawn:
            self._cover[stroke.rows, stroke.columns] = stroke.colors + 1
        return self._cover

    def _values_in(self, colors: Colors) -> NDArray[np.int32]:
        if colors not in self._values:
            self._values[colors] = colors.of(self._palette)
        return self._values[colors]


def _places(drawn: list[Stroke], cover: NDArray[np.uint16]) -> tuple[NDArray[np.intp], ...]:
    """Rows and columns of all that is covered, some of them more than once."""
    if sum(len(stroke.rows) for stroke in drawn) > cover.size // _LARGEST_SHARE:
        return np.nonzero(cover)
    return (
        np.concatenate([stroke.rows for stroke in drawn]),
        np.concatenate([stroke.columns for stroke in drawn]),
    )


def _blend(
    planes: list[NDArray[np.uint8]],
    cover: NDArray[np.uint16],
    where: tuple[NDArray[np.intp], NDArray[np.intp]],
    values: NDArray[np.int32],
) -> None:
    """Make color differences the mean of what covers their four pixels and what is uncovered."""
    height, width = cover.shape
    four = cover.reshape(height // 2, 2, width // 2, 2)[where[0], :, where[1], :].reshape(-1, 4)
    bare = (four == 0).sum(axis=1, dtype=np.int32)
    for plane, of_color in zip(planes, values.T, strict=True):
        covered = np.concatenate([[0], of_color])[four].sum(axis=1)
        plane[where] = (covered + bare * plane[where] + 2) >> 2


def _owned(frame: VideoFrame) -> VideoFrame:
    """A copy as yuv420p, whatever the range of its values."""
    import av  # noqa: PLC0415 - a form or a scheduler needs no codecs

    name = frame.format.name
    # To itself, and without a copy, where it has this many color differences already.
    source = frame.reformat(format=name.replace("422", "420").replace("444", "420"))
    copy = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for index in range(3):
        _array(copy, index)[...] = _array(source, index)
    return copy


def _array(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    """One of a frame's planes, to be read and written."""
    plane = frame.planes[index]
    memory = np.frombuffer(memoryview(plane), np.uint8)
    rows: NDArray[np.uint8] = memory.reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
