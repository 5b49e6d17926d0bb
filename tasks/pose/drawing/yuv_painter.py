"""Draw colored pixels on copies of decoded frames."""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from tasks.pose.drawing.label_strip import LabelStrip
from tasks.pose.drawing.pixels import ColoredPixels, group_into_squares
from tasks.pose.movies.yuv_frame import ColorEncoding, YuvFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.video.frame import VideoFrame

    from tasks.pose.drawing.frame_labels import FrameLabels


class PlaneMarks(NamedTuple):
    """Marks on the planes of one frame.

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


class YuvCanvas:
    """A yuv420p frame of our own that others are copied to, and that is drawn on.

    Args:
        shape: Height and width of the frames that are copied to it, both even.
        below: Rows that it has below them, an even number.

    Attributes:
        frame: The frame.
        planes: Its memory, shape (rows, bytes of a row) each; a row may be longer than the frame.
    """

    def __init__(self, shape: tuple[int, ...], below: int = 0) -> None:
        self.frame = av.VideoFrame(shape[1], shape[0] + below, "yuv420p")
        self.planes = [_plane_as_array(self.frame, index) for index in range(3)]
        self._flat = [plane.reshape(-1) for plane in self.planes]

    @property
    def line_sizes(self) -> tuple[int, ...]:
        """Bytes from one row of a plane to the next."""
        return tuple(plane.shape[1] for plane in self.planes)

    def copy_from(self, frame: VideoFrame) -> None:
        """Become like a decoder's frame, whatever the range of its values."""
        name = frame.format.name
        if "420" not in name:
            frame = frame.reformat(format=name.replace("422", "420").replace("444", "420"))
        for index, plane in enumerate(self.planes):
            source = _plane_as_array(frame, index)
            width = frame.width >> (index > 0)
            plane[: len(source), :width] = source[:, :width]

    def draw_marks(self, marks: PlaneMarks) -> None:
        """Color pixels; each color difference covers four, and becomes the mean of theirs."""
        brightness, *differences = self._flat
        brightness[marks.pixels] = marks.brightness
        for plane, covered in zip(differences, marks.differences, strict=True):
            mean = plane[marks.squares] * marks.bare
            mean += covered
            mean += 2
            mean >>= 2
            plane[marks.squares] = mean


class YuvPainter:
    """Draws in a few colors on planes; one for a movie, whose frames have one size.

    Args:
        palette: RGB, shape (colors, 3).
        canvases: How many frames are kept: a frame that is given is drawn over when so many more
            have been given.
        labels: What is written below the frames; None for nothing.
    """

    def __init__(
        self, palette: NDArray[np.uint8], canvases: int, labels: FrameLabels | None = None
    ) -> None:
        self._palette = palette
        self._count = canvases
        self._labels = labels
        self._strip: LabelStrip | None = None
        self._shape: tuple[object, ...] = ()
        self._canvases: list[YuvCanvas] = []
        self._turns: Iterator[YuvCanvas] = iter(())

    def paint_copy(self, planes: YuvFrame, marks: PlaneMarks, index: int) -> YuvFrame:
        """A copy of a frame, drawn on, with its labels below."""
        self._prepare_canvases(planes)
        canvas = next(self._turns)
        canvas.copy_from(planes.frame)
        canvas.draw_marks(marks)
        if self._strip is not None:
            self._strip.write_texts(canvas.planes[0], planes.colors, index)
        return YuvFrame(canvas.frame, planes.colors)

    def canvas_line_sizes(self, planes: YuvFrame) -> tuple[int, ...]:
        """Bytes from one row of a plane to the next, in the copies of a frame."""
        self._prepare_canvases(planes)
        return self._canvases[0].line_sizes

    def compute_marks(
        self,
        pixels: ColoredPixels,
        frames: int,
        shape: tuple[int, ...],
        lines: tuple[int, ...],
        colors: ColorEncoding,
    ) -> list[PlaneMarks]:
        """Convert colored pixels to marks on the planes of frames; safe in any thread.

        Args:
            pixels: Each once, those of all frames.
            frames: How many.
            shape: Their height and width.
            lines: Their `line_sizes`.
            colors: What the numbers on their planes mean.
        """
        values = colors.to_yuv(self._palette)
        squares, starts = group_into_squares(pixels, shape)
        covered = np.diff(np.append(starts, len(squares.colors)))
        sums = [_sum_groups(of_color[squares.colors], starts) for of_color in values.T[1:]]
        where = squares.rows * lines[1] + squares.columns
        ends = np.searchsorted(squares.frames, np.arange(frames + 1)).tolist()
        parts = [slice(start, end) for start, end in pairwise(ends)]
        return [
            PlaneMarks(
                of_frame.rows * lines[0] + of_frame.columns,
                values[of_frame.colors, 0].astype(np.uint8),
                where[part],
                (4 - covered[part]).astype(np.uint16),
                np.stack([s[part] for s in sums]).astype(np.uint16),
            )
            for of_frame, part in zip(pixels.split_by_frame(frames), parts, strict=True)
        ]

    def _prepare_canvases(self, planes: YuvFrame) -> None:
        (height, width, _), colors = planes.shape, planes.colors
        if self._shape == (height, width, colors):
            return
        self._shape = (height, width, colors)
        strip = self._strip = LabelStrip(self._labels, width, height) if self._labels else None
        below = strip.height if strip else 0
        self._canvases = [YuvCanvas((height, width), below) for _ in range(self._count)]
        if strip is not None:
            for canvas in self._canvases:
                strip.draw_ground(canvas.planes, colors)
        self._turns = cycle(self._canvases)


def _sum_groups(values: NDArray[np.int32], starts: NDArray[np.intp]) -> NDArray[np.int32]:
    """Sums of runs of values; NumPy's own function wants at least one run."""
    return np.add.reduceat(values, starts) if len(starts) else values


def _plane_as_array(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    """One of a frame's planes, to be read and written, shape (rows, bytes of a row)."""
    plane = frame.planes[index]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
