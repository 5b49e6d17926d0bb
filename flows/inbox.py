"""Look at an inbox: find what movies have no current result, and start one run for each batch."""

from prefect import flow

from tasks.inbox.inbox_batch import summarize_batches
from tasks.inbox.look import (
    look_at_arrivals,
    look_at_inbox,
    parse_arrivals,
    parse_inbox,
    write_memory,
)
from tasks.inbox.page import show_page
from tasks.inbox.request_file import FolderRequest
from tasks.inbox.start_runs import find_started_runs, start_due_runs
from tasks.inbox.tell_refusals import tell_refusals
from tasks.pose.settings import PoseSettings
from tasks.stages.stage import end_with_message

POSE_ESTIMATION_DEPLOYMENT = "pose-estimation/pose-estimation"
BEHAVIOR_DEPLOYMENT = "behavior/behavior"
NEURAL_DEPLOYMENT = "neural/neural"

UNCHANGED_SECONDS = 60.0
"""Seconds that a movie must have been found unchanged, unless something tells that it is whole."""


@flow(name="inbox", flow_run_name="look · {inbox}", persist_result=False)
@end_with_message
def inbox(
    inbox: str,
    model: str | None = None,
    output: str | None = None,
    settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen, and the form shows it
    deployment: str = POSE_ESTIMATION_DEPLOYMENT,
    quiet: float = UNCHANGED_SECONDS,
    behavior_deployment: str = BEHAVIOR_DEPLOYMENT,
    neural_deployment: str = NEURAL_DEPLOYMENT,
) -> tuple[str, str]:
    """Start a run for every movie, or folder of movies, that has no current result.

    Where a request says so, each complete result starts a behavior run, and each complete result
    of that a neural run.

    Args:
        inbox: Location that movies are dropped into: a prefix or a folder.
        model: Location of the model's zip, for folders whose request.yaml names none.
        output: Location that results go below, for folders whose request.yaml names none.
        settings: How to analyze, for folders whose request.yaml says nothing else.
        deployment: The deployment that is run.
        quiet: Seconds that a movie must have been found unchanged before it is started.
        behavior_deployment: The deployment that goes on to behavior.
        neural_deployment: The deployment that goes on to neural activity.

    Returns:
        What was found, started and skipped, in one sentence; twice, for the state tells it too.
    """
    place = parse_inbox(inbox)
    found = look_at_inbox(place, FolderRequest.from_form(model, output, settings), quiet)
    write_memory(place, found)
    groups = start_due_runs(find_started_runs(found.batches, deployment), deployment)
    behavior, neural = found.behavior, found.neural
    if behavior:
        behavior = start_due_runs(
            find_started_runs(behavior, behavior_deployment), behavior_deployment
        )
    if neural:
        neural = start_due_runs(find_started_runs(neural, neural_deployment), neural_deployment)
    tell_refusals(place, found, (*groups, *behavior, *neural))
    told = show_page(place, groups, behavior, found.left_out, neural)
    return told, told


@flow(name="arrival", flow_run_name="arrivals · {inbox}", persist_result=False)
@end_with_message
def arrival(
    locations: list[str],
    inbox: str,
    model: str | None = None,
    output: str | None = None,
    settings: PoseSettings = PoseSettings(),  # noqa: B008
    deployment: str = POSE_ESTIMATION_DEPLOYMENT,
    quiet: float = UNCHANGED_SECONDS,
) -> tuple[str, str]:
    """Start the runs that objects' arrival in an inbox makes due, where none has been started.

    Args:
        locations: What arrived: movies, or a request.yaml written after a folder's movies.
        inbox: Location that movies are dropped into.
        model: Location of the model's zip, for folders whose request.yaml names none.
        output: Location that results go below, for folders whose request.yaml names none.
        settings: How to analyze, for folders whose request.yaml says nothing else.
        deployment: The deployment that is run.
        quiet: Seconds that a folder's movies must have been found unchanged before it is started.

    Returns:
        What was found, started and skipped, in one sentence; twice, for the state tells it too.
    """
    place = parse_inbox(inbox)
    arrived = parse_arrivals(place, locations)
    found = look_at_arrivals(
        place, FolderRequest.from_form(model, output, settings), arrived, quiet
    )
    told = summarize_batches(
        start_due_runs(find_started_runs(found.batches, deployment), deployment)
    )
    return told, told
