"""Tests that people with any kind of color vision can tell the colors apart."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from tasks.pose.drawing.distinct_colors import DISTINCT_COLORS, pick_distinct_colors

# Machado, Oliveira and Fernandes (2009), severity 1.0, for linear RGB.
COLOR_VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# Ottosson, Oklab (2020).
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_linear_rgb(color: str) -> np.ndarray:
    rgb = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def smallest_distance(colors: list[str], vision: str) -> float:
    """Between any two colors in Oklab, the axes of color weighed twice: 2 is just seen."""
    linear = np.array([to_linear_rgb(color) for color in colors]) @ COLOR_VISION[vision].T
    lab = np.cbrt(linear.clip(0, 1) @ TO_CONES.T) @ TO_OKLAB.T * [100, 200, 200]
    between = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return float(between[~np.eye(len(colors), dtype=bool)].min())


@pytest.mark.parametrize("vision", COLOR_VISION)
@pytest.mark.parametrize(("count", "apart"), [(12, 10), (20, 8), (36, 5.5)])
def test_colors_are_apart_for_every_kind_of_color_vision(
    vision: str, count: int, apart: float
) -> None:
    assert smallest_distance(pick_distinct_colors(count), vision) > apart


def test_the_measure_finds_what_color_blind_readers_confuse() -> None:
    red_and_green = ["#c44e52", "#7a7a3c"]
    assert smallest_distance(red_and_green, "usual") > 2 * smallest_distance(
        red_and_green, "deuteranopia"
    )


def test_all_colors_are_seen_on_white_and_on_black() -> None:
    for color in DISTINCT_COLORS:
        assert re.fullmatch(r"#[0-9a-f]{6}", color)
        luminance = float(to_linear_rgb(color) @ [0.2126, 0.7152, 0.0722])
        assert 1.05 / (luminance + 0.05) > 1.9, color
        assert (luminance + 0.05) / 0.0556 > 2, color


def test_a_color_depends_on_the_place_alone_and_repeats_when_all_are_used() -> None:
    assert pick_distinct_colors(3) == pick_distinct_colors(40)[:3]
    assert pick_distinct_colors(40)[36:] == pick_distinct_colors(4)
    assert pick_distinct_colors(0) == []


def test_the_palette_needs_no_matplotlib() -> None:
    code = (
        "import sys, tasks.pose.drawing.distinct_colors; "
        "print([name for name in ('matplotlib', 'numpy', 'av') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
