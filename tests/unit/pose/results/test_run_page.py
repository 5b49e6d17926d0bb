"""A run's page in Prefect's UI: complete, short enough, and harmless."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.pose.results import run_page
from tasks.pose.results.report import MoviePictures
from tasks.pose.results.run_page import ResultLinks, render_run_page
from tasks.pose.tables.quality import Verdict
from tests.support.records import (
    example_failed_movie,
    example_movie,
    example_output,
    example_quality,
    example_run,
)

OUT = "s3://lab/out/"
LABELED = f"{OUT}mouse1/labeled.mp4"


@pytest.fixture
def pictures(tmp_path: Path) -> MoviePictures:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    for name in ("worst.jpg", "trajectory.png"):
        Image.fromarray(noise).save(tmp_path / name)
    (tmp_path / "histogram.svg").write_text("<svg/>")
    previews = {name: tmp_path / name for name in ("histogram.svg", "trajectory.png")}
    return MoviePictures(previews, {7: tmp_path / "worst.jpg"})


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| ") and "---" not in line][1:]


def test_each_movie_has_a_row_with_what_was_made_of_it() -> None:
    look = example_movie(
        "mouse2", 1, quality=example_quality(Verdict.LOOK, "nose: jumps in 2.0 % of steps")
    )
    page = render_run_page(
        example_run(example_movie(), look, example_failed_movie(number=2)), OUT, {}, ResultLinks({})
    )
    first, second, third = rows(page)
    assert first == "| mouse1 |  | **pass** | 300 |  |  |  |"
    assert second == "| mouse2 |  | **look** | 300 |  |  | nose: jumps in 2.0 % of steps |"
    assert third.startswith("| broken |  | **failed** | – |  |  | broken.mp4: the file is empty")
    assert page.startswith("## Partial: 3 movies · m.zip")


def test_frames_that_are_missing_are_told() -> None:
    from tasks.pose.movies.frame_ledger import FrameLedger

    ledger = FrameLedger(declared=310, decoded=300, poses=300)
    page = render_run_page(example_run(example_movie(frames=ledger)), OUT, {}, ResultLinks({}))
    assert "| 300 of 310 |" in page


def test_locations_are_plain_to_be_copied() -> None:
    run = example_run(example_movie(), outputs={"report.html": example_output(f"{OUT}report.html")})
    page = render_run_page(run, OUT, {}, ResultLinks({}))
    assert f"report.html: `{OUT}report.html`" in page
    assert f"run record: `{OUT}run.json`" in page
    assert "](" not in page


def test_links_open_the_report_and_labeled_movies() -> None:
    report = f"{OUT}report.html"
    run = example_run(example_movie(), outputs={"report.html": example_output(report)})
    links = ResultLinks({report: "https://store/r?sig", LABELED: "https://store/m?sig"}, 72)
    page = render_run_page(run, OUT, {}, links)
    assert "[Open the report](https://store/r?sig)" in page
    assert "[labeled movie](https://store/m?sig)" in rows(page)[0]
    assert "Links work for 72 hours. New ones: `python -m flows open s3://lab/out/`" in page


def test_small_pictures_stand_in_the_row(pictures: MoviePictures) -> None:
    page = render_run_page(example_run(example_movie()), OUT, {"mouse1": pictures}, ResultLinks({}))
    (row,) = rows(page)
    assert "![frame 7](data:image/jpeg;base64," in row
    assert "![trajectory](data:image/jpeg;base64," in row
    assert len(page) < 40_000


def test_pictures_end_where_the_budget_does_with_those_that_need_a_look_first(
    pictures: MoviePictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "MAX_PICTURE_BYTES", 40_000)
    fails = example_movie("z", 5, quality=example_quality(Verdict.FAIL, "bad"))
    movies = [*(example_movie(f"m{index}", index) for index in range(5)), fails]
    page = render_run_page(
        example_run(*movies), OUT, {m.name: pictures for m in movies}, ResultLinks({})
    )
    shown = [row.split(" ")[1] for row in rows(page) if "data:" in row]
    assert shown[-1] == "z"
    assert 1 <= len(shown) < len(movies)
    assert len(page) < 60_000


def test_a_page_of_many_movies_stays_short_and_shows_what_failed() -> None:
    movies = [example_movie(f"m{index}", index) for index in range(1000)]
    page = render_run_page(
        example_run(*movies, example_failed_movie(number=1000)), OUT, {}, ResultLinks({})
    )
    assert "… and 801 more" in page
    assert "| broken |  | **failed** |" in page
    assert len(rows(page)) == 201


@pytest.mark.parametrize("name", ["a|b", "<script>", "[x](http://evil)", "`c`", "*d*"])
def test_a_name_is_text_whatever_it_holds(name: str) -> None:
    page = render_run_page(example_run(example_movie(name)), OUT, {}, ResultLinks({}))
    assert name not in page.replace(f"`{OUT}", "")
    (row,) = rows(page)
    assert row.replace("\\|", "").count("|") == 8


def test_the_first_warnings_are_told() -> None:
    run = example_run(example_movie(), warnings=tuple(f"warning {index}" for index in range(15)))
    page = render_run_page(run, OUT, {}, ResultLinks({}))
    assert "- warning 9" in page
    assert "- … and 5 more" in page


def test_where_no_links_can_be_made_the_page_says_why() -> None:
    page = render_run_page(
        example_run(example_movie()), "s3://lab/../out/", {}, ResultLinks({}, 72)
    )
    assert "There are no links: browsers take `.` and `..` between slashes for folders" in page
    for links in (ResultLinks({}), ResultLinks({}, 72)):
        folder = "/data/out" if links.hours else OUT
        assert "no links" not in render_run_page(example_run(example_movie()), folder, {}, links)
