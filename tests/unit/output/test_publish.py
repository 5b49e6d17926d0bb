"""What of an output location is a run's own: only that may be cleared away without asking."""

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.output.leftovers import is_own_output
from tasks.output.lock import LockLost, write_on_behalf_of
from tasks.output.publish import publish_file, publish_files
from tasks.pose.results.run_record import RequestRecord
from tasks.pose.settings import PoseSettings
from tasks.run_data import MovieSource, ResolvedRequest
from tasks.stages.progress import Progress
from tasks.storage.claims import Claim, Holder
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import StoreUnavailable

STORE = LocationStore()


def request(output: str) -> ResolvedRequest:
    given = RequestRecord(model="m.zip", movies=("in/",), output=output, settings=PoseSettings())
    model, movie = (
        ObjectInfo(Location.parse(f"/in/{name}"), 1, "e", None, None, None)
        for name in ("m.zip", "m1.mp4")
    )
    movies = (MovieSource(0, "m1", movie),)
    return ResolvedRequest(given, model, movies, Location.parse(output), (), LocationStore())


@pytest.mark.parametrize("output", ["s3://lab/", "s3://lab/out", "s3://lab/out/", "/data/out/"])
@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("run.json", True),
        ("annotations.parquet", True),
        ("m1/labeled.mp4", True),
        ("m1/trajectory.png", True),
        ("m1/m1DLC_Resnet50_x_el_filtered.h5", True),
        ("m1/m1DLC_Resnet50_x_meta.pickle", True),
        ("poses/m1DLC_Resnet50_x.h5", True),
        ("poses/m2DLC_Resnet50_x.h5", False),
        ("m1/notes.h5", False),
        (".dlcflow/movies/m1/estimate.zip", True),
        (".dlcflow/earlier.json", True),
        (".dlcflow/lock/00000001", False),
        ("m1.mp4", False),
        ("m2/labeled.mp4", False),
        ("m1/m2/labeled.mp4", False),
        ("m1/raw.mp4", False),
        ("m1/run.json", False),
        ("nested/.dlcflow/movies/m1/estimate.zip", False),
        ("tmp/dlcflow-run-x/0/input/m1.mp4", False),
    ],
)
def test_only_what_this_request_writes_is_its_own(output: str, name: str, ours: bool) -> None:
    assert is_own_output(request(output), Location.parse(output).child(name)) is ours


def test_what_lies_elsewhere_is_nobody_s() -> None:
    assert not is_own_output(request("s3://lab/out/"), Location.parse("s3://lab/out2/run.json"))
    assert not is_own_output(request("s3://lab/out/"), Location.parse("s3://other/out/run.json"))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A movie's files, of which one is large."""
    found = {name: tmp_path / name for name in ("labeled.mp4", "a.svg", "b.png", "c.h5")}
    for path in found.values():
        path.write_bytes(path.name.encode() * (1 if path.suffix != ".mp4" else 1 << 18))
    return found


def test_a_movie_s_files_are_published_at_once_while_the_lock_stands(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    output = Location.parse(f"{tmp_path}/out/")
    claims = output.child(".dlcflow", "lock/")
    claim = Claim(STORE, claims, Holder("one", "m1", "gpu-1", "noon"))
    claim.acquire(lambda holder: None)
    total = sum(path.stat().st_size for path in files.values())

    def targets(movie: str) -> dict[str, Location]:
        return {name: output.child(movie, name) for name in files}

    with write_on_behalf_of(STORE, "one", str(claims)):
        progress = Progress("publish · m1", total, "bytes")
        made = publish_files(STORE, files, targets("m1"), progress, relative_to_crop=True)
        assert progress._done == total
        claim.release()
        with pytest.raises(LockLost):
            publish_files(STORE, files, targets("m2"), progress, relative_to_crop=False)
    for name, path in files.items():
        assert (output.path / "m1" / name).read_bytes() == path.read_bytes()
        assert made[name].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {name: one.coordinates for name, one in made.items() if one.coordinates} == {
        "c.h5": "crop"
    }
    assert not (output.path / "m2").exists()


def test_where_one_file_fails_the_others_are_not_sent_to_their_end(
    files: dict[str, Path],
) -> None:
    """A day's movie must not go on for minutes when nobody waits for it any more."""
    begun = threading.Event()

    class Store(LocationStore):
        def upload(self, path: Path, *_: Any) -> ObjectInfo:
            progress = _[-1]
            assert callable(progress)
            if path.suffix == ".mp4":
                assert begun.wait(60)
                raise StoreUnavailable("broken")
            begun.set()
            while True:
                progress(0)
                time.sleep(0.001)

    with pytest.raises(StoreUnavailable, match="broken"):
        publish_files(
            Store(),
            files,
            {name: Location("b", f"m1/{name}") for name in files},
            Progress("publish", 1),
            relative_to_crop=False,
        )


def test_each_file_is_published_only_while_the_lock_stands(tmp_path: Path) -> None:
    output = Location.parse(f"{tmp_path}/out/")
    claims = output.child(".dlcflow", "lock/")
    claim = Claim(STORE, claims, Holder("one", "m1", "gpu-1", "noon"))
    claim.acquire(lambda holder: None)
    movie = tmp_path / "labeled.mp4"
    movie.write_bytes(b"movie")
    with write_on_behalf_of(STORE, "one", str(claims)):
        publish_file(STORE, movie, output.child("m1", "labeled.mp4"))
        claim.release()
        with pytest.raises(LockLost):
            publish_file(STORE, movie, output.child("m2", "labeled.mp4"))
    assert (output.path / "m1" / "labeled.mp4").exists()
    assert not (output.path / "m2").exists()
