"""Labeled movies alone, against DeepLabCut's: `python -m tests.bench.label`.

Poses are made up, so that nothing is estimated. DeepLabCut's side is what `create_labeled_video`
calls for each movie; its keypoints-only movie needs the program ffmpeg. The last column is a limit:
the movie decoded and encoded as ours is, with nothing drawn on it. Sides take turns; figures are
the least of all turns: what else the machine does only adds to them.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tasks.pose import finishing
from tasks.pose.movies.reader import probe_movie
from tasks.pose.movies.timing import constant_timing
from tasks.pose.tables.pose_table import write_poses
from tasks.processes.stage_process import StageProcess
from tasks.run.workers import start_run_processes
from tests.bench import ours
from tests.bench.inputs import encode_clip
from tests.bench.label_reference import label_with_deeplabcut
from tests.bench.measuring import Cost, measure_call, measure_with_progress
from tests.support.paths import DEMO_MOVIE
from tests.support.pose_tables import PLAIN_STYLE, build_pose_table

RATE = Fraction(30)
SIDES = ("DeepLabCut", "ours", "limit")

Calls = dict[str, Callable[[], Cost]]


@dataclass(frozen=True)
class DrawingStyle:
    """What is drawn.

    Attributes:
        parts: Number of body parts.
        skeleton: Whether each is joined with the next.
        trail: Positions drawn of each.
        alone: Whether on black.
    """

    parts: int
    skeleton: bool = False
    trail: int = 0
    alone: bool = False

    @property
    def part_names(self) -> tuple[str, ...]:
        return tuple(f"part {index}" for index in range(self.parts))

    @property
    def skeleton_edges(self) -> tuple[tuple[str, str], ...]:
        return (
            tuple(zip(self.part_names, self.part_names[1:], strict=False)) if self.skeleton else ()
        )

    def __str__(self) -> str:
        told = {
            f"{self.parts} parts": True,
            "skeleton": self.skeleton,
            "trails": self.trail,
            "keypoints only": self.alone,
        }
        return ", ".join(name for name, drawn in told.items() if drawn)


DRAWING_STYLES = (
    DrawingStyle(5),
    DrawingStyle(20, skeleton=True),
    DrawingStyle(20, trail=15),
    DrawingStyle(5, alone=True),
    DrawingStyle(20, skeleton=True, alone=True),
)


def main(words: list[str] | None = None) -> int:
    """Print milliseconds a frame of both sides and the limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.label", description=__doc__)
    parser.add_argument("--movie", type=Path, default=DEMO_MOVIE)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--size", nargs="+", default=["640x480", "1280x1024"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(words)
    head = (*(f"{side} ms" for side in SIDES), "ratio", "of limit", *(f"{s} CPU" for s in SIDES))
    sys.stdout.write(f"{'':44}" + "".join(f"{name:>15}" for name in head) + "\n")
    for size in options.size:
        width, height = map(int, size.split("x"))
        with (
            tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as name,
            _run_children(name) as run,
        ):
            movie = encode_clip(
                options.movie, Path(name, "movie.mp4"), options.frames, (width, height)
            )
            for look in DRAWING_STYLES:
                costs = _measure_in_turns(_build_calls(run, movie, look), options.repeats)
                sys.stdout.write(f"{f'{size}, {look}':44}{_format_costs(costs, options.frames)}\n")
                sys.stdout.flush()
    return 0


@contextmanager
def _run_children(folder: str) -> Iterator[tuple[StageProcess, StageProcess]]:
    """DeepLabCut's process, with its own ways of using memory and processors, and a run's."""
    theirs = StageProcess("DeepLabCut", Path(folder, "log"), {"MPLBACKEND": "agg"})
    with start_run_processes(Path(folder)) as workers, workers.finishers.lease() as finisher:
        try:
            yield theirs, finisher
        finally:
            theirs.close()


def _measure_in_turns(calls: Calls, repeats: int) -> dict[str, Cost]:
    turns = [{side: call() for side, call in calls.items()} for _ in range(repeats)]
    return {
        side: Cost(
            seconds=min(turn[side].seconds for turn in turns),
            busy=min(turn[side].busy for turn in turns),
        )
        for side in calls
    }


def _format_costs(costs: dict[str, Cost], frames: int) -> str:
    seconds = [costs[side].seconds if side in costs else None for side in SIDES]
    busy = [costs[side].busy if side in costs else None for side in SIDES]
    theirs, mine, limit = seconds
    ratio = theirs / mine if theirs and mine else None
    share = 100 * limit / mine if limit and mine else None
    per_frame = [None if value is None else 1000 * value / frames for value in (*seconds, *busy)]
    cells = (*per_frame[:3], ratio, share, *per_frame[3:])
    return "".join(f"{'' if cell is None else f'{cell:.2f}':>15}" for cell in cells)


def _build_calls(run: tuple[StageProcess, StageProcess], movie: Path, look: DrawingStyle) -> Calls:
    theirs, finisher = run
    info, folder = probe_movie(movie), movie.parent
    frames = info.declared_frames or ours.decode_movie(movie)
    table = make_wandering_poses(frames, (info.width, info.height), look.part_names)
    poses = folder / "poses.h5"
    write_poses(table, poses)
    style = replace(
        PLAIN_STYLE,
        keypoints_only=look.alone,
        draw_skeleton=look.skeleton,
        trail_points=look.trail,
        skeleton=look.skeleton_edges,
    )
    mine = (movie, poses, folder / "ours.mp4", style, constant_timing(frames, RATE), None, (0, 0))
    calls: Calls = {}
    if not look.alone or shutil.which("ffmpeg"):
        calls["DeepLabCut"] = lambda: theirs.call(
            measure_call, label_with_deeplabcut, movie, poses, style
        )[1]
    calls["ours"] = lambda: finisher.call(
        measure_with_progress, finishing.label_movie_file, *mine, (1,)
    )[1]
    if not look.alone:
        calls["limit"] = lambda: finisher.call(
            measure_call, ours.reencode_movie, movie, folder / "alone.mp4"
        )[1]
    for call in calls.values():
        call()  # imports
    return calls


def make_wandering_poses(frames: int, size: tuple[int, int], parts: tuple[str, ...]) -> Any:
    """Poses of an animal a third of the picture in size that walks about, mostly confident."""
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 2, (frames, 1, 2)), axis=0) / 200
    place = rng.normal(0, 1 / 16, (1, len(parts), 2)) + rng.normal(0, 2e-3, (frames, len(parts), 2))
    values = np.empty((frames, len(parts), 3), np.float32)
    values[..., :2] = np.array(size) * (0.5 + 0.35 * np.sin(walk) + place)
    values[..., 2] = rng.normal(0.95, 0.1, values.shape[:2]).clip(0, 1)
    return build_pose_table(values, {"": parts})


if __name__ == "__main__":
    sys.exit(main())
