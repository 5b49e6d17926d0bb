"""Room on the scratch disk is asked for before it is needed."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import Retriable
from tasks.pose.movies.info import MovieInfo
from tasks.pose.results.run_record import RequestRecord
from tasks.pose.settings import PoseSettings
from tasks.run.scratch_space import (
    check_output_space,
    check_scratch_space,
    estimate_output_bytes,
    estimate_scratch_bytes,
)
from tasks.run_data import MovieSource, ResolvedRequest
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo
from tests.support.small_disk import mount_small_disk

MB = 1_000_000


def stored(text: str, size: int) -> ObjectInfo:
    return ObjectInfo(Location.parse(text), size, None, None, None, None)


def a_request(*sizes: int, where: str = "s3://lab", model: int = 100 * MB) -> ResolvedRequest:
    movies = [f"{where}/m{index}.mp4" for index in range(len(sizes))]
    infos = [stored(text, size) for text, size in zip(movies, sizes, strict=True)]
    return ResolvedRequest(
        given=RequestRecord(
            model=f"{where}/m.zip", movies=tuple(movies), output="/o", settings=PoseSettings()
        ),
        model=stored(f"{where}/m.zip", model),
        movies=tuple(MovieSource(i, f"m{i}", info) for i, info in enumerate(infos)),
        output=Location.parse("/o"),
        warnings=(),
        store=LocationStore(),
    )


def a_movie(**changes: Any) -> MovieInfo:
    info = MovieInfo(
        width=640,
        height=480,
        frame_rate=Fraction(30),
        declared_frames=1000,
        codec="h264",
        pixel_format="yuv420p",
    )
    return replace(info, **changes)


class TestNeeded:
    def test_is_for_the_largest_movies_that_lie_there_at_a_time(self) -> None:
        sizes = [10 * MB, 50 * MB, 20 * MB, 30 * MB]
        kept = 0.05 * 110 * MB
        assert estimate_scratch_bytes(a_request(*sizes), 3) == 200 * MB + 3 * 100 * MB + kept
        assert estimate_scratch_bytes(a_request(*sizes), 1) == 200 * MB + 3 * 50 * MB + kept
        assert estimate_scratch_bytes(a_request(*sizes), 9) == 200 * MB + 3 * 110 * MB + kept

    def test_leaves_out_what_is_read_where_it_is(self) -> None:
        local = a_request(50 * MB, where="/data")
        assert estimate_scratch_bytes(local, 3) == 100 * MB + 2 * 50 * MB + 2.5 * MB

    def test_is_little_where_other_runs_take_the_movies(self) -> None:
        assert estimate_scratch_bytes(a_request(50 * MB), 0) == 200 * MB + 2.5 * MB

    def test_by_outputs_grows_with_the_movie_but_not_beyond_its_bytes(self) -> None:
        poses = 1500 * 1000
        pixels = 640 * 480
        assert estimate_output_bytes(5 * MB, 1000, pixels) == 10 * MB + poses
        assert estimate_output_bytes(900 * MB, 1000, pixels) == round(0.06 * 1000 * pixels) + poses
        assert estimate_output_bytes(5 * MB, 0, pixels) == 10 * MB


class TestCheck:
    def test_refuses_at_once_with_figures_and_a_remedy(self, tmp_path: Path) -> None:
        with mount_small_disk(tmp_path / "disk", 10 << 20) as disk:
            scratch = disk / "run"
            scratch.mkdir()
            state: Any = check_scratch_space.task.fn(a_request(10 * MB, 20 * MB), scratch, 3)
        error = state.result(raise_on_failure=False)
        assert isinstance(error, Retriable)
        assert str(error) == (
            f"about 291,500,000 bytes of scratch are needed for the model, the 2 largest movies "
            f"at a time and the results, and 10,485,760 are free in {disk}; make room there, or "
            "let TMPDIR name a folder on a larger disk where workers start"
        )

    def test_says_what_it_found(self, tmp_path: Path) -> None:
        state: Any = check_scratch_space.task.fn(a_request(1000, model=1000), tmp_path, 3)
        assert state.is_completed()
        assert str(state.message).startswith("about 5,050 bytes needed, ")

    def test_refuses_a_movie_whose_results_have_no_room(self, tmp_path: Path) -> None:
        movie = tmp_path / "m.mp4"
        movie.write_bytes(bytes(MB))
        check_output_space("m", movie, a_movie(), tmp_path)
        free = shutil.disk_usage(tmp_path).free
        endless = a_movie(declared_frames=free // 1000)
        with pytest.raises(Retriable, match=r"labeled movie and the poses of m, and [\d,]+ are"):
            check_output_space("m", movie, endless, tmp_path)
