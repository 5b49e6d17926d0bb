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

from tasks.pose.movies import Image, MovieReader, probe
from tests.movie_files import picture, write_movie
from tests.paths import DEMO_MOVIE, SHARED, needs_shared

SHARED_MOVIES = sorted((SHARED / "movies").glob("*.mp4"))

BT709, BT470BG, BT2020 = 1, 5, 9  # color spaces, in FFmpeg's numbering
LIMITED, FULL = 1, 2


def opencv_frames(path: Path) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield np.asarray(read[1][:, :, ::-1], dtype=np.uint8)


def assert_same(path: Path, frames: int | None = None) -> None:
    reader = MovieReader(path)
    for index, (ours, theirs) in enumerate(zip_longest(reader, opencv_frames(path))):
        assert ours is not None, f"frame {index} is missing"
        assert theirs is not None, f"frame {index} is one too many"
        assert np.array_equal(ours, theirs), f"frame {index} differs"
    assert reader.frames == (frames or probe(path).declared_frames)
    assert reader.errors == []


@pytest.mark.parametrize("size", [(96, 64), (66, 46), (67, 45)])
@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mp4", "libx264", "yuvj420p"),
        ("mp4", "libx264", "yuv422p"),
        ("mp4", "libx264", "yuv444p"),
        ("mp4", "libx264", "yuv420p10le"),
        ("mp4", "libx264", "yuv422p10le"),
        ("mp4", "libx264", "gray"),
        ("mp4", "libx264", "gray10le"),
        ("mp4", "libx264rgb", "rgb24"),
        ("mp4", "libx265", "yuv420p"),
        ("mp4", "libx265", "yuv420p12le"),
        ("mp4", "libvpx-vp9", "yuv420p"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mp4", "mjpeg", "yuvj422p"),
        ("mp4", "png", "rgb24"),
        ("avi", "libx264", "yuv420p"),
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
        ("avi", "huffyuv", "yuv422p"),
        ("avi", "rawvideo", "yuv420p"),
        ("avi", "rawvideo", "yuyv422"),
        ("avi", "rawvideo", "uyvy422"),
        ("avi", "rawvideo", "bgr24"),
        ("avi", "rawvideo", "gray"),
        ("avi", "png", "rgba"),
        ("avi", "png", "rgb48be"),
    ],
)
def test_codecs_and_pixel_formats(
    tmp_path: Path, suffix: str, codec: str, pixel_format: str, size: tuple[int, int]
) -> None:
    path = tmp_path / f"m.{suffix}"
    width, height = size
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    try:
        write_movie(
            path,
            8,
            codec=codec,
            pixel_format=pixel_format,
            width=width,
            height=height,
            options=quiet,
        )
    except av.FFmpegError as error:
        if width % 2 == 0:
            raise
        pytest.skip(f"{codec} cannot encode odd sides as {pixel_format}: {error.strerror}")
    assert_same(path, 8)


def write_colored(path: Path, pixel_format: str, **colors: int) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixel_format
        for name, value in colors.items():
            setattr(stream.codec_context, name, value)
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(picture(index, 96, 64), format="rgb24")
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
    assert_same(write_colored(tmp_path / "m.mp4", pixel_format, **colors))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize(
    "gamut", [ColorPrimaries.UNSPECIFIED, ColorPrimaries.BT709, ColorPrimaries.SMPTE170M,
              ColorPrimaries.BT2020, ColorPrimaries.SMPTE432]
)  # fmt: skip
@pytest.mark.parametrize(
    "curve", [ColorTrc.UNSPECIFIED, ColorTrc.BT709, ColorTrc.IEC61966_2_1, ColorTrc.SMPTE2084,
              ColorTrc.ARIB_STD_B67, ColorTrc.BT2020_10]
)  # fmt: skip
def test_hdr_and_wide_colors_as_phones_record_them(
    tmp_path: Path, pixel_format: str, gamut: ColorPrimaries, curve: ColorTrc
) -> None:
    colors = {"colorspace": BT2020, "color_range": LIMITED}
    path = write_colored(
        tmp_path / "m.mp4", pixel_format, **colors, color_primaries=gamut, color_trc=curve
    )
    assert_same(path)


@pytest.mark.parametrize(
    "options",
    [
        {"bf": "0"},
        {"bf": "8", "b_strategy": "0", "g": "30"},
        {"x264-params": "open-gop=1:keyint=10:bframes=3"},
        {"x264-params": "interlaced=1"},
        {"intra-refresh": "1", "g": "20"},
    ],
)
@pytest.mark.parametrize(
    "flags", ["", "faststart", "frag_keyframe+empty_moov", "negative_cts_offsets"]
)
def test_h264_however_it_is_ordered_and_packed(
    tmp_path: Path, options: dict[str, str], flags: str
) -> None:
    path = write_movie(
        tmp_path / "m.mp4", 48, options=options, container_options={"movflags": flags} if flags else {}
    )  # fmt: skip
    assert_same(path, 48)


def test_a_rate_that_varies(tmp_path: Path) -> None:
    stamps = np.cumsum(np.random.default_rng(1).integers(10, 90, 40)).tolist()
    assert_same(write_movie(tmp_path / "m.mp4", 40, stamps=stamps))


def test_slow_and_fast_movies(tmp_path: Path) -> None:
    for rate in (Fraction(1, 2), Fraction(30000, 1001), 1000):
        assert_same(write_movie(tmp_path / "m.mp4", 10, rate=rate))


def test_the_demo_movie() -> None:
    assert_same(DEMO_MOVIE)


@needs_shared
@pytest.mark.parametrize("path", SHARED_MOVIES, ids=lambda path: path.name)
def test_real_movies(path: Path) -> None:
    assert_same(path)
