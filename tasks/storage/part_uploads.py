"""Uploads that somebody else sends part by part, such as a browser, to an S3 store.

What has arrived is known from the store's own list of parts alone: the ETag of each is its MD5,
unless the store encrypts with keys of a key service. Each part is sent with its MD5, which the
store compares.
"""

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from tasks.environment_variables import read_link_endpoint
from tasks.errors import BadInput, Retriable
from tasks.storage.location import Location
from tasks.storage.multipart import (
    Part,
    PartBody,
    StopTransfer,
    UploadState,
    choose_sent_part_bytes,
    compute_multipart_etag,
    compute_sha256_of_parts,
)
from tasks.storage.s3_client import convert_library_errors, get_client, http_status
from tasks.storage.s3_store import S3Store
from tasks.storage.s3_transfer import abort_upload
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import NoSuchObject, StoreUnavailable


class UploadGone(Retriable):
    """The store has no such upload: it was finished, or removed."""


class ObjectExists(BadInput):
    """There is an object that an upload would replace, and nobody has asked for that."""


class WrongParts(Retriable):
    """Parts that the store holds are not those of the file, or are missing.

    Attributes:
        numbers: Which; they count from 1.
    """

    def __init__(self, message: str, numbers: Sequence[int]) -> None:
        super().__init__(message)
        self.numbers = tuple(numbers)


@dataclass(frozen=True, slots=True)
class PartUpload:
    """An upload that is not finished.

    Attributes:
        location: The object that it will make.
        id: Its id in the store.
        begun: When it began, in UTC; None where that is not known.
    """

    location: Location
    id: str
    begun: datetime | None = None

    @property
    def request(self) -> Any:
        """The words of a request that concerns it."""
        return {"Bucket": self.location.bucket, "Key": self.location.key, "UploadId": self.id}


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that has arrived.

    Attributes:
        number: Counts from 1.
        size: Its bytes.
        etag: Its MD5 in hexadecimal digits, as a rule.
        modified: When it arrived, in UTC.
    """

    number: int
    size: int
    etag: str
    modified: datetime


def begin_upload(location: Location) -> tuple[PartUpload, bool]:
    """Begin an upload.

    Returns:
        The upload, and whether the ETags of its parts are their digests.
    """
    kind = mimetypes.guess_type(location.name)[0] or "application/octet-stream"
    where: Any = {"Bucket": location.bucket, "Key": location.key, "ContentType": kind}
    with convert_library_errors(location):
        answer = get_client().create_multipart_upload(**where)
    encrypted = answer.get("ServerSideEncryption", "")
    return PartUpload(location, answer["UploadId"]), not encrypted.startswith("aws:kms")


def list_uploads(start: Location) -> list[PartUpload]:
    """The unfinished uploads whose keys begin like a location's, the oldest first."""
    with convert_library_errors(start):
        pages = get_client().get_paginator("list_multipart_uploads")
        found = [
            PartUpload(Location(start.bucket, one["Key"]), one["UploadId"], one["Initiated"])
            for page in pages.paginate(Bucket=start.bucket, Prefix=start.key)
            for one in page.get("Uploads", ())
        ]
    return sorted(found, key=lambda one: str(one.begun))


def list_parts(upload: PartUpload) -> list[StoredPart]:
    """The parts that have arrived.

    Raises:
        UploadGone: There is no such upload any more.
    """
    with convert_library_errors(upload.location):
        try:
            pages = get_client().get_paginator("list_parts").paginate(**upload.request)
            return [
                StoredPart(p["PartNumber"], p["Size"], p["ETag"].strip('"'), p["LastModified"])
                for page in pages
                for p in page.get("Parts", ())
            ]
        except ClientError as error:
            _raise_if_gone(upload, error)
            raise


def sign_part(upload: PartUpload, number: int, md5: str, seconds: int) -> str:
    """A web address to which anyone who has it can send one part, for a limited time.

    Args:
        upload: The upload.
        number: The part's number, from 1.
        md5: Its MD5 in Base64, which must be sent as Content-MD5: nothing else is taken.
        seconds: How long it works.
    """
    part: Any = {"PartNumber": number, "ContentMD5": md5}
    with convert_library_errors(upload.location):
        client = get_client(read_link_endpoint())
        return client.generate_presigned_url(
            "upload_part", Params=upload.request | part, ExpiresIn=seconds
        )


def send_part(upload: PartUpload, number: int, file: BinaryIO, size: int) -> str:
    """Send a part that lies in a file of this machine; returns its ETag.

    Args:
        upload: The upload.
        number: The part's number, from 1.
        file: The file, which holds this part alone.
        size: Its bytes.

    Raises:
        UploadGone: There is no such upload any more.
    """
    file.flush()
    part, state = Part(0, size), UploadState(None)
    sha256, _ = compute_sha256_of_parts(file, [part])
    body: Any = PartBody(file, part, sha256, state)
    content: Any = {"PartNumber": number, "Body": body, "ContentMD5": body.encode_md5()}
    with convert_library_errors(upload.location):
        try:
            answer = get_client().upload_part(**upload.request, **content)
        except StopTransfer:
            assert state.failure is not None
            raise state.failure from None
        except ClientError:
            list_parts(upload)  # not every store says of a part that there is no such upload
            raise
    return answer["ETag"].strip('"')


def finish_upload(
    upload: PartUpload,
    size: int,
    digests: Sequence[str],
    *,
    has_digests: bool = True,
    replaced: str | None = None,
) -> ObjectInfo:
    """Put the parts together once the store holds those of the file, and look at the object.

    Args:
        upload: The upload.
        size: The file's bytes.
        digests: MD5 of each of its parts, in hexadecimal digits.
        has_digests: Whether the ETags of its parts are their digests.
        replaced: ETag of the object that it may replace; None for none.

    Raises:
        WrongParts: The store does not hold what was sent.
        ObjectExists: There is another object of this name.
        UploadGone: There is no such upload any more.
    """
    etag = compute_multipart_etag(digests) if has_digests else None
    try:
        parts = list_parts(upload)
        _check_parts(upload, parts, size, digests if has_digests else None)
        if _find_other(upload.location, replaced):
            raise _explain_existing(upload.location)
        _complete_upload(upload, parts, replaced)
    except UploadGone:  # it was finished already, where the answer was lost
        found = _find_other(upload.location, replaced)
        if not (found and _is_as_sent(found, size, etag)):
            raise
    stored = S3Store().stat(upload.location)
    if not _is_as_sent(stored, size, etag):
        raise StoreUnavailable(
            f"{upload.location}: sent {size:,} bytes with ETag {etag}, but the store then held "
            f"{stored.size:,} bytes with {stored.etag}. Make sure that nobody else writes there, "
            "and upload again."
        )
    return stored


def abandon_upload(upload: PartUpload) -> None:
    """Remove an upload and its parts; one that is already gone is fine."""
    with convert_library_errors(upload.location):
        abort_upload(upload.location, upload.id)


def _check_parts(
    upload: PartUpload, parts: Sequence[StoredPart], size: int, digests: Sequence[str] | None
) -> None:
    length = choose_sent_part_bytes(size)
    count = max(1, -(-size // length))
    sizes = [length] * (count - 1) + [size - length * (count - 1)]
    known = {part.number: part for part in parts}
    wrong = [
        number
        for number, wanted in enumerate(sizes, 1)
        if number not in known
        or known[number].size != wanted
        or (digests is not None and known[number].etag != digests[number - 1])
    ]
    if wrong or len(known) > count:
        raise WrongParts(
            f"{upload.location}: {len(wrong)} of {count} parts are not in the store as they were "
            "sent; send them again",
            wrong,
        )


def _find_other(location: Location, replaced: str | None) -> ObjectInfo | None:
    """The object that lies there, unless it is the one that may be replaced."""
    try:
        found = S3Store().stat(location)
    except NoSuchObject:
        return None
    return None if found.etag == replaced else found


def _explain_existing(location: Location) -> ObjectExists:
    return ObjectExists(
        f"{location.name}: somebody has put another file of this name there meanwhile; replace it, "
        "or choose another name"
    )


def _complete_upload(upload: PartUpload, parts: Sequence[StoredPart], replaced: str | None) -> None:
    listed: Any = {"Parts": [{"ETag": one.etag, "PartNumber": one.number} for one in parts]}
    wanted: Any = upload.request | {"MultipartUpload": listed}
    # Stores that do not know these conditions pass over them, as a rule.
    condition: Any = {"IfMatch": replaced} if replaced else {"IfNoneMatch": "*"}
    with convert_library_errors(upload.location):
        try:
            get_client().complete_multipart_upload(**wanted, **condition)
        except ClientError as error:
            _raise_if_gone(upload, error)
            if http_status(error) == HTTPStatus.NOT_IMPLEMENTED:
                get_client().complete_multipart_upload(**wanted)
                return
            if http_status(error) in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}:
                raise _explain_existing(upload.location) from None
            raise


def _raise_if_gone(upload: PartUpload, error: ClientError) -> None:
    if error.response["Error"]["Code"] in _GONE_CODES:
        raise UploadGone(
            f"{upload.location.name}: the store has no such upload any more; it was removed, or "
            "finished elsewhere; choose the file again"
        ) from None


_GONE_CODES = {"NoSuchUpload", "NoSuchKey"}
"""Ceph says the latter of an upload whose parts are asked for."""


def _is_as_sent(stored: ObjectInfo, size: int, etag: str | None) -> bool:
    found = (stored.etag or "").strip('"')
    return stored.size == size and (etag is None or found == etag)
