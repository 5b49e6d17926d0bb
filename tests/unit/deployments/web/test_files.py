"""Files through the page: whole, in ranges, as zip files; strangers' files do no harm."""

import io
import zipfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.web.files.object_answer import find_content_type
from tests.support.records import example_movie, example_run
from tests.unit.deployments.web.conftest import OpenPage

DATA = bytes(range(256)) * 20_000  # more than is asked of the store at a time


@pytest.fixture
def movie(results: Path) -> str:
    """The address of a movie's file."""
    (results / "m 1.mp4").write_bytes(DATA)
    return f"/files/local{results}/m%201.mp4"


@pytest.mark.parametrize(
    ("asked", "told", "part"),
    [
        ("bytes=10-19", "bytes 10-19/5120000", DATA[10:20]),
        ("bytes=4194300-4194310", "bytes 4194300-4194310/5120000", DATA[4194300:4194311]),
        ("bytes=5119990-", "bytes 5119990-5119999/5120000", DATA[-10:]),
        ("bytes=-5", "bytes 5119995-5119999/5120000", DATA[-5:]),
        ("bytes=0-", "bytes 0-5119999/5120000", DATA),
        ("bytes=5119999-9999999", "bytes 5119999-5119999/5120000", DATA[-1:]),
    ],
)
def test_a_part_is_sent(page: TestClient, movie: str, asked: str, told: str, part: bytes) -> None:
    answer = page.get(movie, headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (206, told)
    assert int(answer.headers["content-length"]) == len(part)
    assert answer.content == part


def test_the_whole_is_sent_where_no_part_is_asked_for(page: TestClient, movie: str) -> None:
    answer = page.get(movie)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.content == DATA
    for condition in (
        {"range": text} for text in ("bytes=0-1,5-6", "lines=1-2", "bytes=-", f"bytes={10**50}-")
    ):
        assert page.get(movie, headers=condition).content == DATA
    stale = {"range": "bytes=0-1", "if-range": '"another"'}
    assert page.get(movie, headers=stale).status_code == 200
    fresh = {"range": "bytes=0-1", "if-range": answer.headers["etag"]}
    assert page.get(movie, headers=fresh).content == DATA[:2]
    kept = page.get(movie, headers={"if-none-match": answer.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    head = page.head(movie)
    assert (head.headers["content-length"], head.content) == ("5120000", b"")


@pytest.mark.parametrize("asked", ["bytes=5120000-", "bytes=-0", "bytes=9-8", f"bytes={10**17}-"])
def test_a_part_that_is_not_there_is_refused(page: TestClient, movie: str, asked: str) -> None:
    answer = page.get(movie, headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */5120000")


def test_an_empty_file_is_sent(page: TestClient, results: Path) -> None:
    (results / "empty.csv").touch()
    answer = page.get(f"/files/local{results}/empty.csv")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("name", ["report.html", "figure.svg"])
def test_nothing_runs_in_a_stored_page(page: TestClient, results: Path, name: str) -> None:
    (results / name).write_text("<script>alert(1)</script>")
    answer = page.get(f"/files/local{results}/{name}")
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert policy[0].startswith("sandbox allow-downloads allow-popups; default-src 'none'")
    assert "script" not in policy[0]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_a_browser_does_not_show_is_saved_under_its_name(
    page: TestClient, results: Path
) -> None:
    name = 'pöse "1".h5'
    (results / name).write_bytes(b"x")
    answer = page.get(f"/files/local{results}/p%C3%B6se%20%221%22.h5")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"p_se _1_.h5\"; filename*=UTF-8''p%C3%B6se%20%221%22.h5"
    )
    (results / "m.mp4").write_bytes(b"x")
    shown = page.get(f"/files/local{results}/m.mp4")
    assert "content-disposition" not in shown.headers
    saved = page.get(f"/files/local{results}/m.mp4?download=1")
    assert saved.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.HTML", "text/html; charset=utf-8"),
        ("a.mp4", "video/mp4"),
        ("a.xhtml", "application/octet-stream"),
        ("a.js", "application/octet-stream"),
        ("a.xml", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_type_is_told_by_the_name(name: str, kind: str) -> None:
    assert find_content_type(name) == kind


def test_only_what_lies_in_the_folders_is_sent(page: TestClient, results: Path) -> None:
    outside = results.parent / "outside.txt"
    outside.write_text("secret")
    (results / "link.txt").symlink_to(outside)
    beside = results.parent / "results-2"
    beside.mkdir()
    (beside / "a.txt").write_text("secret")
    for path in (
        f"local{outside}",
        f"local{results}/link.txt",
        f"local{results}/%2e%2e/outside.txt",
        f"local{beside}/a.txt",
        "local/etc/passwd",
        "s3/bucket/key",
        "nothing",
        "",
    ):
        answer = page.get(f"/files/{path}")
        assert answer.status_code in {400, 404}, path
        assert "secret" not in answer.text


def make_run(results: Path) -> Path:
    run = results / "day 1"
    run.mkdir()
    (run / "run.json").write_text(example_run(example_movie("m1")).to_json())
    for name in ("m1/labeled.mp4", "m1/empty.csv", ".dlcflow/lock", "m1/deep/er.txt"):
        file = run / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(DATA[:0] if "empty" in name else DATA)
    return run


@pytest.mark.parametrize(
    ("below", "names"),
    [
        (
            "",
            {
                "day 1/run.json",
                "day 1/m1/labeled.mp4",
                "day 1/m1/empty.csv",
                "day 1/m1/deep/er.txt",
            },
        ),
        ("m1", {"m1/labeled.mp4", "m1/empty.csv", "m1/deep/er.txt"}),
    ],
)
def test_a_folder_comes_as_a_zip_file(
    page: TestClient, results: Path, below: str, names: set[str]
) -> None:
    run = make_run(results)
    answer = page.get(f"/zip/local{run}/{below}".replace(" ", "%20"))
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == names
        assert archive.read(max(names, key=len)) == DATA


def test_only_runs_and_their_folders_come_as_zip_files(open_page: OpenPage, results: Path) -> None:
    run = make_run(results)
    page = open_page()
    for path in (f"local{results}/", f"local{results}", f"local{run}/none/", "local/etc/"):
        assert page.get(f"/zip/{path}".replace(" ", "%20")).status_code == 404
