"""Claims in real stores, and in a folder: raced for, left by the killed, lost by the suspended."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.storage import claims
from tasks.storage.claims import Claim, Holder
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.s3_store import S3Store
from tasks.storage.store_errors import NotSupported, StoreUnavailable
from tests.integration.storage.conftest import Bucket
from tests.integration.storage.faults import (
    AnswerItself,
    DropAnswer,
    FaultyProxy,
    ResetConnection,
    fail_on,
)
from tests.support.paths import ROOT

RACERS = 10


@dataclass(frozen=True)
class Place:
    """Where claims are made, and what lies there."""

    location: Location

    def keys(self) -> list[str]:
        return [str(info.location) for info in LocationStore().list(self.location)]


@pytest.fixture
def in_bucket(bucket: Bucket) -> Place:
    return Place(bucket.at("out/.dlcflow/lock/"))


@contextmanager
def claimant(place: Place, name: str, *more: str) -> Iterator["subprocess.Popen[str]"]:
    words = [sys.executable, "-m", "tests.integration.storage.claimant"]
    with subprocess.Popen(
        [*words, str(place.location), name, *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def says(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def a_claim(place: Place, name: str) -> Claim:
    return Claim(LocationStore(), place.location, Holder(name, name, "here", "now"))


class Claims:
    """What holds in a bucket and in a folder."""

    def test_ten_race_for_it_and_one_at_a_time_is_inside(
        self, place: Place, tmp_path: Path
    ) -> None:
        def race(number: int) -> list[str]:
            with claimant(place, str(number), str(tmp_path / "inside")) as process:
                output, _ = process.communicate()
                return output.split()

        with ThreadPoolExecutor(RACERS) as pool:
            assert list(pool.map(race, range(RACERS))) == [["in", "held"]] * RACERS
        assert place.keys() == []

    def test_a_killed_holder_is_superseded(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claims, "STALE_AFTER", 4.0)
        waited: list[str] = []
        with claimant(place, "killed") as process:
            assert says(process) == "in"
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert len(place.keys()) == 2
            successor = a_claim(place, "next")
            successor.acquire(lambda holder: waited.append(holder.name))
        assert set(waited) == {"killed"}
        assert successor.renew_and_check()
        successor.release()
        assert place.keys() == []

    def test_a_killed_run_that_is_started_again_does_not_wait(self, place: Place) -> None:
        with claimant(place, "run") as process:
            assert says(process) == "in"
            process.kill()
            again = a_claim(place, "run")
            again.acquire(lambda holder: pytest.fail(f"waited for {holder}"))
        assert again.renew_and_check()
        again.release()
        assert place.keys() == []

    def test_a_paused_holder_notices_its_loss(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claims, "STALE_AFTER", 4.0)
        with claimant(place, "paused") as process:
            assert says(process) == "in"
            process.send_signal(signal.SIGSTOP)
            successor = a_claim(place, "next")
            successor.acquire(lambda holder: None)
            process.send_signal(signal.SIGCONT)
            output, _ = process.communicate()
        assert output.split() == ["lost"]
        assert successor.renew_and_check()
        successor.release()
        assert place.keys() == []

    def test_a_small_object_is_replaced(self, place: Place) -> None:
        store, sign = LocationStore(), place.location.child("sign")
        for content in (b"1", b"22"):
            store.put(sign, content)
            assert store.read(sign, 10) == content
        assert not store.create(sign, b"other")
        assert store.read(sign, 10) == b"22"


class TestInBuckets(Claims):
    @pytest.fixture
    def place(self, in_bucket: Place) -> Place:
        return in_bucket


class TestInAFolder(Claims):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(Location("", f"{tmp_path}/out/lock/"))


@pytest.mark.parametrize(
    "answer", [AnswerItself(501, "NotImplemented"), AnswerItself(400, "NotImplemented")]
)
def test_a_store_that_lacks_conditions_says_so(
    proxy: FaultyProxy, in_bucket: Place, answer: AnswerItself
) -> None:
    proxy.use_rule(fail_on("PUT", answer))
    with pytest.raises(NotSupported, match="does not support"):
        a_claim(in_bucket, "run").acquire(lambda holder: None)
    assert in_bucket.keys() == []


@pytest.mark.parametrize("status", [409, 412])
def test_who_comes_second_is_told_so(proxy: FaultyProxy, bucket: Bucket, status: int) -> None:
    proxy.use_rule(fail_on("PUT", AnswerItself(status, "Conflict"), 0))
    assert not S3Store().create(bucket.at("claim"), b"mine")
    assert S3Store().create(bucket.at("claim"), b"mine")


def test_a_claim_whose_answer_was_lost_is_held_all_the_same(
    proxy: FaultyProxy, in_bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    proxy.use_rule(fail_on("PUT", DropAnswer(), 0))
    claim = a_claim(in_bucket, "run")
    claim.acquire(lambda holder: None)
    assert claim.renew_and_check()
    claim.release()
    assert in_bucket.keys() == []


def test_other_errors_are_the_store_s(proxy: FaultyProxy, bucket: Bucket) -> None:
    proxy.use_rule(fail_on("PUT", ResetConnection()))
    with pytest.raises(StoreUnavailable):
        S3Store().create(bucket.at("claim"), b"mine")
    with pytest.raises(StoreUnavailable):
        S3Store().put(bucket.at("sign"), b"1")
