"""Movies of every kind, sound and broken: frames, times, shape, and clear refusals."""

import math
import shutil
import socket
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from tasks.pose import movies
from tasks.pose.errors import BadInput
from tasks.pose.movies import MovieReader, Timing, probe, timing_of
from tests.movie_files import picture, write_movie

NTSC = Fraction(30000, 1001)
MILLISECOND = Fraction(1, 1000)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return tmp_path / "m.mp4"


def read(path: Path) -> tuple[list[movies.Image], MovieReader]:
    reader = MovieReader(path)
    return list(reader), reader


def timing(path: Path) -> Timing:
    return read(path)[1].timing()


def refusal(path: Path) -> str:
    """Why a movie is refused, by its probe and by its reader alike, in one line."""
    texts = []
    for attempt in (lambda: probe(path, "mouse 1.mp4"), lambda: read(path)):
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


def turn(path: Path, degrees: float, mirrored: bool = False) -> None:
    """Write a rotation into an MP4's track header, as phones do."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    flip = -1 if mirrored else 1
    matrix = (cosine * flip, sine * flip, 0, -sine, cosine, 0, 0, 0, 1)
    scale = (65536, 65536, 2**30) * 3
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    struct.pack_into(
        ">9i", data, start, *(round(m * s) for m, s in zip(matrix, scale, strict=True))
    )
    path.write_bytes(data)


def order(frames: list[movies.Image]) -> list[int]:
    """Which picture each frame shows."""
    wanted = [picture(index, 96, 64).astype(int) for index in range(len(frames))]
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
        info = probe(path)
        assert (info.width, info.height, info.declared_frames) == (96, 64, 24)
        assert info.frame_rate == 30
        assert info.codec == {"libx264": "h264"}.get(codec, codec)
        frames, reader = read(path)
        assert order(frames) == list(range(24)) or "gray" in pixel_format
        assert {(frame.shape, frame.dtype.name) for frame in frames} == {((64, 96, 3), "uint8")}
        assert (reader.frames, reader.errors) == (24, [])
        times = reader.timing()
        assert_even(times, Fraction(30))

    @pytest.mark.parametrize(("width", "height"), [(95, 63), (2, 2), (17, 64), (96, 1)])
    @pytest.mark.parametrize(("suffix", "codec"), [("avi", "ffv1"), ("mp4", "mpeg4")])
    def test_odd_sizes_are_kept(
        self, tmp_path: Path, suffix: str, codec: str, width: int, height: int
    ) -> None:
        path = write_movie(tmp_path / f"m.{suffix}", 3, codec=codec, width=width, height=height)
        assert (probe(path).width, probe(path).height) == (width, height)
        assert [frame.shape for frame in read(path)[0]] == [(height, width, 3)] * 3

    @pytest.mark.parametrize("name", ["m.MP4", "m.Avi", "a b%d:?#[1].mp4", "ä\n.mp4", "-y.mp4"])
    def test_any_name_will_do(self, movie: Path, name: str) -> None:
        write_movie(movie, 2)
        path = movie.rename(movie.with_name(name))
        assert probe(path).declared_frames == 2
        assert len(read(path)[0]) == 2

    def test_content_counts_more_than_the_suffix(self, tmp_path: Path) -> None:
        path = write_movie(tmp_path / "m.avi", 2, codec="mjpeg", pixel_format="yuvj420p")
        assert len(read(path.rename(tmp_path / "m.mp4"))[0]) == 2

    def test_one_frame_is_a_movie(self, movie: Path) -> None:
        write_movie(movie, 1, rate=25)
        frames, reader = read(movie)
        assert len(frames) == 1
        assert_even(reader.timing(), Fraction(25))

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
        assert probe(movie).declared_frames is None
        assert order(read(movie)[0]) == list(range(20))

    def test_a_movie_can_be_read_again(self, movie: Path) -> None:
        reader = MovieReader(write_movie(movie, 5))
        assert len(list(reader)) == len(list(reader)) == reader.frames == 5
        assert len(reader.timing().seconds) == 5

    def test_reading_can_stop_early(self, movie: Path) -> None:
        reader = MovieReader(write_movie(movie, 30))
        frames = iter(reader)
        next(frames)
        next(frames)
        assert reader.frames == 2
        frames.close()  # type: ignore[attr-defined]
        assert len(reader.timing().seconds) == 2

    def test_the_first_of_two_video_streams_is_read(self, movie: Path) -> None:
        with av.open(str(movie), "w") as container:
            first: Any = container.add_stream("libx264", rate=30, width=64, height=48)
            second: Any = container.add_stream("libx264", rate=30, width=128, height=96)
            for stream, frames in ((first, 3), (second, 9)):
                for index in range(frames):
                    image = picture(index, stream.width, stream.height)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode(None))
        assert probe(movie).width == 64
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
        assert (probe(movie).height, probe(movie).width) == ours.shape[:2]

    def test_a_quarter_turn_swaps_the_sides(self, movie: Path) -> None:
        turn(write_movie(movie, 2), 90)
        assert (probe(movie).width, probe(movie).height) == (64, 96)

    def test_a_rotation_that_is_none_is_ignored(self, movie: Path) -> None:
        write_movie(movie, 2)
        data = bytearray(movie.read_bytes())
        start = data.index(b"tkhd") + 44
        data[start : start + 36] = bytes(36)
        movie.write_bytes(data)
        assert read(movie)[0][0].shape == (64, 96, 3)


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


class TestTimingOf:
    @pytest.mark.parametrize("phase", [0.0, 0.3, 0.5, 0.9])
    @pytest.mark.parametrize("cut", [round, math.floor, math.ceil])
    @pytest.mark.parametrize("rate", [Fraction(30), NTSC, Fraction(60), Fraction(19)])
    def test_rounded_clocks_of_any_phase_are_even(
        self, rate: Fraction, cut: Any, phase: float
    ) -> None:
        stamps = [cut(1000 * (index / rate + phase / 1000)) for index in range(500)]
        times = timing_of(stamps, MILLISECOND, [rate * Fraction(10001, 10000), rate])
        assert (times.frame_rate, times.constant) == (rate, True)

    def test_two_milliseconds_of_unevenness_are_no_rounding(self) -> None:
        stamps = [index * 40 + (2 if index % 7 == 3 else 0) for index in range(100)]
        times = timing_of(stamps, MILLISECOND, [Fraction(25)])
        assert not times.constant
        np.testing.assert_allclose(times.seconds * 1000, stamps)

    def test_a_single_late_frame_is_not_smoothed_away(self) -> None:
        stamps = [index * 40 + (3 if index == 99 else 0) for index in range(100)]
        assert timing_of(stamps, MILLISECOND, [Fraction(25)]).seconds[-1] == pytest.approx(3.963)

    def test_the_rate_is_measured_where_all_claims_are_wrong(self) -> None:
        stamps = [index * 20 for index in range(100)]
        times = timing_of(stamps, MILLISECOND, [Fraction(90000), Fraction(30)])
        assert_even(times, Fraction(50))

    def test_the_plainest_claim_counts_where_several_fit(self) -> None:
        stamps = [round(index * 1000 / 30) for index in range(301)]
        claims = [Fraction(4816000, 160533), Fraction(30)]
        assert timing_of(stamps, MILLISECOND, claims).frame_rate == 30

    def test_a_claim_that_fits_exactly_counts_more_than_a_plain_one(self) -> None:
        exact = Fraction(2997, 100)
        claims = [NTSC, exact, Fraction(30)]
        assert timing_of(list(range(40)), 1 / exact, claims).frame_rate == exact

    @pytest.mark.parametrize(
        "stamps",
        [[None, None, None], [0, None, 2], [0, 0, 1], [0, 2, 1], [5, 4, 3]],
    )
    def test_without_usable_stamps_frames_follow_the_rate(self, stamps: list[int | None]) -> None:
        times = timing_of(stamps, MILLISECOND, [Fraction(10), Fraction(20)])
        assert_even(times, Fraction(10))
        assert len(times.seconds) == 3

    @pytest.mark.parametrize("stamps", [[], [None], [7]])
    def test_few_frames_have_times_too(self, stamps: list[int | None]) -> None:
        times = timing_of(stamps, MILLISECOND, [Fraction(10)])
        assert times.seconds.tolist() == [0.0] * len(stamps)
        assert times.constant

    def test_hours_of_frames_stay_exact(self) -> None:
        frames = 10 * 3600 * 30
        times = timing_of([1001 * index for index in range(frames)], Fraction(1, 30000), [NTSC])
        assert times.constant
        assert times.seconds[-1] == float((frames - 1) / NTSC)


class TestBrokenMovies:
    def test_a_movie_that_was_cut_off_is_read_up_to_there(self, movie: Path) -> None:
        write_movie(movie, 60, container_options={"movflags": "faststart"})
        movie.write_bytes(movie.read_bytes()[: int(movie.stat().st_size * 0.7)])
        frames, reader = read(movie)
        assert probe(movie).declared_frames == 60
        assert 5 < len(frames) < 60
        assert order(frames[:-4]) == list(range(len(frames) - 4))
        assert reader.timing().frame_rate == 30

    def test_a_recording_without_its_index_is_refused(self, movie: Path) -> None:
        write_movie(movie, 60)
        data = movie.read_bytes()
        movie.write_bytes(data[: data.index(b"moov") - 4])
        assert "found a file that cannot be opened as one, or only a part of one" in refusal(movie)

    @pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
    def test_damage_in_the_middle_is_stepped_over_and_told(self, movie: Path, codec: str) -> None:
        write_movie(movie, 60, codec=codec, container_options={"movflags": "faststart"})
        damage(movie, 0.6, b"\0" * 300)
        frames, reader = read(movie)
        assert reader.errors
        assert all(len(error.splitlines()) == 1 for error in reader.errors)
        assert 30 < len(frames) <= 60
        # What is left keeps its time: the last frame is where it was.
        assert reader.timing().seconds[-1] == pytest.approx(59 / 30)

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

    def test_what_is_rescued_does_not_depend_on_the_processors(
        self, movie: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_movie(movie, 60, container_options={"movflags": "faststart"}, options={"bf": "3"})
        movie.write_bytes(movie.read_bytes()[: int(movie.stat().st_size * 0.6)])
        streams = []
        original = movies._picture_stream

        def keep(container: Any, name: str) -> Any:
            streams.append(original(container, name))
            return streams[-1]

        monkeypatch.setattr(movies, "_picture_stream", keep)
        read(movie)
        (stream,) = streams
        assert stream.codec_context.thread_count == movies.DECODER_THREADS

    def test_a_reader_forgets_the_errors_of_an_earlier_pass(self, movie: Path) -> None:
        write_movie(movie, 60, container_options={"movflags": "faststart"})
        damage(movie, 0.6, b"\0" * 300)
        frames, reader = read(movie)
        errors = list(reader.errors)
        assert len(list(reader)) == len(frames)
        assert reader.errors == errors

    def test_a_file_that_cannot_be_read_to_its_end_still_gives_what_is_decoded(self) -> None:
        shown = SimpleNamespace(is_corrupt=False)

        def demux(_stream: Any) -> Iterator[str]:
            yield "packet"
            raise av.error.OSError(5, "Input/output error")

        def decode(packet: str | None) -> list[Any]:
            return [] if packet else [shown, shown]  # frames that waited for their order

        errors: list[str] = []
        container, stream = SimpleNamespace(demux=demux), SimpleNamespace(decode=decode)
        assert list(movies._decoded(container, stream, errors)) == [shown, shown]
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
                frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
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
        path.write_bytes(cv2.imencode(".jpg", picture(0, 96, 64))[1].tobytes())
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
            image = av.VideoFrame.from_ndarray(picture(0, 96, 64), format="rgb24")
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
            probe(movie)
        assert read(movie)[0] == []

    def test_frames_larger_than_memory(self, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(movies, "MAX_PIXELS", 96 * 64 - 1)
        assert "it claims frames of 96×64 pixels" in refusal(write_movie(movie, 2))

    def test_colors_that_cannot_be_converted(self, movie: Path) -> None:
        with av.open(str(movie), "w") as container:
            stream: Any = container.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            ycgco = 8
            stream.codec_context.colorspace = ycgco
            frame = av.VideoFrame.from_ndarray(picture(0, 96, 64), format="rgb24")
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
