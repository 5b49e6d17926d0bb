"""Results in a browser: the list of runs, a run's gallery, and its files."""

from typing import TYPE_CHECKING

import pytest

from tests.integration.web.conftest import BUCKET, ServedPage
from tests.support.waiting import wait_for
from tests.support.web_page import find_accessibility_problems

if TYPE_CHECKING:
    from playwright.sync_api import Page

ALL_PICTURES = "[...document.images].every(one => one.complete && one.naturalWidth)"


def test_a_run_is_found_and_its_worst_movie_comes_first(
    served_page: ServedPage, tab: "Page"
) -> None:
    tab.goto(served_page.url)
    tab.get_by_role("link", name="session-7").click()
    assert tab.url == f"{served_page.url}/runs/s3/{BUCKET}/results/session-7/"
    names = tab.locator(".gallery h3").all_inner_texts()
    assert names == ["broken", "mouse3", "mouse2", "mouse1"]
    wait_for(lambda: tab.evaluate(ALL_PICTURES))
    tab.get_by_role("link", name="mouse3").click()
    wait_for(lambda: tab.evaluate("document.querySelector('video').readyState") >= 2)


@pytest.mark.parametrize("path", ["/", "/runs/s3/page-lab/results/session-7/"])
def test_a_screen_is_accessible_and_fits(served_page: ServedPage, tab: "Page", path: str) -> None:
    tab.goto(served_page.url + path)
    assert find_accessibility_problems(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
