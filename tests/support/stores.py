"""Object stores for tests: moto in this process, and the real Ceph RADOS Gateway.

Each yields the settings that boto3 reads from the environment, so that a test applies them with
`monkeypatch.setenv` and a child process gets them as they are.
"""

import logging
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

StoreSettings = dict[str, str]

PAGE_SIZE = 100  # rather than 1,000, so that few objects make several pages

_NO_USER_SETTINGS = {
    # Nothing that this machine's user has set up plays a part.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_CEPH_SETTINGS = f"""\
rgw_max_listing_results = {PAGE_SIZE}
# So that a test may send a key of its own over HTTP.
rgw_crypt_require_ssl = false

[mon]
# What it holds is in memory and a few megabytes of files: it need not refuse to start on a disk
# of which a hundredth is free.
mon_data_avail_crit = -1
"""
_session = boto3.Session()  # making one takes much longer than making a client
_DEFAULT_SCRIPT = Path(__file__).parents[3] / "shared" / "tools" / "object-store.sh"


@contextmanager
def moto_store() -> Iterator[StoreSettings]:
    """Start moto's server on a free port. All of its servers in a process share their objects."""
    from moto.server import ThreadedMotoServer

    # Its access log would be written to whatever standard error a test has captured.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    os.environ.setdefault("MOTO_S3_DEFAULT_MAX_KEYS", str(PAGE_SIZE))
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _build_settings(f"http://{host}:{port}", "test-access-key", "test-secret-key")
    finally:
        server.stop()


@contextmanager
def ceph_store(folder: Path) -> Iterator[StoreSettings]:
    """Start Ceph in a folder, over HTTP and, at OBJECT_STORE_TLS_URL, over HTTPS; or skip.

    Its script is OBJECT_STORE_SCRIPT, or shared/tools/object-store.sh beside the checkout.
    """
    settings = folder.with_suffix(".conf")
    settings.write_text(_CEPH_SETTINGS)
    environment = {
        "OBJECT_STORE_RGW_CONF": str(settings),
        "OBJECT_STORE_BACKEND": "memstore",
        "OBJECT_STORE_SIZE": str(2 << 30),
        "OBJECT_STORE_TLS_PORT": str(find_free_port()),
    }
    _run_ceph_script("start", folder, str(find_free_port()), **environment)
    try:
        lines = (folder / "env").read_text().splitlines()
        yield _NO_USER_SETTINGS | dict(line.split("=", 1) for line in lines)
    finally:
        _run_ceph_script("stop", folder)


def add_ceph_user(folder: Path, name: str) -> StoreSettings:
    """Add a user to the Ceph in a folder; returns the settings that differ."""
    keys = {"AWS_ACCESS_KEY_ID": f"{name}-access", "AWS_SECRET_ACCESS_KEY": f"{name}-secret"}
    _run_ceph_script("user", folder, name, *keys.values())
    return keys


def create_s3_client(settings: Mapping[str, str]) -> "S3Client":
    """A plain client, with which a test looks at a store past the code under test."""
    return _session.client(
        "s3",
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        region_name=settings["AWS_DEFAULT_REGION"],
        config=Config(request_checksum_calculation="when_required"),
    )


def find_free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _build_settings(url: str, access_key: str, secret_key: str) -> StoreSettings:
    return _NO_USER_SETTINGS | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def _run_ceph_script(command: str, folder: Path, *arguments: str, **environment: str) -> None:
    script = Path(os.environ.get("OBJECT_STORE_SCRIPT", _DEFAULT_SCRIPT))
    if not script.exists() or not shutil.which("radosgw"):
        pytest.skip("Ceph is not here: this needs object-store.sh and the package radosgw")
    done = subprocess.run(
        ["bash", str(script), command, str(folder), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"object-store.sh {command}: {done.stderr}")
