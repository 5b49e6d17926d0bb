"""Recordings of nVision: isx's own pictures, the recorder's times, and files that are damaged."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.pose.movies.isxb import isx_decoder
from tasks.pose.movies.reader import Image, MovieReader, open_movie, probe_movie
from tests.support.isxb_files import (
    FIRST_COUNT,
    HEADER,
    START_MS,
    SYSTEM_NAME,
    draw_gray,
    encode_jpeg,
    encode_jpegs,
    write_isxb,
)
from tests.support.paths import ROOT, SHARED_FOLDER, needs_shared_data

DROPPED = [3, 6, 7]
KEPT = [0, 1, 2, 4, 5, 8, 9, 10]


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return tmp_path / "m.isxb"


def read(path: Path) -> tuple[list[Image], MovieReader]:
    reader = open_movie(path)
    return list(reader), reader


def refusal(path: Path) -> str:
    texts = []
    for attempt in (lambda: probe_movie(path), lambda: read(path)):
        with pytest.raises(BadInput) as caught:
            attempt()
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == 1
    assert texts[0].startswith(f"{path.name}: ")
    return texts[0]


def digests(frames: Iterator[Any]) -> list[str]:
    return [hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest() for frame in frames]


def isx_pictures(path: Path, indices: list[int]) -> Iterator[Any]:
    import isx

    movie = isx.Movie.read(str(path))
    return (movie.get_frame_data(index) for index in indices)


def assert_isx_pictures(path: Path, indices: list[int]) -> MovieReader:
    """The frames are isx's pictures, bit for bit, in each of three channels."""
    frames, reader = read(path)
    for channel in range(3):
        assert digests(frame[:, :, channel] for frame in frames) == digests(
            isx_pictures(path, indices)
        )
    assert reader.frame_count == len(indices)
    assert reader.errors == []
    return reader


class TestPictures:
    def test_are_those_of_isx(self, movie: Path) -> None:
        assert_isx_pictures(write_isxb(movie, 8), list(range(8)))
        info = probe_movie(movie)
        assert (info.width, info.height, info.declared_frames) == (64, 48, 8)
        assert (info.codec, info.frame_rate) == ("mjpeg", Fraction(20))

    @pytest.mark.parametrize("raw", [False, True])
    def test_dropped_frames_are_left_out(self, movie: Path, raw: bool) -> None:
        write_isxb(movie, 11, dropped=DROPPED, raw=raw)
        assert_isx_pictures(movie, KEPT)
        assert probe_movie(movie).declared_frames == 11

    @needs_shared_data
    def test_real_recordings(self) -> None:
        for path in sorted((SHARED_FOLDER / "movies").glob("*.isxb")):
            declared = probe_movie(path).declared_frames
            assert declared in {10, 20}
            assert_isx_pictures(path, list(range(declared)))

    @pytest.mark.parametrize("name", ["UPPER.ISXB", "a:b%d é?.isxb", "-y.isxb", "ä\n.isxb"])
    def test_any_name_will_do(self, tmp_path: Path, name: str) -> None:
        assert len(read(write_isxb(tmp_path / name, 2))[0]) == 2

    def test_a_name_that_is_no_text(self, tmp_path: Path) -> None:
        path = write_isxb(tmp_path / "m.isxb", 2)
        odd = path.rename(tmp_path / b"\xff\xfe.isxb".decode(errors="surrogateescape"))
        assert len(read(odd)[0]) == 2

    def test_a_recording_can_be_read_again_and_left_early(self, movie: Path) -> None:
        reader = open_movie(write_isxb(movie, 5))
        assert len(list(reader)) == len(list(reader)) == reader.frame_count == 5
        frames = iter(reader)
        next(frames)
        frames.close()  # type: ignore[attr-defined]
        assert reader.frame_count == len(reader.compute_timing().seconds) == 1


class TestTimes:
    def test_come_from_the_counter(self, movie: Path) -> None:
        counts = [FIRST_COUNT + step for step in (0, 52_012, 100_012, 152_010)]
        samples = [{"fc": i, "tsc": count} for i, count in enumerate(counts)]
        times = read(write_isxb(movie, 4, samples=samples))[1].compute_timing()
        assert times.seconds.tolist() == [0, 0.052012, 0.100012, 0.152010]
        assert not times.constant
        recording = times.recording
        assert recording is not None
        assert recording.counter.tolist() == counts
        assert (recording.system, recording.start) == (SYSTEM_NAME, Fraction(START_MS, 1000))
        assert recording.warnings == ()

    @pytest.mark.parametrize("raw", [False, True])
    def test_dropped_frames_leave_their_gap(self, movie: Path, raw: bool) -> None:
        times = read(write_isxb(movie, 11, dropped=DROPPED, raw=raw))[1].compute_timing()
        assert times.seconds.tolist() == [i * 50_000 / 1e6 for i in KEPT]
        recording = times.recording
        assert recording is not None
        assert recording.positions.tolist() == KEPT
        assert recording.length == 11
        assert recording.dropped == ((3, 3), (6, 7))

    def test_dropped_frames_may_be_numbered_through_a_series(self, movie: Path) -> None:
        samples = [{"fc": 100 + i, "tsc": FIRST_COUNT + i * 50_000} for i in KEPT]
        write_isxb(movie, 11, dropped=DROPPED, raw=True, samples=samples)
        data = movie.read_bytes()
        whole = list(HEADER.unpack(data[: HEADER.size]))
        longer = data.replace(b"[3, 6, 7]", b"[103, 106, 107]")
        whole[9] += len(longer) - len(data)
        whole[10] += len(longer) - len(data)
        movie.write_bytes(HEADER.pack(*whole) + longer[HEADER.size :])
        frames, reader = read(movie)
        recording = reader.compute_timing().recording
        assert recording is not None
        assert recording.positions.tolist() == KEPT
        assert recording.dropped == ((3, 3), (6, 7))
        shown = [int(np.argmin([abs(f[..., 0].astype(int) - draw_gray(i)).sum() for i in range(8)]))
                 for f in frames]  # fmt: skip
        assert shown == list(range(8))

    @pytest.mark.parametrize("samples", [None, [{"fc": i} for i in range(4)], [{"tsc": 7}] * 4])
    def test_without_a_counter_they_follow_the_period(self, movie: Path, samples: Any) -> None:
        times = read(write_isxb(movie, 4, samples=samples))[1].compute_timing()
        np.testing.assert_allclose(times.seconds, [0, 0.05, 0.1, 0.15])
        assert times.recording is not None
        (warning,) = times.recording.warnings
        assert "no usable hardware counter" in warning
        assert not times.recording.has_counter

    def test_the_rate_is_rounded_as_isx_rounds_it(self, movie: Path) -> None:
        write_isxb(movie, 4, period_us=50_049)
        assert probe_movie(movie).frame_rate == Fraction(999, 50)
        assert read(movie)[1].compute_timing().frame_rate == Fraction(999, 50)

    @pytest.mark.parametrize("raw", [False, True])
    def test_one_frame(self, movie: Path, raw: bool) -> None:
        times = read(write_isxb(movie, 1, raw=raw))[1].compute_timing()
        assert times.seconds.tolist() == [0]
        assert times.frame_rate == (1 if raw else 20)

    @needs_shared_data
    def test_those_of_a_real_recording(self) -> None:
        (path,) = (SHARED_FOLDER / "movies").glob("2023*.isxb")
        times = read(path)[1].compute_timing()
        assert times.seconds[:3].tolist() == [0, 0.052012, 0.100012]
        assert times.frame_rate == Fraction(999, 50)


class TestDamage:
    @pytest.mark.parametrize("index", [0, 3, 7])
    def test_a_picture_that_cannot_be_decoded_is_stepped_over(
        self, movie: Path, index: int
    ) -> None:
        pictures = encode_jpegs(8)
        tables = pictures[index].index(b"\xff\xc4")
        data = bytearray(pictures[index])
        data[tables + 4 : tables + 30] = b"\xff" * 26
        pictures[index] = bytes(data)
        frames, reader = read(write_isxb(movie, 8, pictures=pictures))
        assert reader.errors == [f"frame {index} can't be decoded"]
        kept = [i for i in range(8) if i != index]
        times = reader.compute_timing()
        assert times.recording is not None
        assert times.recording.positions.tolist() == kept
        assert times.recording.dropped == ()
        assert times.recording.counter.tolist() == [FIRST_COUNT + 50_000 * i for i in kept]
        expected = [draw_gray(i).astype(int) for i in kept]
        assert all(abs(f[..., 0] - e).mean() < 5 for f, e in zip(frames, expected, strict=True))
        assert probe_movie(movie).declared_frames == 8

    @pytest.mark.parametrize("count", [1, 5, 7, 9])
    def test_another_number_of_pictures_than_declared(self, movie: Path, count: int) -> None:
        """With fewer, isx would never return."""
        samples = [{"fc": i, "tsc": i} for i in range(8)]
        pictures = [*encode_jpegs(count), b"\0" * 800]
        write_isxb(movie, 8, pictures=pictures, samples=samples)
        assert f"expected 8 pictures, found {count}" in refusal(movie)

    def test_a_picture_that_ends_too_early_or_has_lost_its_beginning(self, movie: Path) -> None:
        for damaged in (encode_jpegs(8)[3][:200], b"\0\0" + encode_jpegs(8)[3][2:]):
            pictures = encode_jpegs(8)
            pictures[3] = damaged
            assert "expected 8 pictures, found 7" in refusal(
                write_isxb(movie, 8, pictures=pictures)
            )

    def test_lists_that_contradict_each_other(self, movie: Path) -> None:
        session = json.loads(movie_session(write_isxb(movie, 8)))
        session["timingInfo"]["dropped"] = [1, 2]
        write_isxb(movie, 8, session=session)
        assert "its lists of frames contradict each other" in refusal(movie)

    @pytest.mark.parametrize("claimed", [7, 10**12])
    def test_a_length_that_cannot_be(self, movie: Path, claimed: int) -> None:
        session = json.loads(movie_session(write_isxb(movie, 8)))
        session["timingInfo"]["numTimes"] = claimed
        write_isxb(movie, 8, session=session)
        assert f"it claims {claimed:,} frames and holds 8 pictures" in refusal(movie)

    def test_a_session_that_isx_cannot_use(self, movie: Path) -> None:
        assert "isx can't read it" in refusal(
            write_isxb(movie, 3, session={"timingInfo": {"numTimes": "many"}})
        )

    @pytest.mark.parametrize(
        "timing",
        [
            {"period": {"num": 0, "den": 0}},
            {"start": {"secsSinceEpoch": {"num": 1, "den": 0}, "utcOffset": 0}},
            {"numTimes": -3},
            {"dropped": ["x"]},
            {"dropped": list(range(100))},
            {"blank": list(range(100))},
            {"cropped": [[0, 10**18]]},
            {"cropped": ["[0, 1000000]"]},
            {"cropped": "a"},
        ],
        ids=str,
    )
    def test_sessions_that_are_refused(self, movie: Path, timing: dict[str, Any]) -> None:
        session = json.loads(movie_session(write_isxb(movie, 3)))
        session["timingInfo"] |= timing
        refusal(write_isxb(movie, 3, session=session))

    @pytest.mark.parametrize(
        "timing",
        [
            {"period": {"num": -5, "den": 1000}},
            {"period": {"num": 2**63 - 1, "den": 1}},
            {"period": {"num": -(2**63), "den": -1}},
            {"dropped": [-1, 2**63]},
        ],
        ids=str,
    )
    def test_claims_that_do_not_matter(self, movie: Path, timing: dict[str, Any]) -> None:
        """The pictures are there, and the counter tells their times."""
        session = json.loads(movie_session(write_isxb(movie, 3)))
        session["timingInfo"] |= timing
        reader = assert_isx_pictures(write_isxb(movie, 3, session=session), [0, 1, 2])
        assert reader.compute_timing().seconds.tolist() == [0, 0.05, 0.1]
        assert probe_movie(movie).frame_rate == 20

    def test_nothing_that_can_be_decoded(self, movie: Path) -> None:
        pictures = encode_jpegs(3, 128)  # the session claims 64 columns
        write_isxb(movie, 3, pictures=pictures)
        with pytest.raises(BadInput, match="no frame of it can be decoded"):
            probe_movie(movie)
        assert read(movie)[0] == []

    def test_a_picture_larger_than_memory(self, movie: Path) -> None:
        pictures = encode_jpegs(3)
        size = pictures[1].index(b"\xff\xc0") + 5
        pictures[1] = pictures[1][:size] + b"\xff\x00\xff\x00" + pictures[1][size + 4 :]
        assert "it claims frames of 65280×65280 pixels" in refusal(
            write_isxb(movie, 3, pictures=pictures)
        )

    def test_an_endless_loop_is_noticed(self, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        released = threading.Event()

        def hang(*_: object) -> None:
            released.wait()

        with isx_decoder.IsxDecoder(write_isxb(movie, 8), "m.isxb") as decoder:
            monkeypatch.setattr(isx_decoder, "ANSWER_TIMEOUT_S", 0.05)
            monkeypatch.setattr(decoder._movie, "get_frame_data", hang)
            with pytest.raises(RuntimeError, match="isx did not give frame 3 within"):
                decoder.decode_picture(3)
        monkeypatch.setattr(isx_decoder, "_read_movie", hang)
        with pytest.raises(RuntimeError, match="isx did not open the file within"):
            read(movie)
        released.set()

    def test_random_damage_ends_in_frames_or_in_a_refusal(self, movie: Path) -> None:
        whole = write_isxb(movie, 4).read_bytes()
        generator = np.random.default_rng(0)
        outcomes: set[bool | None] = set()
        for _ in range(60):
            data = bytearray(whole)
            for place in generator.integers(0, len(data), 2):
                data[place : place + 4] = generator.bytes(4)
            movie.write_bytes(data[: len(whole)])
            try:
                outcomes.add(bool(read(movie)[0]))
            except BadInput:
                outcomes.add(None)
        assert outcomes >= {True, None}

    def test_a_folder(self, movie: Path) -> None:
        movie.mkdir()
        assert "found a folder" in refusal(movie)


def movie_session(path: Path) -> bytes:
    data = path.read_bytes()
    numbers = HEADER.unpack(data[: HEADER.size])
    return data[numbers[10] : numbers[10] + numbers[11]]


def test_a_picture_is_stored_as_recorders_store_it() -> None:
    assert encode_jpeg(draw_gray(0)).startswith(b"\xff\xd8\xff")


def test_a_process_that_reads_in_a_thread_ends_well(tmp_path: Path) -> None:
    """A process that loads isx in a thread of its own crashes when it ends."""
    movie = write_isxb(tmp_path / "m.isxb", 3)
    program = f"""
import subprocess
import sys
import threading
from pathlib import Path
from tasks.pose.movies.reader import open_movie
reader = open_movie(Path({str(movie)!r}))
thread = threading.Thread(target=lambda: print(len(list(reader))))
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr
