"""Peak memory of every stage over a movie's length: `python -m tests.bench.length`.

The movie is small, so that a hundred thousand frames are estimated within minutes; each length has
processes of its own, laid out as a run's.
"""

import argparse
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tasks.pose import estimate, finishing
from tasks.pose.model.archive import unpack_model
from tasks.pose.movies.timing import constant_timing
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.median_filter import filter_pose_file
from tasks.pose.tables.pose_table import write_poses
from tasks.processes.pool import RunProcesses
from tasks.run.workers import start_run_processes
from tests.bench import ours
from tests.bench.inputs import encode_clip
from tests.bench.measuring import MIB, Cost, measure_call, measure_with_progress
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.pose_tables import build_pose_table

SIZE = (128, 96)
PARTS = tuple(f"part {index}" for index in range(8))


def main(words: list[str] | None = None) -> int:
    """Print each stage's peak at both lengths."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.length", description=__doc__)
    parser.add_argument("--frames", type=int, nargs=2, default=(1_000, 100_000))
    parser.add_argument("--without-estimation", action="store_true")
    options = parser.parse_args(words)
    found = [_measure_costs(frames, options.without_estimation) for frames in options.frames]
    short, long = options.frames
    lines = [f"{'stage':14}{short:>12,}{long:>12,} frames, MiB{'ratio':>8}{'s':>9}"]
    for name, few in found[0].items():
        many = found[1][name]
        peaks = f"{few.peak / MIB:12.0f}{many.peak / MIB:12.0f}"
        lines.append(f"{name:14}{peaks}{many.peak / few.peak:19.2f}{many.seconds:9.1f}")
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


def _measure_costs(frames: int, without_estimation: bool) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as name:
        folder = Path(name)
        opened = unpack_model(DEMO_MODEL, DEMO_MODEL.name, folder / "project")
        movie = encode_clip(DEMO_MOVIE, folder / "movie.mp4", frames, SIZE)
        with start_run_processes(folder) as workers:
            costs = {} if without_estimation else _measure_estimation(workers, movie, folder)
            return costs | _measure_finishing(workers, opened, movie, folder, frames)


def _measure_estimation(workers: RunProcesses, movie: Path, folder: Path) -> dict[str, Cost]:
    project, target = folder / "project", folder / "estimated.h5"
    workers.estimator.call(estimate.preload_model, project, "cpu")
    _, cost = workers.estimator.call(
        measure_with_progress, estimate.estimate_movie, project, movie, target, None, "cpu"
    )
    return {"estimate": cost}


def _measure_finishing(
    workers: RunProcesses, opened: Any, movie: Path, folder: Path, frames: int
) -> dict[str, Cost]:
    settings, timing = PoseSettings(), constant_timing(frames, Fraction(30))
    raw, filtered = folder / "raw.h5", folder / "filtered.h5"
    write_poses(make_wandering_poses(frames), raw)
    style = finishing.build_label_style(opened, settings)
    rate, target = Fraction(30), folder / "labeled.mp4"
    look = (filtered, target, style, timing, None, (0, 0), (1, 2))
    calls: dict[str, tuple[Any, ...]] = {
        "filter": (filter_pose_file, raw, filtered, 5),
        "quality": (finishing.assess_pose_file, filtered, settings, SIZE, rate, 0),
        "previews": (
            finishing.draw_preview_files,
            filtered,
            folder,
            opened,
            settings,
            (0, 0),
            SIZE,
        ),
        "annotations": (
            ours.write_annotation_table,
            filtered,
            timing,
            folder / "annotations.parquet",
        ),
    }
    costs = {}
    with workers.finishers.lease() as finisher:
        for name, call in calls.items():
            _, costs[name] = finisher.call(measure_call, *call)
        _, costs["label"] = finisher.call(
            measure_with_progress, finishing.label_movie_file, movie, *look
        )
    return costs


def make_wandering_poses(frames: int) -> Any:
    """Poses of an animal that walks about, mostly confident."""
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 2, (frames, 1, 2)), axis=0) / 200
    values = np.empty((frames, len(PARTS), 3), np.float32)
    reach = np.array(SIZE) * 0.4
    values[..., :2] = np.array(SIZE) / 2 + reach * np.sin(walk + np.arange(len(PARTS))[:, None] / 9)
    values[..., 2] = rng.normal(0.95, 0.1, values.shape[:2]).clip(0, 1)
    return build_pose_table(values, {"": PARTS})


if __name__ == "__main__":
    sys.exit(main())
