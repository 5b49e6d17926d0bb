"""What Prefect and our flow cost beside the work: the flow with stages that do nothing.

    python -m tests.bench.orchestration --movies 1 20 100
    python -m tests.bench.orchestration --movies 1 20 100 --store s3://bucket/

The child processes' answers are made up at once; the files that stages leave behind are tiny. What
is left is Prefect, staging, publishing, the record and the report; and, where all of it lies in a
store (``AWS_ENDPOINT_URL`` and its keys), requests, which are counted by kind. The processor's time
is this process' own, without that of Prefect's server and of the store. Never asserts.
"""

import argparse
import logging
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from botocore.client import BaseClient
from PIL import Image

from tasks.command_line.prefect_environment import prepare_environment
from tasks.pose.estimate import Estimate
from tasks.pose.finishing import LabeledMovieResult
from tasks.pose.movies.reader import MovieInfo
from tasks.pose.movies.timing import Timing
from tasks.pose.network.interface import LoadedModel
from tasks.pose.tables.pose_table import build_pose_table, write_poses
from tasks.pose.tables.quality import Quality, Verdict
from tasks.processes.stage_process import StageProcess
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.support.paths import DEMO_MODEL

LOADED = LoadedModel("scorer", "snapshot-1.pt", "cpu", "device", ())
RATE = Fraction(30)


def main(words: list[str] | None = None) -> int:
    """Run requests of several sizes and print what each took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.orchestration")
    parser.add_argument("--movies", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--store", help="a prefix that all lies below; by default a local folder")
    options = parser.parse_args(words)
    prepare_environment()
    logging.disable(logging.WARNING)
    _run_request(1, options.store)  # warms up
    took = []
    for count in options.movies:
        used = time.process_time()
        seconds, requests = _run_request(count, options.store)
        took.append((count, seconds))
        busy = f"{time.process_time() - used:7.2f} s of CPU"
        sys.stdout.write(
            f"{count:5d} movies  {seconds:8.2f} s  {busy}  {_format_requests(requests)}\n"
        )
    (few, least), (many, most) = took[0], took[-1]
    if many > few:
        each = (most - least) / (many - few)
        sys.stdout.write(f"each movie  {each:.3f} s; the request  {least - few * each:.2f} s\n")
    return 0


def _format_requests(requests: Counter[str]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in requests.most_common())
    return f"{requests.total()} requests: {kinds}" if kinds else ""


def _run_request(movies: int, store: str | None) -> tuple[float, Counter[str]]:
    """Seconds of a request, and what was asked of the store, by kind."""
    from flows.pose_estimation import pose_estimation  # after the environment

    with tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as name:
        folder = f"{store.rstrip('/')}/{secrets.token_hex(4)}" if store else name
        for index in range(movies):
            LocationStore().put(Location.parse(f"{folder}/movies/m{index}.mp4"), b"movie")
        started = time.perf_counter()
        with (
            patch.object(StageProcess, "call", _answer_call),
            patch.object(StageProcess, "start"),
            _count_requests() as requests,
        ):
            pose_estimation(str(DEMO_MODEL), [f"{folder}/movies/"], f"{folder}/out/")
        seconds = time.perf_counter() - started
        if store:
            place = Location.parse(f"{folder}/")
            for info in list(LocationStore().list(place)):
                LocationStore().remove(info.location)
        return seconds, requests


@contextmanager
def _count_requests() -> Iterator[Counter[str]]:
    """Count what is asked of a store, by kind; tries after the first are not seen."""
    requests: Counter[str] = Counter()
    ask = BaseClient._make_api_call  # type: ignore[attr-defined]

    def count_request(client: BaseClient, kind: str, words: Any) -> Any:
        requests[kind] += 1
        return ask(client, kind, words)

    with patch.object(BaseClient, "_make_api_call", count_request):
        yield requests


def _answer_call(_process: StageProcess, function: Any, *args: Any, **_: Any) -> Any:
    """What a stage's process would answer, and the files that it would write."""
    return _FAKE_RESULTS[function.__name__](*args)


def _fake_estimate(_project: Path, _movie: Path, target: Path, *_: Any) -> Estimate:
    poses = np.full((1, 5, 3), 0.9, np.float32)
    write_poses(build_pose_table(poses, "scorer", ("a", "b", "c", "d", "e")), target)
    return Estimate(1, Timing(np.zeros(1), RATE, constant=True), (), LOADED, 1, 0.01)


def _fake_previews(_poses: Path, folder: Path, *_: Any) -> dict[str, Path]:
    picture = folder / "trajectory.png"
    Image.new("RGB", (64, 48)).save(picture)
    return {picture.name: picture}


def _fake_label(_movie: Path, _poses: Path, target: Path, *_: Any) -> LabeledMovieResult:
    target.write_bytes(b"labeled movie")
    return LabeledMovieResult(1, RATE, {})


def _fake_annotations(*args: Any) -> dict[int, int]:
    tables, target, _form = args
    target.write_bytes(b"table")
    return {table.number: 1 for table in tables}


_FAKE_RESULTS: dict[str, Any] = {
    "preload_model": lambda *_: LOADED,
    "probe_movie": lambda *_: MovieInfo(64, 48, RATE, 1, "h264", "yuv420p"),
    "estimate_movie": _fake_estimate,
    "filter_pose_file": lambda raw, target, _window: target.write_bytes(raw.read_bytes()),
    "assess_pose_file": lambda *_: Quality(
        verdict=Verdict.PASS, reasons=(), parts=(), worst_frames=()
    ),
    "draw_preview_files": _fake_previews,
    "label_movie_file": _fake_label,
    "write_annotations": _fake_annotations,
}


if __name__ == "__main__":
    sys.exit(main())
