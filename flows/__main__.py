"""The command line: what its commands do."""

import argparse
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pydantic import BaseModel

from flows.command_parser import build_parser
from tasks.command_line.arguments import collect_group, collect_settings
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
from tasks.pose.settings import PoseSettings


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
    return build_parser(
        {
            "run": _run_request,
            "behavior": _run_behavior,
            "neural": _run_neural,
            "inspect": _inspect,
            "list": _list_runs,
            "open": _print_links,
        }
    )


def _list_runs(options: argparse.Namespace, _signals: EndSignals) -> int:
    from tasks.command_line.list_runs import format_runs, list_runs, runs_to_json  # noqa: PLC0415
    from tasks.errors import PoseError  # noqa: PLC0415

    try:
        runs = list_runs(options.location)
    except PoseError as error:
        return print_refusal(error)
    sys.stdout.write(runs_to_json(runs) if options.json else format_runs(runs))
    return 0


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

    if options.dry_run:
        return _run_behavior_dry(options, signals)

    def load_flow(settings: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        from flows.behavior import behavior  # noqa: PLC0415
        from tasks.behavior_run.behavior_request import resolve_behavior  # noqa: PLC0415

        return behavior, resolve_behavior, (options.annotations, options.output, settings)

    return _run_analysis(BehaviorSettings, load_flow, options, signals)


def _run_behavior_dry(options: argparse.Namespace, signals: EndSignals) -> int:
    from pydantic import ValidationError  # noqa: PLC0415

    from tasks.behavior.behavior_settings import BehaviorSettings  # noqa: PLC0415

    try:
        settings = BehaviorSettings.model_validate(collect_settings(options, BehaviorSettings))
    except ValidationError as error:
        return _report_bad_settings(error)
    prepare_environment()

    def plan() -> int:
        from tasks.behavior_run.behavior_plan import (  # noqa: PLC0415
            format_behavior_plan,
            plan_behavior,
        )

        found = plan_behavior(options.annotations, options.output, settings)
        sys.stdout.write(found.to_json() if options.json else format_behavior_plan(found))
        sys.stdout.flush()
        return _print_problems(found.problems, is_refused=found.refused)

    return _run_to_exit_status(nullcontext(), plan, signals)


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
    return _print_problems(problems, is_refused=report.refused)


def _print_problems(problems: Iterable[str], *, is_refused: bool) -> int:
    sys.stderr.writelines(f"error: {problem}\n" for problem in problems)
    return BAD_INPUT if is_refused else COMPLETE


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
