"""Text of a labeled movie: the names of its colors, and each frame's number and time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.pose.clock.listed_times import EPOCH_ORIGIN, LOCAL_ORIGIN, MIDNIGHT_ORIGIN
from tasks.pose.drawing.body_part_colors import choose_color_indices, spread_colors, step_colors
from tasks.pose.movies.frame_times import compute_times
from tasks.pose.tables.keypoints import Keypoints

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from tasks.pose.clock.experiment_clock import ExperimentClock
    from tasks.pose.drawing.label_style import LabelStyle
    from tasks.pose.movies.timing import Timing

_MISSING = "-"
_MAX_DECIMALS = 6
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class LegendEntry:
    """A color of the labeled movie.

    Attributes:
        name: The body part, or the individual.
        color: Red, green and blue, 0 to 255.
    """

    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class FrameText:
    """A text that changes from frame to frame.

    Attributes:
        width: Characters that the longest of its texts has.
        of_frame: The text of a frame, by its index; in ASCII.
    """

    width: int
    of_frame: Callable[[int], str]


@dataclass(frozen=True)
class FrameLabels:
    """What is written below the frames of a labeled movie.

    Attributes:
        legend: The colors, in the order of the body parts.
        texts: What changes from frame to frame.
    """

    legend: tuple[LegendEntry, ...] = ()
    texts: tuple[FrameText, ...] = ()


def build_legend(poses: pd.DataFrame, style: LabelStyle) -> tuple[LegendEntry, ...]:
    """Name the colors of what is displayed, in the table's order.

    Args:
        poses: DeepLabCut's table.
        style: How the poses are drawn.
    """
    keypoints = Keypoints(poses.iloc[:0])
    by_part = style.color_by == "bodypart"
    names = keypoints.part_names if by_part else keypoints.individual_names
    of_keypoint, count = choose_color_indices(keypoints, style.color_by)
    take_colors = step_colors if style.keypoints_only else spread_colors
    colors = (take_colors(style.color_map, count)[:, :3] * 255).astype(int).tolist()
    displayed = keypoints.indices_of_parts(style.displayed_body_parts)
    shown = sorted({of_keypoint[index] for index in displayed.tolist()})
    return tuple(LegendEntry(names[index], tuple(colors[index])) for index in shown)


def build_frame_texts(timing: Timing, clock: ExperimentClock | None) -> tuple[FrameText, ...]:
    """Number and date the frames as the annotations do.

    Args:
        timing: When the movie's frames were shown.
        clock: Their times on the experiment's clock, where a times file has them.

    Returns:
        The frame's number in the movie, which skips what a recorder dropped; the seconds since the
        movie's first frame; and its time on the experiment's clock.
    """
    frames = len(timing.seconds)
    numbers = timing.recording.positions if timing.recording else np.arange(frames)
    seconds = compute_times(timing, clock=None if clock is None else clock.seconds)
    texts = [_number_frames(numbers), _format_times(seconds, " s")]
    if clock is not None:
        texts.append(_format_clock(clock))
    return tuple(texts)


def _number_frames(numbers: NDArray[np.int64]) -> FrameText:
    digits = len(str(int(numbers.max(initial=0))))
    return FrameText(6 + digits, lambda index: f"frame {numbers[index]:{digits}d}")


def _format_times(seconds: NDArray[np.float64], unit: str, name: str = "") -> FrameText:
    decimals = count_decimals(seconds)
    known = seconds[np.isfinite(seconds)]
    ends = [f"{value:.{decimals}f}" for value in (known.min(initial=0), known.max(initial=0))]
    digits = max(map(len, ends))

    def of_frame(index: int) -> str:
        value = seconds[index]
        text = f"{value:.{decimals}f}" if math.isfinite(value) else _MISSING
        return f"{name}{text:>{digits}}{unit}"

    return FrameText(len(name) + digits + len(unit), of_frame)


def _format_clock(clock: ExperimentClock) -> FrameText:
    """The time on the experiment's clock: of the day where that is what it counts."""
    origin, seconds = clock.record.clock_name, clock.seconds
    decimals = min(count_decimals(seconds), 3)
    if origin in {EPOCH_ORIGIN, LOCAL_ORIGIN}:
        zone = "" if origin == LOCAL_ORIGIN else " UTC"
        return _format_moments(seconds, decimals, "%Y-%m-%d %H:%M:%S", zone)
    known = seconds[np.isfinite(seconds)]
    if origin == MIDNIGHT_ORIGIN and known.min() >= 0 and known.max() < _SECONDS_PER_DAY:
        return _format_moments(seconds, decimals, "%H:%M:%S", "")
    return _format_times(seconds, " s", "clock ")


def _format_moments(seconds: NDArray[np.float64], decimals: int, form: str, zone: str) -> FrameText:
    scale = 10**decimals

    def of_frame(index: int) -> str:
        if not math.isfinite(seconds[index]):
            return _MISSING
        # Rounded before it is taken apart, so that 59.9996 s are a new minute.
        whole, part = divmod(round(float(seconds[index]) * scale), scale)
        moment = datetime.fromtimestamp(whole, UTC).strftime(form)
        return f"{moment}{f'.{part:0{decimals}d}' if decimals else ''}{zone}"

    known = np.flatnonzero(np.isfinite(seconds))
    return FrameText(len(of_frame(int(known[0]))), of_frame)


def count_decimals(seconds: NDArray[np.float64]) -> int:
    """Count the decimals that tell a tenth of the usual time from one frame to the next."""
    known = seconds[np.isfinite(seconds)]
    step = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
    return int(np.clip(math.ceil(1 - math.log10(step)), 0, _MAX_DECIMALS)) if step > 0 else 3
