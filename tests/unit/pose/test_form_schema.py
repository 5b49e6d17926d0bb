"""What the form takes for a location is what commands take, and it is refused in the same words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.messages import LOCATION_FORM
from tasks.pose.form_schema import LOCATION_PATTERN, describe_range
from tasks.storage.location import InvalidLocation, Location

_PARTS = [
    *("s3:", "S3:", "file:", "FILE:", "http:", "gs:", "c:", "localhost", "bucket", "ab", "a..b"),
    *("/", "//", "///", ".", " ", "\n", "\0", "%20", "-", "_", "ü", "key.mp4", "*", "?", "x" * 64),
]
TEXTS = st.lists(st.sampled_from(_PARTS), max_size=6).map("".join)


def is_location(text: str) -> bool:
    try:
        Location.parse(text)
    except InvalidLocation:
        return False
    return True


@given(TEXTS)
def test_the_form_takes_what_commands_take(text: str) -> None:
    assert bool(re.search(LOCATION_PATTERN, text)) == is_location(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://lab/movies/",
        "s3://lab",
        "s3://my.bucket-1/a b/*.mp4",
        "/data/m.mp4",
        "m.mp4",
        "./9:30.mp4",
        "~/movies/",
        "file:///data/m.mp4",
        "file:/data/m.mp4",
        "file://localhost/data/m.mp4",
    ],
)
def test_what_people_write_is_taken(text: str) -> None:
    assert re.search(LOCATION_PATTERN, text)


@pytest.mark.parametrize(
    "text",
    [
        "s3:/lab/m.mp4",
        "s3:lab",
        "s3://",
        "s3://key:secret@lab/m.mp4",
        "https://store.org/lab/m.mp4?X-Amz-Signature=1",
        "gs://lab/m.mp4",
        "file://server/m.mp4",
        "",
        " s3://lab/m.mp4",
    ],
)
def test_slips_are_refused_in_the_same_words(text: str) -> None:
    assert not re.search(LOCATION_PATTERN, text)
    with pytest.raises(InvalidLocation, match=re.escape(LOCATION_FORM)):
        Location.parse(text)


@pytest.mark.parametrize("text", ["minio//key:secret@host/m.mp4", "lab//a@b"])
def test_what_may_be_a_password_is_not_kept_with_a_run(text: str) -> None:
    assert not re.search(LOCATION_PATTERN, text)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0, None, 1), "0 to 1"),
        ((1, None, 100_000), "1 to 100,000"),
        ((0.5, None, None), "0.5 or more"),
        ((None, 0, 1e9), "above 0, up to 1,000,000,000"),
        ((None, 0, None), "above 0"),
        ((None, None, 7), "up to 7"),
        ((None, None, None), ""),
    ],
)
def test_ranges_are_told_in_words(
    bounds: tuple[float | None, float | None, float | None], text: str
) -> None:
    assert describe_range(*bounds) == text
