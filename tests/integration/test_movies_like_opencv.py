"""Every frame is, bit for bit, the picture that OpenCV gives: the one DeepLabCut was trained on."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc

from tasks.pose.movies.reader import Image, open_movie, probe_movie
from tests.support.movie_files import draw_picture, write_movie
from tests.support.paths import DEMO_MOVIE, SHARED_FOLDER, needs_shared_data

SHARED_MOVIES = sorted((SHARED_FOLDER / "movies").glob("*.mp4"))

BT709, BT470BG, BT2020 = 1, 5, 9  # color spaces, in FFmpeg's numbering
LIMITED, FULL = 1, 2


def opencv_frames(path: Path) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield np.asarray(read[1][:, :, ::-1], dtype=np.uint8)


def assert_same(path: Path, frames: int | None = None) -> None:
    reader = open_movie(path)
    for index, (ours, theirs) in enumerate(zip_longest(reader, opencv_frames(path))):
        assert ours is not None, f"frame {index} is missing"
        assert theirs is not None, f"frame {index} is one too many"
        assert np.array_equal(ours, theirs), f"frame {index} differs"
    assert reader.frame_count == (frames or probe_movie(path).declared_frames)
    assert reader.errors == []


EVEN_SIDES_ONLY = [
    ("mp4", "libx264", "yuv420p"),
    ("mp4", "libx264", "yuvj420p"),
    ("mp4", "libx264", "yuv422p"),
    ("mp4", "libx264", "yuv420p10le"),
    ("mp4", "libx264", "yuv422p10le"),
    ("mp4", "libx265", "yuv420p"),
    ("mp4", "libx265", "yuv420p12le"),
    ("avi", "libx264", "yuv420p"),
    ("avi", "huffyuv", "yuv422p"),
]

ANY_SIDES = [
    ("mp4", "libx264", "yuv444p"),
    ("mp4", "libx264", "gray"),
    ("mp4", "libx264", "gray10le"),
    ("mp4", "libx264rgb", "rgb24"),
    ("mp4", "libvpx-vp9", "yuv420p"),
    ("mp4", "mpeg4", "yuv420p"),
    ("mp4", "mjpeg", "yuvj422p"),
    ("mp4", "png", "rgb24"),
    ("avi", "mpeg4", "yuv420p"),
    ("avi", "mpeg2video", "yuv420p"),
    ("avi", "msmpeg4v2", "yuv420p"),
    ("avi", "mjpeg", "yuvj420p"),
    ("avi", "mjpeg", "yuvj444p"),
    ("avi", "ffv1", "yuv420p"),
    ("avi", "ffv1", "yuv411p"),
    ("avi", "ffv1", "yuv422p10le"),
    ("avi", "ffv1", "yuv444p16le"),
    ("avi", "ffv1", "yuva420p"),
    ("avi", "ffv1", "gray"),
    ("avi", "ffv1", "gray16le"),
    ("avi", "ffv1", "bgr0"),
    ("avi", "rawvideo", "yuv420p"),
    ("avi", "rawvideo", "yuyv422"),
    ("avi", "rawvideo", "uyvy422"),
    ("avi", "rawvideo", "bgr24"),
    ("avi", "rawvideo", "gray"),
    ("avi", "png", "rgba"),
    ("avi", "png", "rgb48be"),
]


@pytest.mark.parametrize("kind", [*EVEN_SIDES_ONLY, *ANY_SIDES], ids="-".join)
def test_codecs_and_pixel_formats(tmp_path: Path, kind: tuple[str, str, str]) -> None:
    assert_same(write_kind(tmp_path, kind, 96, 64), 8)
    assert_same(write_kind(tmp_path, kind, 66, 46), 8)


@pytest.mark.parametrize("kind", ANY_SIDES, ids="-".join)
def test_odd_sizes(tmp_path: Path, kind: tuple[str, str, str]) -> None:
    assert_same(write_kind(tmp_path, kind, 67, 45), 8)


def write_kind(folder: Path, kind: tuple[str, str, str], width: int, height: int) -> Path:
    suffix, codec, pixel_format = kind
    return write_movie(
        folder / f"m.{suffix}",
        8,
        codec=codec,
        pixel_format=pixel_format,
        width=width,
        height=height,
        options={"x265-params": "log-level=none"} if codec == "libx265" else {},
    )


def test_av1(tmp_path: Path) -> None:
    """Its encoder takes no smaller pictures."""
    assert_same(write_kind(tmp_path, ("mp4", "libsvtav1", "yuv420p"), 128, 96), 8)
    assert_same(write_kind(tmp_path, ("mp4", "libsvtav1", "yuv420p10le"), 130, 98), 8)


def write_colored(path: Path, pixel_format: str, **colors: int) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixel_format
        for name, value in colors.items():
            setattr(stream.codec_context, name, value)
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(draw_picture(index, 96, 64), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("colorspace", [BT709, BT470BG, BT2020])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
def test_color_spaces_and_ranges(
    tmp_path: Path, pixel_format: str, colorspace: int, color_range: int
) -> None:
    colors = {"colorspace": colorspace, "color_range": color_range}
    assert_same(write_colored(tmp_path / "m.mp4", pixel_format, **colors), 3)


@pytest.mark.parametrize(
    ("pixel_format", "gamut", "curve"),
    [
        ("yuv420p", ColorPrimaries.BT709, ColorTrc.IEC61966_2_1),
        ("yuv420p", ColorPrimaries.SMPTE170M, ColorTrc.SMPTE170M),
        ("yuv420p", ColorPrimaries.UNSPECIFIED, ColorTrc.BT2020_10),
        # As a phone's HDR movies are: what swscale prepares for such a one takes seconds.
        ("yuv420p10le", ColorPrimaries.BT2020, ColorTrc.ARIB_STD_B67),
        ("yuv420p", ColorPrimaries.SMPTE432, ColorTrc.UNSPECIFIED),
    ],
)
def test_gamuts_and_curves(
    tmp_path: Path, pixel_format: str, gamut: ColorPrimaries, curve: ColorTrc
) -> None:
    colors = {"colorspace": BT2020, "color_range": LIMITED}
    path = write_colored(
        tmp_path / "m.mp4", pixel_format, **colors, color_primaries=gamut, color_trc=curve
    )
    assert_same(path, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"bf": "0"},
        {"bf": "8", "b_strategy": "0", "g": "30"},
        {"x264-params": "open-gop=1:keyint=10:bframes=3"},
        {"intra-refresh": "1", "g": "20"},
    ],
)
@pytest.mark.parametrize(
    "flags", ["", "faststart", "frag_keyframe+empty_moov", "negative_cts_offsets"]
)
def test_h264_however_it_is_ordered_and_packed(
    tmp_path: Path, options: dict[str, str], flags: str
) -> None:
    container_options = {"movflags": flags} if flags else {}
    path = write_movie(tmp_path / "m.mp4", 48, options=options, container_options=container_options)
    assert_same(path, 48)


def test_a_rate_that_varies(tmp_path: Path) -> None:
    stamps = np.cumsum(np.random.default_rng(1).integers(10, 90, 40)).tolist()
    assert_same(write_movie(tmp_path / "m.mp4", 40, stamps=stamps))


def test_slow_and_fast_movies(tmp_path: Path) -> None:
    for rate in (Fraction(1, 2), Fraction(30000, 1001), 1000):
        assert_same(write_movie(tmp_path / "m.mp4", 10, rate=rate))


def test_the_demo_movie() -> None:
    assert_same(DEMO_MOVIE)


@needs_shared_data
@pytest.mark.parametrize("path", SHARED_MOVIES, ids=lambda path: path.name)
def test_real_movies(path: Path) -> None:
    assert_same(path)
