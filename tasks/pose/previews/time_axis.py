"""The axis of frames, with their seconds below and the experiment's times above."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from tasks.pose.drawing.frame_labels import count_decimals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from tasks.pose.clock.experiment_clock import ExperimentClock
    from tasks.pose.previews.axes import FigureSubject

# Seconds from which on the ticks of an experiment's clock count from the first one's.
_MIN_LARGE_TIME = 100_000


def set_up_time_axis(panels: Sequence[Axes], subject: FigureSubject) -> None:
    """The whole movie from left to right, in panels below each other; the last has the numbers."""
    last = subject.frames - 1
    margin = last * 0.01 or 0.5
    ticks = [
        int(tick)
        for tick in MaxNLocator(
            nbins=9, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1
        ).tick_values(0, last)
        if 0 <= tick <= last
    ]
    for axes in panels:
        axes.set_xlim(-margin, last + margin)
        axes.set_xticks(ticks, [] if axes is not panels[-1] else _label_frames(ticks, subject))
    below = panels[-1]
    if subject.seconds is None:
        below.set_xlabel("Frame index")
    else:
        below.annotate(
            "frame\nseconds",
            (0, 0),
            xytext=(-14, -7),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=10,
        )
    if subject.clock is not None:
        _add_clock_axis(panels[0], subject.clock, ticks)


def _label_frames(ticks: Sequence[int], subject: FigureSubject) -> list[str]:
    """Frame numbers, and below each its seconds."""
    if subject.seconds is None:
        return [str(tick) for tick in ticks]
    shown = subject.seconds[list(ticks)]
    decimals = min(count_decimals(shown), count_decimals(subject.seconds))
    return [
        f"{tick}\n{second:.{decimals}f}" if math.isfinite(second) else f"{tick}\n–"
        for tick, second in zip(ticks, shown, strict=True)
    ]


def _add_clock_axis(axes: Axes, clock: ExperimentClock, ticks: Sequence[int]) -> None:
    """Give frames their times on the experiment's clock, along the top.

    Its ticks are those of frames below, so that every time is one of the times file. A frame
    without a time has none.
    """
    known = np.flatnonzero(np.isfinite(clock.seconds))
    frames = known[np.isin(known, ticks)]
    if not len(frames):
        frames = known[[0, -1]] if len(known) > 1 else known
    seconds = clock.seconds[frames]
    begin = math.floor(seconds[0]) if seconds[0] >= _MIN_LARGE_TIME else 0
    decimals = count_decimals(clock.seconds[known])
    top = axes.secondary_xaxis("top")
    top.set_xticks(frames, [f"{second - begin:.{decimals}f}" for second in seconds])
    top.tick_params(labelsize=8)
    less = f" − {begin:,} s" if begin else ""
    top.set_xlabel(f"Experiment time{less} (s since {clock.record.origin})", fontsize=9)
