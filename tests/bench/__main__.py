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
        frames = _frames(movie)
        _print(_heading(options, probe(movie), frames), theirs, mine, frames, agreements)
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
        frames = options.frames or _frames(movie)
        movie = clip(movie, folder / "movie.mp4", frames, _size(options.size))
    return model.resolve(), movie


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, height = map(int, text.split("x"))
    return width, height


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


def _heading(options: argparse.Namespace, info: MovieInfo, frames: int) -> str:
    return (
        f"{Path(options.model).stem}, {frames} frames of {info.width}×{info.height}; device "
        f"{options.device}, {usable_cpus()} processors; medians of {options.repeats}"
    )


_COLUMNS = ("s", "CPU s", "frames/s", "MiB")

Row = tuple[str, ...]


def _print(
    heading: str, theirs: Costs, mine: Costs, frames: int, agreements: dict[str, Agreement]
) -> None:
    # Loading is a part of estimation for the reference.
    parts = {name: ("load", name) if name == "estimate" else (name,) for name in COMPARED}
    rows: list[Row] = [
        ("", "DeepLabCut", "", "", "", "ours", "", "", "", "ratio", ""),
        ("stage", *_COLUMNS, *_COLUMNS, "s", "CPU s"),
        *(_row(name, _sum(theirs, (name,)), _sum(mine, parts[name]), frames) for name in COMPARED),
        _row("all but start", _all_but_start(theirs), _all_but_start(mine), frames),
        *(_row(name, Cost(0), _sum(mine, (name,)), frames) for name in ALONE),
    ]
    told = [f"{kind}: {_told(found)}" for kind, found in agreements.items()]
    sys.stdout.write("\n".join(["", heading, "", *_aligned(rows), "", *told, ""]))


def _aligned(rows: list[Row]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)] for row in rows
    )
    return [
        "  ".join([row[0].ljust(widths[0]), *line]) for row, line in zip(rows, lines, strict=True)
    ]


def _all_but_start(costs: Costs) -> Cost:
    return _sum(costs, tuple(name for name in costs if name != "start" and name not in ALONE))


def _sum(costs: Costs, names: tuple[str, ...]) -> Cost:
    """The medians of stages that follow each other, together."""
    middle = [_median(costs[name]) for name in names if costs.get(name)]
    return Cost(
        seconds=sum(cost.seconds for cost in middle),
        peak=max((cost.peak for cost in middle), default=0),
        busy=sum(cost.busy for cost in middle),
    )


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        seconds=statistics.median(cost.seconds for cost in costs),
        peak=max(cost.peak for cost in costs),
        busy=statistics.median(cost.busy for cost in costs),
    )


def _row(name: str, theirs: Cost, mine: Cost, frames: int) -> Row:
    return (
        name,
        *_cells(theirs, frames),
        *_cells(mine, frames),
        _ratio(theirs.seconds, mine.seconds),
        _ratio(theirs.busy, mine.busy),
    )


def _ratio(theirs: float, mine: float) -> str:
    return f"{theirs / mine:.2f}" if theirs and mine else ""


def _cells(cost: Cost, frames: int) -> Row:
    if not cost.seconds:
        return "", "", "", ""
    return (
        f"{cost.seconds:.2f}",
        f"{cost.busy:.2f}" if cost.busy else "",
        f"{frames / cost.seconds:.1f}",
        f"{cost.peak / MIB:.0f}" if cost.peak else "",
    )


def _told(found: Agreement) -> str:
    if not found.shape:
        return "other rows or columns than DeepLabCut's"
    return (
        f"{found.points} confident points, {100 * found.near:.2f} % within 0.01 px, at most "
        f"{found.largest_confident:.4f} px apart; all points at most {found.largest:.4f} px"
    )


if __name__ == "__main__":
    sys.exit(main())
