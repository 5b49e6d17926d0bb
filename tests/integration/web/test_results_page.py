"""Results in a browser: the list of runs, a run's gallery, its report, and its files."""

import io
import json
import urllib.parse
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from deployments.web.web_settings import to_address
from tasks.storage.location import Location
from tests.integration.web.conftest import BUCKET, ServedPage
from tests.support.published_runs import STORE, on_day, publish_record
from tests.support.records import (
    example_behavior_run,
    example_input,
    example_movie,
    example_output,
    example_run,
)
from tests.support.waiting import wait_for
from tests.support.web_page import find_accessibility_problems, serve_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

RUN = f"s3/{BUCKET}/results/session-7/"
ALL_PICTURES = "[...document.images].every(one => one.complete && one.naturalWidth)"
FOCUSED = "document.activeElement.getAttribute('href') ?? document.activeElement.name"
HOSTILE = "<img src=x onerror=alert(1)>\"'&#?%20 ü"


def walk_to(tab: "Page", target: str) -> None:
    """Press Tab until a link or a field is reached."""
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate(FOCUSED) == target:
            return
    raise AssertionError(f"{target} is not reached by Tab")


def test_the_worst_movie_is_found_by_keyboard_alone(served_page: ServedPage, tab: "Page") -> None:
    tab.goto(served_page.url)
    walk_to(tab, "q")
    tab.keyboard.type("mouse3 2026-03-07")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/?q=mouse3*")
    walk_to(tab, f"/runs/{RUN}")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/runs/**")
    assert tab.locator(".gallery h3").all_inner_texts() == ["broken", "mouse3", "mouse2", "mouse1"]
    reason = tab.locator(".gallery li", has_text="mouse3").locator(".reason").inner_text()
    assert reason.startswith("tail_base: under the cutoff in ")
    wait_for(lambda: tab.evaluate(ALL_PICTURES))
    walk_to(tab, f"/movies/{RUN}mouse3/")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/movies/**")
    assert tab.title().startswith("mouse3")


def test_screens_are_accessible_and_fit(served_page: ServedPage, tab: "Page") -> None:
    for path in ("/", "/?q=nothing-like-that", f"/runs/{RUN}"):
        tab.goto(served_page.url + path)
        for details in tab.locator("details").all():
            details.evaluate("one => one.open = true")
        assert find_accessibility_problems(tab) == [], path
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_every_link_of_a_report_works(served_page: ServedPage, tab: "Page") -> None:
    tab.goto(f"{served_page.url}/runs/{RUN}")
    tab.get_by_role("link", name="Open the report").click()
    tab.wait_for_url("**/report.html")
    links: list[str] = [link.get_attribute("href") or "" for link in tab.locator("a").all()]
    assert len(links) > 10
    for link in links:
        address = urllib.parse.urljoin(tab.url, link)
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.read(1), address
    with tab.expect_download() as download:
        tab.locator("a", has_text="_filtered.h5").first.click()
    assert download.value.suggested_filename.endswith("_filtered.h5")
    tab.locator("a", has_text="labeled.mp4").first.click()
    tab.wait_for_url("**/mouse1/labeled.mp4")
    wait_for(lambda: tab.evaluate("document.querySelector('video').readyState") >= 2)


def test_numbers_are_downloaded_by_a_click(
    served_page: ServedPage, tab: "Page", tmp_path: Path
) -> None:
    tab.goto(f"{served_page.url}/runs/{RUN}")
    tab.get_by_text("Files of the whole run").click()
    with tab.expect_download() as download:
        tab.get_by_role("link", name="run.json").click()
    saved = Path(download.value.path()).read_bytes()
    assert (
        saved
        == boto3.client("s3")
        .get_object(Bucket=BUCKET, Key="results/session-7/run.json")["Body"]
        .read()
    )
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download mouse2").click()
    assert download.value.suggested_filename == "mouse2.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        poses = next(name for name in names if name.endswith("_filtered.h5"))
        assert archive.read(poses).startswith(b"\x89HDF")
    assert {"mouse2/labeled.mp4", "mouse2/trajectory.png"} < names
    with urllib.request.urlopen(f"{served_page.url}/zip/{RUN}", timeout=60) as answer:
        whole = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert {f"session-7/{name}" for name in names} < set(whole.namelist())


def test_a_new_run_appears_by_itself_and_its_name_is_text(
    served_page: ServedPage, tab: "Page"
) -> None:
    output = f"s3://{BUCKET}/results/{HOSTILE} {tab.viewport_size}/"
    tab.goto(f"{served_page.url}/?q=onerror&kind=pose")
    rows = tab.locator(".runs li")
    before = rows.count()
    publish_record(output, example_run(example_movie(HOSTILE), finished=on_day(1)))
    wait_for(lambda: rows.count() > before)
    tab.locator(".runs a", has_text=str(tab.viewport_size)).click()
    tab.wait_for_url("**/runs/**")
    assert HOSTILE in tab.locator("h1").inner_text()
    assert tab.locator(".gallery h3").inner_text() == HOSTILE
    assert tab.locator("img[src=x]").count() == 0
    assert STORE.stat(
        served_page.settings.results[0].child(f"{HOSTILE} {tab.viewport_size}", "run.json")
    )


def test_a_behavior_run_has_its_figures_and_files(served_page: ServedPage, tab: "Page") -> None:
    output = Location(BUCKET, f"results/behavior-{tab.viewport_size}/")
    run = json.loads(example_behavior_run(dict(example_input("s3://lab/a.parquet"))).to_json())
    outputs = {name: dict(example_output(f"s3://lab/{name}")) for name in ("speed.svg", "m1.csv")}
    run["tables"][0] |= {"verdict": "look", "reasons": ["too short"], "outputs": outputs}
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><path d='M0 0L9 9'/></svg>"
    STORE.put(output.child("m1", "speed.svg"), svg)
    STORE.put(output.child("m1", "m1.csv"), b"a,b")
    STORE.put(output.child("run.json"), json.dumps(run).encode())
    tab.goto(f"{served_page.url}/runs/{to_address(output)}")
    shown = tab.locator(".gallery li").inner_text().split()
    assert shown == ["m1", "!", "look", "too", "short", "Download"]
    tab.get_by_role("link", name="m1", exact=True).click()
    tab.wait_for_url("**/tables/**")
    wait_for(lambda: tab.evaluate(ALL_PICTURES))
    assert tab.locator("figure").inner_text() == "speed"
    assert find_accessibility_problems(tab) == []
    with tab.expect_download() as download:
        tab.get_by_role("link", name="m1.csv").click()
    assert Path(download.value.path()).read_bytes() == b"a,b"


def test_the_password_is_asked_for(served_page: ServedPage, tab: "Page", tmp_path: Path) -> None:
    settings = replace(served_page.settings, password="a long enough one")
    with serve_page(settings, tmp_path) as url:
        tab.goto(f"{url}/runs/{RUN}?verdict=fail")
        tab.wait_for_url("**/login?next=**")
        assert find_accessibility_problems(tab) == []
        tab.keyboard.type("a long enough one")
        tab.keyboard.press("Enter")
        tab.wait_for_url(f"**/runs/{RUN}?verdict=fail")
        assert tab.locator(".gallery h3").all_inner_texts() == ["mouse3"]
        tab.get_by_role("button", name="Log out").click()
        tab.wait_for_url("**/login")
        tab.goto(f"{url}/files/{RUN}run.json")
        tab.wait_for_url("**/login?next=**")


def test_files_come_from_the_store_itself_by_links(
    served_page: ServedPage, tab: "Page", tmp_path: Path
) -> None:
    with serve_page(replace(served_page.settings, has_store_links=True), tmp_path) as url:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(f"{url}/runs/{RUN}")
        wait_for(lambda: tab.evaluate(ALL_PICTURES))
        assert any("X-Amz-Signature" in one and "trajectory.png" in one for one in asked)
        tab.get_by_text("Files of the whole run").click()
        with tab.expect_download() as download:
            tab.get_by_role("link", name="run.json").click()
        assert download.value.suggested_filename == "run.json"
