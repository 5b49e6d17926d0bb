"""Legends name the colors that are drawn, and frames have the annotations' numbers and times."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tasks.pose.clock.experiment_clock import ExperimentClock, TimesRecord
from tasks.pose.drawing.frame_labels import build_frame_texts, build_legend
from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.keypoints_only import KeypointCanvas
from tasks.pose.movies.reader import open_movie
from tasks.pose.movies.timing import Timing, constant_timing
from tests.support.isxb_files import write_isxb
from tests.support.pose_tables import (
    PART_NAMES,
    PLAIN_STYLE,
    SINGLE_ANIMAL,
    TWO_ANIMALS,
    build_pose_table,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.pose.drawing.label_style import LabelStyle

STYLES = {
    "plain": PLAIN_STYLE,
    "two parts": replace(PLAIN_STYLE, displayed_body_parts=("tail", "nose")),
    "other colors": replace(PLAIN_STYLE, color_map="tab10"),
    "by individual": replace(PLAIN_STYLE, color_by="individual"),
    "the arena alone": replace(
        PLAIN_STYLE, color_by="individual", displayed_body_parts=("corner",)
    ),
    "keypoints only": replace(PLAIN_STYLE, keypoints_only=True, alpha=1.0),
}


def draw_apart(individuals: dict[str, tuple[str, ...]], style: LabelStyle) -> list[tuple[int, ...]]:
    """The colors of keypoints that are drawn far from each other; black where one is hidden."""
    count = sum(map(len, individuals.values()))
    places = np.stack([20 + 20 * np.arange(count), np.full(count, 30), np.ones(count)], axis=1)
    poses = build_pose_table(places[None].astype(float), individuals)
    if style.keypoints_only:
        image = KeypointCanvas(poses, style).render_frame(0)
    else:
        image = FramePainter(poses, style).paint_image(
            np.zeros((60, 20 + 20 * count, 3), np.uint8), 0
        )
    image = np.pad(image, ((0, 40), (0, 40), (0, 0)))
    # The picture of a keypoints-only movie ends at the outermost point.
    return [tuple(image[28, x - 2].tolist()) for x in places[:, 0].astype(int)]


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_legend_names_the_colors_that_are_drawn(style: LabelStyle) -> None:
    individuals = {**TWO_ANIMALS, "two": PART_NAMES}
    poses = build_pose_table(np.ones((1, 7, 3)), individuals)
    legend = build_legend(poses, style)
    drawn = draw_apart(individuals, style)
    owners = [(who, part) for who, parts in individuals.items() for part in parts]
    named = {entry.name: entry.color for entry in legend}
    expected = {}
    for (who, part), color in zip(owners, drawn, strict=True):
        if style.displayed_body_parts is None or part in style.displayed_body_parts:
            expected[who if style.color_by == "individual" else part] = color
    # Anti-aliased dots of a keypoints-only movie may be a last bit off.
    assert list(named) == list(expected)
    for name, color in expected.items():
        np.testing.assert_allclose(named[name], color, atol=1)


def texts_of(timing: Timing, clock: ExperimentClock | None = None) -> list[list[str]]:
    texts = build_frame_texts(timing, clock)
    found = [[text.of_frame(index) for text in texts] for index in range(len(timing.seconds))]
    for row in found:
        for text, written in zip(texts, row, strict=True):
            assert len(written) <= text.width
            written.encode("ascii")
    return found


def test_frames_of_a_constant_rate() -> None:
    found = texts_of(constant_timing(1001, Fraction(30)))
    assert found[0] == ["frame    0", " 0.000 s"]
    assert found[31] == ["frame   31", " 1.033 s"]
    assert found[1000] == ["frame 1000", "33.333 s"]


def test_a_single_frame() -> None:
    assert texts_of(constant_timing(1, Fraction(30))) == [["frame 0", "0.000 s"]]


def test_a_variable_rate_has_its_true_times() -> None:
    seconds = np.array([0, 0.04, 0.5, 12.25])
    found = texts_of(Timing(seconds, Fraction(25), constant=False))
    assert [row[1] for row in found] == [" 0.00 s", " 0.04 s", " 0.50 s", "12.25 s"]


def test_frames_that_a_recorder_dropped_keep_their_numbers(tmp_path: Path) -> None:
    movie = open_movie(write_isxb(tmp_path / "m.isxb", 12, dropped=(3, 4, 9)))
    assert len(list(movie)) == 9
    found = texts_of(movie.compute_timing())
    assert [row[0].split()[1] for row in found] == [*"0125678", "10", "11"]
    assert [row[1] for row in found][:4] == ["0.000 s", "0.050 s", "0.100 s", "0.250 s"]
    assert found[-1] == ["frame 11", "0.550 s"]


def make_clock(seconds: list[float], origin: str) -> ExperimentClock:
    record = TimesRecord(
        form="CSV",
        column=None,
        unit="s",
        unit_known_by="the file",
        origin=origin,
        count=len(seconds),
        matched_by="as many times as frames",
        first=None,
        last=None,
        frame_rate=None,
    )
    return ExperimentClock(np.array(seconds), record)


@pytest.mark.parametrize(
    ("origin", "seconds", "written"),
    [
        (
            "1970-01-01 00:00 UTC",
            [1_700_000_039.9996, 1_700_000_040.05, np.nan],
            ["2023-11-14 22:14:00.000 UTC", "2023-11-14 22:14:00.050 UTC", "-"],
        ),
        (
            "1970-01-01 00:00 UTC, by their size",
            [1_700_000_000.0, 1_700_000_000.5, 1_700_000_001.0],
            ["2023-11-14 22:13:20.00 UTC", "2023-11-14 22:13:20.50 UTC", None],
        ),
        (
            "1970-01-01 00:00, local time",
            [1_700_000_000.0, 1_700_000_000.5, np.nan],
            ["2023-11-14 22:13:20.00", "2023-11-14 22:13:20.50", "-"],
        ),
        ("midnight", [36_061.5, np.nan, 36_061.6], ["10:01:01.500", "-", "10:01:01.600"]),
        ("midnight", [86_399.9, 86_400.0, 86_400.1], ["clock 86399.90 s", None, None]),
        ("the times file's own zero", [-1.5, 0.0, 1.5], ["clock -1.5 s", "clock  0.0 s", None]),
    ],
)
def test_times_on_the_experiments_clock(
    origin: str, seconds: list[float], written: list[str | None]
) -> None:
    found = texts_of(constant_timing(3, Fraction(10)), make_clock(seconds, origin))
    for row, expected in zip(found, written, strict=True):
        assert expected in {None, row[2]}


def test_with_a_times_file_the_seconds_are_its_own() -> None:
    clock = make_clock([100.0, np.nan, 100.5], "midnight")
    found = texts_of(constant_timing(3, Fraction(10)), clock)
    assert [row[1] for row in found] == ["0.00 s", "   - s", "0.50 s"]


def test_names_of_a_single_animal_are_in_the_order_of_the_table() -> None:
    poses = build_pose_table(np.ones((1, 3, 3)), SINGLE_ANIMAL)
    assert [entry.name for entry in build_legend(poses, PLAIN_STYLE)] == list(PART_NAMES)
