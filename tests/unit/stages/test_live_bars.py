"""What a movie's bar says is read again as it was told."""

import pytest

from tasks.stages.live_bars import MovieBar, parse_description


@pytest.mark.parametrize(
    "name", ["m1", "a_b*c** · d", r"back\slash", "<img src=x>", "[a](b)", "**"]
)
@pytest.mark.parametrize("text", ["estimate: 42 %, 1,234 frames, 12 frames/s", "failed: **x** · y"])
def test_a_description_is_read_again(name: str, text: str) -> None:
    assert parse_description(MovieBar(name, text=text).description) == (name, text)


def test_other_texts_are_no_movies() -> None:
    assert parse_description("somebody else's **bar**") == ("", "somebody else's **bar**")
