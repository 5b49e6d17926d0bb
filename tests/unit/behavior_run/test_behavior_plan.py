"""What a behavior request would do, without doing it."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import main
from tasks.behavior.behavior_record import TableRecord
from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior_run.behavior_plan import BehaviorPlan, plan_behavior
from tasks.behavior_run.behavior_request import resolve_behavior
from tasks.behavior_run.behavior_stages import compute_table_key
from tasks.pose.results.run_record import StageTime
from tasks.run_data import FetchedInput
from tests.support.records import example_behavior_run

SETTINGS = BehaviorSettings()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("Frame number\n0\n")
    return tmp_path


def plan(folder: Path, *names: str) -> BehaviorPlan:
    return plan_behavior([str(folder / name) for name in names], str(folder / "out"), SETTINGS)


def keep(folder: Path, name: str, **changes: Any) -> None:
    """Leave what a run leaves of a table."""
    path = str(folder / f"{name}.csv")
    request = resolve_behavior([path], str(folder / "out"), SETTINGS)
    (table,) = request.tables
    sha256 = request.store.known_sha256(table.info)
    content = {"location": path, "size": 1, "etag": None, "version": None, "sha256": sha256}
    record = TableRecord.model_validate(
        {"number": 0, "name": name, "status": "complete", "input": content}
    )
    key = compute_table_key(FetchedInput(folder, record.input), table, request)
    target = folder / "out" / ".dlcflow" / "tables" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(record.model_copy(update={"key": key, **changes}).model_dump_json())


def test_what_is_new_runs_and_nothing_is_written(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    found = plan(folder, "a.csv", "b.csv")
    assert sorted(folder.rglob("*")) == before
    assert [(t.name, t.action, t.reason) for t in found.tables] == [
        ("a", "run", "nothing is kept"),
        ("b", "run", "nothing is kept"),
    ]
    assert (found.refused, found.seconds) == (False, None)


def test_what_an_earlier_run_made_is_reused(folder: Path) -> None:
    keep(folder, "a")
    keep(folder, "b", key="another")
    found = plan(folder, "a.csv", "b.csv")
    assert [table.action for table in found.tables] == ["reuse", "run"]
    assert found.tables[1].reason.startswith("it was made of other content")


def test_the_run_before_tells_how_long_it_takes(folder: Path) -> None:
    record = example_behavior_run(
        {"location": "x", "size": 15, "etag": None, "version": None, "sha256": None}
    )
    stages = {"Measure behavior": StageTime(seconds=20)}
    tables = (record.tables[0].model_copy(update={"stages": stages}),)
    updates = {"tables": tables, "seconds": 25.0, "stages": {"Start": StageTime(seconds=4)}}
    (folder / "out").mkdir()
    (folder / "out" / "run.json").write_text(record.model_copy(update=updates).to_json())
    assert plan(folder, "a.csv", "b.csv").seconds == pytest.approx(4 + 5 + 2 * 20)


def test_the_command_prints_it_for_people_and_programs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.__main__.prepare_environment", lambda: None)
    words = ["behavior", "--output", str(folder / "out"), "--dry-run", "--annotations"]
    assert main([*words, str(folder / "a.csv")]) == 0
    assert "a  runs: nothing is kept" in capsys.readouterr().out
    assert main([*words, str(folder / "none.csv"), "--json"]) == 2
    told = capsys.readouterr()
    (problem,) = json.loads(told.out)["problems"]
    assert told.err == f"error: {problem}\n"
