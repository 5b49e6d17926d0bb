"""The UI in a browser, behind the password: its pages show what they should, and ask nobody."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import Service
from tests.integration.test_browser import QUIET
from tests.support.servers import PrefectServer, TrapProxy, run_trap_proxy

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def outside() -> Iterator[TrapProxy]:
    with run_trap_proxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def browser(outside: TrapProxy) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        proxy: Any = {"server": outside.url, "bypass": "127.0.0.1"}
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, proxy=proxy)


@pytest.fixture(params=["v2", "v1"])
def page(
    browser: Any, service: Service, deployed_service: PrefectServer, request: pytest.FixtureRequest
) -> Iterator[Any]:
    """One of the two UIs that Prefect has, after the password was typed in."""
    with log_in(browser, service, request.param) as page:
        yield page


@contextmanager
def log_in(browser: Any, service: Service, ui: str | None = None) -> Iterator[Any]:
    """Open the first page and type the password; a cookie says which UI somebody has chosen."""
    context = browser.new_context()
    url = service.prefect.url
    if ui is not None:
        context.add_cookies([{"name": "prefect_ui_version", "value": ui, "url": url}])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.locator("input[type=password]").fill(service.prefect.password)
    page.keyboard.press("Enter")
    page.get_by_text("Active Work Pools").first.wait_for()
    yield page
    context.close()


def test_the_proxy_sees_what_a_browser_asks_outside(browser: Any, outside: TrapProxy) -> None:
    page = browser.new_page()
    with pytest.raises(Exception, match="ERR_"):
        page.goto("https://example.org/")
    page.close()
    assert any("example.org" in line for line in outside.caught)


def test_every_page_shows_its_content_and_asks_nobody(
    page: Any, service: Service, deployed_service: PrefectServer, outside: TrapProxy
) -> None:
    outside.caught.clear()
    errors: list[str] = []
    wanted: set[str] = set()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: wanted.add(urlsplit(request.url).netloc))
    ui = urlsplit(page.url).path.removesuffix("/dashboard")
    for path, content in _pages(deployed_service).items():
        page.goto(f"{service.prefect.url}{ui}{path}")
        page.get_by_text(content).first.wait_for()
    assert errors == []
    # Chromium asks its maker for this and that by itself, which is not the pages' doing.
    left = [line for line in outside.caught if any(host and host in line for host in wanted)]
    assert left == []


def test_the_first_page_is_of_the_ui_that_shows_runs_under_way(
    browser: Any, service: Service, deployed_service: PrefectServer
) -> None:
    with log_in(browser, service) as page:
        page.get_by_text("Switch to V2 UI").wait_for()


def test_a_completed_run_stays_completed_where_its_page_offers_another_state(
    page: Any, service: Service
) -> None:
    prefect = service.prefect
    flow = prefect.post("/flows/", {"name": "shown"})["id"]
    state = {"type": "COMPLETED", "message": "1 movie, 720 frames, 1 pass"}
    wanted = {"flow_id": flow, "name": "m1 · openfield", "state": state, "tags": ["dlcflow"]}
    run = prefect.post("/flow_runs/", wanted)["id"]
    ui = urlsplit(page.url).path.removesuffix("/dashboard")
    page.goto(f"{prefect.url}{ui}/runs/flow-run/{run}")
    page.get_by_text("m1 · openfield").first.wait_for()
    page.get_by_role("button", name="Open menu").or_(page.locator("button.w-10")).first.click()
    page.get_by_text("Change state", exact=True).last.click()
    dialog = page.get_by_role("dialog").or_(page.locator(".p-modal")).first
    dialog.get_by_role("combobox").or_(dialog.locator(".p-select-button__control")).first.click()
    page.keyboard.press("ArrowDown")  # opens V1's list of choices
    page.get_by_text("Cancelled", exact=True).last.click()
    with page.expect_response(lambda answer: answer.url.endswith("/set_state")) as answered:
        dialog.get_by_role("button", name="Change", exact=True).click()
    assert answered.value.json()["status"] == "ABORT"
    found = prefect.get(f"/flow_runs/{run}")["state"]
    assert (found["type"], found["message"]) == (state["type"], state["message"])


def _pages(prefect: PrefectServer) -> dict[str, str]:
    """What each page must show, by its path."""
    form = prefect.get("/deployments/name/pose-estimation/pose-estimation")["id"]
    flow = prefect.post("/flows/", {"name": "shown"})["id"]
    state = {"type": "COMPLETED"}
    run = prefect.post("/flow_runs/", {"flow_id": flow, "name": "a-run", "state": state})["id"]
    story = {"type": "markdown", "key": "story", "data": "# A story", "flow_run_id": run}
    artifact = prefect.post("/artifacts/", story)["id"]
    return {
        "/dashboard": "Active Work Pools",
        "/runs": "a-run",
        f"/runs/flow-run/{run}": "a-run",
        "/deployments": "pose-estimation-on-arrival",
        f"/deployments/deployment/{form}/run": "Window length",
        f"/artifacts/artifact/{artifact}": "A story",
        "/automations": "dlcflow: arrival in the inbox",
        "/blocks/catalog": "AWS Credentials",
        "/work-pools": "gpu",
        "/work-pools/create": "Docker",
    }
