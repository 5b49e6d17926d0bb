"""The player in a browser: the frame that is said is the one that is seen, and so are its poses."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest

from tests.integration.web.conftest import BUCKET, ServedPage
from tests.support.counted_movies import (
    BITS,
    DEPTH,
    DIP,
    DIPPED,
    FRAMES,
    HEIGHT,
    JUMP,
    KEYPOINTS,
    MISSED,
    MISSING,
    STAMPS,
    TAIL,
    WIDTH,
    CountedMovie,
)
from tests.support.waiting import wait_for
from tests.support.web_page import find_accessibility_problems

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

READ_PICTURE = """([selector, points]) => {
    const source = document.querySelector(selector);
    const width = source.videoWidth || source.width, height = source.videoHeight || source.height;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(source, 0, 0);
    return points.map(([x, y]) => [...context.getImageData(
        Math.floor(x * width), Math.floor(y * height), 1, 1).data]);
}"""
PLOT_DATA = """(name) => player.player.traces.panels.find((one) => one.name === name).plot.data"""
CLICK_PLACE = """([name, time, value]) => {
    const { plot } = player.player.traces.panels.find((one) => one.name === name);
    plot.root.scrollIntoView({ block: "center" });
    const box = plot.over.getBoundingClientRect();
    return [box.left + plot.valToPos(time, "x"), box.top + plot.valToPos(value, "y")];
}"""


@pytest.fixture(scope="module")
def screen(browser: "Browser") -> "Iterator[Page]":
    """A tab for what does not depend on the size of the window."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def open_player(page: "Page", served: ServedPage, movie: CountedMovie, moment: str = "") -> None:
    address = f"{served.url}/movies/s3/{BUCKET}/results/counted/{quote(movie.name)}/"
    if page.url.partition("#")[0] == address:
        page.goto("about:blank")
    page.goto(address + moment)
    wait_for(lambda: read_state(page).get("drawn") and read_state(page).get("state"))


def read_state(page: "Page") -> dict[str, str]:
    state: dict[str, str] = page.evaluate(
        "({...window.player?.dataset, ...document.getElementById('traces')?.dataset})"
    )
    return state


def wait_for_frame(page: "Page", frame: int) -> None:
    wait_for(lambda: read_state(page).get("drawn") == str(frame), lambda: read_state(page))


def read_pixels(
    page: "Page", selector: str, points: list[tuple[float, float]]
) -> list[tuple[int, ...]]:
    """Colors of what is shown at places in pixels of the whole frame."""
    places = [((x + 0.5) / WIDTH, (y + 0.5) / HEIGHT) for x, y in points]
    return [tuple(color) for color in page.evaluate(READ_PICTURE, [selector, places])]


def read_number(page: "Page", selector: str = "#points") -> int:
    """The number in the picture that is seen, or in the movie itself."""
    blocks = read_pixels(page, selector, [(16 * bit + 7.5, 7.5) for bit in range(BITS)])
    return sum((color[0] > 128) << bit for bit, color in enumerate(blocks))


@pytest.mark.parametrize(("kind", "picture"), [("playable", "original"), ("unplayable", "labeled")])
def test_each_step_shows_the_frame_that_it_says(
    served_page: ServedPage,
    counted_movies: Mapping[str, CountedMovie],
    screen: "Page",
    kind: str,
    picture: str,
) -> None:
    """By keys, the slider, and the field; in movies of uneven and of even times."""
    open_player(screen, served_page, counted_movies[kind])
    assert read_state(screen)["picture"] == picture
    frame = 0
    for key, step in (
        *(("ArrowRight", 1),) * 3,
        ("Shift+ArrowRight", 10),
        ("ArrowLeft", -1),
        ("End", FRAMES),
        ("ArrowLeft", -1),
        ("Shift+ArrowLeft", -10),
        ("Home", -FRAMES),
    ):
        screen.keyboard.press(key)
        frame = max(0, min(FRAMES - 1, frame + step))
        wait_for_frame(screen, frame)
        assert read_number(screen) == read_number(screen, "#movie") == frame
        assert screen.locator("#frame").input_value() == str(frame)
    screen.locator("#position").fill("101")
    wait_for_frame(screen, 101)
    assert read_number(screen) == 101
    screen.locator("#frame").fill("250")
    screen.locator("#frame").press("Enter")
    wait_for_frame(screen, 250)
    assert read_number(screen) == 250
    screen.locator("#frame").blur()
    screen.keyboard.press("m")
    wait_for_frame(screen, 250)
    if kind == "playable":
        wait_for(lambda: screen.evaluate("document.getElementById('movie').videoWidth"))
        assert read_state(screen)["picture"] == "labeled"
        screen.keyboard.press("ArrowRight")
        wait_for_frame(screen, 251)
        assert read_number(screen) == read_number(screen, "#movie") == 251


def test_it_plays_in_step_with_its_traces(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie], screen: "Page"
) -> None:
    open_player(screen, served_page, counted_movies["playable"], "#zoom=0..1")
    screen.keyboard.press(" ")
    wait_for(lambda: int(read_state(screen)["frame"]) > 40, lambda: read_state(screen))
    screen.keyboard.press(" ")
    assert screen.locator("#play").inner_text() == "Play"
    wait_for(
        lambda: (
            read_number(screen) == read_number(screen, "#movie") == int(read_state(screen)["drawn"])
        )
    )
    frame = int(read_state(screen)["frame"])
    begin, end = screen.evaluate("player.player.traces.view")
    assert begin <= STAMPS[frame] / 1000 <= end
    # The address that Playwright knows moves on only while it is asked for something.
    wait_for(lambda: f"frame={frame}&" in screen.evaluate("location.hash"))


def test_a_point_lies_on_its_pixel_and_follows_cutoff_and_size(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie], screen: "Page"
) -> None:
    movie = counted_movies["playable"]
    open_player(screen, served_page, movie, f"#frame={DIP}&dot=2")
    colors = [
        tuple(int(one["color"][place : place + 2], 16) for place in (1, 3, 5))
        for one in screen.evaluate("player.player.facts.keypoints")
    ]

    def read_points() -> list[bool]:
        seen = read_pixels(
            screen, "#points", [tuple(xy) for xy in movie.values[DIP, :, :2].tolist()]
        )
        return [color[:3] == mine for color, mine in zip(seen, colors, strict=True)]

    assert read_points() == [k != DIPPED for k in range(len(KEYPOINTS))]
    # Just beyond the dot, by its color alone: it is neither larger nor elsewhere.
    x, y = movie.values[DIP, 0, :2].tolist()
    around = read_pixels(screen, "#points", [(x + 5, y), (x - 5, y), (x, y + 5), (x, y - 5)])
    assert all(color[:3] != colors[0] for color in around)
    screen.get_by_text("Points in the picture").click()
    screen.locator("#cutoff").fill("0.05")
    assert read_points() == [True] * len(KEYPOINTS)
    assert screen.evaluate("player.player.traces.cutoff") == 0.05
    screen.locator("#dot").fill("7")
    (beyond,) = read_pixels(screen, "#points", [(x + 5, y)])
    assert beyond[:3] == colors[0]
    screen.locator("#draw").uncheck()
    assert read_points() == [False] * len(KEYPOINTS)


def test_traces_are_exact_where_zoomed_in_and_keep_dips_where_not(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie], screen: "Page"
) -> None:
    movie = counted_movies["playable"]
    parts = ",".join(quote(KEYPOINTS[k], safe="") for k in (DIPPED, MISSED))
    begin, end = STAMPS[110] / 1000, STAMPS[150] / 1000
    moment = f"#parts={parts}&show=likelihood,x,speed&zoom={begin}..{end}"
    open_player(screen, served_page, movie, moment)
    assert read_state(screen)["state"] == "exact"
    first, last = map(int, read_state(screen)["frames"].split("-"))
    assert (first, last) == (109, 152)
    times, *series = screen.evaluate(PLOT_DATA, "x")
    np.testing.assert_allclose(times, np.array(STAMPS[first:last]) / 1000, atol=1e-9)
    for trace, keypoint in zip(series, (DIPPED, MISSED), strict=True):
        expected = movie.values[first:last, keypoint, 0]
        np.testing.assert_allclose(np.array(trace, np.float64), expected, atol=1e-4)
    missing = [None] * len(MISSING)
    assert series[1][MISSING.start - first : MISSING.stop - first] == missing
    speed = screen.evaluate(PLOT_DATA, "speed")[1]
    seconds = np.array(STAMPS) / 1000
    way = np.hypot(*np.diff(movie.values[:, DIPPED, :2].astype(float), axis=0).T)
    expected = (way / np.diff(seconds))[first - 1 : last - 1]
    np.testing.assert_allclose(speed, expected, rtol=1e-3)
    # All of the movie in fewer columns than it has frames.
    screen.evaluate("document.getElementById('traces').style.width = '200px'")
    screen.keyboard.press("0")
    wait_for(lambda: read_state(screen)["state"] == "thinned", lambda: read_state(screen))
    likelihood = screen.evaluate(PLOT_DATA, "likelihood")[1]
    assert min(likelihood) == DEPTH
    screen.mouse.click(*screen.evaluate(CLICK_PLACE, ["likelihood", STAMPS[DIP] / 1000, DEPTH]))
    wait_for_frame(screen, DIP)
    assert read_number(screen) == DIP


def test_a_click_goes_to_the_time_where_it_hits_no_point(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie], screen: "Page"
) -> None:
    open_player(screen, served_page, counted_movies["playable"], "#show=likelihood")
    screen.mouse.click(*screen.evaluate(CLICK_PLACE, ["likelihood", STAMPS[77] / 1000, 0.5]))
    wait_for(lambda: abs(int(read_state(screen)["drawn"] or -9) - 77) <= 1)
    assert read_number(screen) == int(read_state(screen)["frame"])


def test_a_link_brings_the_moment_back(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie], screen: "Page"
) -> None:
    open_player(screen, served_page, counted_movies["playable"])
    screen.get_by_role("button", name="None").click()
    screen.get_by_label(f"one {TAIL}").check()
    screen.get_by_label("speed", exact=True).check()
    screen.get_by_label("y", exact=True).uncheck()
    screen.locator("#frame").fill("150")
    screen.locator("#frame").press("Enter")
    wait_for_frame(screen, 150)
    for _ in range(3):
        screen.get_by_role("button", name="Zoom in").click()
    view = screen.evaluate("player.player.traces.view")
    screen.get_by_role("button", name="Copy link").click()
    link = screen.url
    screen.goto("about:blank")
    screen.goto(link)
    wait_for_frame(screen, 150)
    wait_for(lambda: read_state(screen).get("state") == "exact")
    assert read_number(screen) == 150
    assert screen.evaluate("player.player.traces.view") == pytest.approx(view, abs=1e-3)
    assert screen.evaluate("player.player.traces.quantities") == ["likelihood", "x", "speed"]
    chosen = screen.evaluate("player.player.legend.chosen")
    assert [KEYPOINTS[k] for k in chosen] == [f"one {TAIL}"]
    screen.evaluate("location.hash = '#t=4.5'")
    nearest = int(np.abs(np.array(STAMPS) - 4500).argmin())
    wait_for_frame(screen, nearest)


def test_the_worst_frames_are_listed_and_gone_through(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie], tab: "Page"
) -> None:
    """With an animal and a body part that are called like tags."""
    open_player(tab, served_page, counted_movies["unplayable"])
    items = tab.locator("#worst li")
    wait_for(items.count)
    texts = items.all_inner_texts()
    assert any(f"Frame {DIP} " in text and f"one {TAIL} 0.06 (low)" in text for text in texts)
    assert any(f"Frame {JUMP} " in text and f"two {TAIL} 0.90 (jump)" in text for text in texts)
    assert f"{KEYPOINTS[MISSED]} (missing)" in texts[0]
    shown = [int(text.split()[1]) for text in texts]
    # The last one is the frame that is shown at first: after it comes the first.
    for place, key in ((0, "n"), (1, "n"), (2, "n"), (1, "p")):
        tab.keyboard.press(key)
        wait_for_frame(tab, shown[place])
        assert read_number(tab) == shown[place]
        assert items.nth(place).locator("button").get_attribute("aria-current") == "true"
    items.last.locator("button").click()
    wait_for_frame(tab, shown[-1])
    assert tab.locator("#picture-note").inner_text().endswith("browsers play no .avi movies.")
    assert find_accessibility_problems(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.keyboard.press("?")
    assert tab.get_by_role("dialog").is_visible()
    assert find_accessibility_problems(tab) == []
    tab.keyboard.press("Escape")


def test_what_is_asked_of_it_is_checked(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie], screen: "Page"
) -> None:
    place = f"s3/{BUCKET}/results/counted/uneven/"
    api = screen.request
    facts = api.get(f"{served_page.url}/api/player/{place}")
    assert facts.ok
    version = facts.body().partition(b'version\\": \\"')[2][:16].decode()

    def ask(**changes: Any) -> tuple[int, str]:
        values: dict[str, str | float | bool]
        values = {"version": version, "first": 0, "last": 9, "spans": 100, "keypoints": "0,1"}
        answer = api.get(f"{served_page.url}/api/traces/{place}", params=values | changes)
        return answer.status, "" if answer.ok else answer.json()["error"]

    assert ask() == (200, "")
    assert ask(version="0" * 16) == (
        409,
        "the results of this movie have changed; load the page again",
    )
    for changes in (
        {"keypoints": "5"},
        {"keypoints": "-1"},
        {"keypoints": "²"},
        {"keypoints": "0," * 50},
        {"first": 300, "last": 400},
        {"spans": 10**9},
        {"first": "x"},
    ):
        status, error = ask(**changes)
        assert (status, bool(error)) == (400, True), changes
    other = api.get(f"{served_page.url}/api/player/s3/elsewhere/results/counted/uneven/")
    assert other.status == 404
    failed = api.get(f"{served_page.url}/api/player/s3/{BUCKET}/results/session-7/broken/")
    assert failed.json()["error"].startswith("broken: this movie failed")
