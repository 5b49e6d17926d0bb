"""The service as a lab runs it: PostgreSQL, a password, two workers. Everything is real."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from deployments import definitions
from deployments.server.application import build_security_headers
from tasks import OWN_TAGS, environment_variables
from tests.integration.conftest import INBOX, Service
from tests.integration.test_receiver import notification
from tests.support.paths import ROOT
from tests.support.servers import PrefectServer, is_answering, run_process
from tests.support.stores import find_free_port
from tests.support.waiting import wait_for

RUNS = 6


def test_it_lets_nobody_in_without_the_password(service: Service) -> None:
    for password in (None, "lab:guess"):
        stranger = replace(service.prefect, password=password)
        assert stranger.get("/health") is True
        with pytest.raises(HTTPError, match="401") as refusal:
            stranger.post("/deployments/filter", {})
        refusal.value.close()
    assert isinstance(service.prefect.post("/deployments/filter", {}), list)


def test_other_sites_may_not_read_it_through_a_browser(service: Service) -> None:
    asked = Request(f"{service.prefect.url}/api/health", headers={"Origin": "https://example.org"})
    with urlopen(asked, timeout=60) as answer:
        assert "access-control-allow-origin" not in answer.headers
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_everything_is_in_postgresql(service: Service) -> None:
    assert service.prefect.get("/block_types/slug/slack-webhook")
    assert not list((service.folder / "home").glob("*.db"))


def test_on_sqlite_nobody_waits_for_a_minute(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from deployments.server.application import create_application
create_application()
from prefect.server.database.configurations import AioSqliteConfiguration

async def wait():
    database = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{sys.argv[1]}")
    async with (await database.engine()).connect() as connection:
        return (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar()

print(asyncio.run(wait()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "prefect.db")],
        cwd=ROOT,
        env=os.environ | {"PREFECT_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == "5000"


def test_it_asks_nobody(service: Service) -> None:
    kinds = service.prefect.get("/collections/views/aggregate-worker-metadata")
    assert "process" in kinds["prefect"]
    assert service.prefect.get("/admin/settings")["server"]["analytics_enabled"] is False
    assert service.outside.caught == []


@pytest.mark.parametrize(
    ("api", "store", "directive"),
    [
        ("/api", None, "connect-src 'self';"),
        ("https://prefect.lab/api", None, "connect-src 'self' https://prefect.lab;"),
        ("/api", "http://store.lab:9000/", "img-src 'self' data: blob: http://store.lab:9000;"),
    ],
)
def test_browsers_are_told_whom_to_ask(api: str, store: str | None, directive: str) -> None:
    assert directive in build_security_headers(api, store)["content-security-policy"]


def test_deploying_again_changes_nothing(deployed_service: PrefectServer) -> None:
    ours = deployed_service.post("/deployments/filter", {})
    names = {deployment["name"] for deployment in ours if OWN_TAGS & set(deployment["tags"])}
    assert names == set(definitions.DEPLOYMENT_NAMES) - {"recovery"}
    automations = [each["name"] for each in deployed_service.post("/automations/filter", {})]
    assert len(automations) == len(set(automations))
    assert "dlcflow: arrival in the inbox" in automations


def test_the_next_look_at_the_inbox_is_scheduled(deployed_service: PrefectServer) -> None:
    look = wait_for(lambda: _runs(deployed_service, "inbox"))[0]
    assert look["state_type"] == "SCHEDULED"
    assert look["parameters"] == {"inbox": INBOX}


def test_an_arrival_starts_a_run(deployed_service: PrefectServer, tmp_path: Path) -> None:
    port = find_free_port()
    listen = [sys.executable, "-m", "deployments.receiver", "--port", str(port)]
    environment = {**deployed_service.environment, environment_variables.INBOX.name: INBOX}
    with run_process(listen, tmp_path / "receiver.log", env=environment):
        url = f"http://127.0.0.1:{port}/"
        assert wait_for(lambda: is_answering(url)), (tmp_path / "receiver.log").read_text()
        body = json.dumps(notification("lab", "inbox/day1/m1.mp4")).encode()
        urlopen(Request(url, body), timeout=60).close()
        (run,) = wait_for(lambda: _runs(deployed_service, "arrival"))
    assert run["parameters"]["locations"] == ["s3://lab/inbox/day1/m1.mp4"]


def test_two_workers_do_each_run_once(two_workers: PrefectServer, tmp_path: Path) -> None:
    flow = two_workers.post("/flows/", {"name": "once"})["id"]
    deployment = {
        "name": "once",
        "flow_id": flow,
        "entrypoint": "tests.support.service_flow.record_process",
        "pull_steps": [],
        "work_pool_name": "gpu",
        "work_queue_name": "bulk",
        "parameters": {"folder": str(tmp_path)},
    }
    once = two_workers.post("/deployments/", deployment)["id"]
    names = [f"run-{number}" for number in range(RUNS)]
    for name in names:
        wanted = {"name": name, "parameters": {"name": name}}
        two_workers.post(f"/deployments/{once}/create_flow_run", wanted)

    def ended() -> list[Any]:
        runs = _runs(two_workers, "once")
        return runs if all(run["end_time"] for run in runs) else []

    assert {run["state_type"] for run in wait_for(ended)} == {"COMPLETED"}
    done = {file.name: len(file.read_text().splitlines()) for file in tmp_path.iterdir()}
    assert done == dict.fromkeys(names, 1)


@pytest.fixture
def two_workers(
    deployed_service: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrefectServer]:
    """Process workers that take what lies in the queue for bulk work."""
    logs, environment = tmp_path_factory.mktemp("workers"), dict(deployed_service.environment)
    environment["PREFECT_WORKER_QUERY_SECONDS"] = "1"
    start = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "gpu", "--limit", "2"]
    start += ["--type", "process", "--work-queue", "bulk", "--name"]
    with (
        run_process([*start, "one"], logs / "one.log", env=environment),
        run_process([*start, "two"], logs / "two.log", env=environment),
    ):
        yield deployed_service


def _runs(prefect: PrefectServer, flow: str) -> list[Any]:
    found: list[Any] = prefect.post("/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})
    return found
