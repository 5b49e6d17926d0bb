"""Movies beside each other in a flow that is interrupted: none begins or goes on after it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.run.fetch import create_movie_folder
from tasks.run.scratch_folder import create_scratch_folder
from tasks.run_data import MovieSource
from tasks.stages.fan_out import wait_for_all
from tasks.stages.progress import Progress, cancel_work_at_exit, check_running
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo

AT_ONCE = 2
MOVIES = 8


def movies() -> list[MovieSource]:
    info = ObjectInfo(Location.parse("/in/m.mp4"), 1, "e", None, None, None)
    return [MovieSource(number, f"m{number}", info) for number in range(MOVIES)]


class Work:
    """Movies that are under way until their run ends."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.all_begun = threading.Barrier(AT_ONCE + 1)

    def on(self, movie: MovieSource, scratch: Path) -> None:
        with create_movie_folder(scratch, movie) as folder:
            self.begun.append(movie.name)
            if len(self.begun) <= AT_ONCE:
                self.all_begun.wait()
            try:
                with Progress(f"fetch · {movie.name}", None) as progress:
                    for done in range(1_000_000):
                        (folder / "poses.h5").touch()
                        progress(done)
            finally:
                self.ended.append(movie.name)


def test_an_interrupted_run_leaves_nothing_behind(prefect_server: None, place: Path) -> None:
    work = Work()

    @stage("Movie", "movie · {movie.name}")
    def analyze(movie: MovieSource, scratch: Path) -> tuple[None, str]:
        check_running(movie.name)
        work.on(movie, scratch)
        return None, "done"

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=AT_ONCE))  # type: ignore[arg-type]
    def a_flow() -> None:
        ended = threading.Event()

        def begun(scratch: Path) -> Iterator[object]:
            for movie in movies():
                yield analyze.submit(movie, scratch)
            work.all_begun.wait()
            raise KeyboardInterrupt

        with create_scratch_folder() as scratch, cancel_work_at_exit(ended):
            try:
                wait_for_all(begun(scratch), ended.set)
            finally:
                ended_by_then.extend(work.ended)

    ended_by_then: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        a_flow()
    assert sorted(work.begun) == sorted(ended_by_then) == ["m0", "m1"]
    assert list(place.iterdir()) == []
