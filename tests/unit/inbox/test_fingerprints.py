"""What results were made from, and what looks remember of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.inbox.fingerprints import (
    compute_movies_digest,
    compute_source_digest,
    parse_result_origin,
)
from tasks.inbox.memory import InboxMemory, parse_memory
from tasks.pose.results.run_record import RunRecord
from tasks.pose.settings import PoseSettings
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo
from tests.support.records import (
    example_failed_movie,
    example_input,
    example_movie,
    example_run,
)


def listed(location: str, size: int = 2_500_000, etag: str = '"e"') -> ObjectInfo:
    now = datetime.now(UTC)
    return ObjectInfo(Location.parse(location), size, etag, None, now, None)


M1, M2 = listed("s3://lab/in/mouse1.mp4"), listed("s3://lab/in/mouse2.mp4")
MODEL = listed("s3://lab/m.zip")


def made(record: RunRecord, **changes: Any) -> tuple[str, str, str]:
    return parse_result_origin(json.dumps(json.loads(record.to_json()) | changes).encode())


def test_a_record_tells_what_a_listing_tells() -> None:
    movies = compute_movies_digest([M2, M1])
    expected = movies, compute_source_digest(movies, MODEL, PoseSettings()), ""
    assert made(example_run(example_movie("mouse1"), example_movie("mouse2", 1))) == expected


def test_times_files_are_among_what_a_record_was_made_from() -> None:
    times = listed("s3://lab/in/mouse1_times.csv")
    expected = compute_movies_digest([M1, times])
    movie = example_movie("mouse1", times_input=example_input("s3://lab/in/mouse1_times.csv"))
    assert made(example_run(movie))[0] == expected != compute_movies_digest([M1])


def test_every_part_of_it_counts() -> None:
    one = compute_movies_digest([M1])
    other = compute_movies_digest([listed("s3://lab/in/mouse1.mp4", etag="f")])
    assert len({one, other, compute_movies_digest([M2]), compute_movies_digest([M1, M2])}) == 4
    sources = {
        compute_source_digest(one, MODEL, PoseSettings()),
        compute_source_digest(other, MODEL, PoseSettings()),
        compute_source_digest(one, listed("s3://lab/m.zip", etag="f"), PoseSettings()),
        compute_source_digest(one, listed("s3://lab/m.zip", size=1), PoseSettings()),
        compute_source_digest(one, MODEL, PoseSettings(dot_size=3)),
    }
    assert len(sources) == 5


def test_what_changes_no_result_does_not_count() -> None:
    record = example_run(example_movie("mouse1"))
    request = json.loads(record.to_json())["request"]
    request["settings"] |= {"link_hours": 1, "spread_from": 20}
    assert made(record, request=request) == made(record)
    movies, changed = compute_movies_digest([M1]), PoseSettings(link_hours=1, spread_from=20)
    assert compute_source_digest(movies, MODEL, changed) == compute_source_digest(
        movies, MODEL, PoseSettings()
    )


def test_a_copy_of_the_model_is_the_same_model() -> None:
    one, copy = compute_movies_digest([M1]), listed("s3://lab/other/copy.zip")
    assert compute_source_digest(one, copy, PoseSettings()) == compute_source_digest(
        one, MODEL, PoseSettings()
    )


def test_a_record_of_another_version_is_understood() -> None:
    record = example_run(example_movie("mouse1"))
    later = made(record, schema_version=2, news={"a": 1})
    assert later == made(record)
    earlier = json.loads(record.to_json())
    del earlier["request"]["settings"]["dot_size"]
    assert parse_result_origin(json.dumps(earlier).encode()) == made(record)


def test_what_failed_is_told() -> None:
    _, _, problem = made(example_run(example_movie("mouse1"), example_failed_movie("broken")))
    assert problem.startswith("1 of 2 movies failed: broken: broken.mp4: the file is empty")
    _, _, problem = made(example_run(example_movie("mouse1")), status="odd")
    assert problem == "its run ended odd"


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"hello", b"[" * 100_000, b'{"movies": 3}', b"\xff"]
)
def test_what_is_no_record_says_nothing(data: bytes) -> None:
    movies, source, problem = parse_result_origin(data)
    assert (movies, source) == ("", "")
    assert "not a readable run record" in problem


def test_memory_is_read_as_it_was_written() -> None:
    memory = InboxMemory(seen={"a": 1.5}, made={"b": ("m", "s", "")})
    assert parse_memory(memory.model_dump_json().encode()) == memory


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"hello", b'{"seen": 3}', b'{"made": {"a": "b"}}', b"[" * 100_000, b"\xff"]
)
def test_a_spoilt_memory_is_forgotten(data: bytes) -> None:
    assert parse_memory(data) == InboxMemory()


def test_the_memory_of_an_earlier_version_is_no_hindrance() -> None:
    assert parse_memory(b'{"started": {"a": "b"}}') == InboxMemory()
