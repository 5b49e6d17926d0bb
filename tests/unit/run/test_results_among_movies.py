"""Results of earlier runs below a prefix of movies are not taken for movies."""

import os
from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.pose.settings import PoseSettings
from tasks.run.request import resolve_locations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.zip").touch()
    for name in ("movies/m1.mp4", "movies/labeled.mp4", "movies/out/m1/labeled.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(folder: Path, movies: str, output: str) -> list[str]:
    request = resolve_locations(
        str(folder / "model.zip"), [f"{folder}/{movies}"], str(folder / output), PoseSettings()
    )
    return [str(movie.info.location).removeprefix(f"{folder}/") for movie in request.movies]


def test_labeled_movies_below_the_output_are_left_out(folder: Path) -> None:
    assert names(folder, "movies/", "movies/out") == ["movies/labeled.mp4", "movies/m1.mp4"]


def test_a_movie_that_is_called_so_is_analyzed(folder: Path) -> None:
    assert names(folder, "movies/labeled.mp4", "movies") == ["movies/labeled.mp4"]


def test_a_pipe_is_refused_instead_of_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.mp4")
    with pytest.raises(BadInput, match="pipe"):
        names(folder, "pipe.mp4", "out")


def test_a_name_that_no_result_can_have_is_refused_at_once(folder: Path) -> None:
    (folder / "movies" / "two\nlines.mp4").touch()
    with pytest.raises(BadInput, match="line break"):
        names(folder, "movies/", "out")
