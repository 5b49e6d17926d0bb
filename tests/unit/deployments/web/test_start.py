"""The form that starts runs: what it takes, what it refuses, and who may send it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deployments.web.pages import MAX_FORM_BYTES
from deployments.web.starting.run_request import (
    MAX_MOVIES,
    MAX_PARAMETER_CHARACTERS,
    RunForm,
    read_request,
)
from deployments.web.web_settings import WebSettings, to_address
from tasks.pose.settings import PoseSettings
from tasks.storage.location import Location
from tests.unit.deployments.web.conftest import OpenPage

HOSTILE = "<img src=x onerror=alert(1)>\"'&#? ü"
SETTINGS = WebSettings(
    results=(Location("lab", "results/"),),
    inputs=(Location("lab", "movies/"), Location("lab", "models/")),
)
GOOD: dict[str, Any] = {
    "model": "s3://lab/models/a.zip",
    "movies": ["s3://lab/movies/m1.mp4", "s3://lab/movies/day2/"],
    "output": "s3://lab/results/run-1/",
}


def find_problems(**changes: Any) -> dict[str, str]:
    return read_request(RunForm.model_validate(GOOD | changes), SETTINGS)[1]


def test_a_request_has_the_parameters_that_prefects_form_sends() -> None:
    form = RunForm.model_validate(GOOD | {"settings": {"p_cutoff": "0.9", "crop.left": ""}})
    request, problems = read_request(form, SETTINGS)
    assert request is not None
    assert problems == {}
    expected = PoseSettings(p_cutoff=0.9).model_dump(mode="json")
    assert request.parameters == GOOD | {"settings": expected}
    json.dumps(request.parameters)
    assert request.name == "m1, day2/ · a"


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("model", "", "found none; choose one"),
        ("model", "s3://other/a.zip", "below those that this page shows"),
        ("model", "/etc/passwd", "below those that this page shows"),
        ("model", "https://user:secret@host/a.zip", "expected s3://bucket/key"),
        ("movies", [], "at least one movie, found none"),
        ("movies", ["s3://lab/movies/m1.mp4", "s3://lab/secret/m2.mp4"], "below those that"),
        ("movies", ["s3://lab/movies/../secret/m2.mp4"], ""),
        ("movies", ["s3://lab/movies/" + "x" * 1900] * 300, "choose folders"),
        ("output", "", "found none; name one"),
        ("output", "s3://lab/movies/run", "below s3://lab/results/"),
        ("output", "/tmp/x", "below s3://lab/results/"),
        ("output", "s3://lab/results/", "below this one"),
        ("output", "s3://lab/results/*/", "without the signs"),
    ],
)
def test_each_mistake_is_told_at_its_field(field: str, value: Any, text: str) -> None:
    found = find_problems(**{field: value})
    if text:
        assert found.keys() == {field}
        assert text in found[field]
        assert "secret@" not in found[field]


def test_all_mistakes_are_told_at_once() -> None:
    settings = {"dot_size": "0", "nwb": "true", "nwb_metadata": "/etc/passwd"}
    assert find_problems(model="", movies=[], settings=settings).keys() == {
        "model",
        "movies",
        "dot_size",
    }
    settings["dot_size"] = "5"
    assert find_problems(settings=settings).keys() == {"nwb_metadata"}


def test_local_patterns_are_no_way_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "m[1].mp4").touch()
    (tmp_path / "inside" / "out").symlink_to("/etc")
    settings = WebSettings(
        results=(Location("", f"{tmp_path}/r/"),), inputs=(Location("", f"{tmp_path}/inside/"),)
    )

    def problem(name: str) -> str:
        form = RunForm(model=f"{tmp_path}/inside/a.zip", movies=[name], output=f"{tmp_path}/r/1/")
        return read_request(form, settings)[1].get("movies", "")

    assert problem(f"{tmp_path}/inside/m[1].mp4") == ""
    assert "found a pattern" in problem(f"{tmp_path}/inside/*/passwd")
    assert "below those" in problem(f"{tmp_path}/inside/out/passwd")
    assert "below those" in problem(f"{tmp_path}/inside/../../etc/")


# --- as it is sent -----------------------------------------------------------------------------


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "inputs"
    (folder / HOSTILE).mkdir(parents=True)
    (folder / f"{HOSTILE}.zip").write_bytes(b"no zip")
    (folder / HOSTILE / "m.mp4").write_bytes(b"no movie")
    return folder


@pytest.fixture
def form_page(open_page: OpenPage, inputs: Path) -> Iterator[TestClient]:
    with open_page(inputs=(Location("", f"{inputs}/"),)) as page:
        page.app.state.web.index.stop()  # type: ignore[attr-defined]
        page.get("/start")
        page.app.state.starting.inputs.refresh()  # type: ignore[attr-defined]
        yield page


def test_names_of_strangers_are_text(form_page: TestClient, inputs: Path) -> None:
    for path in ("/start", "/api/start/models", "/api/start/movies/", "/api/start/movies/?q=m"):
        text = form_page.get(path).text
        assert "<img src=x" not in text
        assert "onerror" in text or path == "/start"
    folders = re.findall(r'data-folder="([^"]*)"', form_page.get("/api/start/movies/").text)
    assert folders == [to_address(Location("", f"{inputs}/{HOSTILE}/"))]
    assert "m.mp4" in form_page.get(f"/api/start/movies/{folders[0]}").text


def test_only_what_may_be_opened_is_looked_at(form_page: TestClient) -> None:
    for kind in ("model", "movie", "frame"):
        answer = form_page.get(f"/api/start/{kind}/local/etc/passwd")
        assert (answer.status_code, "below those" in answer.json()["error"]) == (404, True)
    answer = form_page.get("/api/start/movies/local/etc/")
    assert answer.status_code == 404


def test_what_it_is_sent_is_bounded_and_checked(form_page: TestClient, inputs: Path) -> None:
    for sent, text in (
        ("x", "Invalid JSON"),
        ({"movies": ["m"] * (MAX_MOVIES + 1)}, "at most"),
        ({"settings": {"a": 1}}, "valid string"),
        ({"else": "x"}, "else: "),
        ({"output": "x" * 3000}, "at most 2000"),
    ):
        content = sent if isinstance(sent, str) else json.dumps(sent)
        answer = form_page.post("/api/start/fields", content=content)
        assert answer.status_code == 400
        assert text in answer.json()["error"]
    answer = form_page.post("/api/start/fields", content=b" " * (MAX_FORM_BYTES + 1))
    assert answer.status_code == 400
    assert MAX_PARAMETER_CHARACTERS < MAX_FORM_BYTES
    found = form_page.post("/api/start/fields", json={}).json()["problems"]
    assert found.keys() == {"model", "movies", "output"}


def test_nothing_is_started_that_was_not_checked(form_page: TestClient) -> None:
    answer = form_page.post("/api/start/run/0123")
    assert (answer.status_code, "check the request again" in answer.json()["error"]) == (404, True)
    assert form_page.get("/api/start/plan/0123").status_code == 404
    other_site = {"sec-fetch-site": "cross-site"}
    assert form_page.post("/api/start/plan", json=GOOD, headers=other_site).status_code == 403


def test_read_only_pages_have_no_form(open_page: OpenPage) -> None:
    page = open_page(is_read_only=True)
    assert page.get("/start").status_code == 404
    assert page.get("/api/start/models").status_code == 404
    assert page.post("/api/start/plan", json=GOOD).status_code == 403
    assert "Start a run" not in page.get("/").text
    assert "Under way" in page.get("/").text


def test_without_a_server_it_says_what_to_set(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    answer = page.get("/progress")
    assert answer.status_code == 400
    assert "PREFECT_API_URL" in answer.text
    assert page.get("/progress/no-id").status_code == 400
