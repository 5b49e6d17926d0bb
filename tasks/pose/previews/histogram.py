"""The histogram of each body part's steps from frame to frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tasks.pose.previews.axes import (
    create_panels,
    explain_if_empty,
    measure_text,
    rasterize_if_large,
    to_plain_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tasks.pose.previews.axes import FigureSubject

# An odd number of bins puts "did not move" in the middle of one.
_BINS = 121
# DeepLabCut has 99 bins on the positive side.
_DEEPLABCUT_BINS = 199
_WIDTH = 8.0
_NAME_FONT, _NOTE_FONT = 9.0, 8.0
# In inches: a row of few body parts, the lowest one of many, and all rows together.
_ROW_HEIGHT, _MIN_ROW_HEIGHT, _USUAL_HEIGHT, _MAX_HEIGHT = 0.62, 0.25, 5.0, 10.8
_FILL = 0.46
"""Share of a row that its tallest bar has, in either direction."""

_NO_STEP = "No two consecutive points"


def draw_histograms(subject: FigureSubject) -> Figure:
    """Draw a histogram of steps for each body part, below each other, with their quantiles.

    Steps are on a scale that is linear up to a pixel and logarithmic beyond, and counts are on a
    logarithmic one: the many small steps and the few jumps are both seen.
    """
    rows = max(1, len(subject.tracks))
    height = rows * float(np.clip(_USUAL_HEIGHT / rows, _MIN_ROW_HEIGHT, _ROW_HEIGHT))
    height = min(height, _MAX_HEIGHT)
    names = [to_plain_label(track.name) for track in subject.tracks]
    font = float(np.clip(72 * 0.8 * height / rows, 3, _NAME_FONT))
    left = max((measure_text(name, font) for name in names), default=0) + 0.25
    steps = [np.stack([np.diff(track.x), np.diff(track.y)]) for track in subject.tracks]
    notes = [_summarize_steps(of_one) for of_one in steps]
    right = max((measure_text(note, min(font, _NOTE_FONT)) for note in notes), default=0) + 0.15
    figure, [axes] = create_panels(
        subject, "steps from frame to frame", _WIDTH, (height,), left=left, legend=()
    )
    box = axes.get_position()
    axes.set_position((box.x0, box.y0, box.width - right / _WIDTH, box.height))
    axes.set_yticks(range(rows), names or [""], fontsize=font)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(rows - 0.5, -0.5)
    for row, note in enumerate(notes):
        axes.text(
            1.01,
            row,
            note,
            transform=axes.get_yaxis_transform(),
            fontsize=min(font, _NOTE_FONT),
            va="center_baseline",
        )
    largest = _find_largest_step(steps)
    tallest = _plot_rows(axes, subject, steps, largest)
    axes.set_xlim(-math.asinh(largest) * 1.02, math.asinh(largest) * 1.02)
    ticks = _choose_step_ticks(largest)
    axes.set_xticks(np.arcsinh(ticks), [f"{tick:g}" for tick in ticks])
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(
        "Step in pixels: x above each line, y below"
        + (f" (logarithmic counts; the tallest bar is {tallest:,})" if tallest else ""),
        fontsize=9,
    )
    rasterize_if_large([axes])
    explain_if_empty(axes, subject, [of_one[0] for of_one in steps], _NO_STEP)
    return figure


def _summarize_steps(steps: NDArray[np.float64]) -> str:
    """Half of a body part's steps, most of them, and all of them are no longer than this."""
    lengths = np.hypot(*steps)
    lengths = lengths[np.isfinite(lengths)]
    if not len(lengths):
        return "no steps"
    half, most, longest = np.quantile(lengths, (0.5, 0.99, 1))
    return f"50 %: {half:.1f} · 99 %: {most:.1f} · longest: {longest:.0f} px"


def _plot_rows(
    axes: Axes, subject: FigureSubject, steps: Sequence[NDArray[np.float64]], largest: float
) -> int:
    """Plot each body part's steps on its line, and return the count of the tallest bar."""
    reach = math.asinh(largest)
    edges = np.linspace(-reach, reach, _BINS + 1)
    counts = [
        [_count_steps(np.arcsinh(of_axis), _BINS, reach) for of_axis in of_one] for of_one in steps
    ]
    tallest = int(max((of_axis.max() for of_one in counts for of_axis in of_one), default=0))
    scale = _FILL / math.log1p(tallest) if tallest else 0
    outline = np.repeat(edges, 2)
    polygons, colors = [], []
    for row, (track, of_one) in enumerate(zip(subject.tracks, counts, strict=True)):
        for of_axis, direction in zip(of_one, (-1, 1), strict=True):
            high = np.pad(np.repeat(np.log1p(of_axis), 2), 1) * scale
            polygons.append(np.column_stack([outline, row + direction * high]))
            colors.append(track.color)
    axes.add_collection(
        PolyCollection(polygons, facecolors=colors, linewidths=0, alpha=subject.alpha),
        autolim=False,
    )
    axes.hlines(range(len(steps)), -2 * reach, 2 * reach, colors="0.4", linewidth=0.5)
    return tallest


def _choose_step_ticks(largest: float) -> list[float]:
    """Numbers at the axis of steps: powers of ten, and what is halfway between them."""
    if largest < 1:
        positive = [float(f"{largest:.1g}")]
    else:
        powers = [10.0**power for power in range(math.floor(math.log10(largest)) + 1)]
        positive = [first * power for power in powers for first in (1, 3)]
        positive = [tick for tick in positive if tick <= largest]
    return [-tick for tick in reversed(positive)] + [0.0, *positive]


def draw_joint_histogram(subject: FigureSubject) -> Figure:
    """Draw all body parts' steps in one plot, as DeepLabCut does, but in either direction.

    Counts are on a logarithmic scale: the few jumps, which are what one looks for, would vanish
    beside the many small steps.
    """
    title = "steps from frame to frame (x dashed, y solid)"
    figure, [axes] = create_panels(subject, title, 6.4, (3.7,))
    axes.set_xlabel("Step in pixels")
    axes.set_ylabel("Count")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(7))
    steps = [np.stack([np.diff(track.x), np.diff(track.y)]) for track in subject.tracks]
    largest = _find_largest_step(steps)
    bins = np.linspace(-largest, largest, _DEEPLABCUT_BINS + 1)
    for track, of_one in zip(subject.tracks, steps, strict=True):
        for of_axis, line in zip(of_one, ("--", "-"), strict=True):
            counts = _count_steps(of_axis, _DEEPLABCUT_BINS, largest)
            if counts.any():
                # A count of one must stand above the bottom of a logarithmic axis.
                look: dict[str, Any] = {"color": track.color, "linestyle": line}
                axes.stairs(counts, bins, baseline=0.5, **look)
    rasterize_if_large([axes])
    explain_if_empty(axes, subject, [of_one[0] for of_one in steps], _NO_STEP)
    return figure


def _count_steps(steps: NDArray[np.float64], bins: int, reach: float) -> NDArray[np.int64]:
    # As a range: numpy then counts without searching each step among the edges.
    counts, _ = np.histogram(steps[np.isfinite(steps)], bins, (-reach, reach))
    return counts


def _find_largest_step(steps: Sequence[NDArray[np.float64]]) -> float:
    """The longest step in either direction; 1 where there is none."""
    longest = (np.abs(of_one[np.isfinite(of_one)]).max(initial=0) for of_one in steps)
    return float(max(longest, default=0)) or 1.0
