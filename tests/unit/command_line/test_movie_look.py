"""A look at a movie: what it is, with one of its frames, of whatever format and size."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.command_line import movie_head, movie_look
from tasks.command_line.movie_look import MAX_PICTURE_SIDE, encode_picture, look_at_movie
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.support.isxb_files import draw_gray, write_isxb
from tests.support.movie_files import write_movie

STORE = LocationStore()


def look(path: Path) -> movie_look.MovieLook:
    return look_at_movie(STORE.stat(Location("", str(path))))


def decode(picture: bytes | None) -> Image.Image:
    assert picture is not None
    return Image.open(io.BytesIO(picture))


@pytest.mark.parametrize("name", ["m.mp4", "m.avi", "m.isxb"])
def test_a_movie_comes_with_a_frame_of_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("isxb"):
        write_isxb(path, frames=9)
        size, frames = (64, 48), 9
    else:
        write_movie(path, 30)
        size, frames = (96, 64), 30
    found = look(path)
    assert found.facts.usable
    assert ((found.facts.width, found.facts.height), found.facts.frames) == (size, frames)
    assert decode(found.picture).size == size


def as_remote(patch: pytest.MonkeyPatch) -> None:
    """As a large movie in a bucket, of which the beginning is fetched."""
    patch.setattr(movie_look, "can_look_at_head", lambda _store, _info: True)
    patch.setattr(movie_head, "_HEAD_BYTES", 30_000)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("m.isxb", lambda path: write_isxb(path, 40, width=640, height=480)),
        (
            "m.avi",
            lambda path: write_movie(
                path, 60, codec="mjpeg", pixel_format="yuvj420p", width=320, height=240
            ),
        ),
    ],
)
def test_of_a_large_one_the_beginning_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path / name)
    whole = look(path).facts
    as_remote(monkeypatch)
    found = look(path)
    assert path.stat().st_size > movie_head._HEAD_BYTES
    assert (found.facts.width, found.facts.height) == (whole.width, whole.height)
    assert found.facts.frames == whole.frames
    picture = np.asarray(decode(found.picture).convert("L"), int)
    if name.endswith("isxb"):
        assert np.abs(picture - draw_gray(0, 640, 480)).mean() < 5
    else:
        assert np.ptp(picture) > 100


def test_what_is_no_movie_is_told_and_has_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    path.write_bytes(b"x" * 1000)
    found = look(path)
    assert (found.facts.usable, found.picture) == (False, None)
    assert found.facts.problems[0].startswith("m.mp4: expected an MP4")


def test_large_frames_are_made_smaller_and_gray_ones_stay_gray() -> None:
    large = np.zeros((1000, 3200, 3), np.uint8)
    assert decode(encode_picture(large)).size == (MAX_PICTURE_SIDE, 500)
    assert decode(encode_picture(large[:40, :50, 0])).mode == "L"
