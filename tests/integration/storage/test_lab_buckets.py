"""Buckets as labs have them: archived, encrypted, locked, versioned, paid for by others."""

import os
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.pose.settings import PoseSettings
from tasks.run.request import resolve_locations
from tasks.storage.claims import Claim, Holder
from tasks.storage.lookup import LocationStore
from tasks.storage.sign_of_life import SignOfLife
from tasks.storage.store_errors import NotSupported
from tests.integration.storage.conftest import Bucket
from tests.integration.storage.faults import AnswerItself, Fault, FaultyProxy, ProxyRequest

STORE = LocationStore()
_numbers = count()


def resolve(bucket: Bucket, movies: str = "movies/") -> tuple[str, ...]:
    """The warnings of a request for the movies of a bucket."""
    places = [str(bucket.at(key)) for key in ("model.zip", movies, "out/")]
    return resolve_locations(places[0], [places[1]], places[2], PoseSettings()).warnings


def put_archived(bucket: Bucket, key: str) -> None:
    if bucket.store.kind == "ceph":
        pytest.skip("Ceph archives nothing")
    where: Any = {"Bucket": bucket.name, "Key": key}
    bucket.store.client.put_object(**where, Body=b"movie", StorageClass="DEEP_ARCHIVE")


def test_an_archived_movie_is_told_of_before_the_run(bucket: Bucket) -> None:
    for key in ("model.zip", "movies/m1.mp4", "movies/m3.mp4"):
        bucket.put(key)
    put_archived(bucket, "movies/m2.mp4")
    (warning,) = resolve(bucket)
    start = (
        f"1 of 3 movies cannot be read: s3://{bucket.name}/movies/m2.mp4: the object is archived"
    )
    assert warning.startswith(start)
    assert "restore-object" in warning
    assert "credentials" not in warning


@pytest.mark.parametrize("archived", ["model.zip", "movies/m1.mp4"])
def test_a_request_of_which_nothing_can_be_read_is_refused(bucket: Bucket, archived: str) -> None:
    for key in ("model.zip", "movies/m1.mp4"):
        bucket.put(key)
    put_archived(bucket, archived)
    with pytest.raises(BadInput, match=rf"{archived}: the object is archived; have it restored"):
        resolve(bucket)


def test_an_archived_object_that_has_been_restored_is_read(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("model.zip")
    put_archived(bucket, "movies/m1.mp4")
    where: Any = {"Bucket": bucket.name, "Key": "movies/m1.mp4"}
    bucket.store.client.restore_object(**where, RestoreRequest={"Days": 1})
    assert resolve(bucket) == ()
    STORE.download(STORE.stat(bucket.at("movies/m1.mp4")), tmp_path / "m1.mp4")
    assert (tmp_path / "m1.mp4").read_bytes() == b"movie"


def put_with_own_key(bucket: Bucket, key: str) -> None:
    if bucket.store.kind == "moto":
        pytest.skip("moto encrypts nothing")
    where: Any = {"Bucket": bucket.name, "Key": key}
    secret: Any = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    bucket.store.client.put_object(**where, **secret, Body=b"movie")


def test_a_movie_under_its_owners_key_is_told_of_before_the_run(bucket: Bucket) -> None:
    for key in ("model.zip", "movies/m1.mp4"):
        bucket.put(key)
    put_with_own_key(bucket, "movies/m2.mp4")
    (warning,) = resolve(bucket)
    assert "m2.mp4: the object is encrypted with a key that the store does not keep" in warning
    for movies in ("movies/m2.mp4", "movies/*2.mp4"):
        with pytest.raises(BadInput, match=r"m2\.mp4: the object is encrypted with a key that"):
            resolve(bucket, movies)


def test_what_aws_says_of_an_owners_key_is_understood(bucket: Bucket, proxy: FaultyProxy) -> None:
    location = bucket.put("movies/m1.mp4")
    words = "The object was stored using a form of Server Side Encryption. The correct parameters "
    proxy.use_rule(lambda _: AnswerItself(400, "InvalidRequest", f"{words}must be provided"))
    with pytest.raises(BadInput, match=r"m1\.mp4: the object is encrypted with a key that"):
        STORE.stat(location)


@pytest.fixture
def locked(bucket: Bucket) -> Bucket:
    """A bucket whose objects cannot be removed for good for a day."""
    name, s3 = f"locked-{next(_numbers)}", bucket.store.client
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule: Any = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    settings: Any = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=settings)
    return Bucket(name, bucket.store)


def test_a_bucket_with_retention_takes_what_a_run_writes(locked: Bucket, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"small")
    large.write_bytes(os.urandom(20 << 20))
    for file in (small, large):
        stored = STORE.upload(file, locked.at(file.name))
        copy = tmp_path / "copy"
        STORE.download(stored, copy)
        assert copy.read_bytes() == file.read_bytes()
    STORE.put(locked.at("put"), b"put")
    assert STORE.create(locked.at("created"), b"once")
    STORE.remove(locked.at("put"))
    assert locked.keys() == ["created", "large", "small"]


def needs_digest(request: ProxyRequest) -> Fault | None:
    """As AWS in a bucket with default retention, also of parts."""
    if request.method != "PUT" or "Content-MD5" in request.headers:
        return None
    words = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests"
    return AnswerItself(400, "InvalidRequest", f"{words} with Object Lock parameters")


def test_all_that_is_written_has_its_digest(
    bucket: Bucket, proxy: FaultyProxy, tmp_path: Path
) -> None:
    proxy.use_rule(needs_digest)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(20 << 20))
    STORE.upload(large, bucket.at("large"))
    STORE.put(bucket.at("put"), b"put")
    STORE.create(bucket.at("created"), b"once")
    assert bucket.keys() == ["created", "large", "put"]
    assert sum(request.method == "PUT" for request in proxy.requests) == 4


@pytest.fixture
def versioned(bucket: Bucket) -> Bucket:
    """A bucket that keeps versions."""
    status: Any = {"Status": "Enabled"}
    bucket.store.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=status)
    return bucket


def hold_claim(bucket: Bucket) -> None:
    """Hold a claim for a while, and give it up."""
    if bucket.store.kind == "ceph":
        pytest.skip("Ceph ignores conditions of writes where versions are kept")
    claim = Claim(STORE, bucket.at("lock/"), Holder("run", "mouse1", "box", "today"))
    claim.acquire(lambda _: None)
    for _ in range(3):
        assert claim.renew_and_check()
    claim.release()


def list_versions(bucket: Bucket) -> tuple[list[str], list[str]]:
    """Keys of the versions in a bucket, and of the markers of what was removed."""
    found = bucket.store.client.list_object_versions(Bucket=bucket.name)
    versions = [one["Key"] for one in found.get("Versions", [])]
    return versions, [one["Key"] for one in found.get("DeleteMarkers", [])]


def test_a_sign_of_life_leaves_no_versions(versioned: Bucket) -> None:
    versioned.put("other")
    sign = SignOfLife(STORE, versioned.at("sign"))
    tags = set()
    for _ in range(4):
        sign.renew()
        tags.add(STORE.stat(versioned.at("sign")).etag)
    assert len(tags) == 4
    assert list_versions(versioned) == (["other", "sign"], [])
    sign.remove()
    assert list_versions(versioned) == (["other"], [])


def test_a_sign_of_life_works_where_versions_must_be_kept(locked: Bucket) -> None:
    sign = SignOfLife(STORE, locked.at("sign"))
    for _ in range(3):
        sign.renew()
    sign.remove()
    assert list_versions(locked) == (["sign"] * 3, ["sign"])


def test_a_lock_leaves_no_versions_of_its_sign(versioned: Bucket) -> None:
    hold_claim(versioned)
    assert list_versions(versioned) == (["lock/00000001"], ["lock/00000001"])


def test_a_lock_works_where_versions_must_be_kept(locked: Bucket) -> None:
    hold_claim(locked)
    assert locked.keys() == []


def test_a_store_that_ignores_conditions_in_such_a_bucket_is_noticed(versioned: Bucket) -> None:
    if versioned.store.kind == "moto":
        pytest.skip("moto heeds them")
    claim = Claim(STORE, versioned.at("lock/"), Holder("run", "mouse1", "box", "today"))
    with pytest.raises(NotSupported, match="ignores the condition of a conditional write"):
        claim.acquire(lambda _: None)
    assert versioned.keys() == []


def test_the_right_to_remove_versions_is_asked_for_once(
    versioned: Bucket, proxy: FaultyProxy
) -> None:
    def is_version_removed(request: ProxyRequest) -> bool:
        return request.method == "DELETE" and "versionId" in request.path

    proxy.use_rule(
        lambda one: AnswerItself(403, "AccessDenied") if is_version_removed(one) else None
    )
    sign = SignOfLife(STORE, versioned.at("sign"))
    for _ in range(4):
        sign.renew()
    sign.remove()
    assert sum(map(is_version_removed, proxy.requests)) == 1
    assert versioned.keys() == []


def only_for_payers(request: ProxyRequest) -> Fault | None:
    paid = request.headers.get("x-amz-request-payer") == "requester"
    return None if paid else AnswerItself(403, "AccessDenied", "Access Denied")


def test_the_requester_pays_where_the_machine_says_so(
    bucket: Bucket, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for key in ("model.zip", "movies/m1.mp4"):
        bucket.put(key)
    proxy.use_rule(only_for_payers)
    with pytest.raises(BadInput, match="AccessDenied"):
        resolve(bucket)
    monkeypatch.setenv("DLCFLOW_REQUEST_PAYER", "requester")
    assert resolve(bucket) == ()
    STORE.download(STORE.stat(bucket.at("movies/m1.mp4")), tmp_path / "m1.mp4")
    monkeypatch.setenv("DLCFLOW_REQUEST_PAYER", "me")
    with pytest.raises(BadInput, match="DLCFLOW_REQUEST_PAYER: expected 'requester'"):
        STORE.stat(bucket.at("model.zip"))
