"""Every test of the S3 form runs against moto and, where it is installed, against Ceph."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks.storage.location import Location
from tests.integration.storage.faults import FaultyProxy, run_faulty_proxy
from tests.support.stores import StoreSettings, ceph_store, create_s3_client, moto_store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_numbers = count()


@dataclass(frozen=True)
class RunningStore:
    """A store, which lives as long as the test session."""

    kind: str
    settings: StoreSettings
    folder: Path
    client: "S3Client"


@dataclass(frozen=True)
class Bucket:
    """A new, empty bucket, and how to look at it past the code under test."""

    name: str
    store: RunningStore

    def at(self, key: str) -> Location:
        return Location(self.name, key)

    def keys(self) -> list[str]:
        found = self.store.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [item["Key"] for item in found]

    def put(self, key: str, body: bytes = b"content", **metadata: str) -> Location:
        self.store.client.put_object(Bucket=self.name, Key=key, Body=body, Metadata=metadata)
        return self.at(key)

    def unfinished_uploads(self) -> int:
        return len(self.store.client.list_multipart_uploads(Bucket=self.name).get("Uploads", []))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="session", params=["moto", "ceph"])
def running_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStore]:
    folder = tmp_path_factory.mktemp(request.param)
    store = moto_store() if request.param == "moto" else ceph_store(folder)
    with store as settings:
        s3 = create_s3_client(settings)
        yield RunningStore(request.param, settings, folder, s3)
        s3.close()


@pytest.fixture
def bucket(running_store: RunningStore, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket in each of the stores, which boto3's settings then name."""
    for name, value in running_store.settings.items():
        monkeypatch.setenv(name, value)
    name = f"test-{next(_numbers)}"
    running_store.client.create_bucket(Bucket=name)
    return Bucket(name, running_store)


@pytest.fixture(scope="session")
def running_proxy(running_store: RunningStore) -> Iterator[FaultyProxy]:
    with run_faulty_proxy(running_store.settings["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def proxy(
    bucket: Bucket, running_proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> FaultyProxy:
    """A proxy before the store, with which boto3's settings then name it."""
    running_proxy.use_rule(lambda request: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_proxy.url)
    # The waits between tries are botocore's, and long.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return running_proxy
