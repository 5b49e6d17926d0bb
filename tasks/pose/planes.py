"""A frame as its decoder gives it: brightness and two color differences, each on a plane.

A labelled movie that is drawn on these planes needs no conversion to RGB and back, which takes
longer than decoding and encoding, and what is not drawn on stays exactly as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tasks.pose.pixels import Pixels, quarters

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """A frame that can be drawn on: with all its colors as numbers on planes, both sides even.

    Args:
        frame: What a decoder gave, which must be left as it is, for later frames refer to it; or
            a copy of it.
        colors: What its numbers mean.

    Attributes:
        colors: What its numbers mean.
        frame: The frame.
    """

    def __init__(self, frame: VideoFrame, colors: Colors) -> None:
        self.colors = colors
        self.frame = frame

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


class Marks(NamedTuple):
    """What is drawn on one frame, as it is on planes.

    Attributes:
        pixels: Place of each pixel that is covered, on the plane of brightness.
        brightness: Its brightness.
        squares: Place of each square of four pixels that are covered or some of which are, on the
            planes of color differences.
        bare: How many of the four are not covered.
        differences: Sum of each color difference over those that are, shape (2, squares).
    """

    pixels: NDArray[np.intp]
    brightness: NDArray[np.uint8]
    squares: NDArray[np.intp]
    bare: NDArray[np.uint16]
    differences: NDArray[np.uint16]


class Canvas:
    """A yuv420p frame of our own that others are copied to, and that is drawn on.

    Args:
        shape: Its height and width, both even.

    Attributes:
        frame: The frame.
        planes: Its memory, shape (rows, bytes of a row) each; a row may be longer than the frame.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        import av  # noqa: PLC0415 - a form or a scheduler needs no codecs

        self.frame = av.VideoFrame(shape[1], shape[0], "yuv420p")
        self.planes = [_memory(self.frame, index) for index in range(3)]
        self._flat = [plane.reshape(-1) for plane in self.planes]

    @property
    def line_sizes(self) -> list[int]:
        """Bytes from one row of a plane to the next."""
        return [plane.shape[1] for plane in self.planes]

    def copy(self, frame: VideoFrame) -> None:
        """Become like a decoder's frame, whatever the range of its values."""
        name = frame.format.name
        if "420" not in name:
            frame = frame.reformat(format=name.replace("422", "420").replace("444", "420"))
        for index, plane in enumerate(self.planes):
            source = _memory(frame, index)
            width = frame.width >> (index > 0)
            plane[:, :width] = source[:, :width]

    def draw(self, marks: Marks) -> None:
        """Color pixels; each color difference covers four, and becomes the mean of theirs."""
        brightness, *differences = self._flat
        brightness[marks.pixels] = marks.brightness
        for plane, covered in zip(differences, marks.differences, strict=True):
            mean = plane[marks.squares] * marks.bare
            mean += covered
            mean += 2
            mean >>= 2
            plane[marks.squares] = mean


class Brush:
    """Draws in a few colors on planes; one for a movie, whose frames have one size.

    Args:
        palette: RGB, shape (colors, 3).
        canvases: How many frames are kept: a frame that is given is drawn over when so many more
            have been given.
    """

    def __init__(self, palette: NDArray[np.uint8], canvases: int) -> None:
        self._palette = palette
        self._count = canvases
        self._shape: tuple[int, ...] = ()
        self._canvases: list[Canvas] = []
        self._turns: Iterator[Canvas] = iter(())

    def drawn(self, planes: Planes, marks: Marks) -> Planes:
        """A copy of a frame, drawn on."""
        self._prepare(planes.shape)
        canvas = next(self._turns)
        canvas.copy(planes.frame)
        canvas.draw(marks)
        return Planes(canvas.frame, planes.colors)

    def marks(self, pixels: Pixels, frames: int, planes: Planes) -> list[Marks]:
        """What colored pixels are on the planes of frames.

        Args:
            pixels: Each once, those of all frames.
            frames: How many.
            planes: One of them.
        """
        values = planes.colors.of(self._palette)
        self._prepare(planes.shape)
        lines = self._canvases[0].line_sizes
        squares, starts = quarters(pixels, planes.shape)
        covered = np.diff(np.append(starts, len(squares.colors)))
        sums = [_sums(of_color[squares.colors], starts) for of_color in values.T[1:]]
        where = squares.rows * lines[1] + squares.columns
        ends = np.searchsorted(squares.frames, np.arange(frames + 1)).tolist()
        parts = [slice(start, end) for start, end in pairwise(ends)]
        return [
            Marks(
                of_frame.rows * lines[0] + of_frame.columns,
                values[of_frame.colors, 0].astype(np.uint8),
                where[part],
                (4 - covered[part]).astype(np.uint16),
                np.stack([s[part] for s in sums]).astype(np.uint16),
            )
            for of_frame, part in zip(pixels.by_frame(frames), parts, strict=True)
        ]

    def _prepare(self, shape: tuple[int, ...]) -> None:
        if self._shape != shape:
            self._shape = shape
            self._canvases = [Canvas(shape) for _ in range(self._count)]
            self._turns = cycle(self._canvases)


def _sums(values: NDArray[np.int32], starts: NDArray[np.intp]) -> NDArray[np.int32]:
    """Sums of runs of values; NumPy's own function wants at least one run."""
    return np.add.reduceat(values, starts) if len(starts) else values


def _memory(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    """One of a frame's planes, to be read and written, shape (rows, bytes of a row)."""
    plane = frame.planes[index]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
