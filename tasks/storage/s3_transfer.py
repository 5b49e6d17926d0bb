"""Download and upload S3 objects in parallel parts, verified."""

import mimetypes
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from itertools import count
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from tasks.errors import Retriable
from tasks.storage.hashed_file import HashedFile
from tasks.storage.local_files import ProgressCallback
from tasks.storage.location import Location
from tasks.storage.multipart import (
    PARALLEL_PARTS,
    Part,
    PartBody,
    StopTransfer,
    UploadState,
    split_for_download,
)
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import GARBLED_MESSAGE, NotSupported, StoreUnavailable

if TYPE_CHECKING:
    pass

from tasks.storage.s3_client import (
    LIBRARY_ERRORS,
    convert_library_errors,
    get_client,
    http_status,
)

_T = TypeVar("_T")
_MIB = 1 << 20
_MAX_PART_FETCHES = 5
"""Number of requests in all for a part whose body breaks off."""

_BROKEN_BODY_ERRORS = (
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    HTTPError,
)

_SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
_MD5_PATTERN = re.compile(r"[0-9a-f]{32}")


def abort_upload(location: Location, upload: str) -> None:
    """Abort a multipart upload, so that its parts take no room in the bucket."""
    try:
        get_client().abort_multipart_upload(
            Bucket=location.bucket, Key=location.key, UploadId=upload
        )
    except ClientError as error:
        if http_status(error) != HTTPStatus.NOT_FOUND:  # it has ended meanwhile
            raise


def stored_sha256(metadata: Mapping[str, str]) -> str | None:
    """The digest in an object's metadata; some stores write the names with capitals."""
    digest = {name.lower(): value for name, value in metadata.items()}.get("sha256", "")
    return digest if _SHA256_PATTERN.fullmatch(digest) else None


def fetch_and_hash(
    source: ObjectInfo, file: BinaryIO, progress: ProgressCallback | None
) -> tuple[str, bool]:
    """Fetch an object into a new file; its SHA-256, and whether its ETag contradicts it."""
    md5 = _expected_md5(source)
    with HashedFile(file, md5=md5 is not None) as hashed:
        received = _fetch_parts(source, hashed, progress)
        # A part that came short leaves a hole, which the size of the file does not show.
        if not received == os.fstat(file.fileno()).st_size == source.size:
            raise StoreUnavailable(
                f"{source.location}: expected {source.size:,} bytes, received {received:,}; try "
                "again."
            )
        sha256, *others = hashed.finish_digests()
    if source.sha256 and source.sha256 != sha256:
        raise Retriable(
            f"{source.location}: the content has changed since it was uploaded: expected SHA-256 "
            f"{source.sha256}, found {sha256}; try again, then upload it again.",
        )
    return sha256, others not in ([], [md5])


def fetch_again(
    source: ObjectInfo, file: BinaryIO, progress: ProgressCallback | None, before: str
) -> str:
    """Fetch what does not fit its ETag a second time; returns its SHA-256.

    It was damaged on its way, or the ETag is no digest, as where a store encrypts what it keeps:
    then it comes the same again.
    """
    if progress:
        progress(-source.size)
    file.seek(0)
    file.truncate()
    sha256, is_suspect = fetch_and_hash(source, file, progress)
    if is_suspect and sha256 != before:
        raise StoreUnavailable(f"{source.location}: {GARBLED_MESSAGE}.")
    return sha256


def _expected_md5(source: ObjectInfo) -> str | None:
    """The MD5 of an object that has no digest of ours, where its ETag looks like one."""
    etag = (source.etag or "").strip('"').lower()
    return etag if not source.sha256 and _MD5_PATTERN.fullmatch(etag) else None


def _fetch_parts(source: ObjectInfo, file: HashedFile, progress: ProgressCallback | None) -> int:
    """Fetch an object into an open file; returns how many bytes came."""
    fetch = _PartFetcher(source, file, progress)
    with convert_library_errors(source.location):
        parts = split_for_download(source.size)
        _call_in_parallel([partial(fetch.fetch_part, part) for part in parts], fetch.stopped.set)
    return fetch.received


def _call_in_parallel(calls: Sequence[Callable[[], _T]], stop: Callable[[], None]) -> list[_T]:
    """Make calls in several threads; their answers.

    Args:
        calls: The calls.
        stop: Ends those that are under way, where one fails or this is interrupted.
    """
    with ThreadPoolExecutor(PARALLEL_PARTS) as threads:
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


class _PartFetcher:
    """Fetches parts of one version of an object, each to its place, in several threads."""

    def __init__(
        self, source: ObjectInfo, file: HashedFile, progress: ProgressCallback | None
    ) -> None:
        self.received, self.stopped = 0, Event()
        self._source, self._file, self._progress = source, file, progress
        self._lock = Lock()

    def fetch_part(self, part: Part) -> None:
        """Fetch one part; where its body breaks off, go on from there."""
        start, stop = part.start, part.stop
        for attempt in count(1):
            try:
                for data in self._read_pieces(start, stop):
                    self._file.write(data, start)
                    start += len(data)
                    self._count_received(len(data))
            except _BROKEN_BODY_ERRORS:
                if attempt == _MAX_PART_FETCHES:
                    raise
            else:
                return

    def _read_pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Read the store's pieces of a part, checked to be of the right version."""
        where: Any = {"Bucket": self._source.location.bucket, "Key": self._source.location.key}
        if self._source.etag:
            where["IfMatch"] = self._source.etag
        is_part = (start, stop) != (0, self._source.size)
        if is_part:
            where["Range"] = f"bytes={start}-{stop - 1}"
        answer = get_client().get_object(**where)
        with closing(answer["Body"]) as body:
            if is_part:
                check_range_answer(self._source.location, answer.get("ContentRange"))
            while not self.stopped.is_set() and (data := body.read(_MIB)):
                yield data

    def _count_received(self, more: int) -> None:
        with self._lock:
            self.received += more
            if self._progress:
                self._progress(more)


def send_file(
    sent: ObjectInfo, bodies: Sequence[PartBody], transfer: UploadState, content_type: str | None
) -> None:
    """Send a file as one object, or in parts."""
    name = sent.location.name
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    where: Any = {"Bucket": sent.location.bucket, "Key": sent.location.key}
    extra: Any = {"ContentType": content_type or guessed, "Metadata": {"sha256": sent.sha256}}
    with convert_library_errors(sent.location):
        try:
            if len(bodies) == 1:
                content: Any = {"Body": bodies[0], "ContentMD5": bodies[0].encode_md5()}
                get_client().put_object(**where, **extra | content)
            else:
                _send_parts(sent, where, extra, bodies, transfer)
        except StopTransfer:
            assert transfer.failure is not None
            raise transfer.failure from None


def _send_parts(
    sent: ObjectInfo, where: Any, extra: Any, bodies: Sequence[PartBody], transfer: UploadState
) -> None:
    """Send a file in parts; where that fails, nothing of it stays in the store."""
    upload = get_client().create_multipart_upload(**where, **extra)["UploadId"]

    def send_part(number: int, body: PartBody) -> Any:
        named: Any = {"UploadId": upload, "PartNumber": number}
        content: Any = {"Body": body, "ContentMD5": body.encode_md5()}
        etag = get_client().upload_part(**where, **named, **content)["ETag"]
        return {"ETag": etag, "PartNumber": number}

    try:
        calls = [partial(send_part, number, body) for number, body in enumerate(bodies, 1)]
        parts: Any = {"Parts": _call_in_parallel(calls, transfer.stop)}
        _complete_upload(sent, where | {"UploadId": upload, "MultipartUpload": parts})
    except BaseException:
        with suppress(*LIBRARY_ERRORS):  # what has failed first is told
            abort_upload(sent.location, upload)
        raise


def _complete_upload(sent: ObjectInfo, upload: Any) -> None:
    """Put an upload's parts together.

    That of a large one may take longer than is waited for; it is asked for again, and then the
    store knows no such upload any more, for there is the object.
    """
    try:
        get_client().complete_multipart_upload(**upload)
    except ClientError as error:
        gone = error.response["Error"]["Code"] == "NoSuchUpload"
        if not gone or not _is_stored(sent):
            raise


def _is_stored(sent: ObjectInfo) -> bool:
    with suppress(*LIBRARY_ERRORS):
        head = get_client().head_object(Bucket=sent.location.bucket, Key=sent.location.key)
        return stored_sha256(head["Metadata"]) == sent.sha256
    return False


def check_range_answer(location: Location, content_range: str | None) -> None:
    """Raise `NotSupported` where a store sent a whole object in place of the range asked for."""
    if content_range is None:
        raise NotSupported(
            f"{location}: the store sent the whole object where a part was asked for; use a store "
            "that supports range requests.",
        )
