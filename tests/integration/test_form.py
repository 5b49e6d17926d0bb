"""The form of `pose-estimation` in a browser: it shows every setting, and refuses what is wrong."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.messages import LOCATION_FORM
from tasks.pose.settings import PoseSettings, QualityThresholds
from tasks.pose.times_settings import TimesSettings
from tests.integration.conftest import Service
from tests.integration.test_browser import QUIET
from tests.support.servers import PrefectServer
from tests.support.waiting import wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

PATIENCE = 60_000  # milliseconds
SUBMIT = "Submit"


@pytest.fixture(scope="module")
def deployment(deployed_service: PrefectServer) -> Any:
    return deployed_service.get("/deployments/name/pose-estimation/pose-estimation")


@pytest.fixture(scope="module")
def lab(service: Service) -> Iterator[Any]:
    """A browser in which the password has been typed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(service.prefect.url)
        page.locator("input[type=password]").fill(service.prefect.password or "")
        page.keyboard.press("Enter")
        page.get_by_text("Active Work Pools").first.wait_for()
        yield context
        browser.close()


@pytest.fixture
def form(lab: Any, service: Service, deployment: Any) -> Iterator[Any]:
    page = lab.new_page()
    page.goto(f"{service.prefect.url}/deployments/deployment/{deployment['id']}/run")
    page.get_by_text("Dot size").first.wait_for()
    yield page
    page.close()


def field(form: Any, title: str) -> Any:
    """The first input after a title."""
    label = form.get_by_text(title, exact=False).first
    return label.locator("xpath=following::*[self::input or self::textarea][1]")


def type_into(box: Any, text: str) -> None:
    """Type, and see that the text stays: the page draws its fields anew while it loads."""
    for _ in range(50):
        box.fill(text)
        box.page.wait_for_timeout(300)
        if box.input_value() == text:
            return
    pytest.fail(f"{text} does not stay in its field")


def fill_in(form: Any, **texts: str) -> None:
    for title, text in texts.items():
        type_into(field(form, title.replace("_", " ")), text)


def runs(prefect: PrefectServer) -> list[Any]:
    chosen = {"flows": {"name": {"any_": ["pose-estimation"]}}}
    return list(prefect.post("/flow_runs/filter", chosen))


def ask_for_movies(form: Any) -> None:
    boxes = form.locator("textarea")
    before = boxes.count()
    form.get_by_text("Add item").first.click()
    boxes.nth(before).wait_for()  # till then the second one is that of the output
    type_into(boxes.nth(1), "s3://lab/movies/")


def test_every_setting_has_its_title_and_its_help(form: Any) -> None:
    text = form.inner_text("body")
    for group in (PoseSettings, QualityThresholds, TimesSettings):
        for setting in group.model_fields.values():
            assert str(setting.title) in text
            assert str(setting.description) in text


def test_defaults_stand_in_the_fields(form: Any) -> None:
    assert field(form, "Dot size").input_value() == "5"
    assert field(form, "P cutoff").input_value() == "0.6"


@pytest.mark.parametrize(
    ("title", "chosen", "another"),
    [
        ("Color map", "auto", "colorblind"),
        ("Annotations format", "parquet", "csv"),
        ("Color by", "bodypart", "individual"),
        ("Labels below frames", "legend, frame and time", "none"),
        ("Window length", "5", "7"),
    ],
)
def test_choices_are_offered(form: Any, title: str, chosen: str, another: str) -> None:
    control = "xpath=following::button[contains(@class, 'p-select-button__control')][1]"
    choice = form.get_by_text(title, exact=False).first.locator(control)
    assert choice.inner_text() == chosen
    choice.click()
    form.keyboard.press("ArrowDown")  # opens the list of choices
    form.get_by_text(another, exact=True).first.click()
    wait_for(lambda: choice.inner_text() == another)


def test_ranges_are_told_before_they_are_missed(form: Any) -> None:
    text = form.inner_text("body")
    assert "the dot that marks a body part. 1 to 100." in text
    assert "asks for a look. 0 to 1." in text


def test_what_is_missing_is_told_and_makes_no_run(form: Any, service: Service) -> None:
    before = len(runs(service.prefect))
    form.get_by_role("button", name=SUBMIT).click()
    for name in ("model", "movies", "output"):
        form.get_by_text(f"'{name}' is a required property").wait_for()
    assert len(runs(service.prefect)) == before


@pytest.mark.parametrize(
    ("title", "value", "told"),
    [
        ("Dot size", "0", "less than the minimum of 1"),
        ("P cutoff", "1.5", "greater than the maximum of 1"),
        ("model", "s3:/lab/m.zip", LOCATION_FORM),
        ("output", "https://store.org/lab/out/", LOCATION_FORM),
        ("Times file", "../times.csv", "must be a name in the movie's folder, without a path"),
        ("Trail points", "1001", "greater than the maximum of 1000"),
        ("Low: look", "2", "greater than the maximum of 1"),
    ],
)
def test_wrong_input_is_told_beside_it_and_makes_no_run(
    form: Any, service: Service, title: str, value: str, told: str
) -> None:
    before = len(runs(service.prefect))
    fill_in(form, model="s3://lab/m.zip", output="s3://lab/out/")
    ask_for_movies(form)
    type_into(field(form, title), value)
    form.get_by_role("button", name=SUBMIT).click()
    form.get_by_text(told, exact=False).first.wait_for()
    assert len(runs(service.prefect)) == before


def test_right_input_makes_a_run_with_it(form: Any, service: Service) -> None:
    before = {run["id"] for run in runs(service.prefect)}
    fill_in(form, model="s3://lab/models/mouse.zip", output="s3://lab/out/", Dot_size="7")
    ask_for_movies(form)
    form.get_by_role("button", name=SUBMIT).click()
    form.wait_for_url(lambda url: not url.endswith("/run"))
    (run,) = wait_for(lambda: [r for r in runs(service.prefect) if r["id"] not in before])
    assert run["parameters"]["movies"] == ["s3://lab/movies/"]
    assert run["parameters"]["settings"]["dot_size"] == 7
    assert "dlcflow" in run["tags"]
