"""A sheet of pictures with axes in pixels."""

from pathlib import Path

import numpy as np
import pytest

from tasks.pose.movie_inspection.contact_sheet import _draw_figure, draw_contact_sheet
from tasks.pose.movie_inspection.sample_pictures import read_sample_pictures
from tasks.pose.movies.reader import open_movie
from tasks.pose.movies.timing import Timing
from tests.support.isxb_files import write_isxb
from tests.support.movie_files import draw_picture, write_movie


def read_timing(path: Path) -> Timing:
    reader = open_movie(path)
    reader.read_listing()
    return reader.compute_timing()


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return write_movie(tmp_path / "m$1.mp4", 40, options={"g": "10", "bf": "2", "crf": "1"})


def test_pictures_come_from_all_over_with_their_own_numbers(movie: Path) -> None:
    timing = read_timing(movie)
    pictures = list(read_sample_pictures(movie, movie.name, timing, 5))
    frames = [picture.frame for picture in pictures]
    assert len(frames) == 5
    assert frames == sorted(set(frames))
    assert frames[-1] - frames[0] > 20
    for picture in pictures:
        true = draw_picture(picture.frame, 96, 64)
        assert np.abs(picture.image.astype(int) - true).mean() < 12
        assert picture.seconds == timing.seconds[picture.frame]


def test_a_movie_of_a_few_frames_has_a_few_pictures(tmp_path: Path) -> None:
    for path in (write_movie(tmp_path / "m.mp4", 1), write_isxb(tmp_path / "m.isxb", 2)):
        pictures = list(read_sample_pictures(path, path.name, read_timing(path), 9))
        assert 1 <= len(pictures) <= 2
        assert draw_contact_sheet(path, path.name, read_timing(path), tmp_path / "sheet.png")


def test_axes_count_pixels_from_the_corner(movie: Path) -> None:
    pictures = list(read_sample_pictures(movie, movie.name, read_timing(movie), 9))
    figure = _draw_figure(movie.name, pictures, 40)
    assert len(figure.axes) == len(pictures)
    for axes in figure.axes:
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 96), (64, 0))
        assert list(axes.get_images()[0].get_extent()) == [0, 96, 64, 0]
        assert all(tick == int(tick) for tick in axes.get_xticks())


@pytest.mark.parametrize(("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_it_is_a_png_or_an_svg(movie: Path, tmp_path: Path, suffix: str, begins: bytes) -> None:
    target = tmp_path / f"sheet.{suffix}"
    assert draw_contact_sheet(movie, movie.name, read_timing(movie), target)
    assert target.read_bytes().startswith(begins)
