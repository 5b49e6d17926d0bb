"""`make deploy` against a real server: what it makes, again and again, and that it works."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tasks
from deployments import deploy
from tasks.storage.location import Location

INBOX = "s3://lab/inbox/"


@pytest.fixture(scope="module")
def deployed(prefect_server: None) -> Iterator[None]:
    """Deployed twice: the second time must change nothing."""
    with pytest.MonkeyPatch.context() as patch:
        from prefect.settings import PREFECT_API_URL

        patch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
        patch.setenv(deploy.INBOX, INBOX)
        assert deploy.main([]) == 0
        assert deploy.main([]) == 0
        yield


def ask(question: Callable[[Any], Any]) -> Any:
    from prefect.client.orchestration import get_client

    async def answer() -> Any:
        async with get_client() as client:
            return await question(client)

    return asyncio.run(answer())


def test_there_is_a_pool_with_queues_by_urgency(deployed: None) -> None:
    pool = ask(lambda client: client.read_work_pool("gpu"))
    assert pool.type == "process"
    queues = ask(lambda client: client.read_work_queues(work_pool_name="gpu"))
    by_priority = sorted(queues, key=lambda queue: queue.priority)
    assert [queue.name for queue in by_priority] == ["urgent", "default", "bulk"]


def test_there_are_three_deployments_of_this_version(deployed: None) -> None:
    found = {d.name: d for d in ask(lambda client: client.read_deployments())}
    ours = {name: d for name, d in found.items() if "dlcflow" in d.tags}
    assert set(ours) == {"pose-estimation", "inbox", "pose-estimation-on-arrival"}
    assert {d.version for d in ours.values()} == {tasks.__version__}
    assert {d.work_pool_name for d in ours.values()} == {"gpu"}
    assert ours["inbox"].parameters == {"inbox": INBOX}


def test_the_form_knows_every_setting(deployed: None) -> None:
    name = "pose-estimation/pose-estimation"
    schema = ask(lambda client: client.read_deployment_by_name(name)).parameter_openapi_schema
    settings = schema["definitions"]["PoseSettings"]["properties"]
    assert all(field["title"] and field["description"] for field in settings.values())
    assert settings["dot_size"]["minimum"] == 1


def test_automations_are_there_once(deployed: None) -> None:
    names = [a.name for a in ask(lambda client: client.read_automations())]
    ours = sorted(name for name in names if name.startswith("dlcflow"))
    assert ours == ["dlcflow: a run's heartbeat stopped", "dlcflow: arrival in the inbox"]


def test_arrivals_start_a_run(deployed: None) -> None:
    from tasks.arrivals import announce

    inbox = Location.parse(INBOX)
    arrived = [inbox.child(name) for name in ("a/{{ 1 + 1 }}.mp4", "a/m1.mp4")]
    assert not _runs_of("arrival", wait=0)
    assert announce([inbox, Location.parse("s3://lab/inbox2/")], arrived) == 1
    (run,) = _runs_of("arrival")
    assert run.parameters == {"locations": list(map(str, arrived)), "inbox": INBOX}
    assert run.work_queue_name == "service"


def _runs_of(flow: str, wait: float = 60) -> list[Any]:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    until, name = time.monotonic() + wait, FlowFilter(name=FlowFilterName(any_=[flow]))
    while True:
        runs = ask(lambda client: client.read_flow_runs(flow_filter=name))
        scheduled = [run for run in runs if run.deployment_id]
        if scheduled or time.monotonic() > until:
            return scheduled
        time.sleep(0.5)
