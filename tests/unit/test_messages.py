"""Messages for users: the cause comes first, and a location never before it."""

import pytest

from tasks.messages import (
    LEADING_LENGTH,
    describe_failure,
    escape_markdown,
    lead_with_cause,
    unescape_markdown,
)

FAR = "the file is there, and everything about it is well known to those who have asked before: "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "s3://lab/bad/none.mp4: there is no such object (HTTP 404: Not Found).",
            "none.mp4: there is no such object (HTTP 404: Not Found) (s3://lab/bad/none.mp4)",
        ),
        ("model: expected a zip, found s3://lab/m", "model: expected a zip, found m (s3://lab/m)"),
        ("/data/day1/m1.mp4: it is empty", "m1.mp4: it is empty (/data/day1/m1.mp4)"),
        ("file:///data/day1/: no movies", "day1/: no movies (file:///data/day1/)"),
        (f"{FAR}see s3://lab/out/run.json", f"{FAR}see s3://lab/out/run.json"),
        ("and/or 30 frames/s at 1/2", "and/or 30 frames/s at 1/2"),
        ("no answer at https://store.lab.org", "no answer at https://store.lab.org"),
        ("it broke.", "it broke."),
    ],
)
def test_locations_follow_the_cause(text: str, told: str) -> None:
    assert lead_with_cause(text) == told
    assert "s3://" not in told[:LEADING_LENGTH] or len(told) < LEADING_LENGTH + len(text)


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("m1", "m1.mp4: the file is empty.", "m1.mp4: the file is empty"),
        ("m 1", "s3://b/in/m 1.mp4: it is away", "s3://b/in/m 1.mp4: it is away"),
        ("m1", "the store is away", "m1: the store is away"),
        ("m1", "m10.mp4: the file is empty", "m1: m10.mp4: the file is empty"),
        ("m1", "the store says: Slow down. ", "m1: the store says: Slow down"),
    ],
)
def test_what_failed_is_named_once(name: str, error: str, told: str) -> None:
    assert describe_failure(name, error) == told


@pytest.mark.parametrize("text", ["m_1 [a](//b) <b>", r"a\b \_ *x* `y` & #1! ~|+{}", "", "ü – 1"])
def test_markdown_is_undone(text: str) -> None:
    assert unescape_markdown(escape_markdown(text)) == text
