"""A movie with each animal's position, state and speed drawn on it: runs in a child process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tasks.behavior.annotations_file import AnnotationsFile
from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.segments import FloatArray
from tasks.errors import BadInput
from tasks.pose.drawing.encoders import encode_with_fallback
from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.drawing.labeled_movie import write_labeled_movie
from tasks.pose.movies.reader import Image, open_movie

STATE_COLORS_RGB = {
    "rest": (120, 170, 230),
    "movement": (250, 120, 140),
    "other": (230, 210, 100),
    None: (190, 190, 190),
}
"""Colors of the words, light on the black edge that makes them readable anywhere."""

_UNEVEN_STEPS = 1.5
_FINEST_RATE = 1001
_TEXT_ROWS_PER_FRAME = 20
"""A line of text takes this part of the frame's height."""


@dataclass(frozen=True)
class _AnimalText:
    """Text about one animal: its name, and each frame's state and speed."""

    name: str
    states: Sequence[str | None]
    speed: FloatArray
    unit: str

    def line(self, index: int) -> tuple[str, tuple[int, int, int]]:
        """The text of a frame, and its color."""
        state, speed = self.states[index], self.speed[index]
        shown = f"{speed:.1f} {self.unit}/s" if np.isfinite(speed) else "unknown speed"
        parts = [self.name, state or "", shown]
        return "  ".join(filter(None, parts)), STATE_COLORS_RGB[state]


def draw_state_movie(
    movie: Path,
    table: Path,
    number: int,
    individuals: Sequence[str],
    settings: BehaviorSettings,
    target: Path,
    progress: Callable[[int], None],
) -> int:
    """Draw position, state and speed on each frame of a movie.

    Args:
        movie: The movie.
        table: The table that `tasks.behavior.analyze.analyze_annotations` wrote.
        number: The movie's number in the table.
        individuals: The animals; one empty name where there is no prefix.
        settings: The settings that the table was made with.
        target: The MP4 to write.
        progress: Called with the number of frames written.

    Returns:
        The number of frames.

    Raises:
        BadInput: The movie has not one frame for each row of the table.
    """
    found = AnnotationsFile(table, table.name)
    rows = np.arange(found.rows)
    if "Movie number" in found.columns:
        rows = np.flatnonzero(found.read_integers("Movie number") == number)
    times = found.read_floats(settings.time_column)[rows] / settings.time_unit.per_second
    poses = _build_poses(found, rows, individuals, settings)
    texts = [_read_texts(found, rows, name) for name in individuals]
    rate, uneven = _find_clock(times)

    def write_movie() -> int:
        return write_labeled_movie(
            _write_on_frames(iter(open_movie(movie)), texts, times),
            poses,
            target,
            _STYLE,
            frame_rate=rate,
            times=times - times[0] if uneven else None,
            progress=progress,
        )

    try:
        return encode_with_fallback(write_movie)
    except ValueError as error:
        raise BadInput(
            f"movie {number}: expected one frame for each of the {len(rows)} rows of the table, "
            f"found another number; name the movie that the table was made of ({error})"
        ) from error


_STYLE = LabelStyle(
    p_cutoff=0.5,
    dot_size=5,
    color_map="rainbow",
    displayed_body_parts=None,
    keypoints_only=False,
    draw_skeleton=False,
    trail_points=0,
    skeleton=(),
    skeleton_color="black",
    alpha=1.0,
    color_by="individual",
)


def _build_poses(
    table: AnnotationsFile, rows: Any, individuals: Sequence[str], settings: BehaviorSettings
) -> Any:
    """The positions as DeepLabCut's table of several animals with one part each."""
    import pandas as pd  # noqa: PLC0415

    columns = {}
    for name in individuals:
        prefix = f"{name} " if name else ""
        x, y = (
            table.read_floats(f"{prefix}{column}")[rows]
            for column in (settings.x_column, settings.y_column)
        )
        known = np.isfinite(x) & np.isfinite(y)
        of_part = ("dlcflow", name or "animal", "position")
        columns[(*of_part, "x")], columns[(*of_part, "y")] = x, y
        columns[(*of_part, "likelihood")] = known.astype(np.float64)
    frame = pd.DataFrame(columns)
    frame.columns = frame.columns.set_names(["scorer", "individuals", "bodyparts", "coords"])
    return frame


def _read_texts(table: AnnotationsFile, rows: Any, name: str) -> _AnimalText:
    prefix = f"{name} " if name else ""
    unit = "cm" if f"{prefix}Speed (cm/s)" in table.columns else "px"
    states: Sequence[str | None] = [None] * len(rows)
    if f"{prefix}state" in table.columns:
        every = table.read_texts(f"{prefix}state")
        states = [every[row] for row in rows.tolist()]
    return _AnimalText(name, states, table.read_floats(f"{prefix}Speed ({unit}/s)")[rows], unit)


def _find_clock(times: FloatArray) -> tuple[Fraction, bool]:
    """The frame rate, and whether frames are so uneven that each needs its time."""
    steps = np.diff(times)
    if len(steps) == 0 or not np.isfinite(times).all() or (steps <= 0).any():
        return Fraction(30), False
    median = float(np.median(steps))
    return Fraction(1 / median).limit_denominator(_FINEST_RATE), bool(
        steps.max() > _UNEVEN_STEPS * median
    )


def _write_on_frames(
    frames: Iterator[Image], texts: Sequence[_AnimalText], times: FloatArray
) -> Iterator[Image]:
    import cv2  # noqa: PLC0415

    for index, frame in enumerate(frames):
        image = np.require(frame, requirements=["C", "W"])
        if index < len(times):
            height = max(10, image.shape[0] // _TEXT_ROWS_PER_FRAME)
            size = height / 30
            lines = [(f"{times[index]:.2f} s", (255, 255, 255))]
            lines += [text.line(index) for text in texts]
            for row, (line, color) in enumerate(lines, start=1):
                place = (height // 3, row * height)
                plain = line.encode("ascii", "replace").decode()  # OpenCV's font has no other
                for ink, width in (((0, 0, 0), 3), (color, 1)):
                    cv2.putText(
                        image, plain, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, width, cv2.LINE_AA
                    )
        yield image
