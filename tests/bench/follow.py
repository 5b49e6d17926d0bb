"""A window that follows the animals, against whole frames: `python -m tests.bench.follow`.

Estimation alone, in turns: ours on whole frames, with windows of several sizes, and DeepLabCut's
`analyze_videos` with and without `dynamic` cropping. Ours has the model loaded before; DeepLabCut's
call loads it itself. Distances are those of confident points from each side's own whole frames, in
pixels in x or y. Seconds are medians.
"""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose import estimate
from tasks.pose.model.archive import unpack_model
from tasks.pose.settings import Follow, Precision
from tasks.processes.stage_process import StageProcess
from tasks.run.workers import start_run_processes
from tests.bench.agreement import CONFIDENT
from tests.bench.dynamic_reference import analyze_videos
from tests.bench.inputs import encode_clip
from tests.bench.measuring import MIB, Cost, measure_call, measure_with_progress
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE

DYNAMIC = (True, 0.5, 10)
"""DeepLabCut's `dynamic` with its own threshold and margin, switched on."""

THEIRS = "analyze_videos"
OURS = "whole frames"


@dataclass(frozen=True)
class Turn:
    """One estimation.

    Attributes:
        cost: What it took.
        poses: Its file of poses.
        told: How the window followed.
    """

    cost: Cost
    poses: Path
    told: str = ""


Call = Callable[[], Turn]


def main(words: list[str] | None = None) -> int:
    """Print a row for each way to estimate a movie."""
    options = _build_parser().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as made:
        folder = Path(made)
        movie = options.movie
        if options.frames:
            movie = encode_clip(movie, folder / "movie.mp4", options.frames, None)
        turns: dict[str, list[Turn]] = defaultdict(list)
        with _build_calls(options, movie.resolve(), folder) as calls:
            for _ in range(options.repeats):
                for name, call in calls.items():
                    turns[name].append(call())
                    cost = turns[name][-1].cost
                    sys.stderr.write(f"{name}: {cost.seconds:.2f} s, CPU {cost.busy:.2f} s\n")
        sys.stdout.write(f"{_HEAD}\n")
        for name, found in turns.items():
            base = THEIRS if name.startswith(THEIRS) else OURS
            sys.stdout.write(f"{_format_row(name, found, turns[OURS], turns[base][-1])}\n")
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.follow", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEMO_MODEL)
    parser.add_argument("--movie", type=Path, default=DEMO_MOVIE)
    parser.add_argument("--frames", type=int, help="of the movie, again from its start if need be")
    parser.add_argument("--device", default="cpu", help="a torch device, such as cuda")
    parser.add_argument("--precision", type=Precision, default=Precision.STANDARD)
    parser.add_argument("--windows", type=int, nargs="*", default=[192, 256], help="other sides")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ours-only", action="store_true", help="leave DeepLabCut's calls out")
    return parser


@contextmanager
def _build_calls(
    options: argparse.Namespace, movie: Path, folder: Path
) -> Iterator[dict[str, Call]]:
    project = folder / "project"
    unpack_model(options.model, options.model.name, project)
    theirs = StageProcess("DeepLabCut", folder / "log", {"MPLBACKEND": "agg"})
    with start_run_processes(folder) as workers:
        estimator = workers.estimator

        def build_ours(name: str, follow: Follow, side: int | None) -> Call:
            target = folder / f"{name}.h5"
            how = (options.device, None, options.precision, follow, side)

            def estimate_with_ours() -> Turn:
                call = (estimate.estimate_movie, project, movie, target, None, *how)
                found, cost = estimator.call(measure_with_progress, *call)
                return Turn(cost, target, found.follow.summary if found.follow else "")

            return estimate_with_ours

        def build_theirs(name: str, dynamic: tuple[bool, float, int]) -> Call:
            target = folder / name

            def estimate_with_theirs() -> Turn:
                call = (analyze_videos, project, movie, target, options.device, dynamic)
                _, cost = theirs.call(measure_call, *call)
                return Turn(cost, target / "poses.h5")

            return estimate_with_theirs

        estimator.call(estimate.preload_model, project, options.device)
        calls = {OURS: build_ours(OURS, Follow.OFF, None)}
        calls["follow: auto"] = build_ours("auto", Follow.AUTO, None)
        for side in options.windows:
            calls[f"follow, {side}"] = build_ours(str(side), Follow.AUTO, side)
        if not options.ours_only:
            calls[THEIRS] = build_theirs("theirs", (False, *DYNAMIC[1:]))
            calls[f"{THEIRS}, dynamic"] = build_theirs("dynamic", DYNAMIC)
        try:
            yield calls
        finally:
            theirs.close()


_HEAD = (
    f"{'':24}{'s':>8}{'CPU s':>8}{'ratio':>7}{'MiB':>6}{'points':>8}{'median':>9}{'99 %':>8}"
    f"{'most':>9}  of confident points"
)


def _format_row(name: str, turns: list[Turn], base: list[Turn], whole: Turn) -> str:
    seconds, compared = (statistics.median(one.cost.seconds for one in t) for t in (turns, base))
    busy = statistics.median(one.cost.busy for one in turns)
    peak = max(one.cost.peak for one in turns) / MIB
    moved = _measure_distances(turns[-1].poses, whole.poses)
    median, most = np.percentile(moved, [50, 99]) if len(moved) else (0, 0)
    return (
        f"{name:24}{seconds:8.2f}{busy:8.2f}{compared / seconds:7.2f}{peak:6.0f}{len(moved):8}"
        f"{median:9.4f}{most:8.3f}{moved.max(initial=0):9.3f}  {turns[-1].told}"
    )


def _measure_distances(poses: Path, whole: Path) -> NDArray[np.float64]:
    """Distances of points that whole frames are sure of."""
    tables = [pd.DataFrame(pd.read_hdf(path)).to_numpy(np.float64) for path in (poses, whole)]
    found, full = (table.reshape(len(table), -1, 3) for table in tables)
    apart = np.abs(found - full)[..., :2].max(axis=2)
    moved: NDArray[np.float64] = apart[full[..., 2] > CONFIDENT]
    return moved


if __name__ == "__main__":
    sys.exit(main())
