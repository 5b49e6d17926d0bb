"""What a lab says of its movies is checked before any inference."""

from datetime import UTC, datetime

import pytest

from tasks.errors import BadInput
from tasks.pose.exports.nwb_metadata import NwbMetadata, check_metadata, parse_metadata

SUBJECT = "{subject_id: m1, species: Mus musculus, sex: F, age: P90D}"
START = datetime(2026, 1, 27, 14, 20, 34, tzinfo=UTC)


def parse(*lines: str) -> NwbMetadata:
    return parse_metadata("\n".join(lines).encode(), "lab.yaml")


def check(metadata: NwbMetadata, *names: str, recorded: bool = False) -> list[str]:
    return check_metadata(metadata, list(names or ("m.mp4",)), recorded=recorded, source="lab.yaml")


def test_a_subject_and_a_start_are_enough() -> None:
    metadata = parse(f"subject: {SUBJECT}", "session_start_time: 2026-01-27T15:20:34+01:00")
    check(metadata)
    assert metadata.start_of("m.mp4", None) == START


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["subjct: {}"], "subjct"),
        (["- one"], "lab.yaml"),
        (["subject: {subject_id: a/b, species: Mus musculus, sex: F, age: P9D}"], "subject_id"),
        (["subject: {subject_id: a, species: mouse, sex: F, age: P9D}"], "species"),
        (["subject: {subject_id: a, species: Mus musculus, sex: female, age: P9D}"], "sex"),
        (["subject: {subject_id: a, species: Mus musculus, sex: F, age: 90}"], "age"),
        (["session_start_time: 2026-01-27T15:20:34"], "session_start_time"),
    ],
)
def test_what_nwb_does_not_know_is_refused_with_its_place(lines: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse(*lines)


def test_a_movie_without_a_subject_is_refused() -> None:
    with pytest.raises(BadInput, match=r"lab.yaml: expected a subject for 'm.mp4'"):
        check(parse("institution: I"), recorded=True)


def test_a_movie_that_does_not_say_when_it_was_recorded_needs_a_start() -> None:
    metadata = parse(f"subject: {SUBJECT}")
    check(metadata, "m.isxb", recorded=True)
    with pytest.raises(BadInput, match=r"session_start_time of 'm.mp4'"):
        check(metadata)


def test_one_start_does_not_serve_two_movies() -> None:
    metadata = parse(f"subject: {SUBJECT}", "session_start_time: 2026-01-27T15:20:34Z")
    with pytest.raises(BadInput, match="below movies"):
        check(metadata, "a.mp4", "b.mp4")
    each = "{session_start_time: 2026-01-27T15:20:34Z}"
    both = parse(f"subject: {SUBJECT}", "movies:", f"  a.mp4: {each}", f"  b.mp4: {each}")
    check(both, "a.mp4", "b.mp4")


def test_movies_that_are_not_there_are_named() -> None:
    """A lab keeps one file for all its movies and analyzes some; or a name is misspelled."""
    metadata = parse(f"subject: {SUBJECT}", "movies: {a.mp4: {session_id: x}}")
    assert check(metadata, recorded=True) == ["lab.yaml names movies that are not here: a.mp4"]
    assert check(metadata, "a.mp4", recorded=True) == []


def test_a_recorder_s_start_comes_before_that_of_all_movies() -> None:
    metadata = parse("session_start_time: 2020-01-01T00:00:00Z", "movies: {a.isxb: {}}")
    assert metadata.start_of("a.isxb", START) == START
