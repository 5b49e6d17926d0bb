"""The UI in a browser, behind the password: its pages show what they should, and ask nobody."""

import shutil
from collections.abc import Iterator
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
def page(browser: Any, service: Service, request: pytest.FixtureRequest) -> Iterator[Any]:
    """One of the two UIs that Prefect has, after the password was typed in."""
    context = browser.new_context()
    url = service.prefect.url
    context.add_cookies([{"name": "prefect_ui_version", "value": request.param, "url": url}])
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
