"""Movies that are opened for the player: read once, and never from where a stranger points."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from deployments.web.movies import open_movie
from deployments.web.movies.movie_pictures import MoviePicture
from deployments.web.movies.open_movie import OpenMovies
from deployments.web.movies.player_facts import describe_movie
from tasks.errors import BadInput
from tasks.pose.results.playback.trace_window import select_window
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import NoSuchObject
from tests.integration.web.conftest import BUCKET, ServedPage
from tests.support.counted_movies import FRAMES, STAMPS, CountedMovie

RUN = Location(BUCKET, "results/counted/")
FOLDER = RUN.child("uneven/")


class CountingStore(LocationStore):
    """Counts what is fetched whole."""

    downloads = 0

    def download(self, source: ObjectInfo, path: Path, progress: Any = None) -> str:
        self.downloads += 1
        return super().download(source, path, progress)


def test_a_movie_is_read_once_however_many_ask(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie]
) -> None:
    store = CountingStore()
    movies = OpenMovies(store, served_page.settings)
    with ThreadPoolExecutor(4) as people:
        opened = list(people.map(movies.open, [FOLDER] * 4))
    assert store.downloads == 1
    assert all(one is opened[0] for one in opened)
    traces = opened[0].traces
    assert movies.open(FOLDER, opened[0].version).traces is traces
    np.testing.assert_allclose(traces.clock.seconds, np.array(STAMPS) / 1000, atol=1e-9)
    expected = counted_movies["playable"].values
    np.testing.assert_allclose(traces.values[:3].T, expected, rtol=1e-6)
    window = select_window(traces, range(FRAMES), [0], 50)
    assert len(window["starts"]) <= 51


def test_movies_that_take_too_much_memory_are_not_kept(
    served_page: ServedPage,
    counted_movies: Mapping[str, CountedMovie],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_movie, "MAX_CACHE_BYTES", 1000)
    store = CountingStore()
    movies = OpenMovies(store, served_page.settings)
    first, second = movies.open(FOLDER), movies.open(FOLDER)
    assert (first.version, store.downloads) == (second.version, 2)


def publish_copy(name: str, change: Any) -> Location:
    """Publish the run once more, with another record; returns the folder of its first movie."""
    store = LocationStore()
    record = json.loads(store.read(RUN.child("run.json"), 2**20))
    change(record)
    copy = Location(BUCKET, f"results/copies/{name}/")
    client = boto3.client("s3")
    for info in store.list(RUN):
        key = info.location.key.replace(RUN.key, copy.key)
        client.copy({"Bucket": BUCKET, "Key": info.location.key}, BUCKET, key)
    store.put(copy.child("run.json"), json.dumps(record).encode())
    return copy.child("uneven/")


def point_to(location: str) -> Any:
    def change(record: dict[str, Any]) -> None:
        record["movies"][0]["input"]["location"] = location

    return change


def change_input(**changes: Any) -> Any:
    return lambda record: record["movies"][0]["input"].update(changes)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("elsewhere", point_to("/etc/passwd.mp4"), "not where it was, or not below"),
        ("other-bucket", point_to("s3://other/m.mp4"), "not where it was, or not below"),
        ("gone", point_to(f"s3://{BUCKET}/movies/gone.mp4"), "not where it was, or not below"),
        ("larger", change_input(size=1), "has been changed since the run"),
        ("other", change_input(etag='"0"'), "has been changed since the run"),
        ("isxb", point_to(f"s3://{BUCKET}/movies/m.isxb"), "browsers play no .isxb movies"),
        ("labeled", point_to(f"s3://{BUCKET}/results/counted/run.json"), "browsers play no"),
    ],
)
def test_without_the_original_there_is_the_labeled_movie_and_a_reason(
    served_page: ServedPage,
    counted_movies: Mapping[str, CountedMovie],
    name: str,
    change: Any,
    reason: str,
) -> None:
    """Results that were copied to another place are shown from there."""
    folder = publish_copy(name, change)
    opened = OpenMovies(LocationStore(), served_page.settings).open(folder)
    assert isinstance(opened.original, str)
    assert reason in opened.original
    assert isinstance(opened.labeled, MoviePicture)
    assert f"/copies/{name}/uneven/labeled.mp4" in opened.labeled.address
    arrays, facts = describe_movie(opened)
    assert facts["noOriginal"] == opened.original
    np.testing.assert_allclose(arrays["labeled"], np.array(STAMPS) / 1000, atol=2e-5)


def test_a_movie_whose_frames_are_not_all_listed_is_not_stepped_through(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie]
) -> None:
    """The labeled movie in the place of the original has its frames; another one has not."""
    store = LocationStore()
    other = store.stat(Location(BUCKET, "results/session-7/mouse1/labeled.mp4"))
    change = change_input(location=str(other.location), size=other.size, etag=other.etag)
    opened = OpenMovies(store, served_page.settings).open(publish_copy("shorter", change))
    assert opened.original == (
        "some frames of the original movie are missing, or are not listed one by one"
    )


@pytest.mark.parametrize(
    ("name", "change", "kind", "message"),
    [
        ("old", lambda r: r.pop("model"), BadInput, "expected the record of a pose run"),
        ("nameless", lambda r: r["movies"].pop(0), NoSuchObject, "no movie of this name"),
        (
            "poseless",
            lambda r: r["movies"][0].update(pose_file=None, outputs={}),
            BadInput,
            "names no poses",
        ),
        (
            "outside",
            lambda r: r["movies"][0].update(pose_file="../../../inbox/x.h5"),
            BadInput,
            "not a valid name",
        ),
    ],
)
def test_records_of_other_kinds_are_refused(
    served_page: ServedPage,
    counted_movies: Mapping[str, CountedMovie],
    name: str,
    change: Any,
    kind: type[BadInput],
    message: str,
) -> None:
    folder = publish_copy(name, change)
    with pytest.raises(kind, match=message):
        OpenMovies(LocationStore(), served_page.settings).open(folder)


def test_a_run_that_has_changed_is_read_anew(
    served_page: ServedPage, counted_movies: Mapping[str, CountedMovie]
) -> None:
    folder = publish_copy("changing", lambda record: None)
    movies = OpenMovies(LocationStore(), replace(served_page.settings, inputs=()))
    before = movies.open(folder)
    publish_copy("changing", lambda r: r["request"]["settings"].update(p_cutoff=0.25))
    assert movies.open(folder, before.version) is before
    after = movies.open(folder)
    assert after.version != before.version
    assert after.movie.settings.p_cutoff == 0.25
    assert movies.open(folder, before.version).version == after.version
