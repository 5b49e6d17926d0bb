"""Draw pictures of a movie on one sheet, with axes in pixels from which a crop can be read."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import AutoMinorLocator, MaxNLocator

from tasks.pose.movie_inspection.sample_pictures import (
    PICTURES,
    SamplePicture,
    read_sample_pictures,
)
from tasks.pose.movies.timing import Timing
from tasks.pose.previews.axes import to_plain_label

SHEET_SUFFIXES = (".png", ".svg")
"""Endings of sheets' file names."""

_COLUMNS = 4

_WIDTH = 13.0
"""Inches of the large picture; the others share them."""

_MARGIN = 0.45
"""Inches beside and below a picture, for the numbers at its axes."""

_TITLE = 0.3

_MAX_HEIGHT = 10.0

_DOTS_PER_INCH = 110


def draw_contact_sheet(path: Path, name: str, timing: Timing, target: Path) -> bool:
    """Draw a movie's contact sheet.

    Args:
        path: A movie that has been probed.
        name: What to call it.
        timing: Its frames' times.
        target: The .png or .svg to write.

    Returns:
        Whether it was drawn: not where none of the chosen frames can be decoded.
    """
    pictures = list(read_sample_pictures(path, name, timing, PICTURES))
    if not pictures:
        return False
    figure = _draw_figure(name, pictures, len(timing.seconds))
    canvas = FigureCanvasSVG if target.suffix.lower() == ".svg" else FigureCanvasAgg
    canvas(figure).print_figure(target, dpi=_DOTS_PER_INCH)
    return True


def _draw_figure(name: str, pictures: list[SamplePicture], frames: int) -> Figure:
    height, width = pictures[0].image.shape[:2]
    pictures = list(pictures)
    main = pictures.pop(len(pictures) // 2)
    # Places are computed here: matplotlib's own layouts draw everything a second time.
    scale = min(_WIDTH / width, _MAX_HEIGHT / height)
    small = (_WIDTH - (_COLUMNS - 1) * _MARGIN) / _COLUMNS
    small_height = min(small * height / width, _MAX_HEIGHT / 2)
    rows = -(-len(pictures) // _COLUMNS)
    size = (
        _WIDTH + 2 * _MARGIN,
        height * scale + rows * small_height + (1 + rows) * (_TITLE + _MARGIN) + _TITLE,
    )
    figure = Figure(figsize=size)

    def add(picture: SamplePicture, left: float, top: float, box: tuple[float, float]) -> None:
        # In a frame that is narrower, matplotlib centers the picture.
        place = (left / size[0], 1 - (top + box[1]) / size[1], box[0] / size[0], box[1] / size[1])
        inches = min(box[0] / width, box[1] / height)
        _draw_picture(figure.add_axes(place), picture, inches)

    title = f"{to_plain_label(name)}: {width}×{height} pixels, {frames:,} frames"
    figure.text(0.5, 1 - 0.1 / size[1], title, fontsize=12, ha="center", va="top")
    top = 2 * _TITLE
    large = width * scale, height * scale
    add(main, _MARGIN + (_WIDTH - large[0]) / 2, top, large)
    top += large[1] + _MARGIN + _TITLE
    for index, picture in enumerate(pictures):
        row, column = divmod(index, _COLUMNS)
        left = _MARGIN + column * (small + _MARGIN)
        down = top + row * (small_height + _MARGIN + _TITLE)
        add(picture, left, down, (small, small_height))
    return figure


def _draw_picture(axes: Axes, picture: SamplePicture, inches: float) -> None:
    """Draw a picture with numbered lines at its columns and rows, which count from its corner.

    Args:
        axes: Where.
        picture: The picture.
        inches: The width and height of one of its pixels on the sheet.
    """
    height, width = picture.image.shape[:2]
    axes.imshow(picture.image, extent=(0, width, height, 0), interpolation="antialiased")
    is_large = max(width, height) * inches > _LARGE
    for axis, pixels in ((axes.xaxis, width), (axes.yaxis, height)):
        numbers = max(1, min(_MAX_NUMBERS, int(pixels * inches / _INCHES_PER_NUMBER)))
        axis.set_major_locator(MaxNLocator(numbers, steps=[1, 2, 5, 10], integer=True))
        if is_large:
            axis.set_minor_locator(AutoMinorLocator(5))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    # One of the two colors is seen on any picture.
    for color, line in (("black", 0.9), ("white", 0.4)):
        style: dict[str, Any] = {"colors": color, "linewidths": line, "alpha": 0.45}
        axes.vlines(axes.get_xticks(), 0, height, **style)
        axes.hlines(axes.get_yticks(), 0, width, **style)
    axes.tick_params(labelsize=8 if is_large else 6)
    axes.set_title(f"frame {picture.frame:,}, {picture.seconds:,.2f} s", fontsize=9, pad=3)


_LARGE = 6.0
"""Inches of a side from which a picture has fine lines and larger numbers."""

_INCHES_PER_NUMBER = 0.6

_MAX_NUMBERS = 16
