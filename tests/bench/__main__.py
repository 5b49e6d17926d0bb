"""`make bench`: DeepLabCut's calls and our stages on one movie, in turns; never asserts anything.

Each side runs in processes of its own, one side after the other, as often as asked for; figures
are medians. Loading the model counts to estimation on both sides, importing libraries to neither.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tasks.pose.movies import MovieInfo, probe
from tasks.pose.processes import OFFLINE, usable_cpus
from tests.bench import ours
from tests.bench.agreement import Agreement, compare
from tests.bench.inputs import clip, network_model
from tests.bench.measuring import MIB, Cost
from tests.paths import DEMO_MODEL, DEMO_MOVIE, ROOT

Costs = dict[str, list[Cost]]

COMPARED = ("start", "count", "estimate", "filter", "quality", "previews", "label", "annotations")
ALONE = ("decoding alone", "network alone")


def main(words: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    options = _parser().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as name:
        folder = Path(name)
        model, movie = _inputs(options, folder)
        theirs, mine = _in_turns(options, model, movie, folder)
        agreements = {
            kind: compare(folder / "ours" / kind, folder / "theirs" / kind)
            for kind in ("raw.h5", "filtered.h5")
        }
        _print(_heading(options, probe(movie)), theirs, mine, _frames(movie), agreements)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--model", default=str(DEMO_MODEL), help="a zip, or a network to make (resnet_50)"
    )
    parser.add_argument("--movie", type=Path, default=DEMO_MOVIE)
    parser.add_argument("--frames", type=int, help="of the movie, again from its start if need be")
    parser.add_argument("--size", help="WIDTHxHEIGHT to scale the movie to")
    parser.add_argument("--device", default="cpu", help="a torch device, such as cuda")
    parser.add_argument("--repeats", type=int, default=3)
    return parser


def _inputs(options: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    model, movie = Path(options.model), Path(options.movie).resolve()
    if not model.exists():
        model = network_model(options.model, folder / "model.zip")
    if options.frames or options.size:
        size = tuple(map(int, options.size.split("x"))) if options.size else None
        movie = clip(movie, folder / "movie.mp4", options.frames or _frames(movie), size)
    return model.resolve(), movie


def _frames(movie: Path) -> int:
    return probe(movie).declared_frames or ours.decode(movie)


def _in_turns(
    options: argparse.Namespace, model: Path, movie: Path, folder: Path
) -> tuple[Costs, Costs]:
    theirs: Costs = defaultdict(list)
    mine: Costs = defaultdict(list)
    for _ in range(options.repeats):
        for name, cost in _reference(model, movie, folder / "theirs", options.device).items():
            theirs[name].append(cost)
        _empty(folder / "ours")
        for name, cost in ours.run(model, movie, folder / "ours", options.device).items():
            mine[name].append(cost)
    return theirs, mine


def _reference(model: Path, movie: Path, folder: Path, device: str) -> dict[str, Cost]:
    _empty(folder)
    command = [sys.executable, "-m", "tests.bench.reference", model, movie, folder, device]
    with (folder / "log").open("wb") as log:
        subprocess.run(
            [str(word) for word in command],
            check=True,
            cwd=ROOT,
            env=os.environ | OFFLINE | {"MPLBACKEND": "agg"},
            stdout=log,
            stderr=log,
        )
    found = json.loads((folder / "costs.json").read_text())
    return {name: Cost(**cost) for name, cost in found.items()}


def _empty(folder: Path) -> None:
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    folder.mkdir()


# --- the table -------------------------------------------------------------------------------


def _heading(options: argparse.Namespace, info: MovieInfo) -> str:
    return (
        f"{Path(options.model).stem}, {info.width}×{info.height}, {info.codec}; device "
        f"{options.device}, {usable_cpus()} processors; medians of {options.repeats}"
    )


def _print(
    heading: str, theirs: Costs, mine: Costs, frames: int, agreements: dict[str, Agreement]
) -> None:
    rows = [("stage", "DeepLabCut s", "frames/s", "MiB", "ours s", "frames/s", "MiB", "ratio")]
    with_load = {"estimate": ("load", "estimate")}
    for name in COMPARED:
        parts = with_load.get(name, (name,))
        rows.append(_row(name, theirs.get(name, []), [mine.get(p, []) for p in parts], frames))
    sums = [name for name in COMPARED if name != "start"]
    rows.append(
        _row(
            "all but start",
            [Cost(sum(_seconds(theirs.get(n, [])) for n in sums), 0)],
            [mine.get(n, []) for n in ("load", *sums)],
            frames,
        )
    )
    rows += [_row(name, [], [mine[name]], frames) for name in ALONE]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    told = [f"{kind}: {_told(found)}" for kind, found in agreements.items()]
    sys.stdout.write("\n".join(["", heading, f"{frames} frames", "", *lines, "", *told, ""]))


def _row(name: str, theirs: list[Cost], mine: list[list[Cost]], frames: int) -> tuple[str, ...]:
    a, b = _seconds(theirs), sum(map(_seconds, mine))
    peak = max((_mib(costs) for costs in mine), default=0)
    ratio = f"{a / b:.2f}" if a and b else ""
    return (name, *_cells(a, frames, _mib(theirs)), *_cells(b, frames, peak), ratio)


def _cells(seconds: float, frames: int, peak: int) -> tuple[str, str, str]:
    if not seconds:
        return "", "", ""
    return f"{seconds:.2f}", f"{frames / seconds:.1f}", f"{peak}" if peak else ""


def _seconds(costs: list[Cost]) -> float:
    return statistics.median(cost.seconds for cost in costs) if costs else 0.0


def _mib(costs: list[Cost]) -> int:
    return round(max((cost.peak for cost in costs), default=0) / MIB)


def _told(found: Agreement) -> str:
    if not found.shape:
        return "other rows or columns than DeepLabCut's"
    return (
        f"{found.points} confident points, {100 * found.near:.2f} % within 0.01 px, at most "
        f"{found.largest_confident:.4f} px apart; all points at most {found.largest:.4f} px"
    )


if __name__ == "__main__":
    sys.exit(main())
