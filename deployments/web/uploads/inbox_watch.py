"""What the inbox makes of movies: what its folders ask for, and where an uploaded movie stands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deployments.web.prefect_server import open_prefect_client
from tasks.errors import PoseError
from tasks.storage.location import Location, to_address
from tasks.storage.store import ObjectStore

if TYPE_CHECKING:
    from tasks.inbox.batches import InboxContents, MovieGroup
    from tasks.inbox.request_file import FolderRequest

MAX_FOLDERS = 300
"""Folders that a page offers."""

_INBOX_FLOW = "inbox"
_POSE_DEPLOYMENT = "pose-estimation/pose-estimation"


@dataclass(frozen=True)
class InboxFolder:
    """A folder of the inbox, and what is made of movies in it.

    Attributes:
        path: Its path below the inbox, which ends in a slash; empty for the inbox itself.
        model: Location of the model that analyzes them.
        output: Location that results go below.
        problem: Why nothing will be run; empty if something will.
        waits: Whether all of its movies are analyzed in one run.
    """

    path: str
    model: str
    output: str
    problem: str
    waits: bool


@dataclass(frozen=True)
class MovieStanding:
    """Where an uploaded movie stands.

    Attributes:
        state: One of the inbox' standings, or ``absent``, or ``unknown``.
        reason: Why, in one sentence.
        problem: Why its run is not going to start, or that this is not known; empty as a rule.
        run: Address of its run in Prefect's UI; empty where there is none.
        result: The part of an address on this page that stands for its result; empty before that.
    """

    state: str
    reason: str = ""
    problem: str = ""
    run: str = ""
    result: str = ""


@dataclass(frozen=True)
class _Look:
    """How a deployment looks at the inbox.

    Attributes:
        defaults: What holds where no `request.yaml` says anything else.
        deployment: The deployment that it starts.
        problem: Why it is not known, or that none looks; empty if one does.
    """

    defaults: "FolderRequest"
    deployment: str = _POSE_DEPLOYMENT
    problem: str = ""


def describe_folders(store: ObjectStore, inbox: Location) -> tuple[list[InboxFolder], str]:
    """Describe the folders of an inbox.

    Returns:
        The inbox itself and the folders in it, in order of their names; and what is wrong with the
        inbox as a whole, empty if nothing is.

    Raises:
        PoseError: The store cannot be read.
    """
    from tasks.inbox.batches import find_result_folders  # noqa: PLC0415 - Prefect takes seconds
    from tasks.inbox.look import read_contents  # noqa: PLC0415
    from tasks.inbox.request_file import find_request_files, parent_folder  # noqa: PLC0415

    look = _find_look(inbox)
    objects = list(store.list(inbox))
    contents = read_contents(store, inbox, look.defaults, objects, find_request_files(objects))
    within = find_result_folders(contents)
    keys = {parent_folder(info.location) for info in objects} | {inbox.key}
    shown = sorted(
        key
        for key in keys
        if not str(Location(inbox.bucket, key)).startswith(within)
        and not any(part.startswith(".") for part in key.removeprefix(inbox.key).split("/"))
    )
    return [_describe_folder(contents, key) for key in shown[:MAX_FOLDERS]], look.problem


def _describe_folder(contents: "InboxContents", key: str) -> InboxFolder:
    from tasks.inbox.batches import find_folder_refusal  # noqa: PLC0415
    from tasks.inbox.request_file import effective_request  # noqa: PLC0415

    request = effective_request(contents.requests, key)
    return InboxFolder(
        path=key.removeprefix(contents.inbox.key),
        model=request.model or "",
        output=request.output or "",
        problem=find_folder_refusal(contents, key, request),
        waits=request.batch == "folder",
    )


def find_standings(
    store: ObjectStore, inbox: Location, movies: Sequence[Location]
) -> list[MovieStanding]:
    """Find where movies stand: whether the inbox has seen them, their runs, and their results.

    Raises:
        PoseError: The store cannot be read.
    """
    from tasks.inbox.inbox_batch import Standing  # noqa: PLC0415 - Prefect takes seconds to load
    from tasks.inbox.look import assess_arrivals  # noqa: PLC0415
    from tasks.inbox.start_runs import match_started_runs  # noqa: PLC0415

    look = _find_look(inbox)
    groups = list(assess_arrivals(store, inbox, look.defaults, movies, 0).batches)
    problem = look.problem
    if not problem:
        try:
            groups = match_started_runs(groups, look.deployment)
        except PoseError as error:
            problem = str(error)
    by_file = {info.location: one for one in groups for info in (*one.movies, *one.times)}
    found = [_describe_standing(movie, by_file.get(movie)) for movie in movies]
    undecided = {Standing.DUE, Standing.WAITING}
    if look.problem:  # the request that they lack may be the deployment's
        undecided.add(Standing.REFUSED)
    return [replace(one, problem=problem) if one.state in undecided else one for one in found]


def _describe_standing(file: Location, group: "MovieGroup | None") -> MovieStanding:
    from prefect.utilities.urls import url_for  # noqa: PLC0415

    from tasks.inbox.inbox_batch import Standing  # noqa: PLC0415
    from tasks.pose.clock.times_names import is_times_name  # noqa: PLC0415

    if group is None and is_times_name(file.name):
        return MovieStanding("alone", "it waits for the movie that it belongs to")
    if group is None:
        return MovieStanding("absent", "it is not in the inbox any more")
    is_current = group.standing is Standing.CURRENT
    return MovieStanding(
        state=group.standing.value,
        reason=group.reason,
        run=(group.run and url_for("flow-run", group.run)) or "",
        result=to_address(Location.parse(group.output)) if is_current else "",
    )


def _find_look(inbox: Location) -> _Look:
    """Find the deployment that looks at an inbox, and what it has been given."""
    import httpx  # noqa: PLC0415 - Prefect takes seconds to load

    from tasks.inbox.request_file import FolderRequest  # noqa: PLC0415
    from tasks.pose.settings import PoseSettings  # noqa: PLC0415

    try:
        found = _read_parameters(inbox)
    except (PoseError, httpx.HTTPError) as error:
        return _Look(FolderRequest(), problem=f"whether runs start is not known: {error}")
    if found is None:
        return _Look(
            FolderRequest(),
            problem=f"nothing looks at {inbox}; have `make deploy` run with DLCFLOW_INBOX={inbox}",
        )
    defaults = FolderRequest.from_form(
        found.get("model"),
        found.get("output"),
        PoseSettings.model_validate(found.get("settings") or {}),
    )
    return _Look(defaults, str(found.get("deployment") or _POSE_DEPLOYMENT))


def _read_parameters(inbox: Location) -> dict[str, Any] | None:
    """Parameters of the deployment that looks at an inbox; None if there is none."""
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName  # noqa: PLC0415

    flow = FlowFilter(name=FlowFilterName(any_=[_INBOX_FLOW]))
    with open_prefect_client() as client:
        for deployment in client.read_deployments(flow_filter=flow):
            if f"{str(deployment.parameters.get('inbox', '')).rstrip('/')}/" == str(inbox):
                return dict(deployment.parameters)
    return None
