"""What an .isxb file says of itself is checked before anything else reads it."""

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import BadInput
from tasks.pose.movies.isxb.isxb_format import (
    HEADER_SIZE,
    MAX_SESSION_BYTES,
    FileSection,
    RecordingHeader,
    parse_header,
    parse_samples,
    parse_session,
)
from tests.support.isxb_files import START_MS, SYSTEM_NAME, write_isxb

NAME = "m.isxb"
NOTHING = FileSection(0, 0)
HEADER = RecordingHeader(Fraction(5), 2, 0, NOTHING, NOTHING, NOTHING)


def header_of(path: Path) -> RecordingHeader:
    data = path.read_bytes()
    return parse_header(data[:HEADER_SIZE], len(data), NAME)


def session_of(path: Path) -> Any:
    header, data = header_of(path), path.read_bytes()
    place = header.session
    return parse_session(data[place.offset : place.offset + place.size], header, NAME)


def refusal(data: bytes, size: int | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        parse_header(data[:HEADER_SIZE], len(data) if size is None else size, NAME)
    text = str(caught.value)
    assert text.startswith(f"{NAME}: ")
    assert len(text.splitlines()) == 1
    return text


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return tmp_path / NAME


class TestHeader:
    def test_tells_where_everything_is(self, movie: Path) -> None:
        header = header_of(write_isxb(movie, 5, dropped=[2]))
        assert (header.stored, header.dropped) == (4, 1)
        assert header.start == Fraction(START_MS, 1000)
        data = movie.read_bytes()
        assert data[header.video.offset :].startswith(b"\xff\xd8\xff")
        assert header.session.offset + header.session.size == len(data)

    def test_an_empty_file(self) -> None:
        assert "the file is empty (0 bytes)" in refusal(b"")

    @pytest.mark.parametrize("data", [b"x", b"text that is no movie\n" * 50, b"\0" * 500])
    def test_another_kind_of_file(self, data: bytes) -> None:
        assert "expected a movie of the nVision recorder" in refusal(data)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
    def test_an_upload_that_was_cut_off(self, movie: Path, share: float) -> None:
        data = write_isxb(movie, 3).read_bytes()
        assert "a part of it is missing" in refusal(data[: int(len(data) * share)])

    @pytest.mark.parametrize(
        ("numbers", "said"),
        [
            ({4: 0}, "it holds no frame"),
            ({4: 10**15}, "it claims 1,000,000,000,000,000 pictures"),
            ({7: 2**63}, "a part of it is missing"),
            ({8: 2**63, 9: 2**63 + 9}, "a part of it is missing"),
            ({10: 3}, "a part of it is missing"),
            ({11: 0}, "the parts that its header names cannot be right"),
            ({1: 128}, "found a header of 128 bytes instead of 96"),
        ],
    )
    def test_claims_that_cannot_be_right(
        self, movie: Path, numbers: dict[int, int], said: str
    ) -> None:
        assert said in refusal(write_isxb(movie, 3, header=numbers).read_bytes())

    def test_parts_too_large_for_memory(self, movie: Path) -> None:
        data = write_isxb(movie, 3, header={11: MAX_SESSION_BYTES + 1}).read_bytes()
        assert "expected at most 16,777,216 bytes on its session" in refusal(data, 2**40)
        data = write_isxb(movie, 3, header={9: 2**31}).read_bytes()
        assert "cannot be right" in refusal(data, 2**40)

    @given(st.lists(st.integers(0, 2**64 - 1), min_size=11, max_size=11), st.integers(0, 2**40))
    def test_any_numbers_give_sections_in_the_file_or_a_refusal(
        self, numbers: list[int], size: int
    ) -> None:
        numbers.insert(1, HEADER_SIZE)
        try:
            header = parse_header(struct.pack("<12Q", *numbers), size, NAME)
        except BadInput:
            return
        for section in (header.video, header.session):
            assert section.offset + section.size <= size


class TestSession:
    @pytest.mark.parametrize("raw", [False, True])
    def test_tells_how_it_was_made(self, movie: Path, raw: bool) -> None:
        session = session_of(write_isxb(movie, 2, width=128, height=40, start_ms=7500, raw=raw))
        assert (session.width, session.height) == (128, 40)
        assert session.start == Fraction(15, 2)
        assert session.camera == "camera-1"
        assert session.recording == f"{SYSTEM_NAME}-{START_MS}"
        assert session.recorder_serials == SYSTEM_NAME

    def test_a_start_that_is_finer_than_the_header_s_counts(self, movie: Path) -> None:
        start = {"secsSinceEpoch": {"num": 10, "den": 3}, "utcOffset": 0}
        session = session_of(write_isxb(movie, 2, session={"timingInfo": {"start": start}}))
        assert session.start == Fraction(10, 3)

    @pytest.mark.parametrize(
        "start", [{"num": 1, "den": 0}, {"num": 1, "den": -3}, {}, 5, "x" * 99]
    )
    def test_a_start_that_is_no_time(self, movie: Path, start: Any) -> None:
        write_isxb(movie, 2, session={"timingInfo": {"start": {"secsSinceEpoch": start}}})
        with pytest.raises(
            BadInput, match="expected the time at which it starts, found "
        ) as caught:
            session_of(movie)
        assert len(str(caught.value)) < 200

    @pytest.mark.parametrize("name", [None, "", "nodash"])
    def test_a_recording_without_serial_numbers_is_of_no_known_system(
        self, movie: Path, name: str | None
    ) -> None:
        assert session_of(write_isxb(movie, 2, uuid=name)).recorder_serials is None

    @pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000])
    def test_what_is_no_json(self, data: bytes) -> None:
        for parse in (parse_session, parse_samples):
            with pytest.raises(BadInput, match="can't be read as JSON"):
                parse(data, HEADER, NAME)

    @pytest.mark.parametrize("value", [0, -4, 2.5, "64", None, True, [], 10**30])
    def test_a_frame_size_that_is_none(self, value: Any) -> None:
        session = {"spacingInfo": {"numPixels": {"x": value, "y": 48}}}
        with pytest.raises(BadInput, match="expected the size of its frames"):
            parse_session(json.dumps(session).encode(), HEADER, NAME)

    @given(st.recursive(st.none() | st.integers() | st.text(), st.lists))
    def test_any_other_json_is_refused(self, value: Any) -> None:
        with pytest.raises(BadInput):
            parse_session(json.dumps(value).encode(), HEADER, NAME)


class TestSamples:
    def of(self, *samples: Any) -> Any:
        return parse_samples(json.dumps({"samples": samples}).encode(), HEADER, NAME)

    def test_counters_and_numbers(self) -> None:
        found = self.of({"tsc": 5, "fc": 0}, {"tsc": 9, "fc": 2, "tracker": {}})
        assert (found.counter, found.numbers) == ((5, 9), (0, 2))

    @pytest.mark.parametrize("value", [None, "5", 5.5, -1, True, 2**53])
    def test_a_value_that_is_no_count_makes_the_column_unknown(self, value: Any) -> None:
        found = self.of({"tsc": 5, "fc": 0}, {"tsc": value, "fc": 1})
        assert (found.counter, found.numbers) == ((), (0, 1))

    def test_none_where_nothing_was_noted(self) -> None:
        assert parse_samples(b"", HEADER, NAME).counter == ()
        assert parse_samples(b'{"droppedFrames": []}', HEADER, NAME).counter == ()

    @pytest.mark.parametrize("samples", [[], [{}], [{}] * 3, {}, "ab"])
    def test_not_one_for_each_picture(self, samples: Any) -> None:
        with pytest.raises(BadInput, match="expected a sample for each of 2 pictures"):
            parse_samples(json.dumps({"samples": samples}).encode(), HEADER, NAME)
