"""Presentation times from an MP4's tables are those that a player goes by."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tasks.pose.movies.mp4_times import read_presentation_times
from tests.support.movie_files import overwrite, write_movie

STAMPS = [0, 33, 66, 200, 233, 1000, 1001, 1500]


def read_decoded_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time or 0.0 for frame in container.decode(video=0)]


def read_times(path: Path) -> Any:
    return read_presentation_times(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="frames stored in another order"),
        pytest.param({"options": {"bf": "0"}}, id="as stored"),
        pytest.param({"rate": Fraction(30000, 1001)}, id="NTSC"),
        pytest.param({"frames": 8, "stamps": STAMPS}, id="uneven"),
        pytest.param({"frames": 8, "stamps": [s + 400 for s in STAMPS]}, id="late"),
        pytest.param({"container_options": {"movflags": "+faststart"}}, id="tables first"),
        pytest.param({"codec": "libx265"}, id="HEVC"),
    ],
)
def test_times_are_those_of_the_decoded_frames(tmp_path: Path, options: dict[str, Any]) -> None:
    movie = write_movie(tmp_path / "m.mp4", **options)
    np.testing.assert_allclose(read_times(movie), read_decoded_times(movie), atol=1e-9)


def test_what_has_no_such_tables_has_no_times(tmp_path: Path) -> None:
    fragments = write_movie(
        tmp_path / "f.mp4", container_options={"movflags": "frag_keyframe+empty_moov"}
    )
    avi = write_movie(tmp_path / "m.avi")
    assert read_times(fragments) is None
    assert read_times(avi) is None
    assert read_presentation_times(io.BytesIO(b"")) is None


@pytest.mark.parametrize(
    ("box", "place", "number"),
    [
        pytest.param(b"stts", 12, 2**32 - 1, id="a billion frames"),
        pytest.param(b"stts", 8, 2**32 - 1, id="more runs than there are"),
        pytest.param(b"ctts", 12, 0, id="fewer offsets than frames"),
        pytest.param(b"mdhd", 16, 0, id="no ticks per second"),
        pytest.param(b"elst", 8, 7, id="two edits where one is"),
        pytest.param(b"hdlr", 12, 0x736F756E, id="sound alone"),
    ],
)
def test_tables_that_contradict_themselves_tell_no_times(
    tmp_path: Path, box: bytes, place: int, number: int
) -> None:
    movie = write_movie(tmp_path / "m.mp4")
    overwrite(movie, box, place, ">I", number)
    assert read_times(movie) is None


def test_a_file_that_breaks_off_tells_no_times(tmp_path: Path) -> None:
    data = write_movie(tmp_path / "m.mp4").read_bytes()
    tables = data.index(b"stts")
    for size in range(tables - 40, tables + 40):
        assert read_presentation_times(io.BytesIO(data[:size])) is None
