"""Poses drawn on a decoder's planes are the picture that is drawn on RGB frames."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc

from tasks.pose.drawing import frame_painter
from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.labeled_movie import write_labeled_movie
from tasks.pose.drawing.yuv_painter import YuvPainter
from tasks.pose.movies.reader import open_movie
from tasks.pose.movies.yuv_frame import YuvFrame
from tasks.processes.prefetch import thread_pool
from tests.support.movie_files import write_movie
from tests.support.pose_tables import PLAIN_STYLE, SINGLE_ANIMAL, make_scattered_poses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.pose.drawing.label_style import LabelStyle
    from tasks.pose.drawing.pixels import ColoredPixels
    from tasks.pose.drawing.yuv_painter import PlaneMarks

FRAMES, SIZE = 6, (96, 64)
STYLES = {
    "dots": PLAIN_STYLE,
    "skeleton": replace(PLAIN_STYLE, draw_skeleton=True),
    "trails": replace(PLAIN_STYLE, trail_points=4, dot_size=9, draw_skeleton=True),
    "all over": replace(PLAIN_STYLE, trail_points=40, dot_size=30),
    "single pixels": replace(PLAIN_STYLE, dot_size=1),
}
FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuvj444p")


def write(path: Path, pixel_format: str = "yuv420p", **colors: int) -> Path:
    """A movie that is little harmed by encoding, its colors declared as said."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30, options={"qp": "4"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = pixel_format
        for name, value in colors.items():
            setattr(stream.codec_context, name, value)
        x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        for index in range(FRAMES):
            ramps = [2 * (x + index), 3 * y, x + y]
            image = np.stack(ramps, axis=-1).clip(0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def planes_of(movie: Path) -> Iterator[YuvFrame]:
    for planes, _ in open_movie(movie).read_paintable_frames():
        assert planes is not None
        yield planes


def poses() -> Any:
    return make_scattered_poses(SINGLE_ANIMAL, FRAMES, SIZE)


def shown(movie: Path) -> np.ndarray:
    """What is seen of a movie, by its own tags."""
    return np.stack(list(open_movie(movie))).astype(float)


def labeled(frames: Any, target: Path, style: LabelStyle) -> np.ndarray:
    write_labeled_movie(frames, poses(), target, style, frame_rate=Fraction(30))
    return shown(target)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_what_is_drawn_is_drawn_on_the_same_pixels(tmp_path: Path, style: LabelStyle) -> None:
    movie = write(tmp_path / "m.mp4")
    painter = FramePainter(poses(), style)
    for index, (planes, image) in enumerate(zip(planes_of(movie), open_movie(movie), strict=True)):
        painted = painter.paint_image(image.copy(), index)
        before = planes.frame.to_ndarray()[: SIZE[1]].astype(int)
        after = painter.paint_yuv_frame(planes, index).frame.to_ndarray()[: SIZE[1]].astype(int)
        changed = (painted != image).any(axis=2)
        assert (after[~changed] == before[~changed]).all()
        red, green, blue = painted[changed].astype(float).T
        expected = 16 + 219 / 255 * (0.299 * red + 0.587 * green + 0.114 * blue)
        assert np.abs(after[changed] - expected).max(initial=0) <= 0.51


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("helpers", [1, 3])
def test_helpers_draw_what_is_drawn_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: LabelStyle, helpers: int
) -> None:
    monkeypatch.setattr(frame_painter, "_MAX_FRAMES_PER_GROUP", 3)
    movie = write_movie(tmp_path / "m.mp4", 40)
    table = make_scattered_poses(SINGLE_ANIMAL, 40, SIZE)
    order = [*range(40), 7, 8, 9, 10, 39, 0, 20, 19]  # as a movie is shown, and then in any order
    frames = [(index, planes) for index, planes in enumerate(planes_of(movie))]
    alone = FramePainter(table, style)
    with thread_pool(helpers, "helper") as pool:
        painter = FramePainter(table, style, helpers=pool, ahead=helpers)
        for index, planes in (frames[index] for index in order):
            image = planes.frame.to_ndarray(format="rgb24")
            np.testing.assert_array_equal(
                painter.paint_image(image.copy(), index), alone.paint_image(image.copy(), index)
            )
            np.testing.assert_array_equal(
                painter.paint_yuv_frame(planes, index).frame.to_ndarray(),
                alone.paint_yuv_frame(planes, index).frame.to_ndarray(),
            )


def test_a_helper_that_fails_ends_the_movie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_painter, "_MAX_FRAMES_PER_GROUP", 2)
    failed: list[str] = []

    def fail(self: YuvPainter, pixels: ColoredPixels, *_: object) -> list[PlaneMarks]:
        failed.append(threading.current_thread().name.partition("_")[0])
        raise MemoryError("no room for marks")

    monkeypatch.setattr(YuvPainter, "compute_marks", fail)
    movie = write_movie(tmp_path / "m.mp4", 40)
    target = tmp_path / "labeled.mp4"
    with pytest.raises(MemoryError, match="no room for marks"):
        write_labeled_movie(
            planes_of(movie),
            make_scattered_poses(SINGLE_ANIMAL, 40, SIZE),
            target,
            PLAIN_STYLE,
            frame_rate=Fraction(30),
            processors=16,
        )
    assert not target.exists()
    assert set(failed) == {"helper"}
    assert "helper" not in {thread.name.partition("_")[0] for thread in threading.enumerate()}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_the_movie_looks_as_the_one_that_went_through_rgb(
    tmp_path: Path, style: LabelStyle, pixel_format: str
) -> None:
    movie = write(tmp_path / "m.mp4", pixel_format)
    mine = labeled(planes_of(movie), tmp_path / "planes.mp4", style)
    theirs = labeled(open_movie(movie), tmp_path / "rgb.mp4", style)
    painter = FramePainter(poses(), style)
    drawn = np.stack([painter.paint_image(f.copy(), i) for i, f in enumerate(open_movie(movie))])
    off = np.abs(mine - drawn).mean()
    assert off <= np.abs(theirs - drawn).mean() + 0.5
    assert off < 6


@pytest.mark.parametrize("space", [1, 2, 5, 6])
@pytest.mark.parametrize("full", [1, 2])
def test_colors_are_those_that_the_movie_declares(tmp_path: Path, space: int, full: int) -> None:
    movie = write(tmp_path / "m.mp4", colorspace=space, color_range=full)
    mine = labeled(planes_of(movie), tmp_path / "planes.mp4", PLAIN_STYLE)
    painter = FramePainter(poses(), PLAIN_STYLE)
    drawn = np.stack([painter.paint_image(f.copy(), i) for i, f in enumerate(open_movie(movie))])
    assert np.abs(mine - drawn).mean() < 4
    with av.open(str(tmp_path / "planes.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert context.color_range == full
        assert context.colorspace == {2: 6}.get(space, space)


@pytest.mark.parametrize(
    "movie",
    [
        {"pixel_format": "yuv420p10le"},
        {"codec": "libx264rgb", "pixel_format": "rgb24"},
        {"codec": "mpeg4", "width": 67, "height": 45},
    ],
    ids=["deep", "rgb", "odd"],
)
def test_other_movies_go_through_rgb(tmp_path: Path, movie: dict[str, Any]) -> None:
    path = write_movie(tmp_path / "m.mp4", 3, **movie)
    images = list(open_movie(path))
    found = list(open_movie(path).read_paintable_frames())
    assert [planes for planes, _ in found] == [None] * 3
    np.testing.assert_array_equal([image() for _, image in found], images)


def test_hdr_goes_through_rgb(tmp_path: Path) -> None:
    hdr: dict[str, int] = {
        "color_trc": ColorTrc.ARIB_STD_B67,
        "color_primaries": ColorPrimaries.BT2020,
    }
    path = write(tmp_path / "m.mp4", "yuv420p", **hdr)
    assert {planes for planes, _ in open_movie(path).read_paintable_frames()} == {None}


def test_the_decoders_frames_are_left_as_they_are(tmp_path: Path) -> None:
    """Later frames refer to them."""
    movie = write_movie(tmp_path / "m.mp4", 20)
    untouched = list(open_movie(movie))
    style = replace(PLAIN_STYLE, dot_size=40, p_cutoff=0.0)
    painter = FramePainter(make_scattered_poses(SINGLE_ANIMAL, 20, SIZE), style)
    for index, (planes, image) in enumerate(open_movie(movie).read_paintable_frames()):
        assert planes is not None
        painter.paint_yuv_frame(planes, index)
        np.testing.assert_array_equal(image(), untouched[index])


def test_both_kinds_may_be_in_one_movie(tmp_path: Path) -> None:
    movie = write(tmp_path / "m.mp4")
    both = [
        image() if index % 2 else planes
        for index, (planes, image) in enumerate(open_movie(movie).read_paintable_frames())
    ]
    mixed = labeled(both, tmp_path / "both.mp4", PLAIN_STYLE)
    assert np.abs(mixed - labeled(planes_of(movie), tmp_path / "p.mp4", PLAIN_STYLE)).mean() < 2
