"""Movies from a browser into the inbox: over lost networks, reloads, and damage."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from deployments.web.web_settings import WebSettings
from tasks.storage.location import Location
from tasks.storage.multipart import SENT_PART_BYTES
from tests.support.stores import ceph_store, moto_store
from tests.support.waiting import wait_for
from tests.support.web_page import find_accessibility_problems, serve_page

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from playwright.sync_api import Browser, Page, Request, Route

BUCKET = "upload-lab"
PARTS = 3
SIZE = (PARTS - 1) * SENT_PART_BYTES + 12_345
HOSTILE = "<img src=x onerror=alert(1)>\"'&#?%20 ü🐭"
FOCUSED = "document.activeElement.textContent"
REQUEST = "model: ../models/m.zip\noutput: ../results/\n"


@dataclass
class Lab:
    """An inbox, and the page before it.

    Attributes:
        url: The page's address.
        way: Whether parts go to the store, or through the page.
        s3: A client, which looks past the page.
        folder: Movies to choose.
    """

    url: str
    way: str
    s3: "S3Client"
    folder: Path
    draws: random.Random = field(default_factory=lambda: random.Random(7))

    def make_movie(self, name: str, size: int = SIZE) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.draws.randbytes(size))
        return path

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=f"inbox/{key}")["Body"].read()

    def holds(self, movie: Path, key: str = "") -> bool:
        return self.read(key or movie.name) == movie.read_bytes()

    def list_unfinished(self) -> list[str]:
        found = self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [one["Key"] for one in found]


@pytest.fixture(scope="module", params=["moto, through the page", "ceph, by links"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("upload")
    kind, _, way = request.param.partition(", ")
    store = moto_store() if kind == "moto" else ceph_store(folder / "ceph")
    (folder / "movies").mkdir()
    with store as values, pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        patch.delenv("PREFECT_API_URL", raising=False)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="models/m.zip", Body=b"zip")
        s3.put_object(Bucket=BUCKET, Key="inbox/day 1/request.yaml", Body=REQUEST.encode())
        settings = WebSettings(
            results=(Location(BUCKET, "results/"),),
            inbox=Location(BUCKET, "inbox/"),
            has_store_links=way == "by links",
        )
        with serve_page(settings, folder / "cache") as url:
            if kind == "ceph":
                rule: Any = {
                    "AllowedOrigins": [url],
                    "AllowedMethods": ["PUT"],
                    "AllowedHeaders": ["content-md5"],
                }
                s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
            yield Lab(url, way, s3, folder / "movies")


@pytest.fixture
def screen(browser: "Browser") -> "Iterator[Page]":
    """A tab in which networks may fail, which browsers report in the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    context.close()


@pytest.fixture(autouse=True)
def no_request_is_held_back_any_more(request: pytest.FixtureRequest) -> Iterator[None]:
    name = next((name for name in ("tab", "screen") if name in request.fixturenames), None)
    page = name and request.getfixturevalue(name)
    yield
    if page:
        page.unroute_all(behavior="ignoreErrors")


def choose(page: "Page", *movies: Path) -> None:
    page.locator("#files").set_input_files([str(movie) for movie in movies])


def wait_for_state(page: "Page", state: str, name: str = "") -> None:
    rows = page.locator(f".upload[data-state='{state}']", has_text=name)

    def look() -> int:
        ended = page.locator(_ENDED, has_text=name).all_inner_texts()
        found = rows.count()
        assert found or not ended, ended
        return found

    wait_for(look, lambda: page.locator("#uploads").inner_text())


_ENDED = ", ".join(f".upload[data-state={one}]" for one in ("failed", "refused", "exists"))


def wait_for_arrived(page: "Page", count: int) -> None:
    """Wait until so many whole parts are in the store."""
    bar = page.locator(".upload progress")
    wait_for(lambda: bar.evaluate("one => one.value") == count * SENT_PART_BYTES)


def press(page: "Page", action: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{action}:")).click()


class Parts:
    """The requests that send parts: some are held back, and all are counted.

    Attributes:
        sent: Numbers of the parts that were sent, in order.
    """

    def __init__(self, page: "Page", most: int = 10**9) -> None:
        self.sent: list[int] = []
        self.held: list[Route] = []
        self._page, self._most = page, most
        page.route(_is_part, self._take)

    def _take(self, route: "Route") -> None:
        request = route.request
        if request.method != "PUT":  # a question whether it may be sent
            route.continue_()
        elif len(self.sent) >= self._most:
            self.held.append(route)
        else:
            self.sent.append(_find_number(request))
            self.pass_on(route)

    def pass_on(self, route: "Route") -> None:
        route.continue_()

    def wait_for_held(self, count: int = 1) -> None:
        """Wait until so many are held back; requests are told of while the browser is asked."""
        wait_for(lambda: self._page.evaluate("0") == 0 and len(self.held) >= count)

    def let_go(self) -> None:
        """Hold back no more; what is held breaks off."""
        self._most = 10**9
        for route in self.held:
            route.abort("internetdisconnected")
        self.held.clear()


def _is_part(url: str) -> bool:
    return "/api/uploads/part?" in url or "partNumber=" in url


def _find_number(request: "Request") -> int:
    found = re.search(r"[?&](?:partN|n)umber=(\d+)", request.url)
    assert found
    return int(found[1])


def test_movies_arrive_as_they_are_and_their_names_are_text(lab: Lab, tab: "Page") -> None:
    width = tab.viewport_size and tab.viewport_size["width"]
    movies = [lab.make_movie(f"{width} {HOSTILE}.mp4"), lab.make_movie(f"{width}.AVI", 5)]
    times = lab.make_movie(f"{width}_times.csv", 9)
    tab.goto(f"{lab.url}/upload")
    tab.locator("#folder").select_option("day 1/")
    choose(tab, *movies, times)
    for movie in (*movies, times):
        wait_for_state(tab, "arrived", movie.name)
        assert lab.holds(movie, f"day 1/{movie.name}")
    assert tab.locator("img[src=x]").count() == 0
    assert lab.list_unfinished() == []
    assert find_accessibility_problems(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_each_step_is_taken_by_keyboard_alone(lab: Lab, tab: "Page") -> None:
    tab.goto(f"{lab.url}/upload")
    parts = Parts(tab, most=0)
    choose(tab, lab.make_movie(f"keys {tab.viewport_size}.mp4", 50_000))
    wait_for_state(tab, "sending")
    assert find_accessibility_problems(tab) == []
    tab.locator("#files").focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate(FOCUSED) == "Pause"
    tab.keyboard.press("Enter")
    wait_for_state(tab, "paused")
    assert tab.evaluate(FOCUSED) == "Go on"
    parts.let_go()
    tab.keyboard.press("Enter")
    wait_for_state(tab, "arrived")
    wait_for(lambda: tab.evaluate(FOCUSED) == "Close")
    tab.keyboard.press("Enter")
    assert tab.locator(".upload").count() == 0
    assert tab.evaluate("document.activeElement.id") == "files"


def test_what_no_run_takes_is_refused_before_any_byte(lab: Lab, tab: "Page") -> None:
    tab.goto(f"{lab.url}/upload")
    parts = Parts(tab)
    refused = {
        "m 1.mov": "ffmpeg -i 'm 1.mov' -c copy 'm 1.mp4', and drop that file",
        "empty.mp4": "empty.mp4 is empty (0 bytes); copy it again",
        "._m1.mp4": "a hidden file, as macOS writes one beside each movie",
        "notes.txt": "found .txt; convert it to MP4, and drop that file",
    }
    choose(tab, *(lab.make_movie(name, 0 if "empty" in name else 5) for name in refused))
    wait_for(lambda: tab.locator(".upload[data-state=refused]").count() == len(refused))
    shown = tab.locator("#uploads").inner_text()
    assert [told for told in refused.values() if told not in shown] == []
    assert (parts.sent, lab.list_unfinished()) == ([], [])
    assert find_accessibility_problems(tab) == []


def test_what_becomes_of_a_folder_is_said_first(lab: Lab, tab: "Page") -> None:
    tab.goto(f"{lab.url}/upload")
    note = tab.locator("#folder-note")
    wait_for(lambda: "Whether runs start is not known" in note.inner_text(), note.inner_text)
    assert "PREFECT_API_URL" in note.inner_text()


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(lab: Lab, screen: "Page") -> None:
    first = lab.make_movie("there.mp4", 50_000)
    screen.goto(f"{lab.url}/upload")
    choose(screen, first)
    wait_for_state(screen, "arrived")
    press(screen, "Close")
    parts = Parts(screen)
    choose(screen, first)
    wait_for_state(screen, "arrived")  # it is there, unchanged
    press(screen, "Close")
    assert parts.sent == []
    before = first.read_bytes()
    second = lab.make_movie("there.mp4", 50_000)
    choose(screen, second)
    wait_for_state(screen, "exists")
    assert lab.read("there.mp4") == before
    assert find_accessibility_problems(screen) == []
    press(screen, "Keep both")
    wait_for_state(screen, "arrived", "there (2).mp4")
    assert lab.read("there.mp4") == before
    assert lab.holds(second, "there (2).mp4")
    choose(screen, second)
    wait_for_state(screen, "exists")
    press(screen, "Replace it")
    wait_for(lambda: lab.holds(second), lambda: screen.locator("#uploads").inner_text())


def test_an_upload_goes_on_when_the_network_is_back(lab: Lab, screen: "Page") -> None:
    movie = lab.make_movie("offline.mp4")
    screen.goto(f"{lab.url}/upload")
    parts = Parts(screen, most=2)
    choose(screen, movie)
    parts.wait_for_held()
    screen.context.set_offline(True)
    parts.let_go()
    told = screen.locator(".upload .told")
    wait_for(lambda: "it goes on by itself" in told.inner_text(), told.inner_text)
    assert find_accessibility_problems(screen) == []
    screen.context.set_offline(False)
    wait_for_state(screen, "arrived")
    assert lab.holds(movie)
    assert sorted(set(parts.sent)) == list(range(1, PARTS + 1))
    assert screen.locator("#way").is_hidden()


def test_after_a_reload_only_what_is_missing_is_sent(lab: Lab, screen: "Page") -> None:
    movie = lab.make_movie("reload.mp4")
    screen.goto(f"{lab.url}/upload")
    parts = Parts(screen, most=2)
    choose(screen, movie)
    parts.wait_for_held()
    wait_for_arrived(screen, 2)
    before = set(parts.sent)
    screen.reload()
    parts.held.clear()
    rows = screen.locator("#unfinished li")
    wait_for(lambda: "reload.mp4" in "".join(rows.all_inner_texts()))
    assert "16.8 MB arrived" in rows.inner_text()
    assert find_accessibility_problems(screen) == []
    screen.unroute(_is_part)
    again = Parts(screen)
    choose(screen, movie)
    wait_for_state(screen, "arrived")
    assert set(again.sent) == set(range(1, PARTS + 1)) - before
    assert lab.holds(movie)
    wait_for(lambda: screen.locator("#unfinished").is_hidden())


def test_another_file_of_the_same_name_and_size_is_not_mixed_in(lab: Lab, screen: "Page") -> None:
    screen.goto(f"{lab.url}/upload")
    parts = Parts(screen, most=1)
    choose(screen, lab.make_movie("twin.mp4"))
    parts.wait_for_held()
    wait_for_arrived(screen, 1)
    screen.reload()
    screen.unroute(_is_part)
    again = Parts(screen)
    other = lab.make_movie("twin.mp4")
    choose(screen, other)
    wait_for_state(screen, "arrived")
    assert sorted(again.sent) == list(range(1, PARTS + 1))
    assert lab.holds(other)
    assert lab.list_unfinished() == ["inbox/twin.mp4"]
    press(screen, "Remove")
    wait_for(lambda: screen.locator("#unfinished").is_hidden())
    assert lab.list_unfinished() == []


class DamagedParts(Parts):
    """The first part that is sent arrives damaged."""

    def pass_on(self, route: "Route") -> None:
        if len(self.sent) == 1:
            route.continue_(post_data=bytes(SENT_PART_BYTES))
        else:
            route.continue_()


def test_a_part_that_is_damaged_on_its_way_is_sent_again(lab: Lab, screen: "Page") -> None:
    movie = lab.make_movie("damaged.mp4", 2 * SENT_PART_BYTES)
    screen.goto(f"{lab.url}/upload")
    parts = DamagedParts(screen)
    choose(screen, movie)
    wait_for_state(screen, "arrived")
    assert sorted(parts.sent) == sorted([parts.sent[0], 1, 2])
    assert lab.holds(movie)


def test_parts_that_the_store_holds_otherwise_are_sent_again(lab: Lab, screen: "Page") -> None:
    movie = lab.make_movie("rotten.mp4")
    screen.goto(f"{lab.url}/upload")
    parts = Parts(screen, most=PARTS - 1)
    choose(screen, movie)
    parts.wait_for_held()
    wait_for_arrived(screen, PARTS - 1)
    upload = screen.evaluate("document.getElementById('upload').page.rows[0].upload.upload")
    for number in set(parts.sent):
        wrong: Any = {"Key": "inbox/rotten.mp4", "UploadId": upload, "PartNumber": number}
        lab.s3.upload_part(Bucket=BUCKET, Body=bytes(SENT_PART_BYTES), **wrong)
    parts.let_go()
    wait_for_state(screen, "arrived")
    assert lab.holds(movie)


def test_an_upload_is_paused_and_given_up(lab: Lab, screen: "Page") -> None:
    screen.goto(f"{lab.url}/upload")
    parts = Parts(screen, most=1)
    choose(screen, lab.make_movie("given-up.mp4", 2 * SENT_PART_BYTES))
    parts.wait_for_held()
    wait_for_arrived(screen, 1)
    press(screen, "Pause")
    wait_for_state(screen, "paused")
    assert "8.4 MB of 16.8 MB are in the store" in screen.locator(".upload .told").inner_text()
    assert lab.list_unfinished() == ["inbox/given-up.mp4"]
    press(screen, "Cancel")
    wait_for(lambda: lab.list_unfinished() == [])
    assert screen.locator(".upload").count() == 0


def test_an_upload_that_somebody_removes_is_begun_anew(lab: Lab, screen: "Page") -> None:
    movie = lab.make_movie("removed.mp4", SENT_PART_BYTES + 9)
    screen.goto(f"{lab.url}/upload")
    parts = Parts(screen, most=1)
    choose(screen, movie)
    parts.wait_for_held()
    upload = screen.evaluate("document.getElementById('upload').page.rows[0].upload.upload")
    lab.s3.abort_multipart_upload(Bucket=BUCKET, Key="inbox/removed.mp4", UploadId=upload)
    parts.let_go()
    wait_for_state(screen, "failed")
    assert "no such upload any more" in screen.locator(".upload .told").inner_text()
    press(screen, "Try again")
    wait_for_state(screen, "arrived")
    assert lab.holds(movie)


def test_a_store_that_lets_no_page_in_is_reached_through_this_one(lab: Lab, screen: "Page") -> None:
    if lab.way == "through the page":
        pytest.skip("this page does not try to reach the store")
    movie = lab.make_movie("no-cors.mp4", 50_000)
    rules: Any = {"CORSRules": lab.s3.get_bucket_cors(Bucket=BUCKET)["CORSRules"]}
    lab.s3.delete_bucket_cors(Bucket=BUCKET)
    screen.goto(f"{lab.url}/upload")
    choose(screen, movie)
    wait_for_state(screen, "arrived")
    assert lab.holds(movie)
    told = screen.locator("#rule").inner_text()
    assert find_accessibility_problems(screen) == []
    told_rules: Any = json.loads(told.partition("--cors-configuration '")[2].rstrip("'"))
    assert told_rules == rules
    lab.s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration=told_rules)
