"""The page on a store with a few published runs, and a browser: once for all tests of the page.

Playwright runs an event loop in this thread as long as the browser is there, so that it ends with
this folder's tests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest

from deployments.web.web_settings import WebSettings
from tasks.storage.location import Location
from tests.support.counted_movies import CountedMovie, publish_counted_run
from tests.support.published_runs import on_day, publish_pose_run
from tests.support.stores import StoreSettings
from tests.support.web_page import open_browser, serve_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Error, Page

BUCKET = "page-lab"


@dataclass(frozen=True)
class ServedPage:
    """The page, served.

    Attributes:
        url: Its address.
        run: Location of the results of a run whose movies pass, need a look, and fail.
        settings: Its settings.
    """

    url: str
    run: str
    settings: WebSettings


@pytest.fixture(scope="package")
def served_page(
    object_store: StoreSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedPage]:
    """The page over a bucket; tests may add runs to it, and leave those that are there alone."""
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    folder = tmp_path_factory.mktemp("page")
    run = f"s3://{BUCKET}/results/session-7/"
    movies: dict[str, float | str]
    movies = {"mouse1": 0.0, "mouse2": 0.2, "mouse3": 0.7, "broken": "broken.mp4: it is empty"}
    publish_pose_run(run, movies, folder / "made", on_day(7))
    settings = WebSettings(
        results=(Location(BUCKET, "results/"),),
        inputs=(Location(BUCKET, ""),),
        inbox=Location(BUCKET, "inbox/"),
    )
    with serve_page(settings, folder / "cache") as url:
        yield ServedPage(url, run, settings)


@pytest.fixture(scope="package")
def browser() -> "Iterator[Browser]":
    with open_browser() as found:
        yield found


@pytest.fixture(scope="package", params=[(1280, "light"), (390, "dark")], ids=["wide", "narrow"])
def tab(request: pytest.FixtureRequest, browser: "Browser") -> "Iterator[Page]":
    """A tab of a wide window in light colors, then one of a phone in dark ones."""
    width, colors = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=colors, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


@pytest.fixture(scope="package")
def counted_movies(
    served_page: ServedPage, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, CountedMovie]:
    """Movies of a published run: one that browsers play, and one that they do not."""
    places = (f"s3://{BUCKET}/results/counted/", f"s3://{BUCKET}/movies/")
    made = publish_counted_run(*places, tmp_path_factory.mktemp("counted"))
    return dict(zip(("playable", "unplayable"), made, strict=True))


@pytest.fixture(autouse=True)
def nothing_wrong_in_the_console(request: pytest.FixtureRequest) -> Iterator[None]:
    """Scripts raise nothing, and the browser refuses nothing that a screen asks for."""
    if "tab" not in request.fixturenames:
        yield
        return
    tab: Page = request.getfixturevalue("tab")
    errors: list[str] = []

    def note_message(message: "ConsoleMessage") -> None:
        if message.type == "error":
            errors.append(message.text)

    def note_error(error: "Error") -> None:
        errors.append(str(error))

    tab.on("console", note_message)
    tab.on("pageerror", note_error)
    yield
    tab.remove_listener("console", note_message)
    tab.remove_listener("pageerror", note_error)
    assert errors == []
