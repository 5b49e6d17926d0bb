"""Look at an inbox: find what movies have no current result, and start one run for each batch."""

from prefect import flow

from tasks.inbox import (
    look,
    look_at_arrival,
    parse_arrival,
    parse_inbox,
    remember,
    start,
    tell,
)
from tasks.inbox_plan import FolderRequest
from tasks.pose.settings import PoseSettings
from tasks.retries import ends_clearly

POSE_ESTIMATION = "pose-estimation/pose-estimation"


@flow(name="inbox", persist_result=False)
@ends_clearly
def inbox(
    inbox: str,
    model: str | None = None,
    output: str | None = None,
    settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen, and the form shows it
    deployment: str = POSE_ESTIMATION,
) -> tuple[str, str]:
    """Start a run for every movie, or folder of movies, that has no current result.

    Args:
        inbox: Location that movies are dropped into: a prefix or a folder.
        model: Location of the model's zip, for folders whose request.yaml names none.
        output: Location that results go below, for folders whose request.yaml names none.
        settings: How to analyse, for folders whose request.yaml says nothing else.
        deployment: The deployment that is run.

    Returns:
        What was found, started and skipped, in one sentence; twice, for the state tells it too.
    """
    place = parse_inbox(inbox)
    batches = look(place, FolderRequest.given(model, output, settings))
    runs = start(batches, deployment)
    remember(place, batches, runs)
    told = tell(place, batches, runs)
    return told, told


@flow(name="arrival", persist_result=False)
@ends_clearly
def arrival(
    location: str,
    inbox: str,
    model: str | None = None,
    output: str | None = None,
    settings: PoseSettings = PoseSettings(),  # noqa: B008
    deployment: str = POSE_ESTIMATION,
) -> tuple[str, str]:
    """Start the run that an object's arrival in an inbox makes due, if none has been started.

    Args:
        location: What arrived: a movie, or a request.yaml written after a folder's movies.
        inbox: Location that movies are dropped into.
        model: Location of the model's zip, for folders whose request.yaml names none.
        output: Location that results go below, for folders whose request.yaml names none.
        settings: How to analyse, for folders whose request.yaml says nothing else.
        deployment: The deployment that is run.

    Returns:
        What was found, started and skipped, in one sentence; twice, for the state tells it too.
    """
    place, arrived = parse_inbox(inbox), parse_arrival(location)
    batches = look_at_arrival(place, FolderRequest.given(model, output, settings), arrived)
    runs = start(batches, deployment)
    told = tell(arrived, batches, runs)
    return told, told
