"""The form that starts runs, in a browser: pick, draw, and see each mistake at its field."""

import json
from typing import TYPE_CHECKING

import boto3
import pytest

from tests.integration.web.conftest import BUCKET, ServedPage
from tests.support.model_zips import NETWORK_CONFIG, PROJECT_CONFIG, model_files, write_zip
from tests.support.movie_files import cut_movie, write_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.waiting import wait_for
from tests.support.web_page import find_accessibility_problems

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = "start"
HOSTILE = "<img src=x onerror=alert(1)>&'.mp4"
SHUFFLED = "two-shuffles.zip"
FITS = "document.documentElement.scrollWidth <= innerWidth"
FOCUSED = "document.activeElement.id || document.activeElement.value"


@pytest.fixture(scope="module", autouse=True)
def inputs(served_page: ServedPage, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Models and movies, good and bad, in the bucket."""
    folder = tmp_path_factory.mktemp("inputs")
    second = {
        name.replace("shuffle1", "shuffle2"): data
        for name, data in model_files(PROJECT_CONFIG, NETWORK_CONFIG, "snapshot-50.pt").items()
        if "shuffle1" in name
    }
    files = {
        f"models/{DEMO_MODEL.name}": DEMO_MODEL,
        f"models/{SHUFFLED}": write_zip(folder / SHUFFLED, model_files() | second),
        f"movies/day1/{HOSTILE}": cut_movie(DEMO_MOVIE, folder / "good.mp4", 30),
        "movies/day1/small.mp4": write_movie(folder / "small.mp4", 20),
    }
    client = boto3.client("s3")
    for name, path in files.items():
        client.upload_file(str(path), BUCKET, f"{FOLDER}/{name}")
    client.put_object(Bucket=BUCKET, Key=f"{FOLDER}/movies/broken.mp4", Body=b"no movie")


def open_form(tab: "Page", served: ServedPage) -> None:
    """The form, with nothing left of an earlier one."""
    tab.goto(served.url)  # where no script keeps what is entered
    tab.evaluate("sessionStorage.clear()")
    tab.goto(f"{served.url}/start")


def search(tab: "Page", field: str, text: str) -> None:
    tab.locator(field).fill(text)
    wait_for(lambda: "Looking" not in tab.locator(".rows").first.inner_text())


def choose_model(tab: "Page", name: str) -> None:
    search(tab, "#model-search", f"{FOLDER}/models {name}")
    tab.locator("#models .row", has_text=name).locator("input").check()
    wait_for(lambda: "looking" not in (text := read(tab, "#model-facts")).lower() and text)


def choose_movies(tab: "Page", words: str, *names: str) -> None:
    tab.locator("#movie-search").fill(f"{FOLDER}/movies {words}")
    for name in names:
        row = tab.locator("#movies label.row", has_text=name)
        row.wait_for()
        row.locator("input").check()
        facts = tab.locator("#chosen li", has_text=name).locator(".movie-facts [data-picture]")
        facts.wait_for()


def read(tab: "Page", selector: str) -> str:
    return tab.locator(selector).inner_text()


def problem(tab: "Page", name: str) -> str:
    place = tab.locator(f'[data-problem="{name}"]')
    return place.inner_text() if place.is_visible() else ""


def check(tab: "Page") -> None:
    """Press the button, and wait for what the run would do."""
    tab.get_by_role("button", name="Check", exact=True).click()
    wait_for(
        lambda: tab.locator("#check").is_enabled() and tab.locator("#plan .later").count() == 0,
        lambda: read(tab, "#plan"),
    )


def test_a_model_says_what_it_is_and_offers_its_choices(
    served_page: ServedPage, tab: "Page"
) -> None:
    open_form(tab, served_page)
    choose_model(tab, DEMO_MODEL.name)
    assert f"{DEMO_MODEL.name} can be used" in read(tab, "#model-facts")
    parts = tab.locator("#body-parts label").all_inner_texts()
    assert [part.strip() for part in parts] == [
        *("nose", "left_ear", "right_ear", "body", "tail_base"),
    ]
    choose_model(tab, SHUFFLED)
    wait_for(lambda: "set shuffle to the one to use: 1, 2" in read(tab, "#model-facts"))
    tab.get_by_label("Shuffle", exact=True).select_option("2")
    wait_for(lambda: "can be used" in read(tab, "#model-facts"))
    assert tab.get_by_label("Snapshot", exact=True).locator("option").count() == 2
    assert tab.locator("#body-parts input").count() == 3
    assert find_accessibility_problems(tab) == []


def test_movies_are_found_in_their_folders_and_their_names_are_text(
    served_page: ServedPage, tab: "Page"
) -> None:
    open_form(tab, served_page)
    tab.locator("#movies").get_by_role("button", name=f"{FOLDER}/").click()
    tab.locator("#movies").get_by_role("button", name="movies/").click()
    tab.locator("#movies .row", has_text="broken.mp4").wait_for()
    tab.locator("#movies .row", has_text="day1/").locator("input").check()
    tab.locator("#movies").get_by_role("button", name="day1/").click()
    tab.locator("#movies .row", has_text=HOSTILE).wait_for()
    tab.locator("#movies .row", has_text=HOSTILE).locator("input").check()
    shown = tab.locator("#chosen b").all_inner_texts()
    assert shown == ["day1/", HOSTILE]
    wait_for(lambda: "h264, 640×480 pixels" in read(tab, "#chosen"))
    assert tab.locator("img[src=x]").count() == 0
    assert read(tab, "#chosen-title") == "2 chosen"
    assert (
        tab.locator("#output").input_value().startswith(f"s3://{BUCKET}/results/day1-and-1-more-")
    )
    tab.get_by_role("button", name="Remove day1/").click()
    assert tab.locator("#chosen b").all_inner_texts() == [HOSTILE]
    tab.reload()
    wait_for(lambda: "640×480" in read(tab, "#chosen"))
    assert tab.locator("#chosen b").all_inner_texts() == [HOSTILE]


def test_the_crop_is_drawn_by_mouse_and_typed(served_page: ServedPage, tab: "Page") -> None:
    open_form(tab, served_page)
    choose_movies(tab, "onerror", HOSTILE)
    canvas = tab.locator("#crop-canvas")
    canvas.wait_for()
    wait_for(lambda: tab.evaluate("document.getElementById('crop-picture').naturalWidth") == 640)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    assert abs(box["width"] / box["height"] - 640 / 480) < 0.02
    at = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in DRAWN]
    tab.mouse.move(*at[0])
    tab.mouse.down()
    tab.mouse.move(*at[1], steps=3)
    tab.mouse.up()
    fields = [tab.get_by_label(name, exact=True) for name in ("Left", "Top", "Width", "Height")]
    numbers = [int(field.input_value()) for field in fields]
    assert all(abs(a - b) <= 3 for a, b in zip(numbers, (64, 48, 320, 192), strict=True)), numbers
    for field, number in zip(fields, (600, 0, 100, 40), strict=True):
        field.fill(str(number))
    wait_for(lambda: "It reaches beyond the frame" in read(tab, "#crop-note"))
    assert find_accessibility_problems(tab) == []
    choose_model(tab, DEMO_MODEL.name)
    check(tab)
    assert "it reaches to column 700 and row 40, but the frame has 640 columns" in problem(
        tab, "crop"
    )
    tab.get_by_role("button", name="Whole frame").click()
    assert [field.input_value() for field in fields] == [""] * 4


DRAWN = ((0.1, 0.1), (0.6, 0.5))


def test_the_crop_is_drawn_by_finger(served_page: ServedPage, tab: "Page") -> None:
    open_form(tab, served_page)
    choose_movies(tab, "small", "small.mp4")
    canvas = tab.locator("#crop-canvas")
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    session = tab.context.new_cdp_session(tab)
    for kind, place in (("touchStart", 0), ("touchMove", 1), ("touchEnd", None)):
        points = []
        if place is not None:
            x, y = DRAWN[place]
            points = [{"x": box["x"] + box["width"] * x, "y": box["y"] + box["height"] * y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    wait_for(lambda: tab.get_by_label("Width", exact=True).input_value())
    width = int(tab.get_by_label("Width", exact=True).input_value())
    assert abs(width - 48) <= 2


def test_every_mistake_is_told_at_its_field_before_there_is_a_run(
    served_page: ServedPage, tab: "Page"
) -> None:
    open_form(tab, served_page)
    check(tab)
    assert "expected a model, found none" in problem(tab, "model")
    assert "expected at least one movie" in problem(tab, "movies")
    assert find_accessibility_problems(tab) == []
    tab.get_by_label("P cutoff").fill("7")
    wait_for(lambda: "less than or equal to 1, found '7'" in problem(tab, "p_cutoff"))
    assert tab.get_by_label("P cutoff").get_attribute("aria-invalid") == "true"
    tab.get_by_text("Expert settings").click()
    tab.get_by_label("Low: look").fill("-1")
    wait_for(lambda: "greater than or equal to 0" in problem(tab, "quality.low_look"))
    assert read(tab, "#expert-count") == "(1 changed)"
    tab.get_by_label("Low: look").fill("0.1")
    tab.get_by_label("P cutoff").fill("0.7")
    wait_for(lambda: not problem(tab, "p_cutoff"))
    choose_model(tab, DEMO_MODEL.name)
    tab.locator("#body-parts").get_by_role("button", name="None").click()
    wait_for(lambda: "names no body part" in problem(tab, "displayed_body_parts"))
    tab.locator("#body-parts").get_by_role("button", name="All").click()
    tab.locator("#output").fill(f"s3://{BUCKET}/elsewhere/run/")
    wait_for(lambda: not problem(tab, "displayed_body_parts"))
    choose_movies(tab, "broken", "broken.mp4")
    check(tab)
    assert f"expected a location below s3://{BUCKET}/results/" in problem(tab, "output")
    assert not problem(tab, "model")
    tab.locator("#output").fill(f"s3://{BUCKET}/results/never/")
    check(tab)
    assert "none of them can be analyzed; broken.mp4: expected an MP4" in problem(tab, "movies")
    assert "expected an MP4 or AVI movie" in read(tab, "#chosen")
    assert tab.get_by_role("button", name="Start the run").count() == 0
    assert find_accessibility_problems(tab) == []
    assert tab.evaluate(FITS)
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="results/never/")
    assert found["KeyCount"] == 0


def test_what_is_gone_is_told_at_its_field(served_page: ServedPage, tab: "Page") -> None:
    gone = {"model": f"s3://{BUCKET}/gone.zip", "movies": [f"s3://{BUCKET}/gone/"]}
    tab.goto(served_page.url)
    first = {"first": f"s3/{BUCKET}/gone/a.mp4", "firstName": "a.mp4", "movies": "1"}
    draft = {
        "model": {"location": gone["model"], "address": f"s3/{BUCKET}/gone.zip"},
        "picks": [{"location": gone["movies"][0], "name": "gone/", **first}],
        "settings": {},
    }
    tab.evaluate("draft => sessionStorage.setItem('start a run', draft)", json.dumps(draft))
    with tab.expect_response("**/api/start/model/**"):
        tab.goto(f"{served_page.url}/start")
    wait_for(lambda: "there is no such object" in read(tab, "#model-facts"))
    check(tab)
    assert "there is no such object" in problem(tab, "model")
    assert "there is nothing in this folder" in problem(tab, "movies")
    assert "there is nothing in this folder" in read(tab, "#chosen")
