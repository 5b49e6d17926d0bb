"""Runs in a few words, from records of any kind and version."""

import json

from tasks.output.run_summary import is_run_record, summarize_record
from tasks.pose.tables.quality import Verdict
from tasks.storage.location import Location
from tests.support.records import (
    example_behavior_run,
    example_failed_movie,
    example_input,
    example_movie,
    example_output,
    example_quality,
    example_run,
)


def test_a_pose_run_is_told_by_its_movies() -> None:
    files = (
        "likelihood.svg",
        "trajectory.png",
        "labeled.mp4",
        "poses/m1.h5",
        "labeled-data/m1/1.png",
    )
    outputs = {name: example_output(f"s3://elsewhere/{name}") for name in files}
    looked = example_movie(
        "m1", quality=example_quality(Verdict.LOOK, "nose: jumps", "ear: low"), outputs=outputs
    )
    run = example_run(
        looked,
        example_failed_movie(failed_stage="Check movie"),
        outputs={"report.html": example_output("s3://elsewhere/report.html")},
    )
    found = summarize_record(run.to_json().encode())
    assert (found.kind, found.status, found.model) == ("pose", "partial", "m.zip")
    assert found.finished == "2026-01-02T03:04:05+00:00"
    assert found.verdicts == {"look": 1, "failed": 1}
    assert (dict(found.files), found.folders) == ({"report.html": 1234}, ("labeled-data", "poses"))
    first, second = found.movies
    assert (first.reasons, first.frames, first.seconds) == (("nose: jumps", "ear: low"), 300, 10)
    # Wherever the record says that a file is: what lies beside the record counts.
    assert first.picture == "m1/trajectory.png"
    assert second.reasons == (
        "Check movie: broken.mp4: the file is empty (0 bytes); copy it again",
    )
    assert second.picture == ""


def test_other_kinds_are_told_by_tables_and_cell_sets() -> None:
    run = example_behavior_run(dict(example_input("s3://lab/a.parquet")))
    table = {"name": "m1", "verdict": "look", "reasons": ["short"], "outputs": {"speed.svg": {}}}
    data = json.loads(run.to_json()) | {"tables": [table]}
    (movie,) = summarize_record(json.dumps(data).encode()).movies
    assert (movie.verdict, movie.reasons, movie.picture) == ("look", ("short",), "m1/speed.svg")
    neural = {
        "kind": "neural",
        "status": "complete",
        "finished": "2026-11-20T12:00:00+01:00",
        "request": {"cell_sets": ["s3://lab/cells 1.isxd"]},
        "facts": {"verdict": "pass", "cells": 20},
        "outputs": {"traces.png": {"size": 7}},
    }
    found = summarize_record(json.dumps(neural).encode())
    assert (found.kind, found.finished) == ("neural", "2026-11-20T11:00:00+00:00")
    assert [(one.name, one.verdict) for one in found.movies] == [("cells 1.isxd", "pass")]
    assert dict(found.files) == {"traces.png": 7}


def test_what_is_no_record_of_ours_is_unreadable() -> None:
    for data in (b"", b"[]", b'{"steps": 3}', b'{"kind": "later"}', b"\xff"):
        found = summarize_record(data)
        assert (found.status, found.movies) == ("unreadable", ())


def test_copies_in_hidden_folders_are_no_runs() -> None:
    assert is_run_record(Location("lab", "out/run.json"))
    assert is_run_record(Location("lab", "run.json"))
    assert not is_run_record(Location("lab", "out/.dlcflow/run.json"))
    assert not is_run_record(Location("lab", "out/my-run.json"))
