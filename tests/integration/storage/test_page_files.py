"""The page on real stores: runs are found, and files come through it or by signed links."""

import io
import urllib.request
import zipfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.web.application import create_application, find_store_origins
from deployments.web.web_settings import WebSettings
from tasks.environment_variables import LINK_ENDPOINT, WEB_BYTES
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.integration.storage.conftest import Bucket
from tests.support.records import example_movie, example_run
from tests.support.stores import PAGE_SIZE

NAME = "a b+c%ü?#'.mp4"
DATA = bytes(range(256)) * 100


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    """A bucket with a run, and more objects than a listing has on a page."""
    bucket.put("results/run/run.json", example_run(example_movie("m1")).to_json().encode())
    bucket.put(f"results/run/m1/{NAME}", DATA)
    for index in range(PAGE_SIZE + 1):
        bucket.put(f"results/run/poses/{index}.h5")
    return bucket


def open_page(bucket: Bucket, cache: Path, *, has_store_links: bool = False) -> TestClient:
    settings = WebSettings((bucket.at("results/"),), has_store_links=has_store_links)
    app = create_application(settings, cache)
    app.state.web.index.refresh()
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


def test_a_run_and_its_files_come_through_the_page(filled: Bucket, tmp_path: Path) -> None:
    page = open_page(filled, tmp_path)
    run = f"s3/{filled.name}/results/run"
    assert f'href="/runs/{run}/"' in page.get("/").text
    assert page.get(f"/runs/{run}/").status_code == 200
    name = "a%20b%2Bc%2525%C3%BC%3F%23%27.mp4"  # the client undoes a percent sign more than servers
    part = page.get(f"/files/{run}/m1/{name}", headers={"range": "bytes=250-260"})
    assert (part.status_code, part.content) == (206, DATA[250:261])
    answer = page.get(f"/zip/{run}/")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read(f"run/m1/{NAME}") == DATA
        assert len(archive.namelist()) == PAGE_SIZE + 3


def test_files_come_from_the_store_by_links(filled: Bucket, tmp_path: Path) -> None:
    page = open_page(filled, tmp_path, has_store_links=True)
    sent = page.get(f"/files/s3/{filled.name}/results/run/poses/0.h5")
    assert sent.status_code == 307
    link = sent.headers["location"]
    assert "X-Amz-Expires=120" in link
    (origin,) = find_store_origins(LocationStore(), (Location(filled.name, ""),))
    assert link.startswith(f"{origin}/")
    assert f"media-src 'self' blob: {origin};" in sent.headers["content-security-policy"]
    with urllib.request.urlopen(link, timeout=60) as answer:
        assert answer.read() == b"content"
        assert answer.headers["content-disposition"].startswith('attachment; filename="0.h5"')
    assert page.get(f"/files/s3/{filled.name}/results/run/run.json").status_code == 307
    filled.put("results/run/report.html", b"<p>")
    assert page.get(f"/files/s3/{filled.name}/results/run/report.html").content == b"<p>"


def test_links_are_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.web.web_settings import read_web_settings

    assert not read_web_settings().has_store_links
    monkeypatch.setenv(LINK_ENDPOINT.name, "https://s3.lab.org")
    assert read_web_settings().has_store_links
    monkeypatch.setenv(WEB_BYTES.name, "page")
    assert not read_web_settings().has_store_links
