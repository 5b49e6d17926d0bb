"""Windows lie on the grid, inside the frame, and know which of their edges cut it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pose.network.frame_window import Window, WindowGrid


@given(
    st.sampled_from([8, 16, 32, 64]),
    st.integers(300, 2000),
    st.integers(300, 2000),
    st.floats(-500, 2500),
    st.floats(-500, 2500),
)
def test_windows_are_aligned_and_inside_the_frame(
    stride: int, width: int, height: int, x: float, y: float
) -> None:
    grid = WindowGrid(stride, width, height)
    assert list(grid.sides) == sorted(set(grid.sides))
    for side in grid.sides:
        window = grid.place((x, y), side)
        assert (window.width, window.height) == grid.size(side)
        assert window.left % stride == window.top % stride == 0
        assert 0 <= window.left <= window.right <= width
        assert 0 <= window.top <= window.bottom <= height
        assert window.width * window.height <= 0.6 * width * height


@pytest.mark.parametrize(("width", "height"), [(640, 480), (641, 487), (1920, 1080)])
def test_windows_reach_every_edge_of_the_frame(width: int, height: int) -> None:
    grid = WindowGrid(32, width, height)
    last = grid.place((width, height), 128)
    assert (last.right, last.bottom) == (width, height)
    assert (last.left % 32, last.top % 32) == (0, 0)
    assert grid.place((0, 0), 128).left == grid.place((0, 0), 128).top == 0


def test_a_window_s_center_is_near_the_point() -> None:
    window = WindowGrid(32, 640, 480).place((301, 207), 128)
    assert abs((window.left + window.right) / 2 - 301) <= 16
    assert abs((window.top + window.bottom) / 2 - 207) <= 16


@pytest.mark.parametrize(
    ("window", "point", "held"),
    [
        (Window(64, 64, 128, 128), (128, 128), True),
        (Window(64, 64, 128, 128), (96, 96), True),
        (Window(64, 64, 128, 128), (95, 128), False),
        (Window(64, 64, 128, 128), (128, 95), False),
        (Window(64, 64, 128, 128), (161, 128), False),
        (Window(64, 64, 128, 128), (128, 161), False),
        (Window(64, 64, 128, 128), (400, 400), False),
        # The frame's own edges cut nothing.
        (Window(0, 64, 128, 128), (1, 128), True),
        (Window(512, 352, 128, 128), (639, 479), True),
        (Window(512, 352, 128, 128), (639, 360), False),
    ],
)
def test_points_are_held_a_margin_away_from_cuts(
    window: Window, point: tuple[float, float], held: bool
) -> None:
    grid = WindowGrid(32, 640, 480)
    assert grid.holds(window, np.array([point], float), 32).tolist() == [held]


def test_a_small_frame_has_no_window() -> None:
    assert WindowGrid(32, 120, 90).sides == ()


def test_a_narrow_frame_s_windows_are_as_high_as_it_is() -> None:
    grid = WindowGrid(32, 2000, 90)
    assert grid.size(256) == (272, 90)
    assert grid.place((1000, 45), 256).top == 0


def test_a_window_is_cut_out_of_its_frame() -> None:
    frame = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(30, 40, 3)
    np.testing.assert_array_equal(Window(8, 16, 16, 8).cut(frame), frame[16:24, 8:24])


def test_a_side_is_rounded_up_to_the_stride() -> None:
    grid = WindowGrid(32, 640, 480)
    assert [grid.round_up(side) for side in (1, 32, 33, 200)] == [32, 32, 64, 224]
