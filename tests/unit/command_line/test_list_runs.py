"""Finished runs are listed from their records, the newest first."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.behavior.behavior_record import BehaviorRecord
from tasks.command_line.list_runs import format_runs, list_runs, runs_to_json
from tasks.errors import BadInput
from tasks.pose.results.run_record import RunRecord
from tasks.pose.tables.quality import Verdict
from tests.support.records import (
    example_behavior_run,
    example_failed_movie,
    example_input,
    example_movie,
    example_quality,
    example_run,
)

DAY = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def write(folder: Path, record: RunRecord | BehaviorRecord) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(record.to_json())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    looked = example_movie("m2", quality=example_quality(Verdict.LOOK))
    write(tmp_path / "old", example_run(example_movie("m1"), finished=DAY))
    write(
        tmp_path / "new one",
        example_run(
            example_movie("m1"), looked, example_failed_movie(), finished=DAY + timedelta(1)
        ),
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text('{"steps": 3}')
    return tmp_path


def test_runs_are_listed_newest_first(results: Path) -> None:
    lines = format_runs(list_runs(str(results))).splitlines()
    assert lines[0].split("  ")[0] == "finished (UTC)"
    assert [line.split("  ")[-1].strip() for line in lines[1:]] == [
        f"{results}/new one/",
        f"{results}/old/",
        f"{results}/other/",
    ]
    assert lines[1].startswith("2026-03-05 05:06")
    assert re.split(r"  +", lines[1])[4:8] == ["3", "1", "1", "1"]
    assert "unreadable" in lines[3]


def test_programs_get_the_same_as_json(results: Path) -> None:
    new, old, other = json.loads(runs_to_json(list_runs(f"{results}/")))
    assert new["movies"] == ["m1", "m2", "broken"]
    assert new["verdicts"] == {"pass": 1, "look": 1, "failed": 1}
    assert old["finished"] == "2026-03-04T05:06:00+00:00"
    assert other["status"] == "unreadable"


def test_one_run_is_listed_by_its_own_location(results: Path) -> None:
    (found,) = list_runs(f"{results}/old")
    assert found.output == f"{results}/old/"


def test_runs_of_other_kinds_are_listed_with_their_kind(tmp_path: Path) -> None:
    write(tmp_path / "a", example_behavior_run(dict(example_input("s3://lab/a.parquet"))))
    neural = {
        "kind": "neural",
        "status": "complete",
        "finished": "2026-11-20T11:00:00Z",
        "request": {"cell_sets": ["s3://lab/cells 1.isxd"]},
        "facts": {"verdict": "look", "cells": 20},
    }
    for name, record in (("b", neural), ("c", {"kind": "later\nkind"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(record))
    found = list_runs(str(tmp_path))
    assert [(one.kind, one.status, one.movies, one.verdicts) for one in found] == [
        ("behavior", "complete", ("m1",), {"failed": 1}),
        ("neural", "complete", ("cells 1.isxd",), {"look": 1}),
        ("later\nkind", "unreadable", (), {}),
    ]
    lines = format_runs(found).splitlines()
    assert len(lines) == 4
    assert re.split(r"  +", lines[2])[:3] == ["2026-11-20 11:00", "complete", "neural"]


def test_where_there_is_no_run_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no run\.json below"):
        list_runs(str(tmp_path))
