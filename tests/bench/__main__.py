"""`make bench`: DeepLabCut's calls and our stages on one movie, in turns; never asserts anything.

Each side runs in processes of its own, one side after the other, as often as asked for; figures
are medians. Loading the model counts to estimation on both sides, importing libraries to neither,
but both to the whole request: for the reference its process, for us `python -m flows run` with a
Prefect server that is already there, as in a lab.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from tasks.pose.estimate import Estimate
from tasks.pose.movies.reader import MovieInfo, probe_movie
from tasks.pose.settings import Precision
from tasks.processes.environment import OFFLINE, usable_cpus
from tests.bench import ours
from tests.bench.agreement import Agreement, compare
from tests.bench.inputs import clip, network_model
from tests.bench.measuring import MIB, Cost
from tests.bench.request import run_request
from tests.paths import DEMO_MODEL, DEMO_MOVIE, ROOT
from tests.servers import Prefect, database, prefect_server

Costs = dict[str, list[Cost]]

COMPARED = ("start", "count", "estimate", "filter", "quality", "previews", "label", "annotations")
BESIDE = "keypoints only"
"""A labelled movie without its frames, which is no part of a request."""

ALONE = ("decoding alone", "network alone", "movie alone")
"""Limits: decoding, the network, and decoding and encoding a labelled movie without labels."""

WHOLE = "whole request"


def main(words: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    options = _parser().parse_args(words)
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="dlcflow-bench-"))
        folder = Path(name)
        server = stack.enter_context(prefect_server(folder, database(stack)))
        model, movie = _inputs(options, folder)
        theirs, mine, found = _in_turns(options, model, movie, folder, server)
        agreements = {
            kind: compare(folder / "ours" / kind, folder / "theirs" / kind)
            for kind in ("raw.h5", "filtered.h5")
        }
        frames = _frames(movie)
        _print(_heading(options, probe_movie(movie), frames), theirs, mine, frames, agreements)
        sys.stdout.write(
            f"{_computed(found)}\n{_many(options, model, movie, folder, mine, server)}"
        )
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
    parser.add_argument("--precision", type=Precision, default=Precision.STANDARD)
    parser.add_argument("--many", type=int, default=0, help="movies of one more request of ours")
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
    return probe_movie(movie).declared_frames or ours.decode(movie)


def _in_turns(
    options: argparse.Namespace, model: Path, movie: Path, folder: Path, server: Prefect
) -> tuple[Costs, Costs, Estimate]:
    theirs: Costs = defaultdict(list)
    mine: Costs = defaultdict(list)
    how = (options.device, options.precision)
    for _ in range(options.repeats):
        started = time.perf_counter()
        costs = _reference(model, movie, folder / "theirs", options.device)
        beside = sum(costs[name].seconds for name in BESIDE if name in costs)
        whole = time.perf_counter() - started - beside
        _add(theirs, "DeepLabCut", costs | {WHOLE: Cost(whole)})
        _empty(folder / "request")
        request = run_request(server, model, movie, folder / "request", *how)
        _add(mine, "ours", {WHOLE: Cost(request)})
        _empty(folder / "ours")
        costs, found = ours.run(model, movie, folder / "ours", *how)
        _add(mine, "ours", costs)
    return theirs, mine, found


def _add(costs: Costs, side: str, found: dict[str, Cost]) -> None:
    """Keep what stages took, and say it at once: whoever ends the benchmark has what there is."""
    for name, cost in found.items():
        costs[name].append(cost)
        sys.stderr.write(f"{side}: {name} {cost.seconds:.2f} s\n")


def _many(
    options: argparse.Namespace,
    model: Path,
    movie: Path,
    folder: Path,
    mine: Costs,
    server: Prefect,
) -> str:
    """One request with many movies against one with a single one, in seconds a movie."""
    if not options.many:
        return ""
    _empty(folder / "many")
    how = (options.device, options.precision, options.many)
    each = run_request(server, model, movie, folder / "many", *how) / options.many
    alone = _median(mine[WHOLE]).seconds
    return (
        f"{options.many} movies in one request: {each:.2f} s a movie, {each / alone:.2f} of what "
        f"a request with one takes ({alone:.2f} s)\n"
    )


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
        f"{options.device}, precision {options.precision}, {usable_cpus()} processors; medians of "
        f"{options.repeats}"
    )


_COLUMNS = ("s", "CPU s", "frames/s", "MiB", "GPU %")

Row = tuple[str, ...]


def _print(
    heading: str, theirs: Costs, mine: Costs, frames: int, agreements: dict[str, Agreement]
) -> None:
    # Loading is a part of estimation for the reference.
    parts = {name: ("load", name) if name == "estimate" else (name,) for name in COMPARED}
    rows: list[Row] = [
        ("", "DeepLabCut", "", "", "", "", "ours", "", "", "", "", "ratio", ""),
        ("stage", *_COLUMNS, *_COLUMNS, "s", "CPU s"),
        *(_row(name, _sum(theirs, (name,)), _sum(mine, parts[name]), frames) for name in COMPARED),
        _row("all but start", _all_but_start(theirs), _all_but_start(mine), frames),
        _row(WHOLE, _sum(theirs, (WHOLE,)), _sum(mine, (WHOLE,)), frames),
        _row(BESIDE, _sum(theirs, (BESIDE,)), _sum(mine, (BESIDE,)), frames),
        *(_row(name, Cost(0), _sum(mine, (name,)), frames) for name in ALONE),
    ]
    told = [f"{kind}: {_told(found)}" for kind, found in agreements.items()]
    told.append(_share_of_limit(mine))
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
    return _sum(
        costs, tuple(name for name in costs if name not in ("start", WHOLE, BESIDE, *ALONE))
    )


def _sum(costs: Costs, names: tuple[str, ...]) -> Cost:
    """The medians of stages that follow each other, together."""
    middle = [_median(costs[name]) for name in names if costs.get(name)]
    return Cost(
        seconds=sum(cost.seconds for cost in middle),
        peak=max((cost.peak for cost in middle), default=0),
        busy=sum(cost.busy for cost in middle),
        gpu=max((cost.gpu for cost in middle if cost.gpu is not None), default=None),
    )


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        seconds=statistics.median(cost.seconds for cost in costs),
        peak=max(cost.peak for cost in costs),
        busy=statistics.median(cost.busy for cost in costs),
        gpu=max((cost.gpu for cost in costs if cost.gpu is not None), default=None),
    )


def _row(name: str, theirs: Cost, mine: Cost, frames: int) -> Row:
    return (
        name,
        *_cells(theirs, frames),
        *_cells(mine, frames),
        _ratio(theirs.seconds, mine.seconds),
        _ratio(theirs.busy, mine.busy),
    )


def _share_of_limit(mine: Costs) -> str:
    label, alone = _sum(mine, ("label",)), _sum(mine, ("movie alone",))
    return (
        f"labelled movie: {100 * alone.seconds / label.seconds:.0f} % of the frames/s of decoding "
        f"and encoding alone, {100 * label.busy / alone.busy - 100:.0f} % more of the processor"
    )


def _ratio(theirs: float, mine: float) -> str:
    return f"{theirs / mine:.2f}" if theirs and mine else ""


def _cells(cost: Cost, frames: int) -> Row:
    if not cost.seconds:
        return ("",) * len(_COLUMNS)
    return (
        f"{cost.seconds:.2f}",
        f"{cost.busy:.2f}" if cost.busy else "",
        f"{frames / cost.seconds:.1f}",
        f"{cost.peak / MIB:.0f}" if cost.peak else "",
        "" if cost.gpu is None else f"{cost.gpu:.0f}",
    )


def _told(found: Agreement) -> str:
    if not found.shape:
        return "other rows or columns than DeepLabCut's"
    return (
        f"{found.points} confident points, {100 * found.near:.2f} % within 0.01 px, at most "
        f"{found.largest_confident:.4f} px apart; all points at most {found.largest:.4f} px"
    )


def _computed(found: Estimate) -> str:
    how = found.arithmetic
    compared = (
        f"; of {how.points} confident points of the first {how.frames} frames 99.9 % are moved by "
        f"{how.most:.4f} px at most, none by more than {how.largest:.4f}"
        if how.most is not None and how.largest is not None
        else ""
    )
    path, size = found.loaded.path, found.batch_size
    return f"ours: {how.numbers}, batches of {size}, path {path!r}{compared}"


if __name__ == "__main__":
    sys.exit(main())
