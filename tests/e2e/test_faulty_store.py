"""A run on a store that fails in every way: right results, or a movie that says why it failed."""

import hashlib
from math import inf
from pathlib import Path
from typing import Any

import pytest

from tasks.pose.results.run_record import MovieRecord, ResultStatus, RunRecord
from tests.integration.storage.faults import (
    AnswerItself,
    CutBody,
    DamageDownload,
    DropAnswer,
    Fault,
    FaultOnFirst,
    ResetConnection,
    ShortenBody,
    run_faulty_proxy,
)
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.results_by_content import results_by_content
from tests.support.stores import StoreSettings, create_s3_client

BUCKET = "faulty-store"
PLAIN = "plain"

PASSING: dict[str, tuple[str, Fault]] = {
    "get-503": ("GET", AnswerItself(503, "SlowDown")),
    "get-429": ("GET", AnswerItself(429)),
    "get-reset": ("GET", ResetConnection()),
    "get-cut": ("GET", CutBody()),
    "get-short": ("GET", ShortenBody()),
    "get-spoiled": ("GET", DamageDownload()),
    "put-503": ("PUT", AnswerItself(503, "SlowDown")),
    "put-reset": ("PUT", ResetConnection()),
    "put-lost": ("PUT", DropAnswer()),
}
"""By the movie: what happens to the first requests of its kind, which then succeed."""

LASTING: dict[str, tuple[str, Fault, str]] = {
    "get-down": ("GET", AnswerItself(500), "the store is overloaded or failing; try again later"),
    "get-always-cut": (
        "GET",
        CutBody(),
        "the connection broke before everything had arrived; try again",
    ),
    "get-denied": (
        "GET",
        AnswerItself(403, "AccessDenied"),
        "ask the bucket's owner for the right",
    ),
    "put-expired": (
        "PUT",
        AnswerItself(400, "ExpiredToken"),
        "the credentials have expired; log in",
    ),
}
"""By the movie: what happens to all requests of its kind, and what is said of it."""

RETRIED = {"get-down", "get-always-cut"}


LOOKS = 4
"""Requests that fail while a run looks which movies can be read: twice, each with one retry."""


def place(name: str, method: str) -> str:
    return f"/{BUCKET}/out/{name}/" if method == "PUT" else f"/{BUCKET}/in/{name}.mp4"


@pytest.fixture(scope="module")
def store(object_store: StoreSettings) -> Any:
    return create_s3_client(object_store)


@pytest.fixture(scope="module")
def record(
    store: Any, object_store: StoreSettings, prefect_server: None, tmp_path_factory: Any
) -> RunRecord:
    from flows.pose_estimation import pose_estimation

    movie = cut_movie(DEMO_MOVIE, tmp_path_factory.mktemp("movies") / "m.mp4", 6).read_bytes()
    store.create_bucket(Bucket=BUCKET)
    for name in (PLAIN, *PASSING, *LASTING):
        store.put_object(Bucket=BUCKET, Key=f"in/{name}.mp4", Body=movie)
    rules = {
        place(name, how[0]): (*how, 2.0 if how[0] == "PUT" else 2.0 + LOOKS)
        for name, how in PASSING.items()
    }
    # A spoiled byte of the first look is no error; the second look's and the stage's are.
    rules[place("get-spoiled", "GET")] = ("GET", DamageDownload(), 3)
    rules |= {place(name, how[0]): (*how[:2], inf) for name, how in LASTING.items()}
    with (
        run_faulty_proxy(object_store["AWS_ENDPOINT_URL"]) as proxy,
        pytest.MonkeyPatch.context() as patch,
    ):
        proxy.use_rule(FaultOnFirst(rules))
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        patch.setenv("AWS_MAX_ATTEMPTS", "2")
        place_in, out = f"s3://{BUCKET}/in/", f"s3://{BUCKET}/out"
        state = pose_estimation(str(DEMO_MODEL), [place_in], out, return_state=True)
    failed = f"{len(LASTING)} of {1 + len(PASSING) + len(LASTING)} movies failed"
    assert failed in str(state.message)
    body = store.get_object(Bucket=BUCKET, Key="out/run.json")["Body"].read()
    return RunRecord.model_validate_json(body)


def movie(record: RunRecord, name: str) -> MovieRecord:
    (found,) = (movie for movie in record.movies if movie.name == name)
    return found


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_costs_no_result(
    record: RunRecord, store: Any, tmp_path: Path, name: str
) -> None:
    found, plain = movie(record, name), movie(record, PLAIN)
    assert (found.status, found.error) == (ResultStatus.COMPLETE, None)
    assert found.frames == plain.frames

    def fetch(location: str) -> Path:
        store.download_file(
            BUCKET, location.removeprefix(f"s3://{BUCKET}/"), str(tmp_path / "poses.h5")
        )
        return tmp_path / "poses.h5"

    assert results_by_content(found, fetch) == results_by_content(plain, fetch)


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_a_failed_movie_that_says_why(record: RunRecord, name: str) -> None:
    found = movie(record, name)
    stage = "Publish movie" if name.startswith("put") else "Fetch movie"
    if name == "get-denied":
        stage = "Check movie"  # what another try does not mend is known before the network loads
    assert (found.status, found.failed_stage) == (ResultStatus.FAILED, stage)
    assert found.error_kind == ("retriable" if name in RETRIED else "bad input")
    with pytest.raises(ValueError, match=LASTING[name][2]):
        raise ValueError(found.error)
    assert found.outputs == {}


def test_every_object_is_whole(record: RunRecord, store: Any) -> None:
    recorded = [record.outputs, *(one.outputs for one in record.movies)]
    expected = {out.location: out.sha256 for outputs in recorded for out in outputs.values()}
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="out/")
    found = {}
    for key in (item["Key"] for page in pages for item in page["Contents"]):
        answer = store.get_object(Bucket=BUCKET, Key=key)
        digest = hashlib.sha256(answer["Body"].read()).hexdigest()
        assert answer["Metadata"]["sha256"] == digest
        found[f"s3://{BUCKET}/{key}"] = digest
    del found[f"s3://{BUCKET}/out/run.json"]
    assert {where: digest for where, digest in found.items() if where in expected} == expected
    assert "Uploads" not in store.list_multipart_uploads(Bucket=BUCKET)
