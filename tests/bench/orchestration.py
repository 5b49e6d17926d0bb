"""What Prefect and our flow cost beside the work: the flow with stages that do nothing.

    python -m tests.bench.orchestration --movies 1 20 100

The child processes' answers are made up at once; the files that stages leave behind are tiny. What
is left is Prefect, staging, publishing to a folder, the record and the report. Never asserts.
"""

import argparse
import logging
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from flows.__main__ import prepare_environment
from tasks.pose.estimate import Estimate
from tasks.pose.finishing import Labeled
from tasks.pose.movies import MovieInfo
from tasks.pose.network import Loaded
from tasks.pose.poses import pose_table, write_poses
from tasks.pose.processes import StageProcess
from tasks.pose.quality import Quality, Verdict
from tasks.pose.timing import Timing
from tests.paths import DEMO_MODEL

LOADED = Loaded("scorer", "snapshot-1.pt", "cpu", "device", ())
RATE = Fraction(30)


def main(words: list[str] | None = None) -> int:
    """Run requests of several sizes and print what each took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.orchestration")
    parser.add_argument("--movies", type=int, nargs="+", default=[1, 20, 100])
    options = parser.parse_args(words)
    prepare_environment()
    logging.disable(logging.WARNING)
    took = [(count, _run(count)) for count in (1, *options.movies)][1:]  # the first one warms up
    (few, least), (many, most) = took[0], took[-1]
    for count, seconds in took:
        sys.stdout.write(f"{count:5d} movies  {seconds:8.2f} s\n")
    if many > few:
        each = (most - least) / (many - few)
        sys.stdout.write(f"each movie  {each:.3f} s; the request  {least - few * each:.2f} s\n")
    return 0


def _run(movies: int) -> float:
    from flows.pose_estimation import pose_estimation  # after the environment

    with tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as name:
        folder = Path(name)
        (folder / "movies").mkdir()
        for index in range(movies):
            (folder / "movies" / f"m{index}.mp4").write_bytes(b"movie")
        started = time.perf_counter()
        with patch.object(StageProcess, "call", _answer), patch.object(StageProcess, "start"):
            pose_estimation(str(DEMO_MODEL), [f"{folder}/movies/"], f"{folder}/out/")
        return time.perf_counter() - started


def _answer(_process: StageProcess, function: Any, *args: Any, **_: Any) -> Any:
    """What a stage's process would answer, and the files that it would write."""
    return _ANSWERS[function.__name__](*args)


def _estimate(_project: Path, _movie: Path, target: Path, *_: Any) -> Estimate:
    poses = np.full((1, 5, 3), 0.9, np.float32)
    write_poses(pose_table(poses, "scorer", ("a", "b", "c", "d", "e")), target)
    return Estimate(1, Timing(np.zeros(1), RATE, constant=True), (), LOADED, 1, 0.01)


def _previews(_poses: Path, folder: Path, *_: Any) -> dict[str, Path]:
    picture = folder / "trajectory.png"
    Image.new("RGB", (64, 48)).save(picture)
    return {picture.name: picture}


def _label(_movie: Path, _poses: Path, target: Path, *_: Any) -> Labeled:
    target.write_bytes(b"labelled movie")
    return Labeled(1, RATE, {})


def _write(*args: Any) -> dict[int, int]:
    tables, target, _form = args
    target.write_bytes(b"table")
    return {table.number: 1 for table in tables}


_ANSWERS: dict[str, Any] = {
    "load": lambda *_: LOADED,
    "probe": lambda *_: MovieInfo(64, 48, RATE, 1, "h264", "yuv420p"),
    "estimate": _estimate,
    "filter_file": lambda raw, target, _window: target.write_bytes(raw.read_bytes()),
    "assess_file": lambda *_: Quality(verdict=Verdict.PASS, reasons=(), parts=(), worst_frames=()),
    "preview_files": _previews,
    "label_file": _label,
    "write_annotations": _write,
}


if __name__ == "__main__":
    sys.exit(main())
