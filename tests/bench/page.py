"""The page with many runs and with a long movie, in Chromium: `python -m tests.bench.page`.

The page runs in a process of its own, and moto, its store, in this one. Times run from the request
to what can be seen: the first run, the worst movie's gallery, a frame that plays, the traces. The
runs are copies of one record; the long movie's poses are made up, and its picture does not move.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import numpy as np

from tasks.environment_variables import WEB_INPUTS, WEB_RESULTS
from tasks.pose.finishing import assess_pose_file
from tasks.pose.movies.frame_ledger import FrameLedger
from tasks.pose.movies.timing import constant_timing
from tasks.pose.results.file_names import LABELED_MOVIE_FILE
from tasks.pose.results.run_record import InputObject, OutputFile
from tasks.pose.settings import AnnotationsFormat, PoseSettings
from tasks.pose.tables.annotations import MoviePoses, write_annotations
from tasks.pose.tables.pose_table import write_poses
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.support.movie_files import write_movie
from tests.support.paths import ROOT
from tests.support.pose_tables import build_pose_table
from tests.support.published_runs import on_day, publish_pose_run, publish_record
from tests.support.records import example_model, example_movie, example_run
from tests.support.stores import find_free_port, moto_store
from tests.support.waiting import wait_for
from tests.support.web_page import open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

BUCKET = "bench"
RESULTS = f"s3://{BUCKET}/results/"
PARTS = tuple(f"part {number}" for number in range(12))
RATE = Fraction(30)
PLAYING = "document.querySelector('video')?.currentTime > 0"
DRAWN = "Boolean(document.getElementById('traces')?.dataset.state)"


def publish_runs(count: int, scratch: Path) -> None:
    """Publish one run of three movies with its files, and copies of its record."""
    movies: dict[str, float | str] = {"mouse1": 0.0, "mouse2": 0.2, "mouse3": 0.7}
    first = publish_pose_run(f"{RESULTS}session-0/", movies, scratch, on_day(30))
    for number in range(1, count):
        ended = first.finished - timedelta(hours=number)
        copy = first.model_copy(update={"started": ended, "finished": ended})
        publish_record(f"{RESULTS}session-{number}/", copy)


def publish_long_movie(frames: int, scratch: Path) -> None:
    """Publish a run of one movie: twelve body parts that go around, and a picture that stays."""
    store, base = LocationStore(), Location.parse(f"{RESULTS}long/")
    folder = scratch / "long"
    folder.mkdir()
    picture = np.full((128, 160, 3), 110, np.uint8)
    movie = write_movie(
        folder / LABELED_MOVIE_FILE,
        frames,
        width=160,
        height=128,
        rate=RATE,
        options={"preset": "ultrafast", "g": "60"},
        container_options={"movflags": "+faststart"},
        draw=lambda *_: picture,
    )
    index, part = np.arange(frames)[:, None], np.arange(len(PARTS))
    values = np.empty((frames, len(PARTS), 3), np.float32)
    values[..., 0] = 80 + 40 * np.cos(index / 50 + part)
    values[..., 1] = 64 + 40 * np.sin(index / 50 + part)
    values[..., 2] = np.random.default_rng(5).uniform(0.5, 1, values.shape[:2])
    poses = folder / "poses.h5"
    write_poses(build_pose_table(values, {"single": PARTS}), poses)
    timing = constant_timing(frames, RATE)
    annotations, parts = folder / "annotations.parquet", [MoviePoses(0, poses, timing, (0, 0))]
    write_annotations(parts, annotations, AnnotationsFormat.PARQUET)

    def publish(path: Path, target: Location) -> OutputFile:
        stored = store.upload(path, target.child(path.name))
        assert stored.sha256
        return OutputFile(location=str(stored.location), size=stored.size, sha256=stored.sha256)

    source = store.upload(movie, Location.parse(f"s3://{BUCKET}/movies/long.mp4"))
    counts = dict.fromkeys(("declared", "decoded", "poses", "annotated", "labeled"), frames)
    record = example_movie(
        "long",
        0,
        input=InputObject(
            location=str(source.location), size=source.size, etag=source.etag, version=None,
            sha256=source.sha256,
        ),
        width=160,
        height=128,
        frame_rate=float(RATE),
        duration=frames / float(RATE),
        frames=FrameLedger(**counts),
        quality=assess_pose_file(poses, PoseSettings(), (160, 128), RATE, 0),
        outputs={path.name: publish(path, base.child("long/")) for path in (poses, movie)},
        pose_file=poses.name,
    )  # fmt: skip
    run = example_run(
        record,
        model=example_model(body_parts=PARTS),
        outputs={annotations.name: publish(annotations, base)},
    )
    publish_record(str(base), run)


@contextmanager
def serve_page(scratch: Path) -> Iterator[str]:
    """Start the page as a process; yields its address once it answers."""
    port = find_free_port()
    settings = {WEB_RESULTS.name: RESULTS, WEB_INPUTS.name: f"s3://{BUCKET}/"}
    words = [sys.executable, "-m", "deployments.web", "--port", str(port)]
    page = subprocess.Popen(
        [*words, "--cache", str(scratch / "cache")], cwd=ROOT, env=os.environ | settings
    )
    try:
        wait_for(lambda: _answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        page.terminate()
        page.wait()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def measure_screens(page: "Page", url: str, runs: int, repeats: int) -> None:
    """Open each screen several times, and print the median and the most of its seconds."""
    run = f"{url}/runs/s3/{BUCKET}/results/session-0/"
    movies = f"{url}/movies/s3/{BUCKET}/results"

    def see_first_page() -> None:
        page.goto(url)
        page.get_by_text("session-0", exact=False).first.wait_for()

    def find_run() -> None:
        page.goto(f"{url}/?q=session-{runs - 1}")
        page.get_by_text(f"session-{runs - 1}", exact=False).first.wait_for()

    def see_gallery() -> None:
        page.goto(run)
        page.get_by_text("mouse3", exact=False).first.wait_for()

    def play_movie() -> None:
        page.goto(f"{movies}/session-0/mouse3/")
        page.keyboard.press(" ")
        wait_for(lambda: page.evaluate(PLAYING))

    def see_long_movie() -> None:
        page.goto(f"{movies}/long/long/")
        wait_for(lambda: page.evaluate(DRAWN))

    screens: dict[str, Callable[[], None]] = {
        "first page": see_first_page,
        "a search": find_run,
        "a run's movies": see_gallery,
        "a movie that plays": play_movie,
        "the long movie's traces": see_long_movie,
    }
    for name, see in screens.items():
        taken = []
        for _ in range(repeats):
            page.goto("about:blank")
            begun = time.perf_counter()
            see()
            taken.append(time.perf_counter() - begun)
        print(
            f"{name:<26} first {taken[0]:5.2f} s, median {statistics.median(taken):5.2f} s, "
            f"most {max(taken):5.2f} s"
        )


def main() -> None:
    """Print the seconds of each screen."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="runs in the store")
    parser.add_argument("--frames", type=int, default=100_000, help="frames of the long movie")
    parser.add_argument("--repeats", type=int, default=5, help="times that each screen is opened")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="page-bench-") as folder, moto_store() as store:
        os.environ.update(store)
        scratch = Path(folder)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        publish_runs(options.runs, scratch / "made")
        publish_long_movie(options.frames, scratch)
        with serve_page(scratch) as url, open_browser() as browser:
            measure_screens(browser.new_page(), url, options.runs, options.repeats)


if __name__ == "__main__":
    main()
