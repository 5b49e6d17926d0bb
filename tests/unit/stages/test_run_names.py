"""What flow runs are called."""

import pytest

from tasks.stages.run_names import format_request_name


@pytest.mark.parametrize(
    ("movies", "name"),
    [
        (["s3://lab/m1.mp4"], "m1 · openfield"),
        (["/data/m1.mp4", "s3://lab/a.b.AVI"], "m1, a.b · openfield"),
        (["s3://lab/day1/"], "day1/ · openfield"),
        (["s3://lab/*/cam-?.mp4"], "cam-?.mp4 · openfield"),
        ([f"m{i}.mp4" for i in range(9)], "m0, m1, m2, 6 more · openfield"),
    ],
)
def test_runs_are_named_for_their_movies_and_model(movies: list[str], name: str) -> None:
    assert format_request_name(movies, "s3://lab/models/openfield.zip") == name
