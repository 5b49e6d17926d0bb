"""The S3 form against real stores: round trips, listing, permissions."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import BadInput, Retriable
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore, _store_for, expand_location
from tasks.storage.multipart import PartBody
from tasks.storage.s3_store import S3Store
from tasks.storage.store_errors import NoSuchObject
from tests.integration.storage.conftest import Bucket, names_in
from tests.support.paths import ROOT
from tests.support.stores import PAGE_SIZE, add_ceph_user

AWKWARD_KEYS = [
    "plain.mp4",
    "with space .mp4",
    "Mäuse/コマ ✓.mp4",
    "a+b=c&d.mp4",
    "100%/a%20b%2Fc.mp4",
    "what?x=1#part.mp4",
    "run[1]/*.mp4",
    'quote\'s "and" ;:@,!(~)$.mp4',
]
MULTIPART = (40 << 20) + 1
STORE = S3Store()


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.mp4"
    path.write_bytes(b"not really a movie")
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.mp4"
    path.write_bytes(os.urandom(MULTIPART))
    return path


@pytest.mark.parametrize("key", AWKWARD_KEYS)
def test_any_key_comes_back_as_it_went(
    bucket: Bucket, movie: Path, tmp_path: Path, key: str
) -> None:
    target = Location.parse(f"s3://{bucket.name}/{key}")
    uploaded = STORE.upload(movie, target)
    assert bucket.keys() == [key]
    assert uploaded == STORE.stat(target)
    assert [info.location for info in STORE.list(bucket.at(""))] == [target]
    assert expand_location(LocationStore(), str(target)) == [uploaded]
    sha256 = STORE.download(uploaded, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == movie.read_bytes()
    assert sha256 == uploaded.sha256 == hashlib.sha256(movie.read_bytes()).hexdigest()
    assert STORE.read(target, limit=100) == movie.read_bytes()
    STORE.remove(target)
    STORE.remove(target)
    assert bucket.keys() == []


def test_a_large_file_goes_and_comes_in_parts(bucket: Bucket, large: Path, tmp_path: Path) -> None:
    sent: list[int] = []
    received: list[int] = []
    uploaded = STORE.upload(large, bucket.at("large.mp4"), progress=sent.append)
    assert uploaded.etag
    assert uploaded.etag.endswith('-3"')
    sha256 = STORE.download(uploaded, tmp_path / "back", received.append)
    assert uploaded.size == sum(sent) == sum(received) == MULTIPART
    assert len(received) > 40  # once a MiB
    assert sha256 == uploaded.sha256
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert names_in(tmp_path) == ["back", "large.mp4"]


@pytest.mark.parametrize("length", [1000, MULTIPART])
def test_what_is_sent_is_read_once_beside_its_hash(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """Requests are signed with digests that are known by then."""
    (tmp_path / "sent").write_bytes(os.urandom(length))
    read: list[int] = []

    def counted(body: PartBody, size: int | None = -1) -> bytes:
        data = original(body, size)
        read.append(len(data))
        return data

    original = PartBody.read
    monkeypatch.setattr(PartBody, "read", counted)
    STORE.upload(tmp_path / "sent", bucket.at("a"))
    assert sum(read) == length


def test_an_empty_object(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    uploaded = STORE.upload(tmp_path / "empty", bucket.at("empty"))
    STORE.download(uploaded, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_what_is_known_of_an_object(bucket: Bucket, movie: Path) -> None:
    info = STORE.upload(movie, bucket.at("a.mp4"))
    head = bucket.store.client.head_object(Bucket=bucket.name, Key="a.mp4")
    assert head["ContentType"] == "video/mp4"
    assert info.size == movie.stat().st_size
    assert info.etag == head["ETag"]
    assert info.modified == head["LastModified"]
    assert info.version is None
    (listed,) = STORE.list(bucket.at(""))
    assert (listed.etag, listed.size) == (info.etag, info.size)
    STORE.upload(movie, bucket.at("b"), content_type="text/html")
    assert (
        bucket.store.client.head_object(Bucket=bucket.name, Key="b")["ContentType"] == "text/html"
    )


def test_a_versioned_object_tells_its_version(bucket: Bucket, movie: Path) -> None:
    bucket.store.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    first, second = (STORE.upload(movie, bucket.at("a.mp4")).version for _ in range(2))
    assert first
    assert second
    assert first != second


def test_listing_is_complete_and_leaves_folder_markers_out(bucket: Bucket) -> None:
    count = PAGE_SIZE + 5
    for number in range(count):
        bucket.put(f"in/{number}", b"")
    bucket.put("in/", b"")
    bucket.put("in/sub/", b"")
    bucket.put("in/sub/m", b"")
    bucket.put("in/odd/", b"not empty")
    bucket.put("inbox/other", b"")
    keys = {info.location.key for info in STORE.list(bucket.at("in/"))}
    assert keys == {f"in/{n}" for n in range(count)} | {"in/sub/m", "in/odd/"}
    assert {info.location.key for info in STORE.list(bucket.at("in"))} == keys
    assert not list(STORE.list(bucket.at("absent/")))


def test_a_request_finds_its_objects(bucket: Bucket) -> None:
    for key in ("in/m10.mp4", "in/m2.mp4", "in/M1.MP4", "in/sub/m3.mp4", "in/[x].mp4", "m.zip"):
        bucket.put(key)

    def found(text: str) -> list[str]:
        return [
            info.location.key
            for info in expand_location(LocationStore(), f"s3://{bucket.name}/{text}")
        ]

    assert found("in/m2.mp4") == ["in/m2.mp4"]
    assert found("in/") == ["in/[x].mp4", "in/M1.MP4", "in/m2.mp4", "in/m10.mp4", "in/sub/m3.mp4"]
    assert found("in/m*.mp4") == ["in/m2.mp4", "in/m10.mp4"]
    assert found("**.mp4") == ["in/[x].mp4", "in/m2.mp4", "in/m10.mp4", "in/sub/m3.mp4"]
    assert found("in/[x].mp4") == ["in/[x].mp4"]
    assert found("i?/") == found("in/")
    assert len(found("")) == 6
    with pytest.raises(NoSuchObject, match=r"in/ with a slash at its end"):
        found("in")
    with pytest.raises(NoSuchObject, match=r"out/: there is nothing in this folder"):
        found("out/")
    with pytest.raises(NoSuchObject, match=r"\*\.avi: no object fits this pattern"):
        found("in/*.avi")
    with pytest.raises(NoSuchObject, match=r"in/m3\.mp4: there is no such object"):
        found("in/m3.mp4")


def test_a_missing_bucket_is_told_from_a_missing_object(bucket: Bucket, movie: Path) -> None:
    nowhere = Location("no-such-bucket-here", "a.mp4")
    missing = "s3://no-such-bucket-here/.*there is no bucket 'no-such-bucket-here'"
    for call in (
        lambda: STORE.stat(nowhere),
        lambda: STORE.read(nowhere, 10),
        lambda: STORE.upload(movie, nowhere),
        lambda: list(STORE.list(nowhere)),
        lambda: STORE.check_writable(nowhere),
        lambda: expand_location(LocationStore(), "s3://no-such-bucket-here/*.mp4"),
    ):
        with pytest.raises(NoSuchObject, match=missing):
            call()
    with pytest.raises(NoSuchObject, match=r"a\.mp4: there is no such object"):
        STORE.read(bucket.at("a.mp4"), 10)


def test_only_one_object_is_read_or_written(bucket: Bucket, movie: Path) -> None:
    for key in ("", "prefix/"):
        with pytest.raises(BadInput, match="expected one object"):
            STORE.stat(bucket.at(key))
        with pytest.raises(BadInput, match="expected one object"):
            STORE.upload(movie, bucket.at(key))
    with pytest.raises(BadInput, match="expected a location in a bucket"):
        STORE.stat(Location("", "/tmp/x"))


def test_reading_is_bounded(bucket: Bucket) -> None:
    location = bucket.put("a", b"12345")
    assert STORE.read(location, limit=5) == b"12345"
    with pytest.raises(BadInput, match="at most 4 bytes, found 5"):
        STORE.read(location, limit=4)


def test_a_part_is_read(bucket: Bucket) -> None:
    location = bucket.put("a", b"0123456789")
    assert STORE.read_part(location, 0, 10) == b"0123456789"
    assert STORE.read_part(location, 3, 4) == b"3456"
    assert STORE.read_part(location, 9, 1) == b"9"


def test_a_part_is_of_the_version_that_is_meant(bucket: Bucket) -> None:
    info = STORE.stat(bucket.put("a", b"0123456789"))
    assert STORE.read_part(info.location, 3, 4, info.etag) == b"3456"
    bucket.put("a", b"9876543210")
    with pytest.raises(Retriable, match="changed while it was being read"):
        STORE.read_part(info.location, 3, 4, info.etag)


@pytest.mark.parametrize(("content", "start"), [(b"12345", 3), (b"12345", 5), (b"", 0)])
def test_a_part_beyond_the_end_is_refused(bucket: Bucket, content: bytes, start: int) -> None:
    location = bucket.put("a", content)
    with pytest.raises(BadInput, match=r"/a: (expected 4 bytes|the object ends before)"):
        STORE.read_part(location, start, 4)


def test_a_part_of_what_is_absent(bucket: Bucket) -> None:
    with pytest.raises(NoSuchObject):
        STORE.read_part(bucket.at("absent"), 0, 1)
    with pytest.raises(BadInput):
        STORE.read_part(bucket.at("prefix/"), 0, 1)


def test_content_that_disagrees_with_its_digest_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    info = STORE.stat(bucket.put("a", sha256="0" * 64))
    with pytest.raises(Retriable, match="has changed since it was uploaded: expected SHA-256 000"):
        STORE.download(info, tmp_path / "a")
    assert not names_in(tmp_path)


def test_a_digest_of_another_kind_is_not_ours(bucket: Bucket, tmp_path: Path) -> None:
    info = STORE.stat(bucket.put("a", sha256="n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="))
    assert info.sha256 is None
    STORE.download(info, tmp_path / "a")


def test_trying_to_write_leaves_nothing(bucket: Bucket) -> None:
    for prefix in ("", "results/", "results"):
        STORE.check_writable(bucket.at(prefix))
    assert bucket.keys() == []
    assert bucket.unfinished_uploads() == 0


def test_the_disk_must_have_room(bucket: Bucket, tmp_path: Path) -> None:
    from dataclasses import replace

    huge = replace(STORE.stat(bucket.put("a")), size=1 << 60)
    with pytest.raises(Retriable, match="1,152,921,504,606,846,976 bytes are needed"):
        STORE.download(huge, tmp_path / "a")


def test_the_settings_are_those_of_boto3(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    location = bucket.put("a")
    config = tmp_path / "config"
    config.write_text(
        f"[profile lab]\nendpoint_url = {bucket.store.settings['AWS_ENDPOINT_URL']}\n"
        f"aws_access_key_id = {bucket.store.settings['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {bucket.store.settings['AWS_SECRET_ACCESS_KEY']}\n"
    )
    for name in bucket.store.settings:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert STORE.read(location, 100) == b"content"


def test_wrong_settings_are_explained(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    location = bucket.put("a")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(BadInput, match="there is no such profile; check AWS_PROFILE"):
            STORE.stat(location)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "me:secret@host")
        with pytest.raises(BadInput, match="Expected AWS_ENDPOINT_URL as http"):
            STORE.stat(location)
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(BadInput, match="no credentials were found"):
            STORE.stat(location)


def test_a_forked_child_makes_a_client_of_its_own(bucket: Bucket) -> None:
    code = (
        "import os, sys\n"
        "from tasks.storage.s3_client import get_client\n"
        "from tasks.storage.s3_store import S3Store\n"
        "from tasks.storage.location import Location\n"
        "where = Location.parse(sys.argv[1])\n"
        "S3Store().read(where, 100)\n"
        "parents = get_client()\n"
        "assert parents is get_client()\n"
        "if child := os.fork():\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "S3Store().read(where, 100)\n"
        "os._exit(get_client() is parents)\n"
    )
    command = [sys.executable, "-c", code, str(bucket.put("a"))]
    subprocess.run(command, check=True, timeout=60, cwd=ROOT)


def test_a_store_is_chosen_by_its_location(bucket: Bucket) -> None:
    assert isinstance(_store_for(bucket.at("a")), S3Store)
    assert STORE.local_path(STORE.stat(bucket.put("a"))) is None


class TestOnCeph:
    """What moto does not check."""

    @pytest.fixture(autouse=True)
    def _only_ceph(self, bucket: Bucket) -> None:
        if bucket.store.kind != "ceph":
            pytest.skip("moto checks neither signatures nor permissions")

    def test_another_user_is_refused(
        self, bucket: Bucket, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        info = STORE.upload(movie, bucket.at("a.mp4"))
        for name, value in add_ceph_user(bucket.store.folder, "other").items():
            monkeypatch.setenv(name, value)
        for call in (
            lambda: STORE.stat(info.location),
            lambda: STORE.read(info.location, 100),
            lambda: STORE.download(info, tmp_path / "back"),
            lambda: STORE.upload(movie, bucket.at("b.mp4")),
            lambda: list(STORE.list(bucket.at(""))),
            lambda: STORE.check_writable(bucket.at("")),
            lambda: STORE.remove(info.location),
        ):
            with pytest.raises(BadInput, match=r"the store refused.*AccessDenied") as caught:
                call()
            assert "other-" not in str(caught.value)
        assert names_in(tmp_path) == ["movie.mp4"]
        assert bucket.keys() == ["a.mp4"]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("AWS_ACCESS_KEY_ID", "does not know this access key.*InvalidAccessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "secret key does not belong.*SignatureDoesNotMatch"),
        ],
    )
    def test_wrong_keys_are_told_apart(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, name: str, said: str
    ) -> None:
        monkeypatch.setenv(name, "very-wrong")
        for call in (
            lambda: STORE.stat(bucket.at("a")),
            lambda: STORE.check_writable(bucket.at("")),
        ):
            with pytest.raises(BadInput, match=said) as caught:
                call()
            assert "very-wrong" not in str(caught.value)
