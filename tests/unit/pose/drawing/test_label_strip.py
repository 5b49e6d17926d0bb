"""The strip below a labeled movie: it hides nothing, and what is written in it can be read."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.pose.drawing.frame_labels import (
    FrameLabels,
    LegendEntry,
    build_frame_texts,
    build_legend,
)
from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.keypoints_only_frames import draw_keypoint_frames
from tasks.pose.drawing.label_strip import GROUND_GRAY, LabelStrip
from tasks.pose.drawing.strip_layout import WrittenLines, lay_out_strip
from tasks.pose.finishing import label_movie_file
from tasks.pose.movies.reader import open_movie
from tasks.pose.movies.timing import constant_timing
from tasks.pose.settings import Labels
from tasks.pose.tables.pose_table import write_poses
from tests.support.isxb_files import write_isxb
from tests.support.movie_files import write_movie
from tests.support.pose_tables import PLAIN_STYLE, SINGLE_ANIMAL, make_scattered_poses

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 14
COLORS = [(127, 0, 255), (128, 255, 180), (255, 0, 0)]
KEYPOINTS_ONLY = replace(PLAIN_STYLE, keypoints_only=True)


def make_labels(frames: int = FRAMES, names: tuple[str, ...] = ("nose", "ear")) -> FrameLabels:
    legend = tuple(LegendEntry(name, COLORS[i % 3]) for i, name in enumerate(names))
    return FrameLabels(legend, build_frame_texts(constant_timing(frames, Fraction(30)), None))


def read_texts(strip: LabelStrip, picture: np.ndarray) -> list[str]:
    """Read what is written below a frame, letter by letter: the picture that is most alike."""
    characters = strip._characters.astype(float)
    _, height, width = characters.shape
    rows = picture[-strip.height :].astype(float)
    found = []
    for text, place in zip(strip._texts, strip._places, strict=True):
        letters = []
        for number in range(text.width):
            left = place.left + number * width
            seen = rows[place.top : place.top + height, left : left + width]
            off = np.abs(characters[32:126, : seen.shape[0], : seen.shape[1]] - seen)
            letters.append(chr(32 + int(off.sum(axis=(1, 2)).argmin())))
        found.append("".join(letters))
    return found


def expected_texts(labels: FrameLabels, index: int) -> list[str]:
    return [text.of_frame(index).ljust(text.width) for text in labels.texts]


@pytest.mark.parametrize("size", [(96, 64), (640, 480)])
def test_a_frame_stays_as_it_is_and_has_its_strip_below(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    movie = write_movie(tmp_path / "m.mp4", FRAMES, width=size[0], height=size[1])
    poses = make_scattered_poses(SINGLE_ANIMAL, FRAMES, size)
    labels = FrameLabels(build_legend(poses, PLAIN_STYLE), make_labels().texts)
    strip = LabelStrip(labels, *size)
    plain, labeled = (
        FramePainter(poses, PLAIN_STYLE, kept=2, labels=given) for given in (None, labels)
    )
    for index, (planes, image) in enumerate(open_movie(movie).read_paintable_frames()):
        assert planes is not None
        before = plain.paint_yuv_frame(planes, index).frame
        after = labeled.paint_yuv_frame(planes, index).frame
        for plane in range(3):
            one, other = (as_array(frame, plane) for frame in (before, after))
            np.testing.assert_array_equal(other[: len(one)], one)
        assert after.height == size[1] + strip.height
        rgb_before = plain.paint_image(image().copy(), index)
        rgb_after = labeled.paint_image(image().copy(), index)
        np.testing.assert_array_equal(rgb_after[: size[1]], rgb_before)
        assert read_texts(strip, rgb_after[..., 0]) == expected_texts(labels, index)
        shown = after.reformat(format="rgb24").to_ndarray()[size[1] :].astype(int)
        assert np.abs(shown - rgb_after[size[1] :]).mean() < 3


def as_array(frame: av.VideoFrame, plane: int) -> np.ndarray:
    data = frame.planes[plane]
    values = np.frombuffer(memoryview(data), np.uint8).reshape(data.height, data.line_size)
    return values[:, : data.width]


def test_a_keypoints_only_movie_has_its_strip_below() -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL, FRAMES, (400, 300))
    labels = make_labels()
    plain = draw_keypoint_frames(poses, KEYPOINTS_ONLY, 1)
    labeled = draw_keypoint_frames(poses, KEYPOINTS_ONLY, 1, labels)
    for index, (before, after) in enumerate(zip(plain, labeled, strict=True)):
        height, width, _ = before.shape
        strip = LabelStrip(labels, width, height)
        seen = as_array(after.frame, 0)
        np.testing.assert_array_equal(seen[:height], as_array(before.frame, 0))
        gray = (seen.astype(float) - 16) * 255 / 219
        assert read_texts(strip, gray) == expected_texts(labels, index)


@pytest.mark.parametrize("keypoints_only", [False, True], ids=["frames", "keypoints only"])
@pytest.mark.parametrize("kind", ["mp4", "odd mp4", "isxb"])
def test_number_and_time_are_read_from_the_encoded_movie(
    *, tmp_path: Path, kind: str, keypoints_only: bool
) -> None:
    """At another frame rate and with a crop, too: each frame keeps its number and time."""
    if kind == "isxb":
        movie = write_isxb(tmp_path / "m.isxb", FRAMES, dropped=(2, 3), width=192, height=128)
    else:
        odd = kind.startswith("odd")
        options = {"codec": "rawvideo", "pixel_format": "bgr24"} if odd else {}
        movie = tmp_path / ("m.avi" if odd else "m.mp4")
        write_movie(movie, FRAMES, width=192 - odd, height=128 - odd, **options)  # type: ignore[arg-type]
    reader = open_movie(movie)
    height, width, _ = next(iter(open_movie(movie))).shape
    frames = len(list(reader))
    timing = reader.compute_timing()
    poses = make_scattered_poses(SINGLE_ANIMAL, frames, (160, 120))
    write_poses(poses, tmp_path / "poses.h5")
    style = KEYPOINTS_ONLY if keypoints_only else PLAIN_STYLE
    pictures = {}
    for labels in Labels:
        target = tmp_path / "labeled.mp4"
        made = label_movie_file(
            movie,
            tmp_path / "poses.h5",
            target,
            style,
            timing,
            12.5,
            (8, 6),
            (),
            labels,
            progress=lambda done: None,
        )
        pictures[labels] = np.stack(list(open_movie(target)))
        assert made.size == pictures[labels].shape[2:0:-1]
    shape = pictures[Labels.NONE].shape
    if keypoints_only:
        height, width = shape[1:3]
    assert shape[1:3] == (height + height % 2, width + width % 2)
    strip = LabelStrip(
        FrameLabels(build_legend(poses, style), build_frame_texts(timing, None)), width, height
    )
    numbered = pictures[Labels.ALL]
    assert numbered.shape[1] == height + strip.height
    found = [read_texts(strip, picture[..., 1]) for picture in numbered[:, :, :width]]
    places = timing.recording.positions if timing.recording else np.arange(frames)
    assert [int(number.split()[1]) for number, _ in found] == places.tolist()
    times = [float(seconds.split()[0]) for _, seconds in found]
    np.testing.assert_allclose(times, timing.seconds, atol=6e-4)
    legend = pictures[Labels.LEGEND]
    assert shape[1] < legend.shape[1] <= numbered.shape[1]
    apart = np.abs(legend[:, :height].astype(int) - pictures[Labels.NONE][:, :height])
    assert apart.mean() < 3  # both are encoded


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(2, 700),
    height=st.integers(2, 500),
    names=st.lists(st.text(max_size=60), max_size=40),
    frames=st.sampled_from([1, 30, 2_000_000]),
)
def test_any_frame_and_any_names_have_a_strip(
    width: int, height: int, names: list[str], frames: int
) -> None:
    labels = make_labels(frames, tuple(names))
    strip = LabelStrip(labels, width, height)
    image = np.full((height, width, 3), 7, np.uint8)
    made = strip.add_below(image, frames - 1)
    assert (height + strip.height) % 2 == 0
    assert made.shape == (height + strip.height, width, 3)
    assert (made[:height] == 7).all()
    assert (made[-1] == GROUND_GRAY).all()


widths = st.lists(st.integers(1, 300), max_size=40)


@given(
    texts=widths,
    entries=widths,
    width=st.integers(20, 2000),
    max_height=st.integers(10, 2000),
)
def test_nothing_is_written_over_something_else(
    texts: list[int], entries: list[int], width: int, max_height: int
) -> None:
    layout = lay_out_strip(WrittenLines(texts, 14), WrittenLines(entries, 12), width, 4, max_height)
    boxes = [
        (place.left, place.top, place.left + wide, place.top + high)
        for places, given, high in ((layout.texts, texts, 14), (layout.entries, entries, 12))
        for place, wide in zip(places, given, strict=False)
    ]
    assert len(layout.texts) == len(texts)
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 4
        assert bottom <= layout.height - 4
        assert right <= width - 4 or left == 4  # what is wider than the strip stands alone
        for others_left, others_top, others_right, others_bottom in boxes[:number]:
            apart = left >= others_right or others_left >= right
            assert apart or top >= others_bottom or others_top >= bottom


@pytest.mark.parametrize(
    ("size", "parts"), [((200, 200), 27), ((640, 480), 60), ((1920, 1080), 80)]
)
def test_all_of_many_body_parts_are_named(size: tuple[int, int], parts: int) -> None:
    names = tuple(f"left_paw {number}" for number in range(parts))
    strip = LabelStrip(make_labels(names=names), *size)
    dots = strip.add_below(np.zeros((size[1], size[0], 3), np.uint8), 0)[size[1] :]
    for color in COLORS:
        assert (dots == color).all(axis=2).any()
    fewer = LabelStrip(make_labels(names=names[:-3]), *size)
    written = [np.count_nonzero(one._ground > 200) for one in (fewer, strip)]
    assert written[1] > written[0]
    assert strip.height <= max(size[1], 240)


def test_more_than_fit_are_counted() -> None:
    names = tuple(f"a long name of a body part {number}" for number in range(99))
    whole, cut = (LabelStrip(make_labels(names=names[:n]), 200, 100) for n in (99, 98))
    assert whole.height <= 242
    # Only the number of those that are left out differs.
    rows = np.flatnonzero((whole._ground != cut._ground).any(axis=(1, 2)))
    assert 0 < len(rows) < 12
