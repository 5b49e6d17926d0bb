"""Slow parts that integration tests share: the service as a lab leaves it running."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.servers import (
    PrefectServer,
    TrapProxy,
    run_postgresql,
    run_prefect_server,
    run_trap_proxy,
)
from tests.support.templates import copy_stages

INBOX = "s3://lab/inbox/"


@dataclass(frozen=True)
class Service:
    """A Prefect server on PostgreSQL, behind a password.

    Attributes:
        prefect: The server.
        outside: Where it would go to reach anybody else.
        folder: Its settings and logs.
    """

    prefect: PrefectServer
    outside: TrapProxy
    folder: Path


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with run_postgresql() as database, run_trap_proxy() as outside:
        proxy = {"HTTPS_PROXY": outside.url, "HTTP_PROXY": outside.url, "NO_PROXY": "127.0.0.1"}
        with run_prefect_server(folder, database, "lab:secret", **proxy) as prefect:
            yield Service(prefect, outside, folder)


@pytest.fixture(scope="session")
def deployed_service(service: Service) -> PrefectServer:
    """With what `make deploy` puts there, done twice."""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "deployments.deploy"],
            cwd=ROOT,
            env={**service.prefect.environment, "DLCFLOW_INBOX": INBOX},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return service.prefect


@pytest.fixture(scope="module", autouse=True)
def copied_stages() -> Iterator[None]:
    """The stages of this process do not wait for DeepLabCut to be loaded."""
    with copy_stages():
        yield
