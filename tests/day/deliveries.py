"""What became of each movie of the day, and what people were told of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from tasks import PREFECT_TAG, UPKEEP_TAG
from tests.day.dropped_movies import DroppedMovie
from tests.support.notice_listener import NoticeListener

_PAGE = 200
DELIVERED_ENDS = (" finished", " needs a look", " has poses that fail")
"""How the subjects of notices of runs that delivered end."""

REFUSED_ENDS = (" is refused", " are refused", " failed")
"""How the subjects of notices of bad movies end."""


@dataclass(frozen=True)
class ListedRuns:
    """Runs as a list has them.

    Attributes:
        people: People's.
        looks: Those that look at the inbox.
    """

    people: Sequence[FlowRun]
    looks: Sequence[FlowRun]

    @property
    def share(self) -> float:
        """Share of the list that is upkeep."""
        return len(self.looks) / max(1, len(self.looks) + len(self.people))


def list_runs(client: SyncPrefectClient, until: datetime) -> ListedRuns:
    """List what a list of runs shows, which is what was due.

    Args:
        client: The server.
        until: The time.
    """
    chosen = FlowRunFilter.model_validate({"expected_start_time": {"before_": until.isoformat()}})
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=chosen,
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=_PAGE,
            offset=len(found),
        )
        found += page
        if len(page) < _PAGE:
            break
    return ListedRuns(
        [run for run in found if PREFECT_TAG in run.tags],
        [run for run in found if UPKEEP_TAG in run.tags],
    )


def read_record(store: Any, bucket: str, movie: DroppedMovie) -> tuple[dict[str, Any], datetime]:
    """Read a movie's run record and when it was written; an empty one where there is none."""
    try:
        found = store.get_object(Bucket=bucket, Key=movie.record_key)
    except ClientError:
        return {}, datetime.min.replace(tzinfo=UTC)
    return json.loads(found["Body"].read()), found["LastModified"]


def is_settled(store: Any, bucket: str, movie: DroppedMovie, listener: NoticeListener) -> bool:
    """Return whether a movie is delivered, refused, or lost, and somebody was told."""
    told = find_notices(listener, movie)
    if not told or movie.fault or told[0].endswith(REFUSED_ENDS):
        return bool(told)
    try:
        store.head_object(Bucket=bucket, Key=movie.record_key)
    except ClientError:
        return False
    return True


def find_notices(listener: NoticeListener, movie: DroppedMovie) -> list[str]:
    """Subjects of the notices about a movie."""
    subjects = [notice.get("subject", "") for notice in list(listener.told)]
    about = [subject for subject in subjects if movie.name in subject]
    shared = [notice for notice in list(listener.told) if "movies are refused" in str(notice)]
    return about + [
        str(notice["subject"]) for notice in shared if f"{movie.name}.mp4:" in notice["body"]
    ]


def check_deliveries(
    movies: Sequence[DroppedMovie],
    runs: Sequence[FlowRun],
    records: Mapping[str, dict[str, Any]],
    listener: NoticeListener,
) -> Iterator[str]:
    """Check that each movie was delivered or refused once, and told of once.

    Args:
        movies: What was dropped.
        runs: People's runs.
        records: Run records by movie.
        listener: Who was told.

    Yields:
        What is not as it should be, a sentence each.
    """
    for movie in movies:
        mine = [run for run in runs if _is_for(run, movie)]
        if len(mine) != movie.has_run:
            yield f"{movie.name}: {len(mine)} runs ({_states(mine)})"
        told = find_notices(listener, movie)
        ends = REFUSED_ENDS if movie.fault else DELIVERED_ENDS
        if len(told) != 1 or not told[0].endswith(ends):
            yield f"{movie.name}: told {len(told)} times ({'; '.join(told)})"
        check = _check_bad_movie if movie.fault else _check_good_movie
        for sentence in check(mine, records.get(movie.name, {})):
            yield f"{movie.name}: {sentence} ({_states(mine) or 'no run'})"
    for run in runs:
        if not any(_is_for(run, movie) for movie in movies):
            yield f"the run {run.name} is for nothing that was dropped"


def _check_good_movie(runs: Sequence[FlowRun], record: dict[str, Any]) -> Iterator[str]:
    if record.get("status") != "complete":
        yield "not delivered"
    elif [str(run.id) for run in runs] != [record["flow_run"]["id"]]:
        yield f"delivered by {record['flow_run']['id']}, which is not its only run"
    if any(run.state and not run.state.is_completed() for run in runs):
        yield "its run has not completed"


def _check_bad_movie(runs: Sequence[FlowRun], record: dict[str, Any]) -> Iterator[str]:
    if record.get("status") == "complete":
        yield "it is bad, and yet delivered"
    if any(run.state and not run.state.is_failed() for run in runs):
        yield "it is bad, and its run has not failed"


def _is_for(run: FlowRun, movie: DroppedMovie) -> bool:
    return any(str(one).endswith(movie.key) for one in run.parameters.get("movies", ()))


def _states(runs: Sequence[FlowRun]) -> str:
    return "; ".join(f"{run.state.name}: {run.state.message}" for run in runs if run.state)
