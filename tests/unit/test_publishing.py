"""What of an output location is a run's own: only that may be cleared away without asking."""

from pathlib import Path

import pytest

from tasks.locking import LockLost, writes_for
from tasks.pose.run_record import Request
from tasks.pose.settings import PoseSettings
from tasks.publishing import _publish, is_ours
from tasks.staging import MovieSource, ResolvedRequest
from tasks.storage.claims import Claim, Holder
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, store_for


def request(output: str) -> ResolvedRequest:
    given = Request(model="m.zip", movies=("in/",), output=output, settings=PoseSettings())
    model, movie = (
        ObjectInfo(Location.parse(f"/in/{name}"), 1, "e", None, None, None)
        for name in ("m.zip", "m1.mp4")
    )
    return ResolvedRequest(given, model, (MovieSource(0, "m1", movie),), Location.parse(output), ())


@pytest.mark.parametrize("output", ["s3://lab/", "s3://lab/out", "s3://lab/out/", "/data/out/"])
@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("run.json", True),
        ("annotations.parquet", True),
        ("m1/labeled.mp4", True),
        ("m1/trajectory.png", True),
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
    assert is_ours(request(output), Location.parse(output).child(name)) is ours


def test_what_lies_elsewhere_is_nobody_s() -> None:
    assert not is_ours(request("s3://lab/out/"), Location.parse("s3://lab/out2/run.json"))
    assert not is_ours(request("s3://lab/out/"), Location.parse("s3://other/out/run.json"))


def test_each_file_is_published_only_while_the_lock_stands(tmp_path: Path) -> None:
    output = Location.parse(f"{tmp_path}/out/")
    claims = output.child(".dlcflow", "lock/")
    claim = Claim(store_for(output), claims, Holder("one", "m1", "gpu-1", "noon"))
    claim.take(lambda holder: None)
    movie = tmp_path / "labeled.mp4"
    movie.write_bytes(b"movie")
    with writes_for("one", str(claims)):
        _publish(movie, output.child("m1", "labeled.mp4"))
        claim.release()
        with pytest.raises(LockLost):
            _publish(movie, output.child("m2", "labeled.mp4"))
    assert (output.path / "m1" / "labeled.mp4").exists()
    assert not (output.path / "m2").exists()
