"""Which behavior runs follow the results of an inbox."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.errors import BadInput
from tasks.inbox.batches import MovieGroup
from tasks.inbox.behavior_batches import BehaviorBatch, find_behavior_batches
from tasks.inbox.fingerprints import RecordSummary, parse_behavior_origin
from tasks.inbox.inbox_batch import Standing
from tasks.inbox.request_file import FolderRequest
from tasks.storage.store import ObjectInfo
from tests.support.records import example_behavior_run
from tests.unit.inbox.test_batches import ASKED, M1, NOON, found, info, only, with_request

ZONES = "s3://lab/zones.csv"
SETTINGS = {"min_stay": 1, "zones": ZONES}
FOLLOWED = ASKED.model_copy(update={"behavior": SETTINGS})
TABLE = info("s3://lab/results/day1/m1/annotations.parquet")


def poses(**changes: Any) -> MovieGroup:
    request = FOLLOWED.model_copy(update=changes)
    return only(M1, requests={"": request}).with_standing(Standing.CURRENT, "so")


def following(
    group: MovieGroup,
    table: ObjectInfo | None = TABLE,
    zones: "str | BadInput" = "z",
    results: "dict[str, RecordSummary] | None" = None,
) -> list[BehaviorBatch]:
    files = {str(table.location): table} if table else {}
    return find_behavior_batches([group], files, {ZONES: zones}, results or {})


def made(table: ObjectInfo = TABLE, zones: str | None = "z", **record: Any) -> Any:
    """What a behavior run's record says, by its location."""
    read = {"location": str(table.location), "size": table.size, "etag": table.etag}
    run = example_behavior_run(read | {"version": None, "sha256": None}, settings=SETTINGS)
    data = json.loads(run.to_json()) | {"zones_sha256": zones} | record
    origin = parse_behavior_origin(json.dumps(data).encode())
    where = "s3://lab/results/day1/m1/behavior/run.json"
    return {where: RecordSummary(*origin, NOON + timedelta(minutes=1))}


def test_complete_poses_are_followed() -> None:
    (batch,) = following(poses())
    assert (batch.standing, batch.reason) == (Standing.DUE, "its poses are complete")
    assert batch.parameters == {
        "annotations": ["s3://lab/results/day1/m1/run.json"],
        "output": "s3://lab/results/day1/m1/behavior/",
        "settings": SETTINGS,
    }


@pytest.mark.parametrize("standing", [s for s in Standing if s is not Standing.CURRENT])
def test_others_are_not(standing: Standing) -> None:
    assert following(poses().with_standing(standing, "so")) == []


@pytest.mark.parametrize("behavior", [None, False])
def test_nobody_asks_for_it(behavior: Any) -> None:
    assert following(poses(behavior=behavior)) == []


def test_results_go_where_the_request_says() -> None:
    (batch,) = following(poses(behavior_output="s3://lab/behavior"))
    assert batch.output == "s3://lab/behavior/day1/m1/"


def test_a_result_of_the_same_content_is_current() -> None:
    assert [b.standing for b in following(poses(), results=made())] == [Standing.CURRENT]


@pytest.mark.parametrize(
    "changes",
    [
        {"table": info(str(TABLE.location), etag="f")},
        {"table": info(str(TABLE.location), size=6)},
        {"zones": "other"},
        {"group": poses(behavior=SETTINGS | {"min_stay": 2})},
    ],
)
def test_another_table_zone_or_setting_makes_it_due(changes: dict[str, Any]) -> None:
    (before,) = following(poses())
    (batch,) = following(**{"group": poses(), "results": made()} | changes)
    assert batch.standing is Standing.DUE
    assert batch.run_key != before.run_key


def test_where_the_zones_lie_does_not_count() -> None:
    moved: dict[str, Any] = SETTINGS | {"zones": "s3://lab/moved.csv"}
    group, files = poses(behavior=moved), {str(TABLE.location): TABLE}
    (batch,) = find_behavior_batches([group], files, {moved["zones"]: "z"}, made())
    assert batch.standing is Standing.CURRENT


def test_what_failed_is_not_started_again() -> None:
    failed = {"name": "m1", "status": "failed", "error": "no likelihoods"}
    (read,) = json.loads(example_behavior_run(_input(), settings={}).to_json())["tables"]
    results = made(status="failed", tables=[read | failed])
    (batch,) = following(poses(), results=results)
    assert batch.standing is Standing.FAILED
    assert "1 of 1 tables failed: m1: no likelihoods" in batch.reason


def _input() -> dict[str, Any]:
    return {
        "location": str(TABLE.location),
        "size": TABLE.size,
        "etag": TABLE.etag,
        "version": None,
        "sha256": None,
    }


def test_what_cannot_be_read_is_refused() -> None:
    (lacking,) = following(poses(), table=None)
    (zoneless,) = following(poses(), zones=BadInput("there is no such object"))
    foreign = {key: RecordSummary("", "", "it is foreign", NOON) for key in made()}
    (taken,) = following(poses(), results=foreign)
    assert {b.standing for b in (lacking, zoneless, taken)} == {Standing.REFUSED}
    assert "no annotations table" in lacking.reason
    assert "behavior.zones: there is no such object" in zoneless.reason


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"tables": [{}]}', b'{"movies": []}'])
def test_a_record_of_something_else_says_nothing(data: bytes) -> None:
    assert parse_behavior_origin(data)[:2] == ("", "")


def test_outputs_that_collide_are_refused() -> None:
    other = info("s3://lab/inbox/day1/m1/behavior.mp4")
    both = found(M1, other, requests={"": FOLLOWED})
    assert {b.standing for b in both} == {Standing.REFUSED}
    assert "results/day1/m1/behavior/" in both[0].reason


def test_behavior_among_the_movies_is_refused() -> None:
    batch = only(
        M1, requests={"": FOLLOWED.model_copy(update={"behavior_output": "s3://lab/inbox/"})}
    )
    assert batch.standing is Standing.REFUSED
    inside = FOLLOWED.model_copy(update={"behavior_output": "s3://lab/inbox/behavior/"})
    drawn = info("s3://lab/inbox/behavior/day1/m1/m1/states.mp4")
    assert [b.name for b in found(M1, drawn, requests={"": inside})] == ["day1/m1"]


def test_settings_that_contradict_inherited_ones_are_refused() -> None:
    folder = with_request()
    folder["requests"] = {"": FOLLOWED, "inbox/day1/": FolderRequest(behavior={"zones": None})}
    batch = only(M1, **folder)
    assert batch.standing is Standing.REFUSED
    assert "together: behavior: min_stay is given, but there are no zones" in batch.reason
    folder["requests"] = {
        "": ASKED.model_copy(update={"settings": {"nwb": True, "nwb_metadata": "s3://lab/n.yaml"}}),
        "inbox/day1/": FolderRequest(settings={"nwb_metadata": None}),
    }
    batch = only(M1, **folder)
    assert batch.standing is Standing.REFUSED
    assert "together: settings: nwb needs a subject" in batch.reason


def test_every_setting_counts() -> None:
    (batch,) = following(poses(behavior={}))
    assert BehaviorSettings.model_validate(batch.settings) == BehaviorSettings()
