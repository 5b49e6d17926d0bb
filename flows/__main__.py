"""The command line: ``run`` and ``behavior``, made from settings, and smaller commands."""

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.command_line.arguments import (
    PrintVersions,
    SuggestingParser,
    add_settings_arguments,
    add_verbose_argument,
    collect_group,
    collect_settings,
)
from tasks.command_line.exit_status import (
    BAD_INPUT,
    COMPLETE,
    EndSignals,
    handle_end_signals,
    print_interruption,
    print_refusal,
)
from tasks.command_line.prefect_environment import prepare_environment
from tasks.errors import BadInput
from tasks.messages import find_field_problem
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, REPORT_FILE
from tasks.pose.settings import DEFAULT_LINK_HOURS, MAX_LINK_HOURS, PoseSettings
from tasks.pose.settings_help import to_argparse_option


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words of the command line; by default those of this process.

    Returns:
        The exit status: 0 complete, 1 a movie or the run failed, 2 bad usage or bad input,
        128 and its number where a signal has ended it.
    """
    options = _build_parser().parse_args(arguments)
    signals = None
    try:
        with handle_end_signals() as signals:
            return int(options.command(options, signals))
    except KeyboardInterrupt:
        return print_interruption(signals)


def _build_parser() -> argparse.ArgumentParser:
    parser = SuggestingParser(
        prog="python -m flows",
        description="DeepLabCut pose estimation from bucket to bucket.",
    )
    parser.add_argument("--version", action=PrintVersions, help="print versions and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
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
    behavior = commands.add_parser(
        "behavior",
        help="measure behavior from poses",
        description="Average keypoints and compute speed, states, bouts and zones from annotations "
        "that a run has made. The last line on standard output is the location of run.json. Exit "
        "status: 0 complete, 1 a table or the run failed, 2 bad usage or bad input.",
        epilog="docs/behavior.md defines every number.",
    )
    _add_behavior_arguments(behavior)
    neural = commands.add_parser(
        "neural",
        help="compare neural activity across states",
        description="Map behavioral states to the samples of a miniscope's cell sets, and compare "
        "activity and correlations across states, for one recording. The last line on standard "
        "output is the location of run.json. Exit status: 0 complete, 1 the run failed, 2 bad "
        "usage or bad input.",
        epilog="docs/neural.md defines every number.",
    )
    _add_neural_arguments(neural)
    inspect = commands.add_parser(
        "inspect",
        help="check a model or movies",
        description="Print what a model archive holds, what would be corrected, and everything "
        "that prevents its use; or what movies are, which of their frames are there and when they "
        "were shown, what a run will warn of, and draw a sheet of pictures with pixel axes. In "
        "seconds and without a GPU. Exit status: 0 all can be used, 1 the store failed, 2 one "
        "cannot be used.",
    )
    _add_inspect_arguments(inspect)
    listed = commands.add_parser(
        "list",
        help="list finished runs",
        description="List the runs whose results lie at or below a location, newest first: date, "
        "status, model, and the number of movies by verdict. Exit status: 0 listed, 1 the store "
        "failed, 2 there is no run.",
    )
    _add_list_arguments(listed)
    opened = commands.add_parser(
        "open",
        help="make links that open results",
        description="Sign web addresses that open a run's report and labeled movies in a browser "
        "for a limited time. Anyone with such an address can open the file. Exit status: 0 made, "
        "1 the store failed, 2 there is nothing to open.",
    )
    _add_open_arguments(opened)
    return parser


def _add_list_arguments(listed: argparse.ArgumentParser) -> None:
    listed.add_argument(
        "location", metavar="LOCATION", help="a run's output location, or a folder above several"
    )
    listed.add_argument("--json", action="store_true", help="print a JSON list")
    listed.set_defaults(command=_list_runs)


def _list_runs(options: argparse.Namespace, _signals: EndSignals) -> int:
    from tasks.command_line.list_runs import format_runs, list_runs, runs_to_json  # noqa: PLC0415
    from tasks.errors import PoseError  # noqa: PLC0415

    try:
        runs = list_runs(options.location)
    except PoseError as error:
        return print_refusal(error)
    sys.stdout.write(runs_to_json(runs) if options.json else format_runs(runs))
    return 0


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
    opened.set_defaults(command=_print_links)


def _print_links(options: argparse.Namespace, _signals: EndSignals) -> int:
    from tasks.errors import PoseError  # noqa: PLC0415
    from tasks.output.links import addresses_to_json, find_addresses  # noqa: PLC0415 - not for --help

    try:
        found = find_addresses(options.location, options.hours)
    except PoseError as error:
        return print_refusal(error)
    if options.json:
        sys.stdout.write(addresses_to_json(found))
    else:
        sys.stdout.writelines(f"{one.name}\t{one.address}\n" for one in found)
    return 0


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
        help="movies (.mp4, .avi, .isxb), prefixes that end in /, or globs",
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
    inspect.set_defaults(command=_inspect)


def _inspect(options: argparse.Namespace, signals: EndSignals) -> int:
    return _inspect_model(options, signals) if options.model else _inspect_movies(options)


def _inspect_movies(options: argparse.Namespace) -> int:
    from pydantic import ValidationError  # noqa: PLC0415

    from tasks.command_line.inspect_movies import SheetChoice, report_movies  # noqa: PLC0415

    try:
        given = {"times": collect_group(options.times or [])}
        times = PoseSettings.model_validate(given).times
    except ValidationError as error:
        return _report_bad_settings(error)
    sheets = SheetChoice(options.sheet, is_wanted=not options.no_sheet)
    status = 0
    for part, shown, problems in report_movies(
        options.movies, times, decodes=options.decode, sheets=sheets, as_object=options.json
    ):
        sys.stdout.write(shown)
        sys.stdout.flush()
        sys.stderr.writelines(f"error: {problem}\n" for problem in problems)
        status = max(status, part)
    return status


def _inspect_model(options: argparse.Namespace, _signals: EndSignals) -> int:
    from tasks.command_line.inspect_model import report_inspection  # noqa: PLC0415 - not for --help
    from tasks.pose.model.selection import ModelChoice  # noqa: PLC0415

    settings = PoseSettings(shuffle=options.shuffle, snapshot=options.snapshot)
    choice = ModelChoice(settings.shuffle, settings.snapshot)
    status, shown, problems = report_inspection(options.model, choice, as_object=options.json)
    sys.stdout.write(shown)
    sys.stdout.flush()
    sys.stderr.writelines(f"error: {problem}\n" for problem in problems)
    return status


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
    run.set_defaults(command=_run_request)


def _add_behavior_arguments(behavior: argparse.ArgumentParser) -> None:
    from tasks.behavior.behavior_settings import BehaviorSettings  # noqa: PLC0415

    behavior.add_argument(
        "--annotations",
        required=True,
        nargs="+",
        action="extend",
        metavar="LOCATION",
        help="pose runs (their run.json, or its folder), or tables (.parquet, .csv), or globs",
    )
    behavior.add_argument("--output", required=True, metavar="LOCATION", help="where results go")
    add_verbose_argument(behavior)
    add_settings_arguments(behavior, BehaviorSettings)
    behavior.set_defaults(command=_run_behavior)


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
    neural.set_defaults(command=_run_neural)


def _run_neural(options: argparse.Namespace, signals: EndSignals) -> int:
    from tasks.neural.neural_settings import NeuralSettings  # noqa: PLC0415

    def load_flow(settings: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        from flows.neural import neural  # noqa: PLC0415
        from tasks.neural_run.neural_request import resolve_neural  # noqa: PLC0415

        places = (options.cell_sets, options.annotations, options.output, options.event_sets)
        return neural, resolve_neural, (*places, settings)

    return _run_analysis(NeuralSettings, load_flow, options, signals)


def _run_behavior(options: argparse.Namespace, signals: EndSignals) -> int:
    from tasks.behavior.behavior_settings import BehaviorSettings  # noqa: PLC0415

    def load_flow(settings: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        from flows.behavior import behavior  # noqa: PLC0415
        from tasks.behavior_run.behavior_request import resolve_behavior  # noqa: PLC0415

        return behavior, resolve_behavior, (options.annotations, options.output, settings)

    return _run_analysis(BehaviorSettings, load_flow, options, signals)


def _run_analysis(
    model: type[BaseModel],
    load_flow: Callable[[Any], tuple[Any, Any, tuple[Any, ...]]],
    options: argparse.Namespace,
    signals: EndSignals,
) -> int:
    """Run a flow that follows pose estimation, which needs no network.

    Args:
        model: Its settings.
        load_flow: Imports it; gives the flow, what resolves its request, and both's arguments.
        options: The command line.
        signals: Signals that end the run.
    """
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        settings = model.model_validate(collect_settings(options, model))
    except ValidationError as error:
        return _report_bad_settings(error)
    prepare_environment()

    def run() -> int:
        from tasks.processes.fast_imports import pause_garbage_collection  # noqa: PLC0415

        with pause_garbage_collection():
            flow, resolve, request = load_flow(settings)
        return _run_to_outcome(
            lambda: flow(*request, return_state=True),
            resolve(*request).output,
            signals,
            is_verbose=options.verbose,
            delivered={"report": REPORT_FILE},
        )

    return _run_to_exit_status(nullcontext(), run, signals)


def _run_request(options: argparse.Namespace, signals: EndSignals) -> int:
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        settings = PoseSettings.model_validate(collect_settings(options))
    except ValidationError as error:
        return _report_bad_settings(error, as_object=options.json)
    prepare_environment()
    if options.dry_run:
        return _run_to_exit_status(nullcontext(), lambda: _run_dry(options, settings), signals)
    from tasks.run.estimator import preload_estimator  # noqa: PLC0415 - not for --help, or for a slip

    return _run_to_exit_status(
        preload_estimator(),
        lambda: _run_flow(options, settings, signals),
        signals,
        as_object=options.json,
    )


def _run_dry(options: argparse.Namespace, settings: PoseSettings) -> int:
    from tasks.processes.fast_imports import pause_garbage_collection  # noqa: PLC0415

    with pause_garbage_collection():
        from tasks.command_line.dry_run import plan_request  # noqa: PLC0415
        from tasks.command_line.dry_run_report import format_dry_run  # noqa: PLC0415

    report = plan_request(
        options.model,
        options.movies,
        options.output,
        settings,
        lambda text: print(f"… {text}", file=sys.stderr),
    )
    sys.stdout.write(report.to_json() if options.json else format_dry_run(report))
    sys.stdout.flush()
    problems = [*report.problems, *(movie.problem for movie in report.movies if movie.problem)]
    sys.stderr.writelines(f"error: {problem}\n" for problem in problems)
    return BAD_INPUT if report.refused else COMPLETE


def _run_to_exit_status(
    background: AbstractContextManager[None],
    run: Callable[[], int],
    signals: EndSignals,
    *,
    as_object: bool = False,
) -> int:
    """Run a flow, and turn whatever ends it into an exit status and a sentence."""
    from tasks.processes.ended_children import end_with_children  # noqa: PLC0415

    try:
        with end_with_children(lambda: signals.has_come), background:
            return run()
    except Exception as error:  # noqa: BLE001 - also Prefect's own troubles: no server, no home
        from tasks.stages.stage import to_pose_error  # noqa: PLC0415

        return print_refusal(to_pose_error(error), as_object=as_object)


def _run_flow(options: argparse.Namespace, settings: PoseSettings, signals: EndSignals) -> int:
    from tasks.processes.fast_imports import pause_garbage_collection  # noqa: PLC0415

    with pause_garbage_collection():  # Prefect takes seconds
        from flows.pose_estimation import pose_estimation  # noqa: PLC0415
        from tasks.command_line import terminal  # noqa: PLC0415

    request = (options.model, options.movies, options.output, settings)
    output = terminal.check_request_locations(*request)
    return _run_to_outcome(
        lambda: pose_estimation(*request, return_state=True),
        output,
        signals,
        is_verbose=options.verbose,
        delivered={"report": REPORT_FILE, "labeled movies": f"*/{LABELED_MOVIE_FILE}"},
        as_object=options.json,
    )


def _run_to_outcome(
    run: Callable[[], Any],
    output: Any,
    signals: EndSignals,
    *,
    is_verbose: bool,
    delivered: dict[str, str],
    as_object: bool = False,
) -> int:
    """Run a flow on the terminal; its state becomes an exit status."""
    from tasks.command_line import terminal  # noqa: PLC0415
    from tasks.command_line.run_log import log_run  # noqa: PLC0415
    from tasks.command_line.temporary_server import end_server_with_command  # noqa: PLC0415

    with (
        terminal.exit_on_signals(signals),
        log_run(is_verbose=is_verbose) as log,
        terminal.show_live_progress(),
        end_server_with_command(),
    ):
        state = run()
    return terminal.print_outcome(state, output, delivered, log, as_object=as_object)


def _report_bad_settings(error: Any, *, as_object: bool = False) -> int:
    """Say which setting is wrong, and return the exit status."""
    problem = find_field_problem(error)
    text = "there is no such setting; see --help" if problem.is_unknown else problem.text
    if problem.path:  # else settings contradict each other
        inner = ".".join(part for part in problem.path[1:] if isinstance(part, str))
        flag = str(problem.path[0]).replace("_", "-")
        text = f"--{flag}{f' ({inner})' if inner else ''}: {text}"
    return print_refusal(BadInput(text), as_object=as_object)


if __name__ == "__main__":
    sys.exit(main())
