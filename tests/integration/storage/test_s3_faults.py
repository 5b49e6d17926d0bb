"""Stores and networks that fail: each fault gets its error, and nothing is left behind."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput, PoseError, Retriable
from tasks.storage import s3_client
from tasks.storage.location import Location
from tasks.storage.s3_store import S3Store
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import StoreUnavailable
from tests.integration.storage.conftest import Bucket, names_in
from tests.integration.storage.faults import (
    AnswerItself,
    CutBody,
    DamageDownload,
    DamageUpload,
    DelayAnswer,
    DropAnswer,
    Fault,
    FaultOnFirst,
    FaultyProxy,
    ProxyRequest,
    ResetConnection,
    RunAfterwards,
    ShortenBody,
    fail_on,
    run_faulty_proxy,
)
from tests.support.paths import ROOT
from tests.support.stores import PAGE_SIZE

MULTIPART = (16 << 20) + 1
STORE = S3Store()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    folder = tmp_path / "sent"
    folder.mkdir()
    path = folder / "large.mp4"
    path.write_bytes(os.urandom(MULTIPART))
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "movie.mp4").write_bytes(b"what was there before")
    return folder


def assert_untouched(scratch: Path) -> None:
    assert names_in(scratch) == ["movie.mp4"]
    assert (scratch / "movie.mp4").read_bytes() == b"what was there before"


@pytest.fixture
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-secret-key")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="module")
def running_refusal() -> Iterator[FaultyProxy]:
    with run_faulty_proxy("http://127.0.0.1:1") as proxy:
        yield proxy


@pytest.fixture
def refusing(
    running_refusal: FaultyProxy, _one_try: None, monkeypatch: pytest.MonkeyPatch
) -> FaultyProxy:
    """A store that never lets anything pass."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_refusal.url)
    return running_refusal


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (AnswerItself(403), BadInput, r"the store refused.*HTTP 403"),
        (AnswerItself(403, "RequestTimeTooSkewed"), BadInput, r"clock is wrong"),
        (AnswerItself(400, "ExpiredToken"), BadInput, r"the credentials have expired"),
        (AnswerItself(401), BadInput, r"received no credentials"),
        (
            AnswerItself(503, "SlowDown"),
            StoreUnavailable,
            r"overloaded or failing.*HTTP 503: SlowDown",
        ),
        (AnswerItself(500), StoreUnavailable, r"overloaded or failing"),
        (AnswerItself(429), StoreUnavailable, r"overloaded or failing"),
        (AnswerItself(400, "RequestTimeout"), StoreUnavailable, r"did not answer in time"),
        (AnswerItself(418, "Teapot"), Retriable, r"failed in an unforeseen way.*Teapot"),
        (ResetConnection(), StoreUnavailable, r"the connection broke"),
    ],
)
def test_every_call_explains_a_refusal(
    refusing: FaultyProxy,
    scratch: Path,
    answer: Fault,
    expected: type[PoseError],
    said: str,
) -> None:
    refusing.use_rule(lambda request: answer)
    where = Location("bucket", "a.mp4")
    for call in (
        lambda: STORE.read(where, 100),
        lambda: STORE.download(ObjectInfo(where, 1, None, None, None, None), scratch / "movie.mp4"),
        lambda: STORE.upload(scratch / "movie.mp4", where),
        lambda: list(STORE.list(where)),
        lambda: STORE.check_writable(where),
        lambda: STORE.remove(where),
        lambda: STORE.stat(where),
    ):
        with pytest.raises(expected, match=said) as caught:
            call()
        message = str(caught.value)
        assert message.removeprefix("[Errno 5] ").startswith("s3://bucket/a.mp4: ")
        assert "-key" not in message
    assert_untouched(scratch)


@pytest.mark.usefixtures("_one_try")
def test_a_store_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match="could not be reached; check AWS_ENDPOINT_URL"):
        STORE.stat(Location("bucket", "a"))


@pytest.mark.usefixtures("_one_try")
def test_a_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 0.2)
    with run_faulty_proxy("http://127.0.0.1:1") as slow:
        slow.use_rule(lambda request: DelayAnswer(0.6))
        monkeypatch.setenv("AWS_ENDPOINT_URL", slow.url)
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            STORE.stat(Location("bucket", "a"))


PASSING = {
    "500": AnswerItself(500),
    "502": AnswerItself(502),
    "503": AnswerItself(503),
    "504": AnswerItself(504),
    "internal error": AnswerItself(500, "InternalError"),
    "slow down": AnswerItself(503, "SlowDown"),
    "too many requests": AnswerItself(429, "TooManyRequests"),
    "429": AnswerItself(429),
    "reset": ResetConnection(),
    "lost answer": DropAnswer(),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
@pytest.mark.parametrize("length", [1000, MULTIPART], ids=["small", "in parts"])
def test_what_passes_is_not_even_noticed(
    bucket: Bucket,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fault: Fault,
    length: int,
) -> None:
    """Each kind of request of a transfer fails once, and succeeds at its second try."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    (tmp_path / "movie.mp4").write_bytes(os.urandom(length))
    once = {method: (method, fault, 1) for method in ("PUT", "GET", "HEAD", "DELETE")}
    proxy.use_rule(lambda request: rules[request.method](request))
    rules = {method: FaultOnFirst({"": one}) for method, one in once.items()}
    # Ceph has dropped an upload whose completion it has answered once.
    rules["POST"] = FaultOnFirst(
        {"uploads": ("POST", ResetConnection() if fault == DropAnswer() else fault, 1)}
    )
    info = STORE.upload(tmp_path / "movie.mp4", bucket.at("a"))
    assert STORE.download(info, tmp_path / "back") == info.sha256
    assert (tmp_path / "back").read_bytes() == (tmp_path / "movie.mp4").read_bytes()
    assert [one.location.key for one in STORE.list(bucket.at(""))] == ["a"]
    STORE.remove(info.location)
    assert bucket.keys() == []
    assert bucket.unfinished_uploads() == 0
    assert {method for method, rule in rules.items() if rule.seen[""] + rule.seen["uploads"]} == {
        "PUT",
        "GET",
        "HEAD",
        "DELETE",
        *(["POST"] if length == MULTIPART else []),
    }


def test_an_error_that_looks_like_success_is_tried_again(
    bucket: Bucket, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, large: Path
) -> None:
    """A store that takes long to complete an upload answers 200 before it knows."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    proxy.use_rule(FaultOnFirst({"uploadId": ("POST", AnswerItself(200, "InternalError"), 1)}))
    assert STORE.upload(large, bucket.at("large.mp4")) == STORE.stat(bucket.at("large.mp4"))


def test_an_upload_whose_completion_is_lost_is_whole_or_an_error(
    bucket: Bucket, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, large: Path
) -> None:
    """Asked again, a store may have forgotten the upload that it has completed."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    proxy.use_rule(FaultOnFirst({"uploadId": ("POST", DropAnswer(), 1)}))
    stored = STORE.upload(large, bucket.at("large.mp4"))
    assert stored.sha256 == hashlib.sha256(large.read_bytes()).hexdigest()
    assert bucket.unfinished_uploads() == 0


@pytest.mark.parametrize("is_there", [True, False])
def test_an_upload_that_is_not_known_any_more_counts_if_its_object_is_there(
    bucket: Bucket,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
    large: Path,
    is_there: bool,
) -> None:
    """A gateway takes longer to complete a large one than is waited for, and forgets it then."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    forgotten = AnswerItself(404, "NoSuchUpload")
    completions: list[ProxyRequest] = []

    def follow(request: ProxyRequest) -> Fault | None:
        if request.method != "POST" or "uploadId" not in request.path:
            return None
        completions.append(request)
        return DropAnswer() if is_there and len(completions) == 1 else forgotten

    proxy.use_rule(follow)
    if is_there:
        stored = STORE.upload(large, bucket.at("large.mp4"))
        assert stored.sha256 == hashlib.sha256(large.read_bytes()).hexdigest()
    else:
        with pytest.raises(StoreUnavailable, match="dropped this upload"):
            STORE.upload(large, bucket.at("large.mp4"))
    assert len(completions) == 1 + is_there
    assert bucket.unfinished_uploads() == 0


REFUSED = {
    "403": (AnswerItself(403), "the store refused"),
    "denied": (AnswerItself(403, "AccessDenied"), "ask the bucket's owner"),
    "expired token": (AnswerItself(400, "ExpiredToken"), "the credentials have expired"),
    "unknown key": (AnswerItself(403, "InvalidAccessKeyId"), "does not know this access key"),
    "wrong clock": (AnswerItself(403, "RequestTimeTooSkewed"), "clock is wrong"),
}


@pytest.mark.parametrize(("answer", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_credentials_that_end_in_the_middle_of_a_download(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path, answer: Fault, said: str
) -> None:
    info = STORE.stat(bucket.put("a", bytes(MULTIPART)))
    proxy.use_rule(fail_on("GET", answer, 1))
    with pytest.raises(BadInput, match=said):
        STORE.download(info, scratch / "movie.mp4")
    assert_untouched(scratch)


@pytest.mark.parametrize(("answer", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_credentials_that_end_in_the_middle_of_an_upload(
    bucket: Bucket, proxy: FaultyProxy, large: Path, answer: Fault, said: str
) -> None:
    proxy.use_rule(fail_on("PUT", answer, 1))
    with pytest.raises(BadInput, match=said):
        STORE.upload(large, bucket.at("large.mp4"))
    assert bucket.keys() == []


def test_a_download_that_is_damaged_on_its_way(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path
) -> None:
    (scratch.parent / "sent").write_bytes(b"content of ours")
    info = STORE.upload(scratch.parent / "sent", bucket.at("a"))
    proxy.use_rule(fail_on("GET", DamageDownload(), 0))
    with pytest.raises(Retriable, match="the content has changed since it was uploaded"):
        STORE.download(info, scratch / "movie.mp4")
    assert_untouched(scratch)
    assert STORE.download(info, scratch / "movie.mp4") == info.sha256


def test_a_download_without_our_digest_that_is_damaged_once(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path
) -> None:
    """What others have uploaded has an ETag, mostly the content's MD5."""
    info = STORE.stat(bucket.put("a", b"content of others"))
    received: list[int] = []
    proxy.use_rule(fail_on("GET", DamageDownload(), 0))
    STORE.download(info, scratch / "movie.mp4", received.append)
    assert (scratch / "movie.mp4").read_bytes() == b"content of others"
    assert sum(received) == info.size


def test_a_download_without_our_digest_that_is_never_twice_the_same(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path
) -> None:
    info = STORE.stat(bucket.put("a", b"content of others"))
    spoiled = iter([DamageDownload(), DamageDownload(0)])
    proxy.use_rule(lambda request: next(spoiled) if request.method == "GET" else None)
    with pytest.raises(StoreUnavailable, match="the received data differ from the sent data"):
        STORE.download(info, scratch / "movie.mp4")
    assert_untouched(scratch)


def test_an_etag_that_is_no_digest_of_the_content_does_no_harm(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path
) -> None:
    """As where a store encrypts what it keeps: what came twice the same is what is there."""
    info = STORE.stat(bucket.put("a", b"content of others"))
    proxy.use_rule(fail_on("GET", DamageDownload()))
    STORE.download(info, scratch / "movie.mp4")
    assert (scratch / "movie.mp4").read_bytes() == b"content of other" + bytes([ord("s") ^ 255])


def test_a_passing_fault_is_tried_again(
    bucket: Bucket, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    info = STORE.stat(bucket.put("a"))
    proxy.use_rule(fail_on("GET", AnswerItself(503, "SlowDown"), 0))
    STORE.download(info, scratch / "a")
    assert [request.number for request in proxy.requests] == [0, 1]


@pytest.mark.parametrize("fault", [CutBody(), ResetConnection()])
def test_a_part_that_breaks_off_is_fetched_again(
    bucket: Bucket,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
    scratch: Path,
    fault: Fault,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    content = os.urandom(MULTIPART)
    info = STORE.stat(bucket.put("a", content))
    received: list[int] = []
    proxy.use_rule(fail_on("GET", fault, 0, 2))
    STORE.download(info, scratch / "movie.mp4", received.append)
    assert (scratch / "movie.mp4").read_bytes() == content
    assert sum(received) == MULTIPART


@pytest.mark.parametrize("length", [1000, MULTIPART])
def test_a_body_that_is_always_cut_short(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path, length: int
) -> None:
    info = STORE.stat(bucket.put("a", bytes(length)))
    proxy.use_rule(fail_on("GET", CutBody()))
    with pytest.raises(StoreUnavailable, match="connection broke before everything had arrived"):
        STORE.download(info, scratch / "movie.mp4")
    with pytest.raises(StoreUnavailable, match="connection broke before everything had arrived"):
        STORE.read(info.location, MULTIPART)
    assert_untouched(scratch)


@pytest.mark.parametrize("number", [0, 1])
def test_a_short_part_that_looks_whole(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path, number: int
) -> None:
    """A short first part leaves a hole in a file of the right size, and no digest tells."""
    info = STORE.stat(bucket.put("a", bytes(MULTIPART)))
    proxy.use_rule(fail_on("GET", ShortenBody(), number))
    with pytest.raises(StoreUnavailable, match=r"expected 16,777,217 bytes, received 16,777,216"):
        STORE.download(info, scratch / "movie.mp4")
    assert_untouched(scratch)


def test_an_object_that_changed_before(bucket: Bucket, scratch: Path) -> None:
    info = STORE.stat(bucket.put("a", b"first"))
    bucket.put("a", b"other")
    with pytest.raises(Retriable, match="the object changed while it was being read"):
        STORE.download(info, scratch / "movie.mp4")
    assert_untouched(scratch)


def test_an_object_that_changes_while_it_is_fetched(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path
) -> None:
    info = STORE.stat(bucket.put("a", bytes(MULTIPART)))
    changed = threading.Event()

    def change() -> None:
        bucket.put("a", bytes(MULTIPART - 1) + b"1")
        changed.set()

    def rule(request: ProxyRequest) -> Fault | None:
        if request.method == "GET" and request.number == 0:
            return RunAfterwards(change)
        changed.wait(30)  # no other part is asked for before
        return None

    proxy.use_rule(rule)
    with pytest.raises(Retriable, match=r"/a: the object changed while it was being"):
        STORE.download(info, scratch / "movie.mp4")
    assert_untouched(scratch)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (AnswerItself(403, "AccessDenied"), BadInput),
        (ResetConnection(), StoreUnavailable),
    ],
)
def test_an_upload_that_fails_leaves_no_parts(
    bucket: Bucket, proxy: FaultyProxy, large: Path, fault: Fault, expected: type[PoseError]
) -> None:
    proxy.use_rule(fail_on("PUT", fault, 1))
    with pytest.raises(expected):
        STORE.upload(large, bucket.at("large.mp4"))
    assert bucket.keys() == []
    assert bucket.unfinished_uploads() == 0


class StoppedError(Exception):
    """What an orchestrator raises in the main thread to cancel a task."""


@pytest.fixture
def signaled() -> Iterator[RunAfterwards]:
    """Stops the main thread by a signal while a request is under way."""
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopped.set()
        raise StoppedError

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        stopped.wait(10)
        time.sleep(0.2)  # the answer must not come before the main thread has begun to clean up

    before = signal.signal(signal.SIGUSR1, stop)
    yield RunAfterwards(kill)
    signal.signal(signal.SIGUSR1, before)


def test_an_upload_that_is_cancelled_leaves_no_parts(
    bucket: Bucket, proxy: FaultyProxy, large: Path, signaled: RunAfterwards
) -> None:
    proxy.use_rule(fail_on("PUT", signaled, 1))
    with pytest.raises(StoppedError):
        STORE.upload(large, bucket.at("large.mp4"))
    assert bucket.keys() == []
    assert bucket.unfinished_uploads() == 0


def test_a_download_that_is_cancelled_leaves_nothing(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path, signaled: RunAfterwards
) -> None:
    info = STORE.stat(bucket.put("a", bytes(MULTIPART)))
    proxy.use_rule(fail_on("GET", signaled, 1))
    with pytest.raises(StoppedError):
        STORE.download(info, scratch / "movie.mp4")
    assert_untouched(scratch)


def test_an_upload_that_another_overwrites(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path
) -> None:
    proxy.use_rule(fail_on("PUT", RunAfterwards(lambda: bucket.put("a", b"another's"))))
    with pytest.raises(StoreUnavailable, match="but the store then held 9 bytes"):
        STORE.upload(scratch / "movie.mp4", bucket.at("a"))


@pytest.mark.parametrize("number", [0, 1])
def test_an_upload_that_is_damaged_on_its_way(
    bucket: Bucket, proxy: FaultyProxy, scratch: Path, large: Path, number: int
) -> None:
    if bucket.store.kind == "moto":
        pytest.skip("moto does not check what it receives")
    proxy.use_rule(fail_on("PUT", DamageUpload(), number))
    with pytest.raises(StoreUnavailable, match="the received data differ from the sent data"):
        STORE.upload(large if number else scratch / "movie.mp4", bucket.at("a"))
    assert bucket.keys() == []
    assert bucket.unfinished_uploads() == 0


def test_trying_to_write_begins_an_upload_and_abandons_it(
    bucket: Bucket, proxy: FaultyProxy
) -> None:
    STORE.check_writable(bucket.at("results/"))
    assert [request.method for request in proxy.requests] == ["POST", "DELETE"]
    path = f"/{bucket.name}/results/.write-check-"
    assert all(request.path.startswith(path) for request in proxy.requests)


PUSH = """
import sys
from pathlib import Path
from tasks.storage.location import Location
from tasks.storage.s3_store import S3Store
S3Store().upload(Path(sys.argv[1]), Location.parse(sys.argv[2]))
"""


def test_what_a_killed_process_leaves_of_an_upload_is_aborted(
    bucket: Bucket, proxy: FaultyProxy, large: Path
) -> None:
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        time.sleep(10)

    proxy.use_rule(fail_on("PUT", RunAfterwards(hang), 1))
    target = bucket.at("out/m1/labeled.mp4")
    child = subprocess.Popen([sys.executable, "-c", PUSH, str(large), str(target)], cwd=ROOT)
    assert begun.wait(60)
    child.kill()
    child.wait()
    assert bucket.unfinished_uploads() == 1
    assert bucket.keys() == []
    for other in ("out2/m1/labeled.mp4", "in/m1.mp4"):
        bucket.store.client.create_multipart_upload(Bucket=bucket.name, Key=other)
    if bucket.store.kind != "moto":  # all of its uploads began in 2010
        assert STORE.abort_unfinished_uploads(bucket.at("out"), anything, timedelta(hours=1)) == 0
    assert STORE.abort_unfinished_uploads(bucket.at("out"), target.__ne__) == 0
    assert STORE.abort_unfinished_uploads(bucket.at("out"), target.__eq__) == 1
    assert bucket.unfinished_uploads() == 2
    assert STORE.abort_unfinished_uploads(bucket.at("out/"), anything) == 0


def anything(_location: Location) -> bool:
    return True


def test_any_number_of_unfinished_uploads_is_aborted(bucket: Bucket) -> None:
    for number in range(PAGE_SIZE + 5):
        key = f"out/{number % 60}"  # some keys have two
        bucket.store.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    assert STORE.abort_unfinished_uploads(bucket.at("out/"), anything) == PAGE_SIZE + 5
    assert bucket.unfinished_uploads() == 0


def test_an_upload_that_ends_meanwhile_is_left_alone(bucket: Bucket, proxy: FaultyProxy) -> None:
    where: Any = {"Bucket": bucket.name, "Key": "out/a"}
    upload = bucket.store.client.create_multipart_upload(**where)["UploadId"]

    def end() -> None:
        bucket.store.client.abort_multipart_upload(**where, UploadId=upload)

    proxy.use_rule(fail_on("GET", RunAfterwards(end)))
    assert STORE.abort_unfinished_uploads(bucket.at("out/"), anything) == 1


def test_who_may_not_look_for_unfinished_uploads_is_told(refusing: FaultyProxy) -> None:
    refusing.use_rule(lambda request: AnswerItself(403, "AccessDenied"))
    with pytest.raises(BadInput, match="the store refused"):
        STORE.abort_unfinished_uploads(Location("bucket", "out/"), anything)


def test_a_download_ends_when_nobody_wants_it_any_more(
    bucket: Bucket, large: Path, scratch: Path
) -> None:
    def end(_: int) -> None:
        raise LookupError("the run has ended")

    uploaded = STORE.upload(large, bucket.at("large.mp4"))
    with pytest.raises(LookupError):
        STORE.download(uploaded, scratch / "movie.mp4", end)
    assert_untouched(scratch)


@pytest.mark.parametrize("length", [1000, MULTIPART])
def test_an_upload_ends_when_nobody_wants_it_any_more(
    bucket: Bucket, large: Path, length: int
) -> None:
    def end(_: int) -> None:
        raise LookupError("the run has ended")

    os.truncate(large, length)
    with pytest.raises(LookupError):
        STORE.upload(large, bucket.at("large.mp4"), progress=end)
    assert bucket.keys() == []
    assert bucket.unfinished_uploads() == 0


def test_a_file_that_changes_after_it_was_hashed_is_not_taken(
    bucket: Bucket, proxy: FaultyProxy, large: Path
) -> None:
    if bucket.store.kind == "moto":
        pytest.skip("moto does not check what it receives")

    def change() -> None:
        large.write_bytes(bytes(MULTIPART))

    proxy.use_rule(FaultOnFirst({"uploads": ("POST", RunAfterwards(change), 1)}))
    with pytest.raises(StoreUnavailable, match="the received data differ from the sent data"):
        STORE.upload(large, bucket.at("large.mp4"))
    assert bucket.keys() == []
    assert bucket.unfinished_uploads() == 0
