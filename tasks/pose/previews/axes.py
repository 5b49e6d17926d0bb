"""Shared parts of the preview figures: subject, panels, and legend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

    from tasks.pose.clock.experiment_clock import ExperimentClock

# In inches: around panels, between them, and the tallest figure that still fits a screen.
_LEFT, _RIGHT, _BOTTOM, _TOP, _BETWEEN = 0.8, 0.15, 0.62, 0.42, 0.14
_CLOCK_HEIGHT = 0.5
_MAX_FIGURE_HEIGHT = 12.0
_LEGEND_LINE, _LEGEND_MARGIN = 0.17, 0.12
_LEGEND_FONT = 9.0
_MIN_LEGEND_FONT = 3.0
TITLE_FONT = 11.0
"""Points of a figure's title."""

_MAX_LABEL_CHARACTERS = 40
# Above this many points lines are drawn as pixels, which takes longer: as text, of 15 bytes each,
# they would take a megabyte.
_MAX_POINTS = 45_000
_POINTS_PER_MARK = 5


@dataclass(frozen=True)
class BodyPartTrace:
    """One body part through a movie.

    Attributes:
        name: The body part.
        color: Red, green, blue and alpha, 0 to 1.
        x: (frames,), pixels; NaN where the likelihood is below the cutoff.
        y: The same.
        likelihood: (frames,), 0 to 1; NaN where there is no estimate.
    """

    name: str
    color: tuple[float, float, float, float]
    x: np.ndarray
    y: np.ndarray
    likelihood: np.ndarray


@dataclass(frozen=True)
class Backdrop:
    """A frame of the movie, for what lies on it.

    Attributes:
        frame: Its index.
        image: Its brightness, uint8, shape (height, width).
    """

    frame: int
    image: np.ndarray


@dataclass(frozen=True)
class FigureSubject:
    """Subject of one set of figures.

    Attributes:
        name: The individual; empty for a single animal.
        tracks: One for each displayed body part.
        frames: How many frames the movie has.
        p_cutoff: The likelihood below which points were left out.
        alpha: Opacity of points and lines.
        frame_size: Width and height of the field of view in pixels, where known.
        seconds: Each frame's time, NaN where it is unknown; None where no frame's is known.
        clock: The frames' times on the experiment's clock, where a times file has them.
        backdrop: A frame of the movie, where there is one.
    """

    name: str
    tracks: tuple[BodyPartTrace, ...]
    frames: int
    p_cutoff: float
    alpha: float
    frame_size: tuple[int, int] | None = None
    seconds: np.ndarray | None = None
    clock: ExperimentClock | None = None
    backdrop: Backdrop | None = None


def create_panels(
    subject: FigureSubject,
    title: str,
    width: float,
    heights: Sequence[float],
    *,
    left: float = _LEFT,
    legend: Sequence[BodyPartTrace] | None = None,
) -> tuple[Figure, list[Axes]]:
    """Create panels below each other, with a title above and the legend at the right.

    Places are computed here: matplotlib's own layouts draw everything a second time.

    Args:
        subject: What the figure is about.
        title: What it shows.
        width: Of the figure, in inches.
        heights: Of each panel, in inches; taller where many body parts must be named.
        left: Inches at the left of the panels.
        legend: Body parts that the legend names; None for those of the subject.
    """
    named = subject.tracks if legend is None else legend
    top = _TOP + (_CLOCK_HEIGHT if subject.clock is not None else 0)
    between = (len(heights) - 1) * _BETWEEN
    room = _MAX_FIGURE_HEIGHT - top - _BOTTOM
    wanted = min(len(named) * _LEGEND_LINE, room) - between
    scale = max(1.0, wanted / sum(heights))
    panels = [height * scale for height in heights]
    height = top + sum(panels) + between + _BOTTOM
    figure = Figure(figsize=(width, height))
    names = [to_plain_label(track.name) for track in named]
    font = min(_LEGEND_FONT, _LEGEND_FONT * (height - top) / (len(named) * _LEGEND_LINE or 1))
    font = max(font, _MIN_LEGEND_FONT)
    beside = max((measure_text(name, font) for name in names), default=0)
    beside += 2 * _LEGEND_MARGIN + 1.5 * font / 72 if names else _RIGHT
    axes, down = [], top
    for panel in panels:
        box = (left / width, 1 - (down + panel) / height)
        axes.append(figure.add_axes((*box, (width - left - beside) / width, panel / height)))
        down += panel + _BETWEEN
    heading = f"{to_plain_label(subject.name)}: {title}" if subject.name else title.capitalize()
    figure.text(
        left / width, 1 - 0.1 / height, heading, fontsize=TITLE_FONT, va="top", fontweight="bold"
    )
    if names:
        _add_legend(figure, names, [track.color for track in named], font, (beside, top))
    return figure, axes


def _add_legend(
    figure: Figure,
    names: Sequence[str],
    colors: Sequence[tuple[float, float, float, float]],
    font: float,
    corner: tuple[float, float],
) -> None:
    """Name the colors at the right, the first one at the top.

    Args:
        figure: The figure.
        names: The names, as matplotlib takes them.
        colors: Their colors.
        font: Points of the text.
        corner: Inches from the right and from the top at which the legend begins.
    """
    width, height = figure.get_size_inches()
    left, line = width - corner[0] + _LEGEND_MARGIN, font * _LEGEND_LINE / _LEGEND_FONT
    places = height - corner[1] - line * (np.arange(len(names)) + 0.5)
    inches = figure.dpi_scale_trans
    square = np.array([(0, -0.5), (1, -0.5), (1, 0.5), (0, 0.5)]) * 0.8 * font / 72
    squares = [np.add(square, (left, place)) for place in places]
    figure.add_artist(PolyCollection(squares, facecolors=list(colors), transform=inches))
    for place, name in zip(places, names, strict=True):
        figure.text(
            left + 1.3 * font / 72,
            place,
            name,
            fontsize=font,
            va="center_baseline",
            transform=inches,
        )


def measure_text(text: str, points: float) -> float:
    """Return the width of a text in inches, which costs less than to draw it."""
    font = _load_usual_font()
    font.set_size(points, 72)
    font.set_text(text)
    width: float = font.get_width_height()[0] / 64 / 72
    return width


@cache
def _load_usual_font():  # type: ignore[no-untyped-def] # matplotlib's own class has no types
    return get_font(findfont(FontProperties()))


def rasterize_if_large(panels: Iterable[Axes]) -> None:
    """Make a picture, inside the SVG, of lines that have too many points to be written down."""
    artists: list[Line2D | Patch] = []
    for axes in panels:
        artists += [*axes.lines, *axes.patches]
    shapes = [shape for axes in panels for shape in axes.collections]
    points = sum(map(_count_points, artists))
    if points + sum(len(path) for shape in shapes for path in shape.get_paths()) > _MAX_POINTS:
        for artist in (*artists, *shapes):
            artist.set_rasterized(True)


def _count_points(artist: Line2D | Patch) -> int:
    marked = artist.get_markevery() if isinstance(artist, Line2D) else None
    marks = len(marked) if isinstance(marked, list) else 0
    return len(artist.get_path()) + _POINTS_PER_MARK * marks


def explain_if_empty(
    axes: Axes, subject: FigureSubject, shown: Iterable[np.ndarray], nothing: str = "No point"
) -> None:
    """An empty plot says why it is empty, and has no scale that was made up."""
    if any(np.isfinite(values).any() for values in shown):
        return
    note = f"{nothing} with a likelihood of at least {subject.p_cutoff:g}"
    axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", fontsize=10)
    axes.minorticks_off()
    if axes.get_autoscalex_on():
        axes.set_xticks([])
    if axes.get_autoscaley_on():
        axes.set_yticks([])


def to_plain_label(name: str) -> str:
    """A name that matplotlib takes as plain text and that leaves room for the plot."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    if len(printable) > _MAX_LABEL_CHARACTERS:
        half = _MAX_LABEL_CHARACTERS // 2
        printable = f"{printable[:half]}…{printable[1 - half :]}"
    return printable.replace("$", r"\$")
