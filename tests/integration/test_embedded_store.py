"""The embedded store keeps its objects over a kill, as they were: bytes, ETags, times, metadata."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployments.demo.inputs import STORE_CREDENTIALS
from tests.support.paths import ROOT
from tests.support.stores import find_free_port
from tests.support.waiting import wait_for

BUCKET = "lab"
AWKWARD = "inbox/a b/\u00e4 #1?&%2F.mp4"


@contextmanager
def embedded_store(folder: Path) -> Iterator[Any]:
    """A client of a store in a process, which is killed at the end."""
    port = find_free_port()
    words = [sys.executable, "-m", "deployments.embedded_store", "--port", str(port)]
    child = subprocess.Popen([*words, "--folder", str(folder)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=STORE_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=STORE_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        assert wait_for(lambda: _answers(client))
        yield client
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()


def _answers(client: Any) -> bool:
    try:
        client.list_buckets()
    except Exception:  # noqa: BLE001 - it is starting
        return False
    return True


def describe(client: Any) -> dict[str, Any]:
    """Every object of the bucket: bytes' digest, ETag, time, metadata, type."""
    found = {}
    for listed in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        got = client.get_object(Bucket=BUCKET, Key=listed["Key"])
        found[listed["Key"]] = (
            hashlib.sha256(got["Body"].read()).hexdigest(),
            listed["ETag"],
            listed["LastModified"],
            got["Metadata"],
            got["ContentType"],
        )
    return found


def test_objects_outlive_the_store(tmp_path: Path) -> None:
    with embedded_store(tmp_path) as client:
        client.create_bucket(Bucket=BUCKET)
        client.create_bucket(Bucket="empty")
        client.put_object(Bucket=BUCKET, Key=AWKWARD, Body=b"movie", Metadata={"sha256": "abc"})
        client.put_object(Bucket=BUCKET, Key="page.html", Body=b"", ContentType="text/html")
        client.put_object(Bucket=BUCKET, Key="old", Body=b"1")
        client.put_object(Bucket=BUCKET, Key="old", Body=b"22")
        client.put_object(Bucket=BUCKET, Key="gone", Body=b"x")
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "gone"}]})
        upload = client.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
        parts = []
        for number, data in enumerate([b"a" * (5 << 20), b"b"], start=1):
            part = client.upload_part(
                Bucket=BUCKET, Key="large", UploadId=upload, PartNumber=number, Body=data
            )
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        client.complete_multipart_upload(
            Bucket=BUCKET, Key="large", UploadId=upload, MultipartUpload={"Parts": parts}
        )
        before = describe(client)
    assert set(before) == {AWKWARD, "page.html", "old", "large"}
    assert before["large"][1].endswith('-2"')
    with embedded_store(tmp_path) as client:
        assert describe(client) == before
        assert [b["Name"] for b in client.list_buckets()["Buckets"]] == ["empty", BUCKET]
        with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
            client.put_object(Bucket=BUCKET, Key="old", Body=b"3", IfNoneMatch="*")
        for key in before:
            client.delete_object(Bucket=BUCKET, Key=key)
        client.delete_bucket(Bucket=BUCKET)
    with embedded_store(tmp_path) as client:
        assert [b["Name"] for b in client.list_buckets()["Buckets"]] == ["empty"]
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
