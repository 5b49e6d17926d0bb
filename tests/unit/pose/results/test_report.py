"""`report.html`: complete, readable without anything else, and harmless."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tasks.pose.movies.frame_ledger import FrameLedger
from tasks.pose.results import report
from tasks.pose.results.report import MoviePictures, render_report
from tasks.pose.results.run_record import MovieRecord, RefineFrameRecord, RunRecord, StageTime
from tasks.pose.settings import Crop, PoseSettings
from tasks.pose.tables.quality import Verdict
from tests.support.records import (
    example_failed_movie,
    example_model,
    example_movie,
    example_output,
    example_quality,
    example_run,
)

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """A page's elements and text; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for _, attrs in self.elements if (value := attrs.get(attribute))]

    def rows(self) -> int:
        return sum(tag == "tr" for tag, _ in self.elements)


@pytest.fixture
def pictures(tmp_path: Path) -> Any:
    """Makes a movie's pictures, each of so many bytes."""

    def make(size: int = 100) -> MoviePictures:
        files = [tmp_path / f"{size}.{suffix}" for suffix in ("svg", "png", "jpg")]
        for file in files:
            file.write_bytes(b"x" * size)
        return MoviePictures({files[0].name: files[0], files[1].name: files[1]}, {7: files[2]})

    return make


def page(record: RunRecord, pictures: Any = None) -> Page:
    return Page(render_report(record, pictures or {}))


@pytest.mark.parametrize(
    "movies",
    [
        (),
        (example_movie(),),
        (example_failed_movie(),),
        (example_movie(), example_failed_movie()),
        (example_movie(stages={}), example_movie("m2", outputs={}, crop=(1, 2, 3, 4))),
        (example_movie(frames=FrameLedger(declared=None, decoded=5, poses=5)),),
        (
            example_movie(
                constant_frame_rate=False, quality=example_quality(Verdict.FAIL, "nose: jumps")
            ),
        ),
    ],
)
@pytest.mark.parametrize("changes", [{}, {"estimator": None, "flow_run": None}])
def test_every_kind_of_run_can_be_shown(
    movies: tuple[MovieRecord, ...], changes: dict[str, Any]
) -> None:
    shown = page(example_run(*movies, **changes))
    assert all(movie.name in shown.text for movie in movies)
    assert f"{len(movies)} movie" in shown.text
    assert "None" not in shown.text
    assert "Undefined" not in shown.text


def test_the_ledger_shows_each_count() -> None:
    frames = FrameLedger(declared=301, decoded=302, poses=303, annotated=304, labeled=305)
    shown = page(example_run(example_movie(frames=frames)))
    assert re.search(r"301\s*302\s*303\s*304\s*305", shown.text)


def test_unknown_counts_are_a_dash() -> None:
    shown = page(example_run(example_movie(frames=FrameLedger(declared=None, decoded=7, poses=7))))
    assert re.search(r"pass\s*–\s*7\s*7\s*–\s*–", shown.text)


def test_poses_of_an_earlier_run_are_told_as_such() -> None:
    reused = {"Estimate poses": StageTime(seconds=0, reused=True)}
    assert re.search(r"300\s*reused", page(example_run(example_movie(stages=reused))).text)


def test_a_failed_movie_says_why() -> None:
    movie = example_failed_movie()
    assert page(example_run(movie)).text.count(str(movie.error)) == 2


def test_reasons_warnings_and_repairs_are_told() -> None:
    record = example_run(
        example_movie(quality=example_quality(Verdict.LOOK, "nose: jumps in 3 % of steps")),
        warnings=("mouse1: the movie is damaged",),
        model=example_model(repairs=("cropping is switched off",)),
    )
    text = page(record).text
    assert "nose: jumps in 3 % of steps" in text
    assert "mouse1: the movie is damaged" in text
    assert "m.zip: cropping is switched off" in text


NASTY = "<script>alert('1')</script>\"&<img src=x onerror=y>"


def run_of(name: str) -> RunRecord:
    """A run in which all that others can name has one name."""
    movie = example_movie(
        name,
        outputs={name: example_output(f"s3://lab/{name}")},
        quality=example_quality(Verdict.LOOK, name),
        codec=name,
    )
    failed = example_failed_movie(f"b{name}", error=name)
    model = example_model(task=name, name=name, net_type=name, body_parts=(name,), repairs=(name,))
    return example_run(movie, failed, model=model, warnings=(name,), product=name)


def test_names_from_outside_are_text_and_nothing_else(pictures: Any) -> None:
    harmless, nasty = (page(run_of(name), {name: pictures()}) for name in ("x", NASTY))
    assert nasty.text.count(NASTY) >= 10
    assert [(tag, set(attrs)) for tag, attrs in nasty.elements] == [
        (tag, set(attrs)) for tag, attrs in harmless.elements
    ]


@pytest.mark.parametrize(
    "record", [example_run(example_movie(), example_failed_movie()), run_of(NASTY)]
)
def test_it_loads_nothing_from_elsewhere(record: RunRecord, pictures: Any) -> None:
    html = render_report(record, {movie.name: pictures() for movie in record.movies})
    shown = Page(html)
    assert shown.values("src")
    assert all(source.startswith("data:image/") for source in shown.values("src"))
    assert all(re.fullmatch(r"[^:/]+/[^:/]+", target) for target in shown.values("href"))
    assert not re.search(r"@import|url\(", html)
    assert "default-src 'none'" in "".join(shown.values("content"))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("m 1", "m%201/labeled.mp4"),
        ("a#b?c=d&e", "a%23b%3Fc%3Dd%26e/labeled.mp4"),
        ("javascript:x", "javascript%3Ax/labeled.mp4"),
        ("Mäuse", "M%C3%A4use/labeled.mp4"),
        ("100%", "100%25/labeled.mp4"),
    ],
)
def test_links_lead_to_the_movies_files(name: str, target: str) -> None:
    assert page(example_run(example_movie(name))).values("href") == [target]


def test_settings_are_told_in_words() -> None:
    settings = PoseSettings(
        crop=Crop(left=1, top=2, width=30, height=40), displayed_body_parts=["nose", "left ear"]
    )
    record = example_run(example_movie())
    request = record.request.model_copy(update={"settings": settings})
    text = page(record.model_copy(update={"request": request})).text
    assert "crop = left 1 top 2 width 30 height 40; " in text
    assert "displayed_body_parts = nose, left ear; " in text
    assert "keypoints_only = false; output_frame_rate = none; " in text


def test_frames_to_correct_are_shown_with_what_is_wrong_in_them(tmp_path: Path) -> None:
    frames = (
        RefineFrameRecord(
            frame=3, file="labeled-data/mouse1/img3.png", points=("nose 0.10 (low)",)
        ),
        RefineFrameRecord(frame=9, file="labeled-data/mouse1/img9.png", points=()),
    )
    picture = tmp_path / "refine-3.jpg"
    picture.write_bytes(b"picture")
    movie = example_movie(
        refine=frames,
        pose_file="mouse1DLC.h5",
        outputs={
            name: example_output(f"s3://lab/out/{name}")
            for name in ("mouse1DLC.h5", "poses/mouse1DLC.h5", frames[0].file)
        },
    )
    shown = page(example_run(movie), {"mouse1": MoviePictures({}, {}, {3: picture})})
    assert "frame 3: nose 0.10 (low)" in shown.text
    assert "frame 9: the least certain one" in shown.text
    assert shown.values("src") == ["data:image/jpeg;base64,cGljdHVyZQ=="]
    assert shown.values("href") == ["mouse1/mouse1DLC.h5", "poses/mouse1DLC.h5"]
    assert "the poses that all else is made of" in shown.text


def test_pictures_are_in_the_page(pictures: Any) -> None:
    shown = page(example_run(example_movie()), {"mouse1": pictures()})
    assert [source.partition(";")[0] for source in shown.values("src")] == [
        "data:image/jpeg",
        "data:image/svg+xml",
        "data:image/png",
    ]
    assert shown.values("alt")[0] == "frame 7 with the body parts drawn in"


class TestPictureBudget:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report, "MAX_PICTURE_BYTES", 1000)

    def with_pictures(self, html: str) -> list[str]:
        """The movies whose sections have pictures, in the page's order."""
        sections = re.findall(r"<section>.*?</section>", html, re.DOTALL)
        return [re.findall(r"<h2>(.*?)</h2>", s)[0] for s in sections if "<img" in s]

    def test_movies_that_need_a_look_come_first(self, pictures: Any) -> None:
        movies = [
            example_movie(verdict.value, quality=example_quality(verdict))
            for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.LOOK)
        ]
        html = render_report(example_run(*movies), {m.name: pictures(150) for m in movies})
        assert self.with_pictures(html) == ["fail", "look"]

    def test_one_that_does_not_fit_leaves_room_for_those_that_do(self, pictures: Any) -> None:
        movies = [example_movie(name) for name in ("large", "small")]
        html = render_report(example_run(*movies), {"large": pictures(400), "small": pictures(300)})
        assert self.with_pictures(html) == ["small"]

    def test_a_page_of_many_movies_stays_small(self, pictures: Any) -> None:
        movies = [example_movie(f"m{index}", number=index) for index in range(50)]
        html = render_report(example_run(*movies), {movie.name: pictures(100) for movie in movies})
        assert len(self.with_pictures(html)) == 3
        assert html.count("labeled.mp4</a>") == 50


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5 * 10**9, "5.0 GB")],
)
def test_sizes_are_told_as_people_say_them(size: int, text: str) -> None:
    output = example_output("s3://lab/x").model_copy(update={"size": size})
    assert text in page(example_run(example_movie(outputs={"x.h5": output}))).text
