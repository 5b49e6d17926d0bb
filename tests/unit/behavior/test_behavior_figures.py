"""Figures over time: a gap between two movies is no line, however long they are."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from tasks.behavior.behavior_figures import plot_envelope
from tasks.behavior.segments import find_segments


@pytest.mark.parametrize("frames", [300, 30_000])
def test_a_gap_between_movies_is_no_line(frames: int) -> None:
    part = np.arange(frames) / 30
    times = np.r_[part, part + part[-1] + 19.9 * frames / 3000]
    segments = find_segments(times, np.repeat([0, 1], frames), 0.5)
    axes = Figure().add_subplot()
    plot_envelope(axes, segments, np.r_[np.zeros(frames), np.ones(frames)], "k")
    (line,) = axes.lines
    drawn = np.column_stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())])
    levels = drawn[:, 1]
    assert {0.0, 1.0} <= set(levels[np.isfinite(levels)].tolist())
    joined = np.isfinite(np.diff(levels))
    assert np.diff(levels)[joined].max() == 0
