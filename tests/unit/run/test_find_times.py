"""The times file beside each movie is found with one question to its store."""

from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.pose.times_settings import TimesSettings
from tasks.run.find_times import find_times_files
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.support.stores import create_s3_client, moto_store

FILES = ("m1.mp4", "m1.mp4_timestamps.json", "m10.mp4", "m2.mp4", "m2_times.csv", "cam_m1.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Location:
    folder = tmp_path / "movies"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    (folder / "m10_times.csv").mkdir()  # a folder is no file
    (folder / "m10_times.csv" / "m10_times.csv").write_text("below")
    return Location("", str(folder))


def find(folder: Location, *movies: str, **settings: str) -> list[str | None]:
    store = LocationStore()
    infos = [store.stat(Location(folder.bucket, f"{folder.key}/{name}")) for name in movies]
    found = find_times_files(store, infos, TimesSettings.model_validate(settings))
    return [None if info is None else info.location.name for info in found]


def check_all(folder: Location) -> None:
    assert find(folder, "m1.mp4", "m2.mp4", "m10.mp4") == [
        "m1.mp4_timestamps.json",
        "m2_times.csv",
        None,
    ]
    assert find(folder, "m1.mp4", file="cam_{stem}.txt") == ["cam_m1.txt"]
    assert find(folder, "m1.mp4", file="none") == [None]
    with pytest.raises(BadInput, match=r"times: expected cam_m2.txt beside .*/m2.mp4, found none"):
        find(folder, "m2.mp4", file="cam_{stem}.txt")


def test_in_a_folder(folder: Location) -> None:
    check_all(folder)


def test_in_a_bucket(folder: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_store() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        client = create_s3_client(settings)
        client.create_bucket(Bucket="times-beside-movies")
        for name in (*FILES, "m10_times.csv/m10_times.csv"):
            client.put_object(Bucket="times-beside-movies", Key=f"lab/{name}", Body=b"x")
        check_all(Location("times-beside-movies", "lab"))
