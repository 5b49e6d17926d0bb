"""Signed links open results in a browser, for a while, and nothing else."""

import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import main
from tasks.errors import BadInput
from tasks.output.links import create_links, find_addresses
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import format_attachment
from tests.integration.storage.conftest import Bucket
from tests.support.records import example_movie, example_output, example_run


def opened(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read(), answer.headers["Content-Type"]


@pytest.mark.parametrize("key", ["out/report.html", "out/a b+c%41 ü/labeled.mp4"])
def test_a_link_opens_the_object_as_what_it_is(bucket: Bucket, tmp_path: Path, key: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"<p>report</p>")
    location = Location(bucket.name, key)
    LocationStore().upload(file, location, "text/html; charset=utf-8")
    address = LocationStore().create_signed_link(location, 60)
    assert address is not None
    assert opened(address) == (b"<p>report</p>", "text/html; charset=utf-8")


def test_a_link_may_have_the_object_saved_under_a_name(bucket: Bucket) -> None:
    location = bucket.put("poses.h5")
    address = LocationStore().create_signed_link(location, 60, 'pöse "1".h5')
    assert address is not None
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.headers["Content-Disposition"] == format_attachment('pöse "1".h5')


@pytest.mark.parametrize("key", ["out/./report.html", "../report.html", "out/.."])
def test_no_link_is_made_that_a_browser_would_change(bucket: Bucket, key: str) -> None:
    bucket.put(key)
    assert LocationStore().create_signed_link(bucket.at(key), 60) is None
    with pytest.raises(BadInput, match="which they take for folders; fetch the object with"):
        find_addresses(f"s3://{bucket.name}/{key}", 1)


def test_a_link_ends(bucket: Bucket) -> None:
    if bucket.store.kind == "moto":
        pytest.skip("moto looks at no signature and no expiry")
    location = bucket.put("report.html")
    address = LocationStore().create_signed_link(location, 1)
    assert address is not None
    time.sleep(2.5)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opened(address)


def test_a_link_is_for_one_object(bucket: Bucket) -> None:
    if bucket.store.kind == "moto":
        pytest.skip("moto looks at no signature and no expiry")
    location = bucket.put("report.html")
    bucket.put("secret.html")
    address = LocationStore().create_signed_link(location, 60)
    assert address is not None
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opened(address.replace("report", "secret"))


def test_links_may_go_by_another_address_than_the_workers(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLCFLOW_LINK_ENDPOINT_URL", "https://store.my-institute.org")
    location = bucket.put("report.html")
    address = LocationStore().create_signed_link(location, 60)
    assert str(address).startswith(f"https://store.my-institute.org/{bucket.name}/report.html?")
    assert LocationStore().read(location, 100) == b"content"


def record_at(bucket: Bucket) -> Any:
    name = f"s3://{bucket.name}/out"
    movie = example_movie(outputs={"labeled.mp4": example_output(f"{name}/mouse1/labeled.mp4")})
    run = example_run(movie, outputs={"report.html": example_output(f"{name}/report.html")})
    for key in ("out/report.html", "out/mouse1/labeled.mp4"):
        bucket.put(key, key.encode())
    bucket.put("out/run.json", run.to_json().encode())
    return run


def test_a_run_has_links_for_its_report_and_movies(bucket: Bucket) -> None:
    run = record_at(bucket)
    links = create_links(LocationStore(), run, 2)
    assert links.hours == 2
    bodies = [opened(address)[0] for address in links.by_location.values()]
    assert bodies == [b"out/report.html", b"out/mouse1/labeled.mp4"]
    assert create_links(LocationStore(), run, 0).by_location == {}


@pytest.mark.parametrize("where", ["out", "out/", "out/run.json"])
def test_the_command_makes_new_ones(
    bucket: Bucket, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record_at(bucket)
    assert main(["open", f"s3://{bucket.name}/{where}", "--hours", "1"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in lines] == ["report.html", "mouse1/labeled.mp4"]
    assert opened(lines[1][1])[0] == b"out/mouse1/labeled.mp4"


def test_the_command_opens_a_behavior_run(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"s3://{bucket.name}/out/behavior"
    bucket.put("out/behavior/day 1/labeled-0.mp4", b"movie")
    record = {
        "kind": "behavior",
        "outputs": {"report.html": {"location": f"{place}/report.html"}},
        "tables": [
            {"name": "failed"},
            {
                "name": "day 1",
                "outputs": {
                    name: {"location": f"{place}/day 1/{name}"}
                    for name in ("bouts.csv", "labeled-0.mp4")
                },
            },
        ],
    }
    bucket.put("out/behavior/run.json", json.dumps(record).encode())
    assert main(["open", place]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in lines] == ["report.html", "day 1/labeled-0.mp4"]
    assert opened(lines[1][1])[0] == b"movie"


def test_the_command_opens_any_one_object(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.put("out/mouse1/pose_estimates.h5", b"poses")
    where = f"s3://{bucket.name}/out/mouse1/pose_estimates.h5"
    assert main(["open", where, "--hours", "2", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["location"]) == ("pose_estimates.h5", where)
    soon = datetime.fromisoformat(found["expires"]) - datetime.now(UTC)
    assert timedelta(hours=1) < soon < timedelta(hours=3)
    assert main(["open", where]) == 0
    name, address = capsys.readouterr().out.strip().split("\t")
    assert (name, opened(address)[0]) == ("pose_estimates.h5", b"poses")


@pytest.mark.parametrize("where", ["nothing/", "nothing", "no-record/"])
def test_where_there_is_nothing_to_open_the_command_says_so(
    bucket: Bucket, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.put("no-record/run.json", b"{}")
    assert main(["open", f"s3://{bucket.name}/{where}"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert "run.json" in told.err


def test_results_in_a_folder_have_addresses_of_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a b.html").write_text("x")
    assert main(["open", str(tmp_path / "a b.html"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["address"], found["expires"]) == ((tmp_path / "a b.html").as_uri(), None)
    assert main(["open", str(tmp_path / "a b.html")]) == 0
    assert capsys.readouterr().out == f"a b.html\tfile://{tmp_path}/a%20b.html\n"
