"""Movies of every kind, sound and broken: frames, times, shape, and clear refusals."""

import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Container, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from tasks.errors import BadInput
from tasks.pose.movies import ffmpeg_container, ffmpeg_reader
from tasks.pose.movies.frame_ledger import lost_frame_warnings
from tasks.pose.movies.mp4_boxes import read_rotation
from tasks.pose.movies.reader import Image, MovieReader, open_movie, probe_movie
from tasks.pose.movies.start_times import compute_duration
from tasks.pose.movies.stored_frames import StoredFrames
from tasks.pose.movies.timing import Timing, format_frame_ranges, group_into_ranges
from tests.support.movie_files import draw_picture, overwrite, turn, write_movie

NTSC = Fraction(30000, 1001)
MILLISECOND = Fraction(1, 1000)
CODECS = {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9", "libsvtav1": "libdav1d"}
"""Decoders of what encoders make, where they have another name."""


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return tmp_path / "m.mp4"


def read(path: Path) -> tuple[list[Image], MovieReader]:
    reader = open_movie(path)
    return list(reader), reader


def timing(path: Path) -> Timing:
    return read(path)[1].compute_timing()


def refusal(path: Path) -> str:
    """Why a movie is refused, by its probe and by its reader alike, in one line."""
    texts = []
    for attempt in (lambda: probe_movie(path, "mouse 1.mp4"), lambda: read(path)):
        with pytest.raises(BadInput) as caught:
            attempt()
        texts.append(str(caught.value))
        assert len(texts[-1].splitlines()) == 1
    assert texts[0].startswith("mouse 1.mp4: ")
    assert texts[1].startswith(f"{path.name}: ")
    return texts[0]


def assert_even(times: Timing, rate: Fraction) -> None:
    """Every time is index over rate, but for the one rounding to a float."""
    assert times.constant
    assert times.frame_rate == rate
    assert times.seconds.tolist() == [float(i / rate) for i in range(len(times.seconds))]


def damage(path: Path, share: float, data: bytes) -> None:
    """Overwrite bytes at a share of a file's length."""
    whole = bytearray(path.read_bytes())
    start = int(len(whole) * share)
    whole[start : start + len(data)] = data
    path.write_bytes(whole)


def mux_again(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Mux a movie again, with the data of each keyframe changed."""
    whole = path.rename(path.with_name(f"whole{path.suffix}"))
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        copy: Any = target.add_stream_from_template(video)
        for packet in (p for p in source.demux(video) if p.size):
            new = av.Packet(change(bytes(packet)) if packet.is_keyframe else bytes(packet))
            new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
            new.duration, new.is_keyframe, new.stream = packet.duration, packet.is_keyframe, copy
            target.mux(new)


def crop(path: Path, codec: str, pixel_format: str, **sides: int) -> None:
    """Write a movie of 160×64 pixels of which its bitstream has some columns or rows cut off."""
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    write_movie(path, 6, codec=codec, pixel_format=pixel_format, width=160, options=options)
    whole = path.rename(path.with_name("whole.mp4"))
    name = {"libx264": "h264", "libx265": "hevc"}[codec]
    what = ":".join(f"{side}={size}" for side, size in sides.items())
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        copy: Any = target.add_stream_from_template(video)
        change = av.BitStreamFilterContext(f"{name}_metadata={what}", video, copy)
        for packet in (p for p in source.demux(video) if p.size):
            for changed in change.filter(packet):
                changed.stream = copy
                target.mux(changed)


def with_unit(data: bytes, unit: bytes) -> bytes:
    """Put a unit before those of a picture in H.264 or HEVC, as they lie in MP4."""
    return struct.pack(">I", len(unit)) + unit + data


def edit(path: Path, first: int, shown: int) -> None:
    """Show only some frames, by the one entry of an MP4's edit list: duration and beginning."""
    data = path.read_bytes()
    (begin,) = struct.unpack_from(">i", data, data.index(b"elst") + 16)
    with av.open(str(path)) as container:
        clock = container.streams.video[0].time_base
    assert clock is not None
    ticks = begin + int(Fraction(first, 30) / clock)
    overwrite(path, b"elst", 12, ">Ii", shown * 1000 // 30, ticks)


def copy_packets(path: Path, shift: int = 0, without: Container[int] = ()) -> None:
    """Mux a movie's packets again, without some of them, some frame periods earlier or later."""
    whole = path.rename(path.with_name(f"whole{path.suffix}"))
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        copy: Any = target.add_stream_from_template(video)
        assert video.time_base is not None
        ticks = int(Fraction(shift, 30) / video.time_base)
        for index, packet in enumerate(p for p in source.demux(video) if p.size):
            if index not in without:
                packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
                packet.stream = copy
                target.mux(packet)


def erase(path: Path, lost: list[int], data: bytes = b"\0") -> None:
    """Overwrite some frames, numbered in the order of storage."""
    with av.open(str(path)) as container:
        packets = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    whole = bytearray(path.read_bytes())
    for start, size in (packets[index] for index in lost):
        whole[start : start + size] = data * size
    path.write_bytes(whole)


def said(lost: list[int]) -> str:
    ranges = format_frame_ranges(group_into_ranges(lost))
    return f"frames that can't be decoded: {ranges}; the others keep their times"


DIGEST = """
import hashlib, os, sys
from pathlib import Path
os.sched_setaffinity(0, map(int, sys.argv[2:]))
from tasks.pose.movies.reader import open_movie
reader = open_movie(Path(sys.argv[1]))
frames = [hashlib.sha256(frame.tobytes()).hexdigest() for frame in reader]
print(len(frames), frames, reader.errors, reader.compute_timing().seconds.tolist())
"""
"""A program that tells what it reads of a movie on some processors."""


def opencv_frames(path: Path) -> Iterator[Any]:
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield read[1]


def order(frames: list[Image]) -> list[int]:
    """Which picture each frame shows, of as many as there are frames."""
    return order_of(frames, len(frames))


def order_of(frames: list[Image], pictures: int) -> list[int]:
    """Which picture each frame shows."""
    wanted = [draw_picture(index, 96, 64).astype(int) for index in range(pictures)]
    return [int(np.argmin([np.abs(frame - one).sum() for one in wanted])) for frame in frames]


class TestKindsOfMovies:
    @pytest.mark.parametrize(
        ("suffix", "codec", "pixel_format", "options"),
        [
            ("mp4", "libx264", "yuv420p", {"bf": "0"}),
            ("mp4", "libx264", "yuv420p", {"bf": "3", "g": "12"}),
            ("mp4", "libx264", "yuv420p10le", {}),
            ("mp4", "libx264", "gray", {}),
            ("mp4", "mpeg4", "yuv420p", {}),
            ("mp4", "libx265", "yuv420p", {"x265-params": "log-level=none"}),
            ("mp4", "libvpx-vp9", "yuv420p", {}),
            ("mp4", "libsvtav1", "yuv420p", {"preset": "12"}),
            ("avi", "huffyuv", "yuv422p", {}),
            ("avi", "mpeg4", "yuv420p", {"bf": "2"}),
            ("avi", "libx264", "yuv420p", {"bf": "2"}),
            ("avi", "mjpeg", "yuvj420p", {}),
            ("avi", "ffv1", "gray16le", {}),
            ("avi", "rawvideo", "bgr24", {}),
        ],
    )
    def test_every_frame_is_read_in_order_and_at_its_time(
        self, tmp_path: Path, suffix: str, codec: str, pixel_format: str, options: dict[str, str]
    ) -> None:
        path = write_movie(
            tmp_path / f"m.{suffix}", 24, codec=codec, pixel_format=pixel_format, options=options
        )
        info = probe_movie(path)
        assert (info.width, info.height, info.declared_frames) == (96, 64, 24)
        assert info.frame_rate == 30
        assert info.codec == CODECS.get(codec, codec)
        frames, reader = read(path)
        assert order(frames) == list(range(24)) or "gray" in pixel_format
        assert {(frame.shape, frame.dtype.name) for frame in frames} == {((64, 96, 3), "uint8")}
        assert (reader.frame_count, reader.errors) == (24, [])
        times = reader.compute_timing()
        assert_even(times, Fraction(30))

    def test_making_one_for_a_test_leaves_this_process_as_urgent_as_it_was(
        self, movie: Path
    ) -> None:
        before = os.sched_getscheduler(0)
        write_movie(movie, 2, codec="libsvtav1", options={"preset": "12"})
        assert os.sched_getscheduler(0) == before

    @pytest.mark.parametrize(("width", "height"), [(95, 63), (2, 2), (17, 64), (96, 1)])
    @pytest.mark.parametrize(("suffix", "codec"), [("avi", "ffv1"), ("mp4", "mpeg4")])
    def test_odd_sizes_are_kept(
        self, tmp_path: Path, suffix: str, codec: str, width: int, height: int
    ) -> None:
        path = write_movie(tmp_path / f"m.{suffix}", 3, codec=codec, width=width, height=height)
        assert (probe_movie(path).width, probe_movie(path).height) == (width, height)
        assert [frame.shape for frame in read(path)[0]] == [(height, width, 3)] * 3

    @pytest.mark.parametrize("name", ["m.MP4", "m.Avi", "a b%d:?#[1].mp4", "ä\n.mp4", "-y.mp4"])
    def test_any_name_will_do(self, movie: Path, name: str) -> None:
        write_movie(movie, 2)
        path = movie.rename(movie.with_name(name))
        assert probe_movie(path).declared_frames == 2
        assert len(read(path)[0]) == 2

    def test_content_counts_more_than_the_suffix(self, tmp_path: Path) -> None:
        path = write_movie(tmp_path / "m.avi", 2, codec="mjpeg", pixel_format="yuvj420p")
        assert len(read(path.rename(tmp_path / "m.mp4"))[0]) == 2

    def test_one_frame_is_a_movie(self, movie: Path) -> None:
        write_movie(movie, 1, rate=25)
        frames, reader = read(movie)
        assert len(frames) == 1
        assert_even(reader.compute_timing(), Fraction(25))

    def test_interlaced_movies_are_read_as_whole_frames(self, movie: Path) -> None:
        """OpenCV's newer builds refuse to convert these, and return whatever was in memory."""
        write_movie(movie, 12, options={"x264-params": "interlaced=1"})
        assert order(read(movie)[0]) == list(range(12))

    def test_a_fragmented_movie_declares_no_length(self, movie: Path) -> None:
        write_movie(
            movie,
            20,
            options={"g": "5"},
            container_options={"movflags": "frag_keyframe+empty_moov"},
        )
        assert probe_movie(movie).declared_frames is None
        assert order(read(movie)[0]) == list(range(20))

    def test_a_movie_can_be_read_again(self, movie: Path) -> None:
        reader = open_movie(write_movie(movie, 5))
        assert len(list(reader)) == len(list(reader)) == reader.frame_count == 5
        assert len(reader.compute_timing().seconds) == 5

    def test_reading_can_stop_early(self, movie: Path) -> None:
        reader = open_movie(write_movie(movie, 30))
        frames = iter(reader)
        next(frames)
        next(frames)
        assert reader.frame_count == 2
        frames.close()  # type: ignore[attr-defined]
        assert len(reader.compute_timing().seconds) == 2

    def test_sound_beside_the_pictures_is_left_alone(self, movie: Path) -> None:
        with av.open(str(movie), "w") as container:
            video: Any = container.add_stream("libx264", rate=30)
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
            frames = (
                av.VideoFrame.from_ndarray(draw_picture(i, 96, 64), "rgb24") for i in range(20)
            )
            packets = [packet for frame in frames for packet in video.encode(frame)]
            add_sound(container, [*packets, *video.encode(None)])
        frames_read, reader = read(movie)
        assert order(frames_read) == list(range(20))
        assert_even(reader.compute_timing(), Fraction(30))

    def test_the_first_of_two_video_streams_is_read(self, movie: Path) -> None:
        with av.open(str(movie), "w") as container:
            first: Any = container.add_stream("libx264", rate=30, width=64, height=48)
            second: Any = container.add_stream("libx264", rate=30, width=128, height=96)
            for stream, frames in ((first, 3), (second, 9)):
                for index in range(frames):
                    image = draw_picture(index, stream.width, stream.height)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode(None))
        info = probe_movie(movie)
        assert info.width == 64
        (warning,) = info.warnings
        assert "holds 2 videos; the first one (64×48 pixels) is read" in warning
        assert len(read(movie)[0]) == 3


class TestTurnedMovies:
    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("degrees", [0, 90, 180, 270, -90, 89.999, 45, 60])
    def test_frames_are_turned_as_opencv_turns_them(
        self, movie: Path, degrees: float, mirrored: bool
    ) -> None:
        turn(write_movie(movie, 2), degrees, mirrored)
        captured, theirs = cv2.VideoCapture(str(movie)).read()
        assert captured
        ours = read(movie)[0][0]
        np.testing.assert_array_equal(ours, theirs[:, :, ::-1])
        assert ours.flags.c_contiguous
        assert (probe_movie(movie).height, probe_movie(movie).width) == ours.shape[:2]

    def test_a_quarter_turn_swaps_the_sides(self, movie: Path) -> None:
        turn(write_movie(movie, 2), 90)
        assert (probe_movie(movie).width, probe_movie(movie).height) == (64, 96)

    def test_a_rotation_that_is_none_is_ignored(self, movie: Path) -> None:
        write_movie(movie, 2)
        data = bytearray(movie.read_bytes())
        start = data.index(b"tkhd") + 44
        data[start : start + 36] = bytes(36)
        movie.write_bytes(data)
        assert read(movie)[0][0].shape == (64, 96, 3)

    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize(("degrees", "whole"), [(0, 90), (90, 90), (180, 270), (30, 60)])
    def test_the_whole_movie_and_its_track_may_both_be_turned(
        self, movie: Path, degrees: float, whole: float, mirrored: bool
    ) -> None:
        turn(write_movie(movie, 2), degrees)
        turn(movie, whole, mirrored, box=b"mvhd", place=36)
        theirs = next(opencv_frames(movie))
        np.testing.assert_array_equal(read(movie)[0][0], theirs[:, :, ::-1])

    @pytest.mark.parametrize("degrees", [90, 180, 270])
    @pytest.mark.parametrize("turned", [0, 90])
    @pytest.mark.parametrize(
        ("codec", "options", "start"),
        [
            ("libx264", {"g": "5"}, bytes([6, 47])),
            ("libx265", {"x265-params": "keyint=5:log-level=none"}, bytes([78, 1, 47])),
        ],
    )
    def test_what_the_bitstream_says_of_some_pictures_turns_none(
        self,
        movie: Path,
        codec: str,
        options: dict[str, str],
        start: bytes,
        turned: float,
        degrees: int,
    ) -> None:
        """As OpenCV has it: FFmpeg tells it with those pictures alone that carry the message."""
        write_movie(movie, 12, codec=codec, options=options)
        # Not canceled, not mirrored, 16 bits of angle, then a repetition and an extension flag.
        angle = round(degrees * 2**16 / 360)
        message = ((angle << 5) | 0b10100).to_bytes(3, "big")
        mux_again(movie, lambda data: with_unit(data, start + bytes([3]) + message + b"\x80"))
        with av.open(str(movie)) as container:
            assert next(container.decode(video=0)).rotation % 360 == degrees
        turn(movie, turned)
        frames = read(movie)[0]
        assert all(
            np.array_equal(ours, theirs[:, :, ::-1])
            for ours, theirs in zip(frames, opencv_frames(movie), strict=True)
        )
        assert {frame.shape for frame in frames} == {(96, 64, 3) if turned else (64, 96, 3)}
        assert (probe_movie(movie).height, probe_movie(movie).width) == frames[0].shape[:2]
        drawn_on = [planes is not None for planes, _ in open_movie(movie).read_paintable_frames()]
        assert drawn_on == [not turned] * 12

    def test_photographs_that_say_how_the_camera_was_held_are_not_turned(
        self, tmp_path: Path
    ) -> None:
        path = write_movie(tmp_path / "m.avi", 3, codec="mjpeg", pixel_format="yuvj420p")
        before = read(path)[0]
        entry = struct.pack("<HHIHH", 0x112, 3, 1, 6, 0)  # orientation: a quarter turn
        exif = b"Exif\0\0II*\0\x08\0\0\0\1\0" + entry + bytes(4)
        part = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        mux_again(path, lambda data: data[:2] + part + data[2:])
        np.testing.assert_array_equal(read(path)[0], before)

    @pytest.mark.parametrize("length", [1, 8, 60, 200])
    def test_a_header_that_breaks_off_turns_nothing(self, tmp_path: Path, length: int) -> None:
        path = tmp_path / "m.mp4"
        header = struct.pack(">I4s", 108, b"moov") + struct.pack(">I4s", 100, b"trak")
        path.write_bytes((header + struct.pack(">I4s", 92, b"tkhd") + bytes(200))[:length])
        assert read_rotation(path, 0) == 0


class TestCroppedInTheBitstream:
    """FFmpeg cuts columns off at the left only as far as its memory is aligned."""

    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    @pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le"])
    @pytest.mark.parametrize("left", [2, 8, 16, 34])
    @pytest.mark.parametrize("degrees", [0, 90])
    def test_pictures_are_those_of_opencv(
        self, movie: Path, codec: str, pixel_format: str, left: int, degrees: int
    ) -> None:
        crop(movie, codec, pixel_format, crop_left=left)
        turn(movie, degrees)
        frames = read(movie)[0]
        assert frames[0].shape == ((160 - left, 64, 3) if degrees else (64, 160 - left, 3))
        info = probe_movie(movie)
        assert (info.height, info.width) == frames[0].shape[:2]
        assert all(
            np.array_equal(ours, theirs[:, :, ::-1])
            for ours, theirs in zip(frames, opencv_frames(movie), strict=True)
        )
        (told,) = info.warnings
        kept = 2 if (left, pixel_format) == (34, "yuv422p10le") else left  # 32 are 64 bytes
        assert f"where FFmpeg leaves {kept} columns; OpenCV, and so DeepLabCut, squeezes" in told
        for planes, image in open_movie(movie).read_paintable_frames():
            assert planes is None
            assert image().shape == frames[0].shape

    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    @pytest.mark.parametrize("sides", [{"crop_top": 6}, {"crop_right": 6, "crop_bottom": 4}])
    def test_other_sides_are_cut_where_they_should_be(
        self, movie: Path, codec: str, sides: dict[str, int]
    ) -> None:
        crop(movie, codec, "yuv420p", **sides)
        frames = read(movie)[0]
        assert probe_movie(movie).warnings == ()
        assert all(
            np.array_equal(ours, theirs[:, :, ::-1])
            for ours, theirs in zip(frames, opencv_frames(movie), strict=True)
        )

    def test_the_width_that_the_container_claims_does_not_count(self, movie: Path) -> None:
        crop(movie, "libx264", "yuv420p", crop_left=8)
        data = bytearray(movie.read_bytes())
        place = data.index(b"avc1", data.index(b"stsd")) + 28
        assert struct.unpack_from(">2H", data, place) == (160, 64)
        struct.pack_into(">H", data, place, 152)
        movie.write_bytes(data)
        np.testing.assert_array_equal(read(movie)[0][0], next(opencv_frames(movie))[:, :, ::-1])


class TestTimes:
    @pytest.mark.parametrize("rate", [NTSC, Fraction(24000, 1001), 25, 100, Fraction(1998, 100)])
    @pytest.mark.parametrize(
        ("suffix", "codec", "pixel_format"),
        [("mp4", "libx264", "yuv420p"), ("avi", "mjpeg", "yuvj420p")],
    )
    def test_a_constant_rate_is_index_over_rate_exactly(
        self, tmp_path: Path, suffix: str, codec: str, pixel_format: str, rate: Fraction | int
    ) -> None:
        path = write_movie(
            tmp_path / f"m.{suffix}", 40, rate=rate, codec=codec, pixel_format=pixel_format
        )
        times = timing(path)
        assert_even(times, Fraction(rate))
        assert len(times.seconds) == 40

    @pytest.mark.parametrize("frames", [50, 299, 301])
    def test_a_clock_of_milliseconds_is_a_constant_rate(self, movie: Path, frames: int) -> None:
        stamps = [round(index * 1000 / 30) for index in range(frames)]
        write_movie(movie, frames, stamps=stamps)
        assert_even(timing(movie), Fraction(30))

    def test_a_rate_that_really_varies_keeps_its_times(self, movie: Path) -> None:
        steps = np.random.default_rng(5).integers(10, 90, 39)
        stamps = [0, *np.cumsum(steps).tolist()]
        write_movie(movie, 40, stamps=stamps)
        times = timing(movie)
        assert not times.constant
        np.testing.assert_allclose(times.seconds, np.array(stamps) / 1000, rtol=0, atol=1e-9)

    def test_a_pause_keeps_its_length(self, movie: Path) -> None:
        stamps = [index * 40 + (5000 if index >= 10 else 0) for index in range(20)]
        times = timing(write_movie(movie, 20, stamps=stamps))
        assert not times.constant
        assert times.seconds[10] - times.seconds[9] == pytest.approx(5.04)

    def test_times_begin_with_the_first_frame(self, movie: Path) -> None:
        stamps = [7000 + index * 40 for index in range(10)]
        times = timing(write_movie(movie, 10, stamps=stamps))
        np.testing.assert_array_equal(times.seconds, np.arange(10) / 25)


class TestEditLists:
    """An edit list says which part of what is stored is shown, and when."""

    @pytest.mark.parametrize("bframes", ["0", "3"])
    @pytest.mark.parametrize(("first", "shown"), [(0, 30), (5, 25), (12, 18), (5, 10)])
    def test_hidden_frames_are_left_out(
        self, movie: Path, bframes: str, first: int, shown: int
    ) -> None:
        write_movie(movie, 30, options={"g": "10", "bf": bframes})
        edit(movie, first, shown)
        assert probe_movie(movie).declared_frames == shown
        frames, reader = read(movie)
        assert all(
            np.array_equal(ours, theirs[:, :, ::-1])
            for ours, theirs in zip(frames, opencv_frames(movie), strict=True)
        )
        assert order_of(frames, 30) == list(range(first, first + shown))
        assert_even(reader.compute_timing(), Fraction(30))

    @pytest.mark.parametrize("shift", [-12, -5, 15])
    def test_times_that_begin_below_or_above_zero(self, movie: Path, shift: int) -> None:
        copy_packets(write_movie(movie, 30, options={"g": "10", "bf": "0"}), shift=shift)
        frames, reader = read(movie)
        assert order_of(frames, 30) == list(range(max(0, -shift), 30))
        assert_even(reader.compute_timing(), Fraction(30))


class TestClaims:
    """Headers that are wrong: frames are those that there are."""

    @pytest.mark.parametrize("claimed", [999, 5, 0])
    @pytest.mark.parametrize("indexed", [True, False])
    def test_a_wrong_number_of_frames(self, tmp_path: Path, claimed: int, indexed: bool) -> None:
        """The index counts; without one the file broke off, and its header may know of more."""
        path = write_movie(tmp_path / "m.avi", 20, codec="mjpeg", pixel_format="yuvj420p")
        overwrite(path, b"avih", 24, "<I", claimed)
        overwrite(path, b"strh", 40, "<I", claimed)
        if not indexed:
            data = path.read_bytes()
            path.write_bytes(data[: data.index(b"idx1")])
        assert probe_movie(path).declared_frames == (20 if indexed else max(20, claimed))
        frames, reader = read(path)
        assert order(frames) == list(range(20))
        assert_even(reader.compute_timing(), Fraction(30))

    def test_no_duration(self, movie: Path) -> None:
        write_movie(movie, 20)
        for box, place in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
            overwrite(movie, box, place, ">I", 0)
        frames, reader = read(movie)
        assert order(frames) == list(range(20))
        assert_even(reader.compute_timing(), Fraction(30))

    def test_frames_at_one_time_are_put_between_their_neighbors(self, movie: Path) -> None:
        """The table of times becomes: nine steps, none, a double one, and the others."""
        write_movie(movie, 20, options={"bf": "0"})
        data = movie.read_bytes()
        start = data.index(b"stts")
        entries, frames_there, step = struct.unpack_from(">3I", data, start + 8)
        assert (entries, frames_there) == (1, 20)
        table = struct.pack(">9I", 4, 9, step, 1, 0, 1, 2 * step, 9, step)
        longer = data[: start + 8] + table + data[start + 20 :]
        movie.write_bytes(longer)
        for box in (b"stts", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
            (size,) = struct.unpack_from(">I", longer, longer.index(box) - 4)
            overwrite(movie, box, -4, ">I", size + len(longer) - len(data))
        frames, reader = read(movie)
        assert order(frames) == list(range(20))
        times = reader.compute_timing().seconds
        assert (np.diff(times) > 0).all()
        assert times[-1] == pytest.approx(19 / 30)

    @pytest.mark.parametrize("suffix", ["mp4", "avi"])
    def test_no_frames(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"m.{suffix}"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("mpeg4", rate=30)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            container.start_encoding()
        with pytest.raises(BadInput) as caught:
            probe_movie(path)
        assert len(str(caught.value).splitlines()) == 1


class TestGaps:
    KINDS = (
        ("mp4", "libx264", "yuv420p"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mp4", "libvpx-vp9", "yuv420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
    )

    @pytest.mark.parametrize(("suffix", "codec", "pixel_format"), KINDS)
    @pytest.mark.parametrize("data", [b"\0", b"\xff"])
    @pytest.mark.parametrize("lost", [[25], [25, 26], [21, 22, 25, 26, 28]], ids=len)
    def test_overwritten_frames_are_named_and_others_keep_their_times(
        self,
        tmp_path: Path,
        suffix: str,
        codec: str,
        pixel_format: str,
        data: bytes,
        lost: list[int],
    ) -> None:
        path = write_movie(
            tmp_path / f"m.{suffix}",
            40,
            codec=codec,
            pixel_format=pixel_format,
            options={"bf": "0", "g": "10"} if codec == "libx264" else {},
        )
        erase(path, lost, data)
        frames, reader = read(path)
        kept = [index for index in range(40) if index not in lost]
        np.testing.assert_allclose(reader.compute_timing().seconds, np.array(kept) / 30, atol=1e-6)
        assert len(frames) == len(kept)
        assert lost_frame_warnings(probe_movie(path).declared_frames, reader.compute_timing()) == [
            said(lost)
        ]
        assert reader.errors[0].startswith(f"after {lost[0]} frames: ")

    @pytest.mark.parametrize(("suffix", "codec", "pixel_format"), [KINDS[1], KINDS[4]])
    def test_frames_lost_at_both_ends_are_named_and_time_begins_with_them(
        self, tmp_path: Path, suffix: str, codec: str, pixel_format: str
    ) -> None:
        path = tmp_path / f"m.{suffix}"
        write_movie(path, 40, codec=codec, pixel_format=pixel_format, options={"g": "1"})
        erase(path, [0, 1, 38, 39])
        _, reader = read(path)
        times = reader.compute_timing()
        np.testing.assert_allclose(times.seconds, np.arange(2, 38) / 30, atol=1e-6)
        assert float(compute_duration(times)) == pytest.approx(40 / 30)
        assert lost_frame_warnings(40, times) == [said([0, 1, 38, 39])]

    @pytest.mark.parametrize("bframes", ["2", "3"])
    @pytest.mark.parametrize("packet", range(20, 29))
    def test_frames_around_a_lost_reference_keep_their_order_and_times(
        self, movie: Path, bframes: str, packet: int
    ) -> None:
        write_movie(movie, 60, options={"bf": bframes, "g": "12", "b_strategy": "0", "qp": "1"})
        whole = read(movie)[0]
        erase(movie, [packet])
        frames, reader = read(movie)
        times = reader.compute_timing()
        assert (times.warnings, len(frames) < 60) == ((), True)
        places = np.rint(times.seconds * 30).astype(int).tolist()
        np.testing.assert_allclose(times.seconds, np.array(places) / 30, atol=1e-6)
        sound = [
            i for i, frame in enumerate(frames) if any(np.array_equal(frame, w) for w in whole)
        ]
        assert len(sound) > 30
        assert all(np.array_equal(frames[i], whole[places[i]]) for i in sound)
        assert lost_frame_warnings(60, times) == [said(sorted({*range(60)} - {*places}))]

    @pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
    def test_where_avi_does_not_tell_the_times_it_is_said(self, tmp_path: Path, codec: str) -> None:
        options = {"bf": "2", "g": "12", "b_strategy": "0"}
        path = write_movie(tmp_path / "m.avi", 60, codec=codec, options=options)
        assert timing(path).warnings == ()
        erase(path, [21])
        times = timing(path)
        assert times.warnings[-1].startswith("an AVI movie with B-frames does not store")
        assert lost_frame_warnings(60, times) == []
        assert (np.diff(times.seconds) > 0).all()
        assert times.seconds[-1] == pytest.approx(59 / 30)

    @pytest.mark.parametrize(("suffix", "codec", "pixel_format"), KINDS)
    def test_missing_frames_leave_their_gap(
        self, tmp_path: Path, suffix: str, codec: str, pixel_format: str
    ) -> None:
        options = {"bf": "0", "g": "1"}
        path = write_movie(
            tmp_path / f"m.{suffix}", 24, codec=codec, pixel_format=pixel_format, options=options
        )
        copy_packets(path, without=range(12, 17))
        frames, reader = read(path)
        kept = [index for index in range(24) if index not in range(12, 17)]
        assert order_of(frames, 24) == kept
        np.testing.assert_allclose(reader.compute_timing().seconds, np.array(kept) / 30, atol=1e-6)


class TestBrokenMovies:
    def test_a_movie_that_was_cut_off_is_read_up_to_there(self, movie: Path) -> None:
        write_movie(movie, 60, container_options={"movflags": "faststart"})
        movie.write_bytes(movie.read_bytes()[: int(movie.stat().st_size * 0.7)])
        frames, reader = read(movie)
        assert probe_movie(movie).declared_frames == 60
        assert 5 < len(frames) < 60
        assert order(frames[:-4]) == list(range(len(frames) - 4))
        assert reader.compute_timing().frame_rate == 30

    def test_a_recording_without_its_index_is_refused(self, movie: Path) -> None:
        write_movie(movie, 60)
        data = movie.read_bytes()
        movie.write_bytes(data[: data.index(b"moov") - 4])
        assert "found an MP4 that lacks its header (moov), which most cameras" in refusal(movie)

    @pytest.mark.parametrize("flags", ["", "faststart", "frag_keyframe+empty_moov"])
    @pytest.mark.parametrize("others", ["", "frag_keyframe+empty_moov"])
    def test_movies_whose_files_were_joined_are_to_be_parted(
        self, movie: Path, flags: str, others: str
    ) -> None:
        """FFmpeg reads the first one alone, or fragments of both."""
        parts = []
        for options, frames in ((flags, 12), (others, 9)):
            write_movie(movie, frames, container_options={"movflags": options} if options else {})
            parts.append(movie.read_bytes())
        movie.write_bytes(b"".join(parts))
        command = re.search(r"part them: head -c (\d+) .* and tail -c \+(\d+) ", refusal(movie))
        assert command
        assert [int(command[1]), int(command[2]) - 1] == [len(parts[0])] * 2

    @pytest.mark.parametrize(
        "more", [b"\0\0\0", b"GPS: 52.5;13.4\n" * 20, bytes(3000), b"\xff" * 99]
    )
    def test_what_is_appended_to_a_movie_is_no_damage(self, movie: Path, more: bytes) -> None:
        for flags in ({}, {"movflags": "faststart"}):
            write_movie(movie, 12, container_options=flags)
            movie.write_bytes(movie.read_bytes() + more)
            frames, reader = read(movie)
            assert order(frames) == list(range(12))
            assert reader.errors == []

    def test_what_stands_in_place_of_the_last_fragments_is_said(self, movie: Path) -> None:
        flags = {"movflags": "frag_keyframe+empty_moov"}
        options = {"g": "5", "sc_threshold": "0"}
        write_movie(movie, 20, options=options, container_options=flags)
        data = movie.read_bytes()
        movie.write_bytes(data[: data.rindex(b"moof") - 4] + b"\xff" * 500)
        frames, reader = read(movie)
        assert order(frames) == list(range(15))
        assert reader.errors[0].startswith("its last 500 bytes are no part of an MP4")

    @pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
    def test_damage_in_the_middle_is_stepped_over_and_told(self, movie: Path, codec: str) -> None:
        write_movie(movie, 60, codec=codec, container_options={"movflags": "faststart"})
        damage(movie, 0.6, b"\0" * 300)
        frames, reader = read(movie)
        assert reader.errors
        assert all(len(error.splitlines()) == 1 for error in reader.errors)
        assert 30 < len(frames) <= 60
        # What is left keeps its time: the last frame is where it was.
        assert reader.compute_timing().seconds[-1] == pytest.approx(59 / 30)

    @pytest.mark.parametrize(
        ("name", "codec", "skipped", "said"),
        [
            ("m.mp4", "libx264", 0, "after 13 frames: Invalid data found"),
            ("m.mp4", "libx264", 8, "frame 13 is damaged"),
            ("m.avi", "mpeg4", 8, "frame 13 is damaged"),
        ],
    )
    def test_damage_is_told_by_the_number_of_the_frame(
        self, tmp_path: Path, name: str, codec: str, skipped: int, said: str
    ) -> None:
        path = write_movie(tmp_path / name, 30, codec=codec, options={"bf": "0"})
        with av.open(str(path)) as container:
            start = (list(container.demux(video=0))[13].pos or 0) + skipped
        data = path.read_bytes()
        path.write_bytes(data[:start] + b"\xff" * 20 + data[start + 20 :])
        frames, reader = read(path)
        assert [error[: len(said)] for error in reader.errors] == [said]
        assert order(frames[:13]) == list(range(13))

    def test_what_is_rescued_does_not_depend_on_the_processors(self, movie: Path) -> None:
        """FFmpeg starts as many threads as a process may use processors, if it is not told."""
        processors = sorted(os.sched_getaffinity(0))
        if len(processors) == 1:
            pytest.skip("needs two processors")
        write_movie(movie, 60, container_options={"movflags": "faststart"}, options={"bf": "3"})
        movie.write_bytes(movie.read_bytes()[: int(movie.stat().st_size * 0.6)])
        found = [
            subprocess.run(
                [sys.executable, "-c", DIGEST, str(movie), *map(str, allowed)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for allowed in (processors[:1], processors[:2])
        ]
        assert found[0] == found[1] != ""

    def test_a_reader_forgets_the_errors_of_an_earlier_pass(self, movie: Path) -> None:
        write_movie(movie, 60, container_options={"movflags": "faststart"})
        damage(movie, 0.6, b"\0" * 300)
        frames, reader = read(movie)
        errors = list(reader.errors)
        assert len(list(reader)) == len(frames)
        assert reader.errors == errors

    def test_a_file_that_cannot_be_read_to_its_end_still_gives_what_is_decoded(self) -> None:
        shown = SimpleNamespace(is_corrupt=False)

        def demux(_stream: Any) -> Iterator[Any]:
            yield SimpleNamespace(size=9, pts=0, dts=0, is_discard=False, is_corrupt=False)
            raise av.error.OSError(5, "Input/output error")

        def decode(packet: Any) -> list[Any]:
            return [] if packet else [shown, shown]  # frames that waited for their order

        errors: list[str] = []
        container = SimpleNamespace(demux=demux, format=SimpleNamespace(name="mp4"))
        stream = SimpleNamespace(decode=decode, container=container)
        assert list(ffmpeg_reader.decode_frames(container, stream, errors, StoredFrames())) == [
            shown,
            shown,
        ]
        assert errors == ["the file cannot be read to its end: Input/output error"]

    def test_a_size_that_changes_on_the_way_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "m.avi"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("mjpeg", rate=30)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
            other: Any = av.CodecContext.create("mjpeg", "w")
            other.width, other.height, other.pix_fmt = 128, 96, "yuvj420p"
            other.time_base = Fraction(1, 30)
            for index in range(4):
                encoder, size = (stream, (64, 48)) if index < 2 else (other, (128, 96))
                frame = av.VideoFrame.from_ndarray(draw_picture(index, *size), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 30)
                for packet in encoder.encode(frame):
                    packet.stream = stream
                    container.mux(packet)
        with pytest.raises(BadInput, match="frame 2 has 128×96 pixels, those before it have 64×48"):
            read(path)

    def test_random_damage_ends_in_frames_or_in_a_refusal(self, tmp_path: Path) -> None:
        outcomes: set[bool | None] = set()
        for suffix, codec in [("mp4", "libx264"), ("avi", "mpeg4")]:
            whole = write_movie(tmp_path / f"m.{suffix}", 4, codec=codec).read_bytes()
            path = tmp_path / f"damaged.{suffix}"
            generator = np.random.default_rng(0)
            for _ in range(60):
                data = bytearray(whole)
                for place in generator.integers(0, len(data), 6):
                    data[place : place + 4] = generator.bytes(4)
                path.write_bytes(data)
                try:
                    outcomes.add(bool(read(path)[0]))
                except BadInput:
                    outcomes.add(None)
        assert outcomes >= {True, None}


class TestWhatIsNoMovie:
    def test_an_empty_file(self, movie: Path) -> None:
        movie.touch()
        assert "the file is empty (0 bytes)" in refusal(movie)

    @pytest.mark.parametrize(
        "data",
        [b"hello, I am text\n" * 100, b"\0" * 5000, b"\xff" * 5000, b"\0\0\0\x18ftypmp42"],
    )
    def test_another_kind_of_file(self, movie: Path, data: bytes) -> None:
        movie.write_bytes(data)
        assert "expected an MP4 or AVI movie" in refusal(movie)

    def test_a_movie_in_another_container(self, tmp_path: Path) -> None:
        path = write_movie(tmp_path / "m.mkv", 3)
        assert "expected an MP4 or AVI movie" in refusal(path.rename(tmp_path / "m.mp4"))

    def test_a_picture(self, tmp_path: Path) -> None:
        path = tmp_path / "m.mp4"
        path.write_bytes(cv2.imencode(".jpg", draw_picture(0, 96, 64))[1].tobytes())
        assert "expected an MP4 or AVI movie" in refusal(path)

    def test_sound_only(self, movie: Path) -> None:
        with av.open(str(movie), "w") as container:
            add_sound(container)
        assert "it holds no video (sound only?)" in refusal(movie)

    def test_sound_with_a_cover_picture(self, movie: Path) -> None:
        with av.open(str(movie), "w") as container:
            cover: Any = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            image = av.VideoFrame.from_ndarray(draw_picture(0, 96, 64), format="rgb24")
            add_sound(container, [*cover.encode(image), *cover.encode(None)])
        assert "it holds no video (sound only?)" in refusal(movie)

    @pytest.mark.parametrize(("suffix", "known"), [("mp4", b"avc1"), ("avi", b"H264")])
    def test_an_unknown_codec(self, tmp_path: Path, suffix: str, known: bytes) -> None:
        path = write_movie(tmp_path / f"m.{suffix}", 3)
        data = path.read_bytes()
        assert known in data
        path.write_bytes(data.replace(known, b"zzzz"))
        assert "its video codec is unknown" in refusal(path)

    def test_no_frame_that_can_be_decoded(self, movie: Path) -> None:
        write_movie(movie, 3, container_options={"movflags": "faststart"})
        data = movie.read_bytes()
        start = data.index(b"mdat") + 4
        movie.write_bytes(data[:start] + b"\0" * (len(data) - start))
        with pytest.raises(BadInput, match="no frame of it can be decoded"):
            probe_movie(movie)
        assert read(movie)[0] == []

    def test_more_frames_a_second_than_there_can_be(self, tmp_path: Path) -> None:
        path = write_movie(tmp_path / "m.avi", 4, codec="mjpeg", pixel_format="yuvj420p")
        data = bytearray(path.read_bytes())
        struct.pack_into("<II", data, data.index(b"strh") + 28, 1, 1_000_000)
        path.write_bytes(data)
        assert "declares 1e+06 frames/s, more than the 100,000 allowed" in refusal(path)

    def test_frames_larger_than_memory(self, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ffmpeg_container, "MAX_PIXELS", 96 * 64 - 1)
        assert "it claims frames of 96×64 pixels" in refusal(write_movie(movie, 2))

    def test_colors_that_cannot_be_converted(self, movie: Path) -> None:
        with av.open(str(movie), "w") as container:
            stream: Any = container.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            ycgco = 8
            stream.codec_context.colorspace = ycgco
            frame = av.VideoFrame.from_ndarray(draw_picture(0, 96, 64), format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode(None)])
        assert "its pictures (yuv420p) cannot be converted to RGB" in refusal(movie)

    def test_a_folder(self, movie: Path) -> None:
        movie.mkdir()
        assert "Is a directory" in refusal(movie)


class TestConfinement:
    """A script that is called ``.mp4`` opens no other file and no address."""

    @pytest.mark.parametrize("scheme", ["", "file://", "file:"])
    @pytest.mark.parametrize(
        "script",
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '{}'\n",
            "<MPD><Period><AdaptationSet mimeType='video/mp4'><BaseURL>{}</BaseURL></MPD>",
        ],
    )
    def test_other_files_stay_closed(self, tmp_path: Path, script: str, scheme: str) -> None:
        other = write_movie(tmp_path / "other.mp4", 2)
        path = tmp_path / "m.mp4"
        path.write_text(script.format(f"{scheme}{other}"))
        assert "expected an MP4 or AVI movie" in refusal(path)

    @pytest.mark.parametrize(
        "script",
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '{}'\n",
            "{}",
        ],
    )
    def test_nobody_is_called(self, movie: Path, script: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            movie.write_text(script.format(f"http://127.0.0.1:{server.getsockname()[1]}/m.mp4"))
            refusal(movie)
            with pytest.raises(BlockingIOError):
                server.accept()

    def test_a_name_that_looks_like_an_address_is_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = write_movie(tmp_path / "m.mp4", 2)
        monkeypatch.chdir(tmp_path)
        name = Path("http:") / "127.0.0.1:9" / "m.mp4"
        name.parent.mkdir(parents=True)
        shutil.copy(source, name)
        assert len(read(name)[0]) == 2


def add_sound(container: Any, packets: Any = ()) -> None:
    """Mux a second of silence, after packets of other streams."""
    stream = container.add_stream("aac", rate=44100, layout="mono")
    silence = av.AudioFrame.from_ndarray(
        np.zeros((1, 44100), np.float32), format="fltp", layout="mono"
    )
    silence.sample_rate, silence.pts = 44100, 0
    container.mux([*packets, *stream.encode(silence), *stream.encode(None)])
