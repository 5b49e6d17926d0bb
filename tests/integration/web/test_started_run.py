"""From the form to results, by keyboard alone, on a real server with a worker that comes late."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Crashed, Failed, Running

from tests.integration.lab import connect_as_client, deploy_stub, deploy_without_inbox, set_states
from tests.integration.web.conftest import BUCKET, ServedPage
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.servers import is_answering, run_process
from tests.support.stores import find_free_port
from tests.support.waiting import wait_for
from tests.support.web_page import find_accessibility_problems

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MOVIES = ("mouse<1>", "mouse2")
FRAMES = 8
CROP = {"left": 0, "top": 0, "width": 640, "height": 400}
FOCUSED = """(() => {
    const one = document.activeElement;
    return [one.id, one.name, one.value, one.innerText].filter((text) => text).join(" ");
})()"""


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with connect_as_client(lab_server) as client, pytest.MonkeyPatch.context() as patch:
        deploy_without_inbox(client, patch)
        yield client
        deploy_without_inbox(client, patch)


@pytest.fixture(scope="module")
def page_url(
    served_page: ServedPage,
    client: SyncPrefectClient,
    lab_server: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The page as a program, which knows the server, over a folder of the bucket."""
    folder = tmp_path_factory.mktemp("started")
    store = boto3.client("s3")
    store.upload_file(str(DEMO_MODEL), BUCKET, "started/models/openfield.zip")
    movie = str(cut_movie(DEMO_MOVIE, folder / "m.mp4", FRAMES))
    for name in MOVIES:
        store.upload_file(movie, BUCKET, f"started/movies/{name}.mp4")
    port = find_free_port()
    environment = os.environ | lab_server
    environment |= {
        "DLCFLOW_WEB_RESULTS": f"s3://{BUCKET}/started/results/",
        "DLCFLOW_WEB_INPUTS": f"s3://{BUCKET}/started/models/ s3://{BUCKET}/started/movies/",
    }
    words = [sys.executable, "-m", "deployments.web", "--port", str(port)]
    with run_process([*words, "--cache", str(folder / "c")], folder / "log", env=environment):
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: is_answering(f"{url}/health"), (folder / "log").read_text)
        yield url


@pytest.fixture(scope="module")
def screen(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def walk_to(tab: "Page", target: str, key: str = "Tab") -> None:
    """Press a key until something is reached."""
    for _ in range(120):
        tab.keyboard.press(key)
        if target in tab.evaluate(FOCUSED):
            return
    raise AssertionError(f"{target} is not reached by {key}")


def read(tab: "Page", selector: str = "#live") -> str:
    return tab.locator(selector).inner_text()


def wait_for_text(tab: "Page", text: str, selector: str = "#live") -> None:
    wait_for(lambda: text in read(tab, selector), lambda: read(tab, selector))


def is_fine(tab: "Page") -> bool:
    assert find_accessibility_problems(tab) == []
    return bool(tab.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def fill_in(tab: "Page", url: str, movie: str) -> None:
    """Fill in the form by keyboard alone; the only model is chosen already."""
    tab.goto(f"{url}/start")
    wait_for_text(tab, "openfield.zip can be used", "#model-facts")
    walk_to(tab, "movie-search")
    tab.keyboard.type(movie)
    tab.locator("#movies label.row", has_text=movie).wait_for()
    walk_to(tab, f"movie-choice s3://{BUCKET}/started/movies/{movie}.mp4")
    tab.keyboard.press("Space")
    wait_for_text(tab, "h264, 640×480 pixels", "#chosen")
    for side, number in CROP.items():
        walk_to(tab, f"crop.{side}")
        tab.keyboard.type(str(number))
    walk_to(tab, "trail_points")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("3")
    walk_to(tab, "Check")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Start the run").wait_for()


def start(tab: "Page") -> str:
    """Press the button that has the focus by now; the run's id."""
    wait_for(lambda: "Start the run" in tab.evaluate(FOCUSED))
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/progress/*")
    return tab.url.rpartition("/")[2]


def test_a_run_is_started_watched_and_opened_by_keyboard_alone(
    page_url: str,
    client: SyncPrefectClient,
    lab_server: dict[str, str],
    screen: "Page",
    tmp_path: Path,
) -> None:
    """Two at a time: one is cancelled while it waits for a worker, the other one ends."""
    ids = []
    for movie in MOVIES:
        fill_in(screen, page_url, movie)
        plan = read(screen, "#plan")
        assert "on the machine of this page" in plan
        assert movie in plan
        assert is_fine(screen)
        ids.append(start(screen))
    run = client.read_flow_run(UUID(ids[0]))
    assert run.name == f"{MOVIES[0]} · openfield"
    assert {"dlcflow", "page"} <= set(run.tags)
    settings = run.parameters["settings"]
    assert (settings["crop"], settings["trail_points"], settings["p_cutoff"]) == (CROP, 3, 0.6)
    assert run.parameters["movies"] == [f"s3://{BUCKET}/started/movies/{MOVIES[0]}.mp4"]
    wait_for_text(screen, "No worker asks for runs of the queue default")
    assert is_fine(screen)
    walk_to(screen, "Cancel the run")
    screen.keyboard.press("Enter")
    wait_for_text(screen, "cancelled")
    assert "Cancel the run" not in read(screen)

    screen.goto(f"{page_url}/progress")
    assert MOVIES[0] in read(screen)
    assert is_fine(screen)
    walk_to(screen, MOVIES[0])
    screen.keyboard.press("Enter")
    screen.wait_for_url(f"**/{ids[0]}")
    worker = [sys.executable, "-m", "deployments.worker", "--runs", "1", "--no-templates"]
    log = tmp_path / "worker.log"
    with run_process(worker, log, env=os.environ | lab_server | {"TMPDIR": str(tmp_path)}):

        def describe() -> object:
            return read(screen), log.read_text()

        wait_for(lambda: "Stages" in read(screen), describe)
        wait_for(lambda: MOVIES[0] in read(screen, ".bars"), describe)
        screen.reload()
        assert is_fine(screen)
        wait_for(lambda: "Open the results" in read(screen), describe)
    assert "1 movie" in read(screen)
    assert screen.locator("progress").get_attribute("value") == "100.0"
    assert is_fine(screen)
    walk_to(screen, "Open the results")
    screen.keyboard.press("Enter")
    screen.wait_for_url("**/runs/**")
    assert screen.locator(".gallery h3").all_inner_texts() == [MOVIES[0]]


def test_how_a_run_goes_is_told_whatever_becomes_of_it(
    page_url: str, client: SyncPrefectClient, screen: "Page"
) -> None:
    run = client.create_flow_run_from_deployment(deploy_stub(client), name="<b>a run</b>")
    screen.goto(f"{page_url}/progress/{run.id}")
    failed: Any = Failed(message="m1.mp4: <i>it is empty</i>")
    running: Any = Running()
    for state, words in ((running, "running"), (failed, failed.message)):
        set_states(client, run, state)
        wait_for_text(screen, words)
        assert "<b>a run</b>" in read(screen)
    assert is_fine(screen)
    crashed = client.create_flow_run_from_deployment(deploy_stub(client))
    set_states(client, crashed, Running(), Crashed(message="its process was lost"))
    screen.goto(f"{page_url}/progress/{crashed.id}")
    wait_for_text(screen, "its process was lost")
    screen.goto(f"{page_url}/progress")
    assert read(screen).count("crashed") == 1
