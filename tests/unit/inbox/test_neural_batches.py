"""Which neural runs follow the behavior results of an inbox."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.inbox.batches import MovieGroup
from tasks.inbox.behavior_batches import BehaviorBatch, find_behavior_batches
from tasks.inbox.fingerprints import RecordSummary, parse_neural_origin
from tasks.inbox.inbox_batch import Standing
from tasks.inbox.neural_batches import NeuralBatch, find_neural_batches
from tasks.inbox.request_file import FolderRequest, find_settings_problem, parse_request
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo
from tests.unit.inbox.test_batches import ASKED, M1, NOON, found, info, only

CELLS, RAW = info("s3://lab/cells/a.isxd"), info("s3://lab/raw/a.isxd")
SETTINGS = {"states": ["rest", "movement"], "timing_references": [str(RAW.location)]}
NEURAL = {"cell_sets": [str(CELLS.location)]} | SETTINGS
FOLLOWED = ASKED.model_copy(update={"behavior": True, "neural": NEURAL})
POSES = info("s3://lab/results/day1/m1/annotations.parquet")
TABLE = info("s3://lab/results/day1/m1/behavior/m1/behavior.parquet")
THERE = {str(one.location): [one] for one in (CELLS, RAW)}


def group(**changes: Any) -> MovieGroup:
    request = FOLLOWED.model_copy(update=changes)
    return only(M1, requests={"": request}).with_standing(Standing.CURRENT, "so")


def following(
    movies: MovieGroup,
    *,
    standing: Standing = Standing.CURRENT,
    table: ObjectInfo | None = TABLE,
    recordings: dict[str, Any] = THERE,
    results: "dict[str, RecordSummary] | None" = None,
) -> list[NeuralBatch]:
    files: dict[str, ObjectInfo | str] = {
        str(one.location): one for one in (POSES, table) if one is not None
    }
    behavior: list[BehaviorBatch] = [
        batch.with_standing(standing, "so")
        for batch in find_behavior_batches([movies], files, {}, {})
    ]
    return find_neural_batches([movies], behavior, files, recordings, results or {})


def made(*inputs: ObjectInfo, **settings: Any) -> dict[str, RecordSummary]:
    """What a neural run's record says, by its location."""
    read = [{"location": str(i.location), "size": i.size, "etag": i.etag} for i in inputs]
    record = {
        "status": "complete",
        "inputs": read,
        "request": {"settings": SETTINGS | settings},
    }
    origin = parse_neural_origin(json.dumps(record).encode())
    where = "s3://lab/results/day1/m1/neural/run.json"
    return {where: RecordSummary(*origin, NOON + timedelta(minutes=1))}


def test_complete_behavior_is_followed() -> None:
    (batch,) = following(group())
    assert (batch.standing, batch.reason) == (Standing.DUE, "its behavior is complete")
    assert batch.parameters == {
        "cell_sets": ["s3://lab/cells/a.isxd"],
        "annotations": "s3://lab/results/day1/m1/behavior/run.json",
        "output": "s3://lab/results/day1/m1/neural/",
        "event_sets": [],
        "settings": SETTINGS,
    }


@pytest.mark.parametrize("standing", [s for s in Standing if s is not Standing.CURRENT])
def test_behavior_that_is_not_complete_is_not(standing: Standing) -> None:
    assert following(group(), standing=standing) == []


@pytest.mark.parametrize("neural", [None, False])
def test_nobody_asks_for_it(neural: Any) -> None:
    assert following(group(neural=neural)) == []


def test_a_result_of_the_same_content_is_current_and_of_another_is_due() -> None:
    read = (CELLS, RAW, TABLE)
    (batch,) = following(group(), results=made(*read))
    assert batch.standing is Standing.CURRENT
    for inputs, settings in (
        ((CELLS, RAW, info(str(TABLE.location), etag="f")), {}),
        ((info(str(CELLS.location), size=6), RAW, TABLE), {}),
        ((CELLS, TABLE), {}),
        (read, {"alpha": 0.01}),
    ):
        (batch,) = following(group(), results=made(*inputs, **settings))
        assert batch.standing is Standing.DUE


def test_results_go_where_the_request_says() -> None:
    (batch,) = following(group(neural_output="s3://lab/neural"))
    assert batch.output == "s3://lab/neural/day1/m1/"
    other = info("s3://lab/inbox/day1/m1/neural.mp4")
    both = found(M1, other, requests={"": FOLLOWED})
    assert {b.standing for b in both} == {Standing.REFUSED}
    assert "results/day1/m1/neural/" in both[0].reason


def test_what_cannot_be_read_is_refused() -> None:
    (lacking,) = following(group(), table=None)
    gone = THERE | {str(CELLS.location): BadInput("there is no such object")}
    (cellless,) = following(group(), recordings=gone)
    foreign = {key: RecordSummary("", "", "it is foreign", NOON) for key in made()}
    (taken,) = following(group(), results=foreign)
    assert {b.standing for b in (lacking, cellless, taken)} == {Standing.REFUSED}
    assert "no behavior table" in lacking.reason
    assert cellless.reason == "neural: s3://lab/cells/a.isxd: there is no such object"


def parse(text: str) -> FolderRequest:
    return parse_request(text.encode(), Location.parse("s3://lab/inbox/day1/request.yaml"))


def test_locations_are_relative_to_the_request() -> None:
    request = parse("neural: {cell_sets: ['cells/*.isxd'], timing_references: [../raw/a.gpio]}")
    assert request.neural == {
        "cell_sets": ["s3://lab/inbox/day1/cells/*.isxd"],
        "timing_references": ["s3://lab/inbox/raw/a.gpio"],
    }
    inner = parse("neural: {alpha: 0.01}").inherit_from(FOLLOWED)
    assert inner.neural == NEURAL | {"alpha": 0.01}
    assert parse("neural: false").inherit_from(FOLLOWED).neural is False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("neural: {alphas: 1}", r"neural\.alphas is not a known setting"),
        ("neural: {alpha: 2}", r"neural\.alpha"),
        ("neural: {cell_sets: []}", r"neural\.cell_sets"),
        ("neural: {cell_sets: a.isxd}", r"neural\.cell_sets"),
        ("neural: true", "neural"),
    ],
)
def test_requests_that_say_something_else_are_refused(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse(text)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"neural": {"alpha": 0.1}}, r"neural\.cell_sets"),
        ({"behavior": None}, "it follows behavior, but behavior is not set"),
        ({"neural": NEURAL | {"comparison": "state vs baseline"}}, "baseline_state is needed"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(changes: Any, told: str) -> None:
    request = FOLLOWED.model_copy(update=changes)
    assert re.search(told, find_settings_problem(request))
    assert only(M1, requests={"": request}).standing is Standing.REFUSED


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"inputs": [{}]}'])
def test_a_record_of_something_else_says_nothing(data: bytes) -> None:
    assert parse_neural_origin(data)[:2] == ("", "")
