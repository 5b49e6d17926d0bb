"""What users open in a browser: the labeled movie plays and seeks, the report shows pictures."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import boto3
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.pose.drawing.labeled_movie import write_labeled_movie
from tasks.pose.tables.pose_table import build_pose_table
from tests.support.pose_tables import PLAIN_STYLE
from tests.support.stores import StoreSettings

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

FRAMES, RATE = 50, 25
BUCKET = "browser"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_page()
        browser.close()


def gray(index: int) -> int:
    return 4 * index + 20


def grays() -> Iterator[NDArray[np.uint8]]:
    """Frames whose brightness tells their number."""
    for index in range(FRAMES):
        yield np.full((120, 161, 3), gray(index), np.uint8)


@pytest.fixture(scope="module")
def movie(object_store: StoreSettings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page that shows a labeled movie from an object store, as users do."""
    file = tmp_path_factory.mktemp("movie") / "m.mp4"
    poses = build_pose_table(np.zeros((FRAMES, 1, 3), np.float32), "scorer", ("nose",))
    write_labeled_movie(grays(), poses, file, PLAIN_STYLE, frame_rate=Fraction(RATE))
    store = boto3.client("s3")
    store.create_bucket(Bucket=BUCKET)
    public = {"ContentType": "video/mp4", "ACL": "public-read"}
    store.upload_file(str(file), BUCKET, "m.mp4", ExtraArgs=public)
    html = b"<!DOCTYPE html><video id=v muted src=m.mp4></video>"
    store.put_object(
        Bucket=BUCKET, Key="movie.html", Body=html, ContentType="text/html", ACL="public-read"
    )
    return f"{object_store['AWS_ENDPOINT_URL']}/{BUCKET}/movie.html"


SEEK = """(seconds) => new Promise((done, fail) => {
    const video = document.getElementById("v");
    const look = () => {
        const canvas = document.createElement("canvas");
        canvas.width = video.videoWidth; canvas.height = video.videoHeight;
        const context = canvas.getContext("2d");
        context.drawImage(video, 0, 0);
        done(context.getImageData(80, 60, 1, 1).data[0]);
    };
    video.onerror = () => fail(video.error.message);
    video.onseeked = () => requestAnimationFrame(() => requestAnimationFrame(look));
    video.currentTime = seconds;
})"""

PLAY = """() => new Promise((done, fail) => {
    const video = document.getElementById("v");
    video.currentTime = 0;
    video.onended = () => done(video.getVideoPlaybackQuality().totalVideoFrames);
    video.onerror = () => fail(video.error.message);
    video.play().catch(fail);
})"""


@pytest.fixture(scope="module")
def player(page: Any, movie: str) -> Any:
    page.goto(movie)
    page.wait_for_function("document.getElementById('v').readyState >= 2")
    return page


def test_the_labeled_movie_has_its_size_and_length(player: Any) -> None:
    shown = player.evaluate("(v => [v.videoWidth, v.videoHeight, v.duration])(window.v)")
    assert shown[:2] == [162, 120]
    assert shown[2] == pytest.approx(FRAMES / RATE, abs=1e-3)


@pytest.mark.parametrize("index", [37, 3, 25, FRAMES - 1])
def test_seeking_shows_the_frame_of_that_time(player: Any, index: int) -> None:
    shown = player.evaluate(SEEK, (index + 0.5) / RATE)
    assert shown == pytest.approx(gray(index), abs=3)


def test_it_plays_to_its_end(player: Any) -> None:
    assert player.evaluate(PLAY) > 0
