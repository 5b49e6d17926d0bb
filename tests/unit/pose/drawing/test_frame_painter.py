from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import disk

from tasks.pose.drawing import disks
from tasks.pose.drawing.disks import iterate_disk_pixels
from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.keypoints_only import KeypointCanvas
from tasks.pose.tables.keypoints import Keypoints
from tests.support.pose_tables import (
    PLAIN_STYLE,
    SINGLE_ANIMAL,
    TWO_ANIMALS,
    build_pose_table,
    make_noise_frames,
    make_scattered_poses,
)

if TYPE_CHECKING:
    from tasks.pose.drawing.label_style import LabelStyle

RED = np.array([255, 0, 0], np.uint8)


def stamp_disks(image: np.ndarray, centers: np.ndarray, radius: int, color: np.ndarray) -> None:
    for _, rows, columns in iterate_disk_pixels(centers, radius, image.shape):
        image[rows, columns] = color


def near(limit: int) -> st.SearchStrategy[float]:
    """Positions around an image's side: anywhere, on whole and half pixels, a hair beside them."""
    whole = st.integers(-20, 2 * limit + 20).map(lambda half: half / 2)
    return st.one_of(
        st.floats(-20, limit + 20),
        whole,
        whole.map(lambda value: float(np.nextafter(value, np.inf))),
        whole.map(lambda value: float(np.nextafter(value, -np.inf))),
        st.floats(allow_nan=False, allow_infinity=False, width=32, min_value=-1e9, max_value=1e9),
    )


@given(
    centers=st.lists(st.tuples(near(50), near(40)), min_size=1, max_size=4),
    radius=st.integers(1, 30),
    width=st.integers(1, 50),
    height=st.integers(1, 40),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_disks_are_scikit_images_bit_for_bit(
    *, centers: list[tuple[float, float]], radius: int, width: int, height: int, dtype: str
) -> None:
    positions = np.array(centers, dtype)
    expected, found = np.zeros((2, height, width, 3), np.uint8)
    for x, y in positions:
        expected[disk((y, x), radius, shape=(height, width))] = RED
    stamp_disks(found, positions, radius, RED)
    np.testing.assert_array_equal(found, expected)


def test_disks_that_are_nowhere_are_skipped() -> None:
    image = make_noise_frames(1)[0]
    nowhere = [[np.nan, 5], [5, np.nan], [np.inf, 5], [5, -np.inf], [1e300, 5], [-6, 5]]
    painted = image.copy()
    stamp_disks(painted, np.array(nowhere), 5, RED)
    stamp_disks(painted, np.empty((0, 2)), 5, RED)
    np.testing.assert_array_equal(painted, image)


def test_many_disks_are_stamped_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    centers = np.random.default_rng(1).uniform(-5, 100, (200, 2))
    at_once, in_pieces = np.zeros((2, 90, 120, 3), np.uint8)
    stamp_disks(at_once, centers, 4, RED)
    monkeypatch.setattr(disks, "PIXELS_PER_PASS", 500)
    stamp_disks(in_pieces, centers, 4, RED)
    np.testing.assert_array_equal(in_pieces, at_once)


def still(*points: tuple[float, float, float], frames: int = 1) -> pd.DataFrame:
    return build_pose_table(np.array([points] * frames), SINGLE_ANIMAL)


def painted(poses: pd.DataFrame, style: LabelStyle, index: int = 0) -> np.ndarray:
    return FramePainter(poses, style).paint_image(np.zeros((90, 120, 3), np.uint8), index)


def color_at(picture: np.ndarray, x: int, y: int) -> tuple[int, ...]:
    return tuple(picture[y, x].tolist())


def rainbow(position: float) -> tuple[int, ...]:
    return tuple(int(255 * channel) for channel in mpl.colormaps["rainbow"](position)[:3])


def test_only_points_above_the_cutoff_are_drawn() -> None:
    picture = painted(still((20, 20, 0.7), (50, 50, 0.6), (80, 80, 0.5)), PLAIN_STYLE)
    assert color_at(picture, 20, 20) == rainbow(0.0)
    assert color_at(picture, 50, 50) == color_at(picture, 80, 80) == (0, 0, 0)


def test_a_displayed_part_keeps_its_color_among_all_parts() -> None:
    style = replace(PLAIN_STYLE, displayed_body_parts=("ear",), draw_skeleton=True)
    picture = painted(still((20, 20, 1), (50, 50, 1), (80, 80, 1)), style)
    assert color_at(picture, 50, 50) == rainbow(0.5)
    assert not picture[:40].any()
    assert not picture[60:].any()


def test_trail_points_count_the_current_one() -> None:
    moving = build_pose_table(
        np.array([[(10 + 30 * i, 20, 1)] * 3 for i in range(4)], float), SINGLE_ANIMAL
    )
    style = replace(PLAIN_STYLE, trail_points=2, displayed_body_parts=("nose",))
    picture = painted(moving, style, index=3)
    assert [bool(picture[20, x].any()) for x in (10, 40, 70, 100)] == [False, False, True, True]


def test_the_crop_shifts_the_poses() -> None:
    painter = FramePainter(still((20, 20, 1), (20, 20, 0), (20, 20, 0)), PLAIN_STYLE, (30, 40))
    picture = painter.paint_image(np.zeros((90, 120, 3), np.uint8), 0)
    assert color_at(picture, 50, 60) == rainbow(0.0)
    assert color_at(picture, 20, 20) == (0, 0, 0)


def test_the_callers_poses_stay_as_they_are() -> None:
    poses = make_scattered_poses(TWO_ANIMALS)
    before = poses.copy()
    painter = FramePainter(poses, PLAIN_STYLE, (30, 40))
    painter.paint_image(make_noise_frames(1)[0], 0)
    KeypointCanvas(poses, PLAIN_STYLE).render_frame(0)
    pd.testing.assert_frame_equal(poses, before)


def test_a_read_only_frame_is_copied() -> None:
    frame = make_noise_frames(1)[0]
    frame.flags.writeable = False
    before = frame.copy()
    picture = FramePainter(still((20, 20, 1), (1, 1, 1), (9, 9, 1)), PLAIN_STYLE).paint_image(
        frame, 0
    )
    np.testing.assert_array_equal(frame, before)
    assert (picture != frame).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (120, 90)])
def test_no_coordinate_crashes(value: float, size: tuple[int, int]) -> None:
    style = replace(PLAIN_STYLE, draw_skeleton=True, trail_points=3, displayed_body_parts=None)
    points = [(value, value, 1.0), (value, 5, 1), (5, value, 1)]
    poses = build_pose_table(np.array([points] * 3), SINGLE_ANIMAL)
    FramePainter(poses, style).paint_image(make_noise_frames(1, size)[0], 2)
    KeypointCanvas(poses, style).render_frame(2)


def test_columns_in_another_order_are_refused() -> None:
    poses = still((1, 2, 3), (4, 5, 6), (7, 8, 9))
    with pytest.raises(ValueError, match="must repeat x, y, likelihood"):
        Keypoints(poses[poses.columns[::-1]])


def test_edges_join_the_parts_of_each_individual() -> None:
    keypoints = Keypoints(make_scattered_poses(TWO_ANIMALS))
    assert keypoints.skeleton_edges(PLAIN_STYLE.skeleton, None) == [(0, 1), (3, 4), (1, 2), (4, 5)]
    assert keypoints.skeleton_edges(PLAIN_STYLE.skeleton, ("ear", "tail")) == [(1, 2), (4, 5)]


def test_keypoints_only_spans_the_positions_with_even_sides() -> None:
    picture = KeypointCanvas(
        still((20, 20, 1), (201.9, 50, 0), (80, 147, 1)), PLAIN_STYLE
    ).render_frame(0)
    assert picture.shape == (146, 200, 3)
    assert picture.dtype == np.uint8
    assert picture[20, 20].any()


@pytest.mark.parametrize(
    "points",
    [[(np.nan, np.nan, np.nan)] * 3, [(5, 5, 0.1)] * 3, [(-3, -3, 1)] * 3, [(0, 0, 0)] * 3],
    ids=["all missing", "all unlikely", "all outside", "all zero"],
)
def test_keypoints_only_without_a_visible_point_is_black(
    points: list[tuple[float, float, float]],
) -> None:
    canvas = KeypointCanvas(
        still(*points, frames=2), replace(PLAIN_STYLE, dot_size=1, trail_points=5)
    )
    for index in range(2):
        assert canvas.render_frame(index).shape == (64, 64, 3)
        assert not canvas.render_frame(index).any()


def test_one_wild_coordinate_makes_no_giant_canvas() -> None:
    picture = KeypointCanvas(still((1e12, 5, 1), (5, 5, 1), (8, 100, 1)), PLAIN_STYLE).render_frame(
        0
    )
    assert picture.shape == (100, 8192, 3)


def test_keypoints_only_shows_fainter_trails_below_the_dots() -> None:
    points = np.array([[(20 + 40 * i, 20, 1), (60, 80, 0.1), (150, 90, 1)] for i in range(3)])
    poses = build_pose_table(points, SINGLE_ANIMAL)
    plain, trailing = (
        KeypointCanvas(poses, replace(PLAIN_STYLE, trail_points=trail)).render_frame(2).astype(int)
        for trail in (0, 2)
    )
    np.testing.assert_array_equal(trailing[20, 100], plain[20, 100])
    assert 0 < trailing[20, 60].sum() < trailing[20, 100].sum()
    assert not trailing[20, 20].any()
    assert not trailing[80, 60].any()


def test_each_picture_of_keypoints_is_new() -> None:
    canvas = KeypointCanvas(make_scattered_poses(SINGLE_ANIMAL), PLAIN_STYLE)
    first = canvas.render_frame(0)
    kept = first.copy()
    canvas.render_frame(1)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(canvas.render_frame(0), kept)


@pytest.mark.parametrize("dot_size", [1, 5, 30])
@pytest.mark.parametrize("trail_points", [0, 4])
def test_all_keypoints_are_in_the_region_that_is_drawn_on(dot_size: int, trail_points: int) -> None:
    style = replace(PLAIN_STYLE, dot_size=dot_size, trail_points=trail_points, draw_skeleton=True)
    poses = make_scattered_poses(SINGLE_ANIMAL, 12, (400, 300))
    canvas = KeypointCanvas(poses, style)
    for index in range(len(poses)):
        picture = canvas.render_frame(index)
        region = canvas.draw_frame(index)
        if region is not None:
            np.testing.assert_array_equal(canvas.take_region(region)[..., :3], picture[region])
            picture[region] = 0
        assert not picture.any()
