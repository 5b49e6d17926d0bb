"""Runs are listed, found, and paged; what is new or gone is noticed."""

import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.web.listing.run_database import PAGE_LENGTH, RunChoice, RunDatabase
from deployments.web.web_settings import parse_address, to_address
from tasks.errors import Retriable
from tasks.output.run_summary import MovieSummary, RunSummary
from tasks.pose.results.run_record import RunRecord
from tasks.pose.tables.quality import Verdict
from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location
from tests.support.published_runs import on_day
from tests.support.records import (
    example_failed_movie,
    example_movie,
    example_output,
    example_quality,
    example_run,
)
from tests.unit.deployments.web.conftest import OpenPage

HOSTILE = "<img src=x onerror=alert(1)>\"'&#? ü"


def write(folder: Path, run: RunRecord) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(run.to_json())


def shown_runs(page: TestClient, query: str = "") -> list[str]:
    text = page.get(f"/{query}").text
    return re.findall(r'<a href="/runs/[^"]+"><b>([^<]+)</b>', text)


@pytest.fixture
def three_runs(results: Path) -> None:
    write(results / "b" / "old", example_run(example_movie("cam1"), finished=on_day(1)))
    looked = example_movie("cam_2", quality=example_quality(Verdict.LOOK, "nose: jumps"))
    write(results / "a", example_run(looked, example_failed_movie(), finished=on_day(3)))
    write(results / "c", example_run(example_movie("100%"), finished=on_day(2)))


def test_runs_are_found_by_movie_model_date_and_verdict(
    three_runs: None, open_page: OpenPage
) -> None:
    page = open_page()
    for query, found in {
        "": ["a", "c", "b/old"],
        "?q=CAM": ["a", "b/old"],
        "?q=cam_2": ["a"],
        "?q=%25": ["c"],
        "?q=2026-03-02": ["c"],
        "?q=m.zip+broken": ["a"],
        "?q=m.zip+nothing": [],
        "?verdict=look": ["a"],
        "?verdict=failed&q=cam1": [],
        "?kind=behavior": [],
        "?verdict=%22%27%3B": [],
        "?page=0": ["a", "c", "b/old"],
        "?page=2": [],
    }.items():
        assert shown_runs(page, query) == found, query


def test_what_is_new_changed_or_gone_is_noticed(
    three_runs: None, open_page: OpenPage, results: Path
) -> None:
    page = open_page()
    index = page.app.state.web.index  # type: ignore[attr-defined]
    before = index.state.mark
    index.refresh()
    assert index.state.mark == before
    write(results / "new", example_run(example_movie("m"), finished=on_day(4)))
    write(results / "c", example_run(example_movie("other"), finished=on_day(5)))
    (results / "b" / "old" / "run.json").unlink()
    # A run that is opened is as the store has it, whether it has been looked for or not.
    assert page.get(f"/runs/local{results}/new/").status_code == 200
    index.refresh()
    assert shown_runs(page) == ["c", "new", "a"]
    assert shown_runs(page, "?q=other") == ["c"]
    assert page.get(f"/runs/local{results}/b/old/").status_code == 404
    told = page.get("/api/listing").json()
    assert told == {"mark": index.state.mark, "is_looking": False}
    assert index.state.mark != before


def test_strangers_names_are_text(open_page: OpenPage, results: Path) -> None:
    movie = example_movie(
        HOSTILE,
        quality=example_quality(Verdict.LOOK, HOSTILE),
        outputs={"trajectory.png": example_output("s3://elsewhere/x")},
    )
    outputs = {name: example_output("x") for name in ("../../etc/passwd", HOSTILE, "report.html")}
    write(results / HOSTILE, example_run(movie, outputs=outputs))
    page = open_page()
    for text in (page.get("/").text, page.get(f"/runs/local{results}/").text):
        assert "<img src=x" not in text
    found = page.get("/").text
    address = re.search(r'href="(/runs/[^"]+)"', found)
    assert address
    shown = page.get(address[1])
    assert shown.status_code == 200
    assert "<img src=x" not in shown.text
    assert "&lt;img src=x onerror" in shown.text
    assert "etc/passwd" not in shown.text
    links = re.findall(r'(?:href|src)="(/[^"]+)"', shown.text)
    ours = [link for link in links if link.startswith("/files/") and "trajectory" in link]
    (results / HOSTILE / HOSTILE).mkdir()
    (results / HOSTILE / HOSTILE / "trajectory.png").write_bytes(b"x")
    assert page.get(ours[0].replace("&amp;", "&")).content == b"x"


def test_records_that_nobody_would_write_are_unreadable(open_page: OpenPage, results: Path) -> None:
    record = json.loads(example_run(example_movie("m1")).to_json())
    record["movies"][0]["number"] = record["movies"][0]["frames"]["poses"] = 10**30
    others = {"kind": "\ud800", "status": "complete"}
    for name, told in (("a", record), ("b", others)):
        (results / name).mkdir()
        (results / name / "run.json").write_text(json.dumps(told))
    write(results / "c", example_run(example_movie("m1")))
    os.mkdir(f"{results}/".encode() + b"\xff")  # noqa: PTH102 - a name that is no text
    shutil.copy(results / "c" / "run.json", results / "\udcff")
    page = open_page()
    assert sorted(shown_runs(page)) == ["a", "b", "c"]
    assert page.get("/").text.count("unreadable") == 2
    assert page.get(f"/runs/local{results}/a/").status_code == 200


def test_what_was_known_stays_while_the_store_is_away(
    three_runs: None, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, results: Path
) -> None:
    page = open_page()
    index = page.app.state.web.index  # type: ignore[attr-defined]

    def fail(*_: object) -> None:
        raise Retriable("the store does not answer")

    with monkeypatch.context() as context:
        context.setattr(LocalStore, "list", fail)
        context.setattr(LocalStore, "stat", fail)
        index.refresh()
        assert shown_runs(page) == ["a", "c", "b/old"]
        assert "the store does not answer" in page.get("/").text
        assert page.get(f"/runs/local{results}/a/").status_code == 503
    index.refresh()
    assert "the store does not answer" not in page.get("/").text


def test_a_page_in_want_of_settings_says_so(open_page: OpenPage, results: Path) -> None:
    assert "DLCFLOW_WEB_RESULTS" in open_page(results=()).get("/").text
    assert "There are no results yet" in open_page().get("/").text
    (results / "run.json").mkdir()
    assert open_page().get("/").status_code == 200


@pytest.mark.parametrize(
    "text", ["s3://lab/", "s3://lab/a b/ü%20#?/c//d.mp4", "/data/a b/%41?.mp4", "/data/x/"]
)
def test_addresses_stand_for_locations(text: str) -> None:
    from urllib.parse import unquote

    location = Location.parse(text)
    address = to_address(location)
    assert not set(address) & set(' "#?<>')
    assert parse_address(unquote(address)) == location


def test_ten_thousand_movies_are_paged(tmp_path: Path) -> None:
    verdicts = ("pass", "look", "fail", "failed", "new")
    movies = tuple(
        MovieSummary(number, f"m{number}", verdicts[number % 5]) for number in range(10_000)
    )
    database = RunDatabase(tmp_path)
    database.save_run("/out/", "out", "e", RunSummary("", "complete", "pose", movies=movies))
    page, count = database.find_movies("/out/")
    assert (len(page), count) == (PAGE_LENGTH, 10_000)
    assert {movie.verdict for movie in page} == {"failed", "new"}
    page, count = database.find_movies("/out/", text="m999", verdict="pass")
    assert [movie.name for movie in page] == ["m9990", "m9995"]
    (run,), _ = database.find_runs(RunChoice(text="m9999"))
    assert run.verdicts == dict.fromkeys(verdicts, 2000)
    last, _ = database.find_movies("/out/", page=100)
    assert last[-1].name == "m9995"
    assert database.find_movies("/out/", page=101)[0] == []


def test_a_damaged_database_is_made_again(tmp_path: Path) -> None:
    RunDatabase(tmp_path).save_run("/o/", "o", "e", RunSummary("", "complete", "pose"))
    (file,) = tmp_path.glob("*.sqlite")
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"damaged" * 1000)
    assert RunDatabase(tmp_path).read_etags() == {}


def test_dates_sort_as_they_are_written(tmp_path: Path) -> None:
    database = RunDatabase(tmp_path)
    for days in (2, 10, 1):
        moment = (on_day(1) + timedelta(days)).isoformat()
        database.save_run(f"/{days}/", f"{days}", "e", RunSummary(moment, "complete", "pose"))
    runs, count = database.find_runs(RunChoice())
    assert ([run.name for run in runs], count) == (["10", "2", "1"], 3)
