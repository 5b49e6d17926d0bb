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
from tasks.processes.environment import OFFLINE_ENVIRONMENT, count_usable_cpus
from tests.bench import ours
from tests.bench.agreement import Agreement, compare_poses
from tests.bench.inputs import encode_clip, make_network_model
from tests.bench.measuring import MIB, Cost
from tests.bench.request import run_request
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, ROOT
from tests.support.servers import PrefectServer, run_prefect_server, start_database

Costs = dict[str, list[Cost]]

COMPARED_STAGES = (
    "start",
    "count",
    "estimate",
    "filter",
    "quality",
    "previews",
    "label",
    "annotations",
)
KEYPOINTS_ONLY = "keypoints only"
"""A labeled movie without its frames, which is no part of a request."""

LIMIT_STAGES = ("decoding alone", "network alone", "movie alone")
"""Limits: decoding, the network, and decoding and encoding a labeled movie without labels."""

WHOLE_REQUEST = "whole request"


def main(words: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    options = _build_parser().parse_args(words)
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="dlcflow-bench-"))
        folder = Path(name)
        server = stack.enter_context(run_prefect_server(folder, start_database(stack)))
        model, movie = _prepare_inputs(options, folder)
        theirs, mine, found = _measure_in_turns(options, model, movie, folder, server)
        agreements = {
            kind: compare_poses(folder / "ours" / kind, folder / "theirs" / kind)
            for kind in ("raw.h5", "filtered.h5")
        }
        frames = _count_frames(movie)
        _print_table(
            _format_heading(options, probe_movie(movie), frames), theirs, mine, frames, agreements
        )
        sys.stdout.write(
            f"{_format_arithmetic(found)}\n"
            f"{_measure_many(options, model, movie, folder, mine, server)}"
        )
    return 0


def _build_parser() -> argparse.ArgumentParser:
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


def _prepare_inputs(options: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    model, movie = Path(options.model), Path(options.movie).resolve()
    if not model.exists():
        model = make_network_model(options.model, folder / "model.zip")
    if options.frames or options.size:
        frames = options.frames or _count_frames(movie)
        movie = encode_clip(movie, folder / "movie.mp4", frames, _parse_size(options.size))
    return model.resolve(), movie


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, height = map(int, text.split("x"))
    return width, height


def _count_frames(movie: Path) -> int:
    return probe_movie(movie).declared_frames or ours.decode_movie(movie)


def _measure_in_turns(
    options: argparse.Namespace, model: Path, movie: Path, folder: Path, server: PrefectServer
) -> tuple[Costs, Costs, Estimate]:
    theirs: Costs = defaultdict(list)
    mine: Costs = defaultdict(list)
    how = (options.device, options.precision)
    for _ in range(options.repeats):
        started = time.perf_counter()
        costs = _run_reference(model, movie, folder / "theirs", options.device)
        beside = sum(costs[name].seconds for name in KEYPOINTS_ONLY if name in costs)
        whole = time.perf_counter() - started - beside
        _add_costs(theirs, "DeepLabCut", costs | {WHOLE_REQUEST: Cost(whole)})
        _empty_folder(folder / "request")
        request = run_request(server, model, movie, folder / "request", *how)
        _add_costs(mine, "ours", {WHOLE_REQUEST: Cost(request)})
        _empty_folder(folder / "ours")
        costs, found = ours.run_stages(model, movie, folder / "ours", *how)
        _add_costs(mine, "ours", costs)
    return theirs, mine, found


def _add_costs(costs: Costs, side: str, found: dict[str, Cost]) -> None:
    """Keep what stages took, and say it at once: whoever ends the benchmark has what there is."""
    for name, cost in found.items():
        costs[name].append(cost)
        sys.stderr.write(f"{side}: {name} {cost.seconds:.2f} s\n")


def _measure_many(
    options: argparse.Namespace,
    model: Path,
    movie: Path,
    folder: Path,
    mine: Costs,
    server: PrefectServer,
) -> str:
    """One request with many movies against one with a single one, in seconds a movie."""
    if not options.many:
        return ""
    _empty_folder(folder / "many")
    how = (options.device, options.precision, options.many)
    each = run_request(server, model, movie, folder / "many", *how) / options.many
    alone = _median_cost(mine[WHOLE_REQUEST]).seconds
    return (
        f"{options.many} movies in one request: {each:.2f} s a movie, {each / alone:.2f} of what "
        f"a request with one takes ({alone:.2f} s)\n"
    )


def _run_reference(model: Path, movie: Path, folder: Path, device: str) -> dict[str, Cost]:
    _empty_folder(folder)
    command = [sys.executable, "-m", "tests.bench.reference", model, movie, folder, device]
    with (folder / "log").open("wb") as log:
        subprocess.run(
            [str(word) for word in command],
            check=True,
            cwd=ROOT,
            env=os.environ | OFFLINE_ENVIRONMENT | {"MPLBACKEND": "agg"},
            stdout=log,
            stderr=log,
        )
    found = json.loads((folder / "costs.json").read_text())
    return {name: Cost(**cost) for name, cost in found.items()}


def _empty_folder(folder: Path) -> None:
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    folder.mkdir()


# --- the table -------------------------------------------------------------------------------


def _format_heading(options: argparse.Namespace, info: MovieInfo, frames: int) -> str:
    return (
        f"{Path(options.model).stem}, {frames} frames of {info.width}×{info.height}; device "
        f"{options.device}, precision {options.precision}, {count_usable_cpus()} processors; "
        f"medians of {options.repeats}"
    )


_COLUMNS = ("s", "CPU s", "frames/s", "MiB", "GPU %")

Row = tuple[str, ...]


def _print_table(
    heading: str, theirs: Costs, mine: Costs, frames: int, agreements: dict[str, Agreement]
) -> None:
    # Loading is a part of estimation for the reference.
    parts = {name: ("load", name) if name == "estimate" else (name,) for name in COMPARED_STAGES}
    rows: list[Row] = [
        ("", "DeepLabCut", "", "", "", "", "ours", "", "", "", "", "ratio", ""),
        ("stage", *_COLUMNS, *_COLUMNS, "s", "CPU s"),
        *(
            _format_row(
                name, _sum_medians(theirs, (name,)), _sum_medians(mine, parts[name]), frames
            )
            for name in COMPARED_STAGES
        ),
        _format_row("all but start", _sum_without_start(theirs), _sum_without_start(mine), frames),
        _format_row(
            WHOLE_REQUEST,
            _sum_medians(theirs, (WHOLE_REQUEST,)),
            _sum_medians(mine, (WHOLE_REQUEST,)),
            frames,
        ),
        _format_row(
            KEYPOINTS_ONLY,
            _sum_medians(theirs, (KEYPOINTS_ONLY,)),
            _sum_medians(mine, (KEYPOINTS_ONLY,)),
            frames,
        ),
        *(_format_row(name, Cost(0), _sum_medians(mine, (name,)), frames) for name in LIMIT_STAGES),
    ]
    told = [f"{kind}: {_format_agreement(found)}" for kind, found in agreements.items()]
    told.append(_format_share_of_limit(mine))
    sys.stdout.write("\n".join(["", heading, "", *_align_rows(rows), "", *told, ""]))


def _align_rows(rows: list[Row]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)] for row in rows
    )
    return [
        "  ".join([row[0].ljust(widths[0]), *line]) for row, line in zip(rows, lines, strict=True)
    ]


def _sum_without_start(costs: Costs) -> Cost:
    return _sum_medians(
        costs,
        tuple(
            name
            for name in costs
            if name not in ("start", WHOLE_REQUEST, KEYPOINTS_ONLY, *LIMIT_STAGES)
        ),
    )


def _sum_medians(costs: Costs, names: tuple[str, ...]) -> Cost:
    """The medians of stages that follow each other, together."""
    middle = [_median_cost(costs[name]) for name in names if costs.get(name)]
    return Cost(
        seconds=sum(cost.seconds for cost in middle),
        peak=max((cost.peak for cost in middle), default=0),
        busy=sum(cost.busy for cost in middle),
        gpu=max((cost.gpu for cost in middle if cost.gpu is not None), default=None),
    )


def _median_cost(costs: list[Cost]) -> Cost:
    return Cost(
        seconds=statistics.median(cost.seconds for cost in costs),
        peak=max(cost.peak for cost in costs),
        busy=statistics.median(cost.busy for cost in costs),
        gpu=max((cost.gpu for cost in costs if cost.gpu is not None), default=None),
    )


def _format_row(name: str, theirs: Cost, mine: Cost, frames: int) -> Row:
    return (
        name,
        *_format_cells(theirs, frames),
        *_format_cells(mine, frames),
        _format_ratio(theirs.seconds, mine.seconds),
        _format_ratio(theirs.busy, mine.busy),
    )


def _format_share_of_limit(mine: Costs) -> str:
    label, alone = _sum_medians(mine, ("label",)), _sum_medians(mine, ("movie alone",))
    return (
        f"labeled movie: {100 * alone.seconds / label.seconds:.0f} % of the frames/s of decoding "
        f"and encoding alone, {100 * label.busy / alone.busy - 100:.0f} % more of the processor"
    )


def _format_ratio(theirs: float, mine: float) -> str:
    return f"{theirs / mine:.2f}" if theirs and mine else ""


def _format_cells(cost: Cost, frames: int) -> Row:
    if not cost.seconds:
        return ("",) * len(_COLUMNS)
    return (
        f"{cost.seconds:.2f}",
        f"{cost.busy:.2f}" if cost.busy else "",
        f"{frames / cost.seconds:.1f}",
        f"{cost.peak / MIB:.0f}" if cost.peak else "",
        "" if cost.gpu is None else f"{cost.gpu:.0f}",
    )


def _format_agreement(found: Agreement) -> str:
    if not found.shape:
        return "other rows or columns than DeepLabCut's"
    return (
        f"{found.points} confident points, {100 * found.near:.2f} % within 0.01 px, at most "
        f"{found.largest_confident:.4f} px apart; all points at most {found.largest:.4f} px"
    )


def _format_arithmetic(found: Estimate) -> str:
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
