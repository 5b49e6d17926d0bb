"""Uploads whose parts others send: by signed links or through us, and only as the file has them."""

import hashlib
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from tempfile import TemporaryFile

import pytest

from tasks.storage.location import Location
from tasks.storage.multipart import SENT_PART_BYTES
from tasks.storage.part_uploads import (
    ObjectExists,
    PartUpload,
    UploadGone,
    WrongParts,
    abandon_upload,
    begin_upload,
    finish_upload,
    list_parts,
    list_uploads,
    send_part,
    sign_part,
)
from tests.integration.storage.conftest import Bucket

DATA = bytes(range(256)) * (SENT_PART_BYTES // 256) + b"the last part"
PARTS = (DATA[:SENT_PART_BYTES], DATA[SENT_PART_BYTES:])
DIGESTS = [hashlib.md5(part, usedforsecurity=False).hexdigest() for part in PARTS]
KEY = "inbox/a b+c%41 ü.mp4"


def send_by_link(upload: PartUpload, number: int, data: bytes, claimed: bytes | None = None) -> int:
    md5 = b64encode(hashlib.md5(claimed or data, usedforsecurity=False).digest()).decode()
    link = sign_part(upload, number, md5, 60)
    headers = {"Content-MD5": md5, "Content-Type": ""}
    request = urllib.request.Request(link, data, headers, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def send(upload: PartUpload, number: int, data: bytes) -> str:
    with TemporaryFile() as file:
        file.write(data)
        return send_part(upload, number, file, len(data))


def begin(bucket: Bucket, sent: Sequence[bytes] = PARTS) -> PartUpload:
    upload, has_digests = begin_upload(bucket.at(KEY))
    assert has_digests
    for number, part in enumerate(sent, 1):
        send(upload, number, part)
    return upload


def read(location: Location, bucket: Bucket) -> bytes:
    answer = bucket.store.client.get_object(Bucket=location.bucket, Key=location.key)
    return answer["Body"].read()


def test_parts_go_by_links_and_through_us(bucket: Bucket) -> None:
    upload = begin(bucket, ())
    assert send_by_link(upload, 2, PARTS[1]) == 200
    assert send(upload, 1, PARTS[0]) == DIGESTS[0]
    arrived = [(part.number, part.size, part.etag) for part in list_parts(upload)]
    assert arrived == [(1, len(PARTS[0]), DIGESTS[0]), (2, len(PARTS[1]), DIGESTS[1])]
    found = list_uploads(bucket.at("inbox/"))
    assert [(one.location, one.id) for one in found] == [(upload.location, upload.id)]
    stored = finish_upload(upload, len(DATA), DIGESTS)
    assert (stored.size, read(stored.location, bucket)) == (len(DATA), DATA)
    assert list_uploads(bucket.at("inbox/")) == []
    # The answer was lost, and it is asked for again.
    assert finish_upload(upload, len(DATA), DIGESTS).etag == stored.etag


def test_nothing_is_finished_that_is_not_as_it_was_sent(bucket: Bucket) -> None:
    upload = begin(bucket, (PARTS[0], b"THE LAST PART"))
    with pytest.raises(WrongParts, match="1 of 2 parts") as told:
        finish_upload(upload, len(DATA), DIGESTS)
    assert told.value.numbers == (2,)
    with pytest.raises(WrongParts):
        finish_upload(upload, len(DATA) + 1, DIGESTS, has_digests=False)
    send(upload, 2, PARTS[1])
    finish_upload(upload, len(DATA), DIGESTS)


def test_a_link_takes_only_what_it_was_made_for(bucket: Bucket) -> None:
    upload = begin(bucket, ())
    if bucket.store.kind == "moto":
        pytest.skip("moto compares neither signatures nor digests")
    assert send_by_link(upload, 1, b"other bytes!!", b"the last part") == 400
    assert list_parts(upload) == []


def test_another_file_is_not_replaced_unless_that_is_asked(bucket: Bucket) -> None:
    upload = begin(bucket)
    bucket.put(KEY, b"another one")
    with pytest.raises(ObjectExists, match="somebody has put another file of this name there"):
        finish_upload(upload, len(DATA), DIGESTS)
    assert read(upload.location, bucket) == b"another one"
    etag = bucket.store.client.head_object(Bucket=bucket.name, Key=KEY)["ETag"]
    bucket.put(KEY, b"a third one")
    with pytest.raises(ObjectExists):
        finish_upload(upload, len(DATA), DIGESTS, replaced=etag)
    etag = bucket.store.client.head_object(Bucket=bucket.name, Key=KEY)["ETag"]
    finish_upload(upload, len(DATA), DIGESTS, replaced=etag)
    assert read(upload.location, bucket) == DATA


def test_one_that_was_removed_says_so(bucket: Bucket) -> None:
    upload = begin(bucket, PARTS[1:])
    abandon_upload(upload)
    abandon_upload(upload)
    assert bucket.unfinished_uploads() == 0
    with pytest.raises(UploadGone, match="no such upload any more"):
        list_parts(upload)
    with pytest.raises(UploadGone):
        send(upload, 1, b"x")
    with pytest.raises(UploadGone):
        finish_upload(upload, len(DATA), DIGESTS)
