"""Frames that a recorder dropped, and those that a file lists and does not hold, are told apart."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.pose.movies.avi_index import read_avi_index
from tasks.pose.movies.frame_ledger import FrameLedger, create_ledger, lost_frame_warnings
from tasks.pose.movies.mp4_boxes import find_break, read_boxes
from tasks.pose.movies.reader import MovieReader, open_movie, probe_movie
from tasks.pose.movies.start_times import compute_duration
from tests.support.avi_files import as_before, as_packed, read_packets, write_avi
from tests.support.movie_files import draw_picture, write_movie

INTRA = ("mjpeg", "yuvj420p")
"""A codec whose every frame stands for itself."""


def read(path: Path) -> tuple[list[Any], MovieReader]:
    reader = open_movie(path)
    return list(reader), reader


def ledger(path: Path) -> FrameLedger:
    return create_ledger(probe_movie(path).declared_frames, read(path)[1].compute_timing())


def lost(path: Path) -> list[str]:
    timing = read(path)[1].compute_timing()
    return lost_frame_warnings(probe_movie(path).declared_frames, timing)


def opencv_frames(path: Path) -> Iterator[Any]:
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield read[1][:, :, ::-1]


def assert_pictures_of_opencv(path: Path) -> None:
    frames = read(path)[0]
    theirs = list(opencv_frames(path))
    assert len(frames) == len(theirs)
    assert all(np.array_equal(a, b) for a, b in zip(frames, theirs, strict=True))


def order_of(frames: list[Any], pictures: int) -> list[int]:
    """Which picture each frame shows."""
    wanted = [draw_picture(index, 96, 64).astype(int) for index in range(pictures)]
    return [int(np.argmin([np.abs(frame - one).sum() for one in wanted])) for frame in frames]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """An AVI of 20 frames at 30 frames/s, each of which stands for itself."""
    codec, pixel_format = INTRA
    return write_movie(tmp_path / "whole.avi", 20, codec=codec, pixel_format=pixel_format)


def without(chunks: list[bytes], *dropped: int) -> list[bytes]:
    return [b"" if index in dropped else chunk for index, chunk in enumerate(chunks)]


class TestEmptyPlaces:
    """Programs that record AVI leave the place of a frame that they drop empty."""

    @pytest.mark.parametrize("index", ["idx1", "OpenDML", ""])
    @pytest.mark.parametrize("groups", [False, True])
    @pytest.mark.parametrize("dropped", [(5, 6, 7, 12), (0, 1), (18, 19), (0, 9, 19)])
    @pytest.mark.parametrize("placeholder", [b"", b"\x7f"])
    def test_dropped_frames_are_no_loss_and_the_others_keep_their_times(
        self,
        tmp_path: Path,
        whole: Path,
        index: str,
        groups: bool,
        dropped: tuple[int, ...],
        placeholder: bytes,
    ) -> None:
        chunks = [chunk or placeholder for chunk in without(read_packets(whole), *dropped)]
        path = write_avi(tmp_path / "m.avi", whole, chunks, index=index, groups=groups)
        assert probe_movie(path).declared_frames == 20
        frames, reader = read(path)
        kept = [place for place in range(20) if place not in dropped]
        assert order_of(frames, 20) == kept
        times = reader.compute_timing()
        np.testing.assert_allclose(times.seconds, np.array(kept) / 30, atol=1e-9)
        assert float(compute_duration(times)) == pytest.approx(20 / 30)
        counted = create_ledger(20, times)
        numbers = [n for first, last in counted.dropped for n in range(first, last + 1)]
        assert (numbers, counted.lost_frame_count) == (list(dropped), 0)
        assert (reader.errors, counted.list_disagreements(), lost(path)) == ([], [], [])
        (told,) = counted.dropped_frame_warnings()
        assert told.startswith(f"{len(dropped)} frames were dropped by the recorder (")
        if not placeholder:  # OpenCV takes it for the end
            assert_pictures_of_opencv(path)

    def test_dropped_and_lost_frames_are_told_apart(self, tmp_path: Path, whole: Path) -> None:
        chunks = without(read_packets(whole), 3, 4, 15)
        chunks[9], chunks[10] = bytes(len(chunks[9])), bytes(len(chunks[10]))
        path = write_avi(tmp_path / "m.avi", whole, chunks)
        counted = ledger(path)
        assert (counted.dropped, counted.lost_frame_count) == (((3, 4), (15, 15)), 2)
        assert lost(path) == ["frames that can't be decoded: 9–10; the others keep their times"]

    @pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libx265"])
    @pytest.mark.parametrize("rate", [30, 25, Fraction(30000, 1001), 120])
    @pytest.mark.parametrize("clock", [Fraction(1, 600), Fraction(1, 90000)])
    def test_a_copy_from_mp4_has_many_places_for_each_frame(
        self, tmp_path: Path, codec: str, rate: Fraction | int, clock: Fraction
    ) -> None:
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {"bf": "2"}
        source = write_movie(tmp_path / "m.mp4", 24, rate=rate, codec=codec, options=options)
        step = round(1 / (clock * rate))
        places: list[bytes] = []
        for packet in in_stream_form(source):
            places += [packet, *[b""] * (step - 1)]
        in_avi = "mpeg4" if codec == "mpeg4" else "libx264"
        like = write_movie(tmp_path / "like.avi", 2, codec=in_avi, options={"bf": "2"})
        path = write_avi(tmp_path / "m.avi", like, places)
        data = bytearray(path.read_bytes())
        if codec == "libx265":
            data = data.replace(b"H264", b"HEVC")
        struct.pack_into("<II", data, data.index(b"strh") + 28, clock.numerator, clock.denominator)
        path.write_bytes(data)
        frames, reader = read(path)
        assert order_of(frames, 24) == list(range(24))
        times = reader.compute_timing()
        assert (times.constant, times.warnings) == (True, ())
        assert times.frame_rate == 1 / (step * clock) == probe_movie(path).frame_rate
        counted = ledger(path)
        assert (counted.declared, counted.dropped, counted.lost_frame_count) == (24, (), 0)
        assert_pictures_of_opencv(path)

    @pytest.mark.parametrize("empty", [b"", b"\x7f", None])
    def test_pictures_of_mpeg4_that_say_as_before(
        self, tmp_path: Path, empty: bytes | None
    ) -> None:
        """As XviD and DivX write what was dropped: without a picture, OpenCV gives none."""
        whole = write_movie(tmp_path / "whole.avi", 20, codec="mpeg4", options={"g": "5"})
        packets = read_packets(whole)
        chunks = [
            (as_before(place) if empty is None else empty) if place in {7, 8, 13} else packet
            for place, packet in enumerate(packets)
        ]
        path = write_avi(tmp_path / "m.avi", whole, chunks)
        counted = ledger(path)
        assert (counted.declared, counted.decoded, counted.lost_frame_count) == (20, 17, 0)
        assert counted.dropped == ((7, 8), (13, 13))
        if empty != b"\x7f":
            assert_pictures_of_opencv(path)

    def test_pictures_of_xvid_that_are_packed_two_to_a_frame(self, tmp_path: Path) -> None:
        options = {"bf": "1", "g": "100", "b_strategy": "0"}
        whole = write_movie(tmp_path / "whole.avi", 21, codec="mpeg4", options=options)
        first, *others = read_packets(whole)
        chunks = [as_packed(first)]
        for place in range(0, len(others) - 1, 2):
            chunks += [others[place] + others[place + 1], as_before(place)]
        path = write_avi(tmp_path / "m.avi", whole, chunks)
        frames, reader = read(path)
        assert order_of(frames, 21) == list(range(len(frames)))
        assert len(frames) >= 20
        counted = ledger(path)
        assert (counted.declared, counted.dropped) == (21, ())
        assert counted.lost_frame_count == 21 - len(frames)
        assert reader.compute_timing().frame_rate == 30
        assert_pictures_of_opencv(path)

    @pytest.mark.parametrize("placeholder", [b"", b"\x7f"])
    @pytest.mark.parametrize("dropped", [0, 1, 6])
    def test_xvid_leaves_places_empty_while_it_looks_ahead(
        self, tmp_path: Path, placeholder: bytes, dropped: int
    ) -> None:
        """After its first picture; no frame was dropped there, and frames are a period apart."""
        options = {"bf": "1", "g": "100", "b_strategy": "0"}
        whole = write_movie(tmp_path / "whole.avi", 21, codec="mpeg4", options=options)
        first, *others = read_packets(whole)
        chunks = [as_packed(first), placeholder]
        for place in range(0, len(others) - 1, 2):
            chunks += [others[place] + others[place + 1], as_before(place)]
        chunks[1 + dropped : 1 + dropped] = [placeholder] * (dropped > 1)
        path = write_avi(tmp_path / "m.avi", whole, [placeholder] * (dropped == 1) + chunks)
        frames, reader = read(path)
        assert order_of(frames, 21) == list(range(len(frames)))
        times = reader.compute_timing()
        assert any("looked 1 frame ahead" in warning for warning in times.warnings)
        counted = create_ledger(None, times)
        assert len(counted.dropped) == bool(dropped)
        assert (counted.declared, counted.dropped_frame_count) == (
            21 + bool(dropped),
            bool(dropped),
        )
        start = 1 if dropped == 1 else 0
        np.testing.assert_allclose(times.seconds[:4], (start + np.arange(4)) / 30, atol=1e-9)
        if placeholder == b"":
            assert_pictures_of_opencv(path)

    def test_samples_of_mp4_without_data(self, tmp_path: Path) -> None:
        codec, pixel_format = INTRA
        path = write_movie(tmp_path / "m.mp4", 20, codec=codec, pixel_format=pixel_format)
        packets = read_packets(path)
        data = bytearray(path.read_bytes())
        sizes = data.index(b"stsz") + 16
        for sample in (6, 7):
            struct.pack_into(">I", data, sizes + 4 * sample, 0)
        begin = data.index(packets[0])
        end = begin + sum(map(len, packets))
        data[begin:end] = b"".join(without(packets, 6, 7)).ljust(end - begin, b"\0")
        path.write_bytes(data)
        counted = ledger(path)
        assert (counted.declared, counted.dropped, counted.lost_frame_count) == (20, ((6, 7),), 0)
        times = read(path)[1].compute_timing()
        assert times.seconds[6] == pytest.approx(8 / 30)


def in_stream_form(path: Path) -> list[bytes]:
    """The frames of an MP4 as they lie in an AVI: parameters in them, units after start codes."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        name = stream.codec_context.name
        if name not in {"h264", "hevc"}:
            head = stream.codec_context.extradata or b""
            packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
            return [head + packets[0], *packets[1:]]
        form = av.BitStreamFilterContext(f"{name}_mp4toannexb", stream)
        packets_in = (packet for packet in container.demux(stream) if packet.size)
        return [bytes(out) for packet in packets_in for out in form.filter(packet) if out.size]


class TestTimesOfAvi:
    @pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video", "mpeg4", "libx264", "msmpeg4v3"])
    @pytest.mark.parametrize("bframes", ["0", "2"])
    def test_a_place_is_a_time(self, tmp_path: Path, codec: str, bframes: str) -> None:
        options = {} if codec == "msmpeg4v3" else {"bf": bframes, "g": "12"}
        path = write_movie(tmp_path / "m.avi", 25, codec=codec, options=options)
        frames, reader = read(path)
        assert order_of(frames, 25) == list(range(25))
        times = reader.compute_timing()
        assert times.constant
        assert (times.frame_rate, times.lost_end) == (Fraction(30), Fraction(0))
        assert compute_duration(times) == Fraction(25, 30)

    @pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
    def test_that_holds_around_dropped_frames(self, tmp_path: Path, codec: str) -> None:
        whole = write_movie(tmp_path / "whole.avi", 20, codec=codec, options={"g": "1"})
        path = write_avi(tmp_path / "m.avi", whole, without(read_packets(whole), 1, 8, 9))
        kept = [place for place in range(20) if place not in {1, 8, 9}]
        times = read(path)[1].compute_timing()
        np.testing.assert_allclose(times.seconds, np.array(kept) / 30, atol=1e-9)
        assert ledger(path).dropped == ((1, 1), (8, 9))


class TestRecordingsThatBrokeOff:
    @pytest.mark.parametrize("declared", [0, 20, 30])
    @pytest.mark.parametrize("unfinished", [True, False])
    @pytest.mark.parametrize("inside", [0, 1, 8, 9, 500])
    def test_an_avi_that_crashed(
        self, tmp_path: Path, whole: Path, declared: int, unfinished: bool, inside: int
    ) -> None:
        """In its 15th chunk: its header may count frames, and says how large that chunk was."""
        chunks = without(read_packets(whole), 3)
        path = write_avi(
            tmp_path / "m.avi", whole, chunks, index="", declared=declared, unfinished=unfinished
        )
        data = path.read_bytes()
        path.write_bytes(data[: data.index(chunks[14]) - 8 + inside])
        known = 15 if inside >= 8 else 14
        frames, reader = read(path)
        assert order_of(frames[:13], 20) == [n for n in range(14) if n != 3]
        counted = ledger(path)
        assert counted.dropped == ((3, 3),)
        assert counted.declared == max(declared, known)
        assert counted.lost_frame_count == counted.declared - 1 - len(frames)
        broken = "the file breaks off within its last frame"
        unended = "the file was not ended, and may lack frames after its last one"
        assert reader.errors[0] == (broken if inside >= 8 else unended)
        if counted.lost_frame_count and len(frames) == 13:
            last = f"14–{counted.declared - 1}" if counted.declared > 15 else "14"
            assert lost(path) == [
                f"frames that can't be decoded: {last}; the others keep their times"
            ]

    def test_a_frame_that_breaks_off_is_not_taken_for_a_placeholder(self, tmp_path: Path) -> None:
        whole = write_movie(tmp_path / "whole.avi", 20, codec="mpeg4", options={"g": "5"})
        chunks = read_packets(whole)
        path = write_avi(tmp_path / "m.avi", whole, chunks, index="", declared=0, unfinished=True)
        data = path.read_bytes()
        path.write_bytes(data[: data.index(chunks[12]) + 12])
        counted = ledger(path)
        assert (counted.declared, counted.decoded, counted.dropped) == (13, 12, ())
        assert counted.lost_frame_count == 1

    def test_room_that_was_reserved_and_never_written_to_holds_no_frames(
        self, tmp_path: Path, whole: Path
    ) -> None:
        path = write_avi(
            tmp_path / "m.avi", whole, read_packets(whole), index="", declared=0, unfinished=True
        )
        path.write_bytes(path.read_bytes() + bytes(10_000))
        counted = ledger(path)
        assert (counted.declared, counted.decoded, counted.dropped) == (20, 20, ())

    @pytest.mark.parametrize("bframes", ["0", "2"])
    def test_a_fragmented_mp4_cut_anywhere(self, tmp_path: Path, bframes: str) -> None:
        """Fragments before the last one are there; of that, all that its header lists is said."""
        options = {"g": "5", "bf": bframes, "sc_threshold": "0"}
        flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        path = write_movie(tmp_path / "m.mp4", 20, options=options, container_options=flags)
        data = path.read_bytes()
        with path.open("rb") as file:
            header, frames_there = list(read_boxes(file, 0, len(data)))[-3:-1]
        known_from = data.rindex(b"trun") + 12  # the number of frames is before that
        assert (header.kind, frames_there.kind) == (b"moof", b"mdat")
        for cut in (
            *range(header.place, frames_there.place + 30, 5),
            *range(frames_there.place + 30, frames_there.end, 100),
            frames_there.end - 1,
        ):
            path.write_bytes(data[:cut])
            frames, reader = read(path)
            counted = create_ledger(None, reader.compute_timing())
            assert counted.declared == (20 if cut >= known_from else 15), cut
            assert order_of(frames, 20)[:12] == list(range(12))
            assert len(frames) == 15 or cut > frames_there.start
            broken = find_break(path)
            assert reader.errors[:1] == ([broken.sentence] if broken else [])
            assert broken is not None or cut in {header.place, frames_there.place}
            assert float(compute_duration(reader.compute_timing())) == pytest.approx(
                counted.declared / 30
            )
            assert bool(counted.lost_frame_count) == bool(lost(path))

    @pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
    def test_an_mp4_whose_header_comes_first(self, tmp_path: Path, share: float) -> None:
        path = write_movie(tmp_path / "m.mp4", 60, container_options={"movflags": "faststart"})
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        frames, reader = read(path)
        counted = ledger(path)
        assert counted.declared == 60
        assert counted.lost_frame_count == 60 - len(frames) > 0
        assert reader.errors[0].startswith("the file breaks off within its frames; its last part")
        assert float(compute_duration(reader.compute_timing())) == pytest.approx(2)

    @pytest.mark.parametrize("size", [7, -8, 1000])
    def test_an_avi_whose_own_size_is_wrong_but_which_has_its_index_is_whole(
        self, tmp_path: Path, whole: Path, size: int
    ) -> None:
        path = write_avi(tmp_path / "m.avi", whole, read_packets(whole))
        data = bytearray(path.read_bytes())
        struct.pack_into("<I", data, 4, len(data) - 8 + size)
        path.write_bytes(data)
        frames, reader = read(path)
        assert (len(frames), reader.errors) == (20, [])

    def test_an_mp4_without_the_rest_of_its_header(self, tmp_path: Path) -> None:
        path = write_movie(tmp_path / "m.mp4", 20, container_options={"movflags": "faststart"})
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"moov") + 20])
        with pytest.raises(BadInput, match="breaks off within its header, before its first frame"):
            probe_movie(path)

    def test_fragments_that_are_whole_are_no_loss(self, tmp_path: Path) -> None:
        flags = {"movflags": "frag_keyframe+empty_moov"}
        path = write_movie(tmp_path / "m.mp4", 20, options={"g": "5"}, container_options=flags)
        counted = ledger(path)
        assert (counted.declared, counted.decoded, counted.lost_frame_count) == (20, 20, 0)
        assert read(path)[1].errors == []


class TestDamagedIndexes:
    """Whatever an index claims, it is read within bounds."""

    def test_any_bytes(self, tmp_path: Path, whole: Path) -> None:
        rng = np.random.default_rng(1)
        for index in ("idx1", "OpenDML", ""):
            data = write_avi(tmp_path / "m.avi", whole, read_packets(whole), index=index)
            sound = data.read_bytes()
            path = tmp_path / "damaged.avi"
            for _ in range(150):
                damaged = bytearray(sound)
                for place in rng.integers(0, len(damaged), 8):
                    damaged[place : place + 4] = rng.bytes(4)
                path.write_bytes(damaged[: rng.integers(1, len(damaged))])
                found = read_avi_index(path, 0, 7)
                assert found is None or len(found.sizes) <= len(sound)

    def test_any_boxes(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(2)
        flags = {"movflags": "frag_keyframe+empty_moov"}
        sound = write_movie(tmp_path / "m.mp4", 6, container_options=flags).read_bytes()
        path = tmp_path / "damaged.mp4"
        for _ in range(300):
            damaged = bytearray(sound)
            for place in rng.integers(0, len(damaged), 8):
                damaged[place : place + 4] = rng.bytes(4)
            path.write_bytes(damaged[: rng.integers(1, len(damaged))])
            broken = find_break(path)
            assert broken is None or broken.count_frames(1) <= 100_000

    def test_a_box_larger_than_any_file(self, tmp_path: Path) -> None:
        path = tmp_path / "m.mp4"
        large = struct.pack(">I4sQ", 1, b"moov", 2**64 - 1)
        path.write_bytes(large)
        broken = find_break(path)
        assert broken is not None
        assert (broken.kind, broken.missing) == (b"moov", 2**64 - 1 - 16)
