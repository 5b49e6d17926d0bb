"""The parser of the command line: flags made from settings, and those of smaller commands."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.command_line.arguments import (
    PrintVersions,
    SuggestingParser,
    add_settings_arguments,
    add_verbose_argument,
)
from tasks.pose.settings import DEFAULT_LINK_HOURS, MAX_LINK_HOURS, PoseSettings
from tasks.pose.settings_help import to_argparse_option

Command = Callable[[argparse.Namespace, Any], int]
"""What a command does: given its options and the signals that end it, its exit status."""


def build_parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Build the parser of ``python -m flows``.

    Args:
        commands: What each command does, by its name.
    """
    parser = SuggestingParser(
        prog="python -m flows",
        description="DeepLabCut pose estimation from bucket to bucket.",
    )
    parser.add_argument("--version", action=PrintVersions, help="print versions and exit")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    run = subparsers.add_parser(
        "run",
        help="analyze movies with a model",
        description="Estimate poses in movies and deliver the results. The last line on standard "
        "output is the location of run.json, or all of it is a JSON object. Exit status: 0 "
        "complete, 1 a movie or the run failed, 2 bad usage or bad input.",
        epilog="A LOCATION is s3://bucket/key or a local path. The store is configured as for any "
        "boto3 program: AWS_ENDPOINT_URL, AWS_PROFILE, AWS_ACCESS_KEY_ID, … The run uses the "
        "Prefect server that PREFECT_API_URL names, or starts a temporary one.",
    )
    _add_run_arguments(run)
    run.set_defaults(command=commands["run"])
    behavior = subparsers.add_parser(
        "behavior",
        help="measure behavior from poses",
        description="Average keypoints and compute speed, states, bouts and zones from annotations "
        "that a run has made. The last line on standard output is the location of run.json. Exit "
        "status: 0 complete, 1 a table or the run failed, 2 bad usage or bad input.",
        epilog="docs/behavior.md defines every number.",
    )
    _add_behavior_arguments(behavior)
    behavior.set_defaults(command=commands["behavior"])
    neural = subparsers.add_parser(
        "neural",
        help="compare neural activity across states",
        description="Map behavioral states to the samples of a miniscope's cell sets, and compare "
        "activity and correlations across states, for one recording. The last line on standard "
        "output is the location of run.json. Exit status: 0 complete, 1 the run failed, 2 bad "
        "usage or bad input.",
        epilog="docs/neural.md defines every number.",
    )
    _add_neural_arguments(neural)
    neural.set_defaults(command=commands["neural"])
    inspect = subparsers.add_parser(
        "inspect",
        help="check a model or movies",
        description="Print what a model archive holds, what would be corrected, and everything "
        "that prevents its use; or what movies are, which of their frames are there and when they "
        "were shown, what a run will warn of, and draw a sheet of pictures with pixel axes. In "
        "seconds and without a GPU. Exit status: 0 all can be used, 1 the store failed, 2 one "
        "cannot be used.",
    )
    _add_inspect_arguments(inspect)
    inspect.set_defaults(command=commands["inspect"])
    listed = subparsers.add_parser(
        "list",
        help="list finished runs",
        description="List the runs whose results lie at or below a location, newest first: date, "
        "status, model, and the number of movies by verdict. Exit status: 0 listed, 1 the store "
        "failed, 2 there is no run.",
    )
    _add_list_arguments(listed)
    listed.set_defaults(command=commands["list"])
    opened = subparsers.add_parser(
        "open",
        help="make links that open results",
        description="Sign web addresses that open a run's report and labeled movies in a browser "
        "for a limited time. Anyone with such an address can open the file. Exit status: 0 made, "
        "1 the store failed, 2 there is nothing to open.",
    )
    _add_open_arguments(opened)
    opened.set_defaults(command=commands["open"])
    return parser


def _add_list_arguments(listed: argparse.ArgumentParser) -> None:
    listed.add_argument(
        "location", metavar="LOCATION", help="a run's output location, or a folder above several"
    )
    listed.add_argument("--json", action="store_true", help="print a JSON list")


def _add_open_arguments(opened: argparse.ArgumentParser) -> None:
    opened.add_argument(
        "location", metavar="LOCATION", help="a run's output location, or one of its files"
    )
    opened.add_argument(
        "--hours",
        type=int,
        default=DEFAULT_LINK_HOURS,
        choices=range(1, MAX_LINK_HOURS + 1),
        metavar="HOURS",
        help=f"how long they work, 1 to {MAX_LINK_HOURS} (default: {DEFAULT_LINK_HOURS})",
    )
    opened.add_argument("--json", action="store_true", help="print a JSON list")


def _add_inspect_arguments(inspect: argparse.ArgumentParser) -> None:
    subject = inspect.add_mutually_exclusive_group(required=True)
    subject.add_argument("--model", metavar="LOCATION", help="zip of the model folder")
    subject.add_argument(
        "--movie",
        "--movies",
        dest="movies",
        nargs="+",
        action="extend",
        metavar="LOCATION",
        help="movies (.mp4, .avi, .isxb), folders (ending in /), or patterns (*)",
    )
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    model = inspect.add_argument_group("of a model")
    for name in ("shuffle", "snapshot"):
        model.add_argument(f"--{name}", **to_argparse_option(PoseSettings.model_fields[name]))
    movie = inspect.add_argument_group("of movies")
    movie.add_argument(
        "--decode",
        action="store_true",
        help="decode every frame, to count those that really decode; it takes as long as playing "
        "the movie as fast as the machine can",
    )
    movie.add_argument("--times", **to_argparse_option(PoseSettings.model_fields["times"]))
    sheet = movie.add_mutually_exclusive_group()
    sheet.add_argument(
        "--sheet",
        type=Path,
        metavar="PATH",
        help="where the contact sheet goes: a .png or .svg, or a folder (default: "
        "NAME-sheet.png in the present folder)",
    )
    sheet.add_argument("--no-sheet", action="store_true", help="draw no contact sheet")


def _add_run_arguments(run: argparse.ArgumentParser) -> None:
    run.add_argument("--model", required=True, metavar="LOCATION", help="zip of the model folder")
    run.add_argument(
        "--movies",
        required=True,
        nargs="+",
        action="extend",
        metavar="LOCATION",
        help="movies (.mp4, .avi, .isxb; one format), folders (ending in /), or patterns (*)",
    )
    run.add_argument("--output", required=True, metavar="LOCATION", help="where results go")
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be run, reused and refused, the room it takes and how long it will "
        "take, and write nothing; exit status 2 where anything would be refused",
    )
    run.add_argument("--json", action="store_true", help="print one JSON object")
    add_verbose_argument(run)
    add_settings_arguments(run, PoseSettings)


def _add_behavior_arguments(behavior: argparse.ArgumentParser) -> None:
    from tasks.behavior.behavior_settings import BehaviorSettings  # noqa: PLC0415

    behavior.add_argument(
        "--annotations",
        required=True,
        nargs="+",
        action="extend",
        metavar="LOCATION",
        help="pose runs (a run.json, or its folder), tables (.parquet, .csv), or patterns (*)",
    )
    behavior.add_argument("--output", required=True, metavar="LOCATION", help="where results go")
    behavior.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be run, reused and refused, and how long it will take, and write "
        "nothing; exit status 2 where it would be refused",
    )
    behavior.add_argument(
        "--json", action="store_true", help="print one JSON object; only with --dry-run"
    )
    add_verbose_argument(behavior)
    add_settings_arguments(behavior, BehaviorSettings)


def _add_neural_arguments(neural: argparse.ArgumentParser) -> None:
    from tasks.neural.neural_settings import NeuralSettings  # noqa: PLC0415

    for name, text in (
        ("--cell-sets", "cell sets (.isxd), one or a series"),
        ("--event-sets", "event sets (.isxd), one for each cell set"),
    ):
        neural.add_argument(
            name,
            nargs="+",
            default=[],
            required=name == "--cell-sets",
            metavar="LOCATION",
            help=text,
        )
    neural.add_argument(
        "--annotations",
        required=True,
        metavar="LOCATION",
        help="a behavior run (its run.json, or its folder), or a table with a state column",
    )
    neural.add_argument("--output", required=True, metavar="LOCATION", help="where results go")
    add_verbose_argument(neural)
    add_settings_arguments(neural, NeuralSettings)
