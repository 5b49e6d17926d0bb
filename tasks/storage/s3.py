"""Objects in an S3 store: AWS, Ceph, MinIO and the like. The only module that imports boto3."""

import errno
import mimetypes
import os
import random
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import boto3
import botocore.session
from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from tasks.storage.files import HashedFile, Progress, check_room, replacing
from tasks.storage.location import Location, without_secrets
from tasks.storage.parts import (
    AT_ONCE,
    Part,
    PartBody,
    StopTransfer,
    Transfer,
    parts_to_fetch,
    parts_to_send,
    sha256_of_parts,
)
from tasks.storage.s3_errors import GARBLED, explain
from tasks.storage.store import ObjectInfo, ObjectStore, check_part, check_size

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ObjectTypeDef

_LIBRARY_ERRORS = (
    BotoCoreError,
    ClientError,
    HTTPError,
)
_T = TypeVar("_T")
_MIB = 1 << 20
_FETCHES = 5
"""How often a part whose body breaks off is asked for in all."""

_BROKEN_OFF = (
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    HTTPError,
)
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_ATTEMPTS = 5
LINK_ENDPOINT = "DLCFLOW_LINK_ENDPOINT_URL"
"""Environment variable: the store's address for people's browsers, where workers use another."""

_USER = re.compile(r"(?<=://)[^/]*@")
"""A user and a password in the store's address; they are this machine's own."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")

_client_lock = Lock()
# A child process must not inherit the lock while another thread holds it.
os.register_at_fork(
    before=_client_lock.acquire,
    after_in_parent=_client_lock.release,
    after_in_child=_client_lock.release,
)


class S3Store(ObjectStore):
    """Objects in the S3 store that boto3's own settings name."""

    def stat(self, location: Location) -> ObjectInfo:
        """Describe one object."""
        _check_object(location)
        with _explained(location):
            head = _head(location)
        return ObjectInfo(
            location=location,
            size=head["ContentLength"],
            etag=head.get("ETag"),
            version=head.get("VersionId"),
            modified=_utc(head.get("LastModified")),
            sha256=_sha256(head["Metadata"]),
        )

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        """Every object below a prefix."""
        with _explained(prefix):
            pages = _client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=_below(prefix)):
                for found in page.get("Contents", ()):
                    if found["Size"] or not found["Key"].endswith("/"):
                        yield _listed(Location(prefix.bucket, found["Key"]), found)

    def download(self, source: ObjectInfo, path: Path, progress: Progress | None = None) -> str:
        """Fetch an object in parallel parts, all of the version that ``source`` describes."""
        check_room(path.parent, source.size)
        with replacing(path) as file:
            sha256, is_suspect = _fetched(source, file, progress)
            if is_suspect:
                sha256 = _fetched_again(source, file, progress, sha256)
        return sha256

    def upload(
        self,
        path: Path,
        target: Location,
        content_type: str | None = None,
        progress: Progress | None = None,
    ) -> ObjectInfo:
        """Send a file, in parallel parts where it is large, and look at what the store then has."""
        _check_object(target)
        with path.open("rb") as file:
            parts = parts_to_send(os.fstat(file.fileno()).st_size)
            sha256, digests = sha256_of_parts(file, parts)
            sent = ObjectInfo(target, parts[-1].stop, None, None, None, sha256)
            transfer = Transfer(progress)
            bodies = [PartBody(file, *one, transfer) for one in zip(parts, digests, strict=True)]
            _send(sent, bodies, transfer, content_type)
        stored = self.stat(target)
        _check_stored(sent, stored)
        return stored

    def read(self, location: Location, limit: int) -> bytes:
        """The content of a small object."""
        _check_object(location)
        with _explained(location):
            answer = _client().get_object(Bucket=location.bucket, Key=location.key)
            with answer["Body"] as body:
                check_size(location, answer["ContentLength"], limit)
                return body.read()

    def read_part(self, location: Location, start: int, length: int) -> bytes:
        """A part of an object."""
        _check_object(location)
        part = f"bytes={start}-{start + length - 1}"
        with _explained(location):
            answer = _client().get_object(Bucket=location.bucket, Key=location.key, Range=part)
            with answer["Body"] as body:
                _check_ranged(location, answer.get("ContentRange"))
                data = body.read()
        check_part(location, start, length, len(data))
        return data

    def put(self, location: Location, data: bytes) -> None:
        """Write a small object."""
        _check_object(location)
        with _explained(location):
            _client().put_object(Bucket=location.bucket, Key=location.key, Body=data)

    def create(self, location: Location, data: bytes) -> bool:
        """Write a small object on condition that there is none."""
        _check_object(location)
        where: Any = {"Bucket": location.bucket, "Key": location.key}
        with _explained(location):
            try:
                _client().put_object(**where, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if _status(error) in _TAKEN:
                    return False
                raise
        return True

    def remove(self, location: Location) -> None:
        """Remove an object."""
        _check_object(location)
        with _explained(location):
            _client().delete_object(Bucket=location.bucket, Key=location.key)

    def check_writable(self, prefix: Location) -> None:
        """Begin an upload and abandon it: no reader ever sees an object."""
        probe = prefix.child(f".write-check-{secrets.token_hex(8)}")
        where: Any = {"Bucket": probe.bucket, "Key": probe.key}
        with _explained(prefix):
            upload = _client().create_multipart_upload(**where)
            _client().abort_multipart_upload(**where, UploadId=upload["UploadId"])

    def abort_unfinished(
        self,
        prefix: Location,
        chosen: Callable[[Location], bool],
        older_than: timedelta = timedelta(),
    ) -> int:
        """Abort multipart uploads that were never completed."""
        last = datetime.now(UTC) - older_than
        with _explained(prefix):
            pages = _client().get_paginator("list_multipart_uploads")
            uploads = [
                upload
                for page in pages.paginate(Bucket=prefix.bucket, Prefix=_below(prefix))
                for upload in page.get("Uploads", ())
                if upload["Initiated"] <= last or not older_than
                if chosen(Location(prefix.bucket, upload["Key"]))
            ]
            for upload in uploads:
                where = Location(prefix.bucket, upload["Key"])
                _abort(where, upload["UploadId"])
        return len(uploads)

    def local_path(self, source: ObjectInfo) -> Path | None:  # noqa: ARG002
        """Nothing: the object must be fetched."""
        return None

    def signed_link(self, location: Location, seconds: int) -> str | None:
        """An address with a signature; nothing is asked of the store."""
        _check_object(location)
        where = {"Bucket": location.bucket, "Key": location.key}
        client = _client(os.environ.get(LINK_ENDPOINT) or None)
        with _explained(location):
            link = client.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds)
        return _USER.sub("", link)


class _KnownDigest(S3SigV4Auth):
    """Signs what is sent with the digest that is known of it, rather than read all of it again."""

    def payload(self, request: Any) -> str:
        """The SHA-256 of what is sent, in hexadecimal digits."""
        return getattr(request.body, "sha256", None) or super().payload(request)


_KNOWN_DIGEST = "s3v4-known-digest"
AUTH_TYPE_MAPS[_KNOWN_DIGEST] = _KnownDigest


def _signer(signature_version: str, context: Mapping[str, Any], **_: object) -> str | None:
    """How an upload is signed; None leaves what is signed in another way to botocore."""
    usual = context.get("auth_type") or signature_version
    return _KNOWN_DIGEST if usual == "s3v4" else None


def _client(endpoint: str | None = None) -> "S3Client":
    """The client of this process for the configuration that now holds.

    Args:
        endpoint: The store's address; by default the one that boto3 is set up for.

    Raises:
        ValueError: boto3's settings are wrong.
        PermissionError: There are no usable credentials.
    """
    try:
        with _client_lock:
            return _new_client(os.getpid(), _settings(), endpoint)
    except ValueError as error:
        raise ValueError(
            f"The settings of the object store are wrong: {without_secrets(str(error))}. Expected "
            "AWS_ENDPOINT_URL as http:// or https:// and a host, and AWS_DEFAULT_REGION as a name."
        ) from error


def _settings() -> frozenset[tuple[str, str]]:
    return frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))


@lru_cache(maxsize=4)
def _new_session(
    pid: int,  # noqa: ARG001 - what belongs to another process is not used
    settings: frozenset[tuple[str, str]],  # noqa: ARG001 - nor what has other settings
) -> tuple[botocore.session.Session, boto3.Session]:
    """What is configured and whose credentials they are; boto3's takes botocore's only once."""
    core = botocore.session.get_session()
    return core, boto3.Session(botocore_session=core)


@lru_cache(maxsize=4)
def _new_client(pid: int, settings: frozenset[tuple[str, str]], endpoint: str | None) -> "S3Client":
    core, session = _new_session(pid, settings)
    attempts = int(core.get_config_variable("max_attempts") or _ATTEMPTS)
    config = Config(
        signature_version="s3v4",
        # Newer checksum trailers are refused by Ceph; SHA-256 goes into the metadata instead.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": attempts},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=32,
    )
    region = session.region_name or "us-east-1"
    client = session.client("s3", region_name=region, config=config, endpoint_url=endpoint)
    soon: Any = partial(_soon, attempts)
    client.meta.events.register_first("needs-retry.s3", soon)
    signer: Any = _signer
    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register_first(f"choose-signer.s3.{operation}", signer)
    return client


def _soon(
    most: int,
    response: tuple[Any, dict[str, Any]] | None,
    attempts: int,
    caught_exception: Exception | None = None,
    **_: object,
) -> float | None:
    """Seconds until another try: less than botocore waits, as long as few have failed.

    botocore waits half a second on average, which is long for a small file; and it does not try
    again what arrived damaged. None leaves the matter to it.
    """
    if attempts >= most or attempts > len(_FIRST_WAITS_S):
        return None
    if response is None:
        passes = isinstance(caught_exception, HTTPClientError)
    else:
        status, code = response[0].status_code, response[1].get("Error", {}).get("Code")
        passes = status in _PASSING_STATUS or code in _PASSING_CODES
    return random.uniform(0, _FIRST_WAITS_S[attempts - 1]) if passes else None  # noqa: S311


_FIRST_WAITS_S = (0.1, 0.5)
"""The longest waits after the first failures of a request."""

_PASSING_STATUS = {429, 500, 502, 503, 504}
_PASSING_CODES = {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeout"}


@contextmanager
def _explained(location: Location) -> Iterator[None]:
    try:
        yield
    except _LIBRARY_ERRORS as error:
        # Without the library's own, which may tell secrets where tracebacks are printed.
        raise explain(error, location, _secrets()) from None


def _secrets() -> list[str]:
    """The keys that requests are signed with; a store may repeat what it was sent."""
    secrets = [os.environ.get(name, "") for name in _SECRET]
    with suppress(Exception):  # whatever is wrong with them has been told
        with _client_lock:
            _, session = _new_session(os.getpid(), _settings())
        if credentials := session.get_credentials():
            secrets += [key or "" for key in credentials.get_frozen_credentials()]
    return secrets


_SECRET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def _head(location: Location) -> "HeadObjectOutputTypeDef":
    try:
        return _client().head_object(Bucket=location.bucket, Key=location.key)
    except ClientError as error:
        raise _with_reason(error, location) from None


def _with_reason(error: ClientError, location: Location) -> ClientError:
    """The answer to HEAD has no body to say why; that to a listing of the same key has one."""
    try:
        _client().list_objects_v2(Bucket=location.bucket, Prefix=location.key, MaxKeys=1)
    except ClientError as reason:
        return reason if _status(reason) == _status(error) else error
    return error


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _below(prefix: Location) -> str:
    return prefix.key if prefix.is_prefix else f"{prefix.key}/"


def _abort(location: Location, upload: str) -> None:
    try:
        _client().abort_multipart_upload(Bucket=location.bucket, Key=location.key, UploadId=upload)
    except ClientError as error:
        if _status(error) != HTTPStatus.NOT_FOUND:  # it has come to an end meanwhile
            raise


_TAKEN = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}
"""There is an object, or somebody else is just writing one (409, AWS)."""


def _listed(location: Location, found: "ObjectTypeDef") -> ObjectInfo:
    modified = _utc(found.get("LastModified"))
    return ObjectInfo(location, found["Size"], found.get("ETag"), None, modified, None)


def _sha256(metadata: Mapping[str, str]) -> str | None:
    """The digest in an object's metadata; some stores write the names with capitals."""
    digest = {name.lower(): value for name, value in metadata.items()}.get("sha256", "")
    return digest if _SHA256.fullmatch(digest) else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def _fetched(source: ObjectInfo, file: BinaryIO, progress: Progress | None) -> tuple[str, bool]:
    """Fetch an object into a new file; its SHA-256, and whether its ETag contradicts it."""
    md5 = _md5(source)
    with HashedFile(file, md5=md5 is not None) as hashed:
        received = _fetch(source, hashed, progress)
        _check_whole(source, received, os.fstat(file.fileno()).st_size)
        sha256, *others = hashed.hexdigests()
    _check_content(source, sha256)
    return sha256, others not in ([], [md5])


def _fetched_again(
    source: ObjectInfo, file: BinaryIO, progress: Progress | None, before: str
) -> str:
    """Fetch what does not fit its ETag a second time; returns its SHA-256.

    It was damaged on its way, or the ETag is no digest, as where a store encrypts what it keeps:
    then it comes the same again.
    """
    if progress:
        progress(-source.size)
    file.seek(0)
    file.truncate()
    sha256, is_suspect = _fetched(source, file, progress)
    if is_suspect and sha256 != before:
        raise ConnectionError(f"{source.location}: {GARBLED}.")
    return sha256


def _md5(source: ObjectInfo) -> str | None:
    """The MD5 of an object that has no digest of ours, where its ETag looks like one."""
    etag = (source.etag or "").strip('"').lower()
    return etag if not source.sha256 and _MD5.fullmatch(etag) else None


def _fetch(source: ObjectInfo, file: HashedFile, progress: Progress | None) -> int:
    """Fetch an object into an open file; returns how many bytes came."""
    fetch = _Fetch(source, file, progress)
    with _explained(source.location):
        parts = parts_to_fetch(source.size)
        _at_once([partial(fetch.part, part) for part in parts], fetch.stopped.set)
    return fetch.received


def _at_once(calls: Sequence[Callable[[], _T]], stop: Callable[[], None]) -> list[_T]:
    """Make calls in several threads; their answers.

    Args:
        calls: The calls.
        stop: Ends those that are under way, where one fails or this is interrupted.
    """
    with ThreadPoolExecutor(AT_ONCE) as threads:
        begun = [threads.submit(call) for call in calls]
        try:
            for call in as_completed(begun):
                call.result()
        except BaseException:
            # Leaving the pool waits for what is under way.
            stop()
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return [call.result() for call in begun]


class _Fetch:
    """Fetches parts of one version of an object, each to its place, in several threads."""

    def __init__(self, source: ObjectInfo, file: HashedFile, progress: Progress | None) -> None:
        self.received, self.stopped = 0, Event()
        self._source, self._file, self._progress = source, file, progress
        self._lock = Lock()

    def part(self, part: Part) -> None:
        """Fetch one part; where its body breaks off, go on from there."""
        start, stop = part.start, part.stop
        for attempt in count(1):
            try:
                for data in self._pieces(start, stop):
                    self._file.write(data, start)
                    start += len(data)
                    self._count(len(data))
            except _BROKEN_OFF:
                if attempt == _FETCHES:
                    raise
            else:
                return

    def _pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """What the store sends of a part, checked to be of the right version."""
        where: Any = {"Bucket": self._source.location.bucket, "Key": self._source.location.key}
        if self._source.etag:
            where["IfMatch"] = self._source.etag
        is_part = (start, stop) != (0, self._source.size)
        if is_part:
            where["Range"] = f"bytes={start}-{stop - 1}"
        answer = _client().get_object(**where)
        with closing(answer["Body"]) as body:
            if is_part:
                _check_ranged(self._source.location, answer.get("ContentRange"))
            while not self.stopped.is_set() and (data := body.read(_MIB)):
                yield data

    def _count(self, more: int) -> None:
        with self._lock:
            self.received += more
            if self._progress:
                self._progress(more)


def _send(
    sent: ObjectInfo, bodies: Sequence[PartBody], transfer: Transfer, content_type: str | None
) -> None:
    """Send a file as one object, or in parts."""
    name = sent.location.name
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    where: Any = {"Bucket": sent.location.bucket, "Key": sent.location.key}
    extra: Any = {"ContentType": content_type or guessed, "Metadata": {"sha256": sent.sha256}}
    with _explained(sent.location):
        try:
            if len(bodies) == 1:
                _client().put_object(**where, **extra | {"Body": bodies[0]})
            else:
                _send_parts(sent, where, extra, bodies, transfer)
        except StopTransfer:
            assert transfer.failure is not None
            raise transfer.failure from None


def _send_parts(
    sent: ObjectInfo, where: Any, extra: Any, bodies: Sequence[PartBody], transfer: Transfer
) -> None:
    """Send a file in parts; where that fails, nothing of it stays in the store."""
    upload = _client().create_multipart_upload(**where, **extra)["UploadId"]

    def send(number: int, body: Any) -> Any:
        named: Any = {"UploadId": upload, "PartNumber": number}
        etag = _client().upload_part(**where, **named, Body=body)["ETag"]
        return {"ETag": etag, "PartNumber": number}

    try:
        calls = [partial(send, number, body) for number, body in enumerate(bodies, 1)]
        parts: Any = {"Parts": _at_once(calls, transfer.stop)}
        _complete(sent, where | {"UploadId": upload, "MultipartUpload": parts})
    except BaseException:
        with suppress(*_LIBRARY_ERRORS):  # what has failed first is told
            _abort(sent.location, upload)
        raise


def _complete(sent: ObjectInfo, upload: Any) -> None:
    """Put an upload's parts together.

    That of a large one may take longer than is waited for; it is asked for again, and then the
    store knows no such upload any more, for there is the object.
    """
    try:
        _client().complete_multipart_upload(**upload)
    except ClientError as error:
        gone = error.response["Error"]["Code"] == "NoSuchUpload"
        if not gone or not _is_there(sent):
            raise


def _is_there(sent: ObjectInfo) -> bool:
    with suppress(*_LIBRARY_ERRORS):
        head = _client().head_object(Bucket=sent.location.bucket, Key=sent.location.key)
        return _sha256(head["Metadata"]) == sent.sha256
    return False


def _check_object(location: Location) -> None:
    if location.is_local:
        raise ValueError(f"{location}: expected a location in a bucket, found a local path.")
    if location.is_prefix:
        raise IsADirectoryError(f"{location}: expected one object, found a prefix.")


def _check_ranged(location: Location, content_range: str | None) -> None:
    if content_range is None:
        raise OSError(
            errno.ENOTSUP,
            f"{location}: the store sent the whole object where a part was asked for; use a store "
            "that supports range requests.",
        )


def _check_whole(source: ObjectInfo, received: int, written: int) -> None:
    # A part that came short leaves a hole, which the size of the file does not show.
    if not received == written == source.size:
        raise ConnectionError(
            f"{source.location}: expected {source.size:,} bytes, received {received:,}; try again."
        )


def _check_content(source: ObjectInfo, sha256: str) -> None:
    if source.sha256 and source.sha256 != sha256:
        raise OSError(
            errno.EIO,
            f"{source.location}: the content is not what was uploaded: expected SHA-256 "
            f"{source.sha256}, found {sha256}; try again, then upload it again.",
        )


def _check_stored(sent: ObjectInfo, stored: ObjectInfo) -> None:
    if (stored.size, stored.sha256) != (sent.size, sent.sha256):
        raise ConnectionError(
            f"{sent.location}: sent {sent.size:,} bytes with SHA-256 {sent.sha256}, but the store "
            f"then held {stored.size:,} bytes with {stored.sha256}. Make sure that nobody else "
            "writes there, and upload again."
        )
