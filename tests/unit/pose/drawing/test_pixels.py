from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import line_aa

from tasks.pose.drawing.pixels import (
    ColoredPixels,
    TopPixelFinder,
    compute_line_pixels,
    group_into_squares,
)

SHAPE = (8, 6)
FRAMES = 3

place = st.tuples(
    st.integers(0, FRAMES - 1), st.integers(0, 7), st.integers(0, 5), st.integers(0, 9)
)
drawn = st.lists(place, max_size=60).map(
    lambda places: ColoredPixels(*np.array(places, np.intp).reshape(-1, 4).T)
)
end = st.tuples(st.integers(0, 90), st.integers(0, 90))


def picture(pixels: ColoredPixels) -> np.ndarray:
    """What is seen, one color after the other; nothing is -1."""
    frames = np.full((FRAMES, *SHAPE), -1)
    for frame, row, column, color in zip(*pixels, strict=True):
        frames[frame, row, column] = color
    return frames


@given(first=drawn, second=drawn)
def test_each_pixel_is_seen_once_in_its_last_color(
    first: ColoredPixels, second: ColoredPixels
) -> None:
    last = TopPixelFinder()
    for pixels in (first.with_layer_on_top(second), second, first.with_layer_on_top(first)):
        seen = last.find_visible(pixels)
        np.testing.assert_array_equal(picture(seen), picture(pixels))
        assert len(seen.rows) == (picture(pixels) >= 0).sum()
        assert (np.diff(seen.frames) >= 0).all()


def test_threads_do_not_write_to_each_others_memory() -> None:
    last, pixels = TopPixelFinder(), ColoredPixels(*np.zeros((4, 1), np.intp))

    def memory() -> np.ndarray:
        last.find_visible(pixels)
        return last._turns

    with ThreadPoolExecutor(1) as other:
        assert not np.shares_memory(memory(), other.submit(memory).result())


@given(pixels=drawn)
def test_pixels_are_parted_by_frame(pixels: ColoredPixels) -> None:
    seen = TopPixelFinder().find_visible(pixels)
    parts = seen.split_by_frame(FRAMES)
    assert len(parts) == FRAMES
    for frame, part in enumerate(parts):
        np.testing.assert_array_equal(part.frames, frame)
    joined = (np.concatenate(values) for values in zip(*parts, strict=True))
    np.testing.assert_array_equal(list(joined), list(seen))


@given(pixels=drawn)
def test_squares_have_the_colors_of_their_pixels(pixels: ColoredPixels) -> None:
    seen = TopPixelFinder().find_visible(pixels)
    squares, starts = group_into_squares(seen, SHAPE)
    four = picture(pixels).reshape(FRAMES, 4, 2, 3, 2).swapaxes(2, 3).reshape(FRAMES, 4, 3, 4)
    expected = [sorted(colors[colors >= 0]) for colors in four.reshape(-1, 4)]
    found = [colors.tolist() for colors in np.split(squares.colors, starts[1:])]
    assert found[: len(starts)] == [colors for colors in expected if colors]
    where = np.flatnonzero((four >= 0).any(axis=-1))
    places = np.ravel_multi_index(squares[:3], (FRAMES, 4, 3))
    np.testing.assert_array_equal(places, where)


@given(ends=st.lists(st.tuples(st.integers(0, 5), end, end), max_size=5))
def test_lines_are_scikit_images(ends: list[tuple[int, tuple[int, int], tuple[int, int]]]) -> None:
    frames = np.array([frame for frame, *_ in ends], np.intp)
    where = np.array([pair for _, *pair in ends], np.intp).reshape(-1, 2, 2)
    found = compute_line_pixels(frames, where, 7)
    expected = [line_aa(*first, *second)[:2] for _, first, second in ends]
    counts = [len(rows) for rows, _ in expected]
    np.testing.assert_array_equal(found.frames, np.repeat(frames, counts))
    np.testing.assert_array_equal(
        [found.rows, found.columns],
        np.concatenate([np.empty((2, 0), int), *map(np.array, expected)], axis=1),
    )
    assert (found.colors == 7).all()
