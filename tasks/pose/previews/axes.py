"""Shared parts of the preview figures: subject, axes, and color bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from tasks.pose.clock.experiment_clock import ExperimentClock

# In inches: room for one body part's label, and the tallest figure that still fits a screen.
_LABEL_HEIGHT = 0.16
_MAX_FIGURE_HEIGHT = 12.0
_MAX_LABEL_CHARACTERS = 40
# Above this many points lines are drawn as pixels: as text they would take a megabyte.
_MAX_VECTOR_POINTS = 12_000
# Seconds from which on the ticks of an experiment's clock count from the first one's.
_MIN_LARGE_TIME = 100_000
_MAX_TIME_DECIMALS = 6


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
class FigureSubject:
    """Subject of one set of figures.

    Attributes:
        name: The individual; empty for a single animal.
        tracks: One for each displayed body part.
        time: (frames,), frame numbers, or seconds.
        in_seconds: Whether ``time`` is in seconds.
        p_cutoff: The likelihood below which points were left out.
        alpha: Opacity of points and lines.
        frame_size: Width and height of the field of view in pixels, where known.
        clock: The frames' times on the experiment's clock, where a times file has them.
    """

    name: str
    tracks: tuple[BodyPartTrace, ...]
    time: np.ndarray
    in_seconds: bool
    p_cutoff: float
    alpha: float
    frame_size: tuple[int, int] | None
    clock: ExperimentClock | None = None


def create_axes(subject: FigureSubject, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this size in inches, taller where many body parts must be named."""
    count = len(subject.tracks)
    height = max(height, min(count * _LABEL_HEIGHT + 0.7, _MAX_FIGURE_HEIGHT))
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    axes.set_title(to_plain_label(subject.name), fontsize=10)
    if count:
        _add_color_bar(figure, axes, subject.tracks)
    return figure, axes


def _add_color_bar(figure: Figure, axes: Axes, tracks: tuple[BodyPartTrace, ...]) -> None:
    """A bar with one band for each body part, the first one at the bottom as in DeepLabCut's."""
    count = len(tracks)
    bar = figure.colorbar(
        ScalarMappable(
            BoundaryNorm(np.arange(count + 1) - 0.5, count),
            ListedColormap([track.color for track in tracks]),
        ),
        ax=axes,
        ticks=range(count),
    )
    bar.set_ticklabels([to_plain_label(track.name) for track in tracks])
    bar.minorticks_off()
    points_for_each = figure.get_figheight() * 0.77 * 72 / count
    bar.ax.tick_params(length=0, labelsize=float(np.clip(points_for_each * 0.8, 3, 10)))


def set_up_time_axis(axes: Axes, subject: FigureSubject) -> None:
    """The whole movie from left to right, in seconds where they are known."""
    first, last = float(subject.time[0]), float(subject.time[-1])
    margin = (last - first) * 0.01 or 0.5
    axes.set_xlim(first - margin, last + margin)
    axes.set_xlabel("Time (s)" if subject.in_seconds else "Frame index")
    axes.xaxis.set_major_locator(MaxNLocator(integer=not subject.in_seconds, min_n_ticks=1))
    if subject.clock is not None and not subject.in_seconds:
        _add_clock_axis(axes, subject.clock)


def _add_clock_axis(axes: Axes, clock: ExperimentClock) -> None:
    """Give frames their times on the experiment's clock, along the top.

    Its ticks are those of frames below, so that every time is one of the times file. A frame
    without a time has none.
    """
    known = np.flatnonzero(np.isfinite(clock.seconds))
    ticks = axes.get_xticks()
    frames = known[np.isin(known, ticks)]
    if not len(frames):
        frames = known[[0, -1]] if len(known) > 1 else known
    seconds = clock.seconds[frames]
    begin = math.floor(seconds[0]) if seconds[0] >= _MIN_LARGE_TIME else 0
    decimals = _count_decimals(clock.seconds[known])
    top = axes.secondary_xaxis("top")
    top.set_xticks(frames, [f"{second - begin:.{decimals}f}" for second in seconds])
    top.tick_params(labelsize=8)
    less = f" − {begin:,} s" if begin else ""
    top.set_xlabel(f"Experiment time{less} (s since {clock.record.origin})", fontsize=9)


def _count_decimals(seconds: np.ndarray) -> int:
    """Decimals that tell a tenth of the time from one frame to the next."""
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    return int(np.clip(math.ceil(1 - math.log10(step)), 0, _MAX_TIME_DECIMALS)) if step > 0 else 3


def rasterize_if_large(axes: Axes) -> None:
    """Make one picture, inside the SVG, of lines that have too many points to be written down."""
    artists: list[Line2D | Patch] = [*axes.lines, *axes.patches]
    if sum(len(artist.get_path()) for artist in artists) > _MAX_VECTOR_POINTS:
        for artist in artists:
            artist.set_rasterized(True)


def explain_if_empty(
    axes: Axes, subject: FigureSubject, shown: Iterable[np.ndarray], nothing: str = "No point"
) -> None:
    """An empty plot says why it is empty, and has no scale that was made up."""
    if any(np.isfinite(values).any() for values in shown):
        return
    note = f"{nothing} with a likelihood of at least {subject.p_cutoff:g}"
    axes.set_title("\n".join(filter(None, [to_plain_label(subject.name), note])), fontsize=10)
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
