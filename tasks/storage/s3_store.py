"""Objects in an S3 store: AWS, Ceph, MinIO and the like."""

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
)

from tasks.environment_variables import read_link_endpoint
from tasks.errors import BadInput
from tasks.storage.local_files import ProgressCallback, check_disk_space, open_replacement
from tasks.storage.location import Location, has_dot_segment
from tasks.storage.multipart import PartBody, UploadState, compute_sha256_of_parts, split_for_upload
from tasks.storage.store import (
    ObjectInfo,
    ObjectStore,
    check_part,
    check_size,
    format_attachment,
)
from tasks.storage.store_errors import StoreUnavailable, convert_os_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

from tasks.storage.s3_client import convert_library_errors, get_client, http_status
from tasks.storage.s3_transfer import (
    abort_upload,
    check_range_answer,
    fetch_again,
    fetch_and_hash,
    send_file,
    stored_sha256,
)

_USER_INFO = re.compile(r"(?<=://)[^/]*@")
"""A user and a password in the store's address; they are this machine's own."""


class S3Store(ObjectStore):
    """Objects in the S3 store that boto3's own settings name."""

    def stat(self, location: Location) -> ObjectInfo:
        """Describe one object."""
        _check_object(location)
        with convert_library_errors(location):
            head = _read_head(location)
        return ObjectInfo(
            location=location,
            size=head["ContentLength"],
            etag=head.get("ETag"),
            version=head.get("VersionId"),
            modified=_to_utc(head.get("LastModified")),
            sha256=stored_sha256(head["Metadata"]),
        )

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        """Every object below a prefix."""
        return _list_objects(prefix, Prefix=_listing_prefix(prefix))

    def list_beginning(self, start: Location) -> Iterator[ObjectInfo]:
        """Every object of one folder whose name begins like another's."""
        return _list_objects(start, Prefix=start.key, Delimiter="/")

    @convert_os_errors()
    def download(
        self, source: ObjectInfo, path: Path, progress: ProgressCallback | None = None
    ) -> str:
        """Fetch an object in parallel parts, all of the version that ``source`` describes."""
        check_disk_space(path.parent, source.size)
        with open_replacement(path) as file:
            sha256, is_suspect = fetch_and_hash(source, file, progress)
            if is_suspect:
                sha256 = fetch_again(source, file, progress, sha256)
        return sha256

    @convert_os_errors()
    def upload(
        self,
        path: Path,
        target: Location,
        content_type: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> ObjectInfo:
        """Send a file, in parallel parts where it is large, and look at what the store then has."""
        _check_object(target)
        with path.open("rb") as file:
            parts = split_for_upload(os.fstat(file.fileno()).st_size)
            sha256, digests = compute_sha256_of_parts(file, parts)
            sent = ObjectInfo(target, parts[-1].stop, None, None, None, sha256)
            transfer = UploadState(progress)
            bodies = [PartBody(file, *one, transfer) for one in zip(parts, digests, strict=True)]
            send_file(sent, bodies, transfer, content_type)
        stored = self.stat(target)
        if (stored.size, stored.sha256) != (sent.size, sent.sha256):
            raise StoreUnavailable(
                f"{target}: sent {sent.size:,} bytes with SHA-256 {sent.sha256}, but the store "
                f"then held {stored.size:,} bytes with {stored.sha256}. Make sure that nobody else "
                "writes there, and upload again."
            )
        return stored

    def read(self, location: Location, limit: int) -> bytes:
        """The content of a small object."""
        _check_object(location)
        with convert_library_errors(location):
            answer = get_client().get_object(Bucket=location.bucket, Key=location.key)
            with answer["Body"] as body:
                check_size(location, answer["ContentLength"], limit)
                return body.read()

    def read_part(
        self, location: Location, start: int, length: int, etag: str | None = None
    ) -> bytes:
        """A part of an object."""
        _check_object(location)
        where: Any = {"Bucket": location.bucket, "Key": location.key}
        where["Range"] = f"bytes={start}-{start + length - 1}"
        if etag:
            where["IfMatch"] = etag
        with convert_library_errors(location):
            answer = get_client().get_object(**where)
            with answer["Body"] as body:
                check_range_answer(location, answer.get("ContentRange"))
                data = body.read()
        check_part(location, start, length, len(data))
        return data

    def put(self, location: Location, data: bytes) -> str | None:
        """Write a small object."""
        _check_object(location)
        with convert_library_errors(location):
            answer = get_client().put_object(**_small_object(location, data))
        return answer.get("VersionId")

    def create(self, location: Location, data: bytes) -> bool:
        """Write a small object on condition that there is none."""
        _check_object(location)
        with convert_library_errors(location):
            try:
                get_client().put_object(**_small_object(location, data), IfNoneMatch="*")
            except ClientError as error:
                if http_status(error) in _ALREADY_EXISTS_STATUSES:
                    return False
                raise
        return True

    def remove(self, location: Location) -> None:
        """Remove an object."""
        _check_object(location)
        with convert_library_errors(location):
            get_client().delete_object(Bucket=location.bucket, Key=location.key)

    def remove_version(self, location: Location, version: str) -> None:
        """Remove a version of an object."""
        _check_object(location)
        where: Any = {"Bucket": location.bucket, "Key": location.key, "VersionId": version}
        with convert_library_errors(location):
            get_client().delete_object(**where)

    def check_writable(self, prefix: Location) -> None:
        """Begin an upload and abandon it: no reader ever sees an object."""
        probe = prefix.child(f".write-check-{secrets.token_hex(8)}")
        where: Any = {"Bucket": probe.bucket, "Key": probe.key}
        with convert_library_errors(prefix):
            upload = get_client().create_multipart_upload(**where)
            get_client().abort_multipart_upload(**where, UploadId=upload["UploadId"])

    def abort_unfinished_uploads(
        self,
        prefix: Location,
        chosen: Callable[[Location], bool],
        older_than: timedelta = timedelta(),
    ) -> int:
        """Abort multipart uploads that were never completed."""
        last = datetime.now(UTC) - older_than
        with convert_library_errors(prefix):
            pages = get_client().get_paginator("list_multipart_uploads")
            uploads = [
                upload
                for page in pages.paginate(Bucket=prefix.bucket, Prefix=_listing_prefix(prefix))
                for upload in page.get("Uploads", ())
                if upload["Initiated"] <= last or not older_than
                if chosen(Location(prefix.bucket, upload["Key"]))
            ]
            for upload in uploads:
                where = Location(prefix.bucket, upload["Key"])
                abort_upload(where, upload["UploadId"])
        return len(uploads)

    def local_path(self, source: ObjectInfo) -> Path | None:  # noqa: ARG002
        """Nothing: the object must be fetched."""
        return None

    def known_sha256(self, source: ObjectInfo) -> str | None:
        """The digest that `upload` wrote, where the object was looked at."""
        return source.sha256

    def create_signed_link(
        self, location: Location, seconds: int, download_name: str | None = None
    ) -> str | None:
        """An address with a signature; nothing is asked of the store."""
        _check_object(location)
        if has_dot_segment(location.key):
            return None
        where = {"Bucket": location.bucket, "Key": location.key}
        if download_name is not None:
            where["ResponseContentDisposition"] = format_attachment(download_name)
        client = get_client(read_link_endpoint())
        with convert_library_errors(location):
            link = client.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds)
        return _USER_INFO.sub("", link)


def _read_head(location: Location) -> "HeadObjectOutputTypeDef":
    try:
        return get_client().head_object(Bucket=location.bucket, Key=location.key)
    except ClientError as error:
        raise _find_error_reason(error, location) from None


def _find_error_reason(error: ClientError, location: Location) -> ClientError:
    """The answer to HEAD has no body to say why; that to a like request of the same key has one."""
    try:
        if http_status(error) == HTTPStatus.BAD_REQUEST:  # it is about the object, not the bucket
            where: Any = {"Bucket": location.bucket, "Key": location.key}
            get_client().get_object(**where, Range="bytes=0-0")["Body"].close()
        else:
            get_client().list_objects_v2(Bucket=location.bucket, Prefix=location.key, MaxKeys=1)
    except ClientError as reason:
        return reason if http_status(reason) == http_status(error) else error
    return error


def _list_objects(start: Location, **chosen: Any) -> Iterator[ObjectInfo]:
    """Objects of a bucket, page by page, without the markers that stand for folders."""
    with convert_library_errors(start):
        pages = get_client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=start.bucket, **chosen):
            for found in page.get("Contents", ()):
                if found["Size"] or not found["Key"].endswith("/"):
                    place = Location(start.bucket, found["Key"])
                    modified = _to_utc(found.get("LastModified"))
                    yield ObjectInfo(place, found["Size"], found.get("ETag"), None, modified, None)


def _listing_prefix(prefix: Location) -> str:
    return prefix.key if prefix.is_prefix else f"{prefix.key}/"


def _small_object(location: Location, data: bytes) -> Any:
    """The words of a request that writes an object; a bucket with retention wants the digest."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    md5 = base64.b64encode(digest).decode()
    return {"Bucket": location.bucket, "Key": location.key, "Body": data, "ContentMD5": md5}


_ALREADY_EXISTS_STATUSES = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}
"""There is an object, or somebody else is just writing one (409, AWS)."""


def _to_utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def _check_object(location: Location) -> None:
    if location.is_local:
        raise BadInput(f"{location}: expected a location in a bucket, found a local path.")
    if location.is_prefix:
        raise BadInput(f"{location}: expected one object, found a prefix.")
