"""What the server does by itself, tried on a real one, with a real notification."""

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.automations import AutomationCore
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.states import Crashed, Failed, Pending, Running

from deployments import automations
from deployments.deploy import POOL_NAME
from tasks.recovery.lost_runs import NO_HEARTBEAT_MESSAGE
from tests.integration.lab import (
    connect_as_client,
    deploy_stub,
    deploy_without_inbox,
    emit_event,
    set_states,
    use_quick_automations,
)
from tests.support.waiting import wait_for

Told = list[dict[str, str]]


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, Told]]:
    """A listener's address, and what it has been told."""
    received: Told = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()


@pytest.fixture(scope="module")
def client(
    lab_server: dict[str, str],
    told: tuple[str, Told],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SyncPrefectClient]:
    with connect_as_client(lab_server) as client, pytest.MonkeyPatch.context() as patch:
        words = {"subject": "{{subject}}", "body": "{{body}}"}
        block = CustomWebhookNotificationBlock(name="lab", url=told[0], json_data=words)
        block.save("lab", overwrite=True)
        use_quick_automations(tmp_path_factory.mktemp("automations"), patch)
        deploy_without_inbox(client, patch, notify="custom-webhook/lab")
        yield client


@pytest.fixture
def run(client: SyncPrefectClient) -> FlowRun:
    run = client.create_flow_run_from_deployment(deploy_stub(client), name="m1 · openfield")
    set_states(client, run, Pending(), Running())
    return run


def about(told: Told, run: FlowRun) -> Told:
    return [one for one in told if str(run.id) in one["body"]]


@pytest.mark.parametrize(
    ("state", "word"),
    [(Failed(message="m1: no movie"), "failed"), (Crashed(message="out of memory"), "crashed")],
)
def test_a_run_that_ends_badly_is_told_with_its_reason_and_address(
    client: SyncPrefectClient, run: FlowRun, told: tuple[str, Told], state: Any, word: str
) -> None:
    client.set_flow_run_state(run.id, state)
    (message,) = wait_for(lambda: about(told[1], run))
    assert message["subject"] == f"dlcflow: m1 · openfield {word}"
    assert state.message in message["body"]
    assert f"/runs/flow-run/{run.id}" in message["body"]


def test_runs_of_others_are_nobodys_business_here(
    client: SyncPrefectClient, run: FlowRun, told: tuple[str, Told]
) -> None:
    others = client.create_flow_run_from_deployment(deploy_stub(client, tag="somebody's"))
    client.set_flow_run_state(others.id, Failed())
    client.set_flow_run_state(run.id, Failed())
    wait_for(lambda: about(told[1], run))
    assert about(told[1], others) == []


def test_a_spread_movie_is_told_of_by_its_request_alone(
    client: SyncPrefectClient, run: FlowRun, told: tuple[str, Told]
) -> None:
    movie = client.create_flow_run_from_deployment(deploy_stub(client, flow="one-movie"))
    client.set_flow_run_state(movie.id, Failed())
    client.set_flow_run_state(run.id, Failed())
    wait_for(lambda: about(told[1], run))
    assert about(told[1], movie) == []


def test_a_queue_that_no_worker_asks_is_told_though_the_pool_has_one(
    client: SyncPrefectClient, told: tuple[str, Told]
) -> None:
    def look() -> Any:
        client.send_worker_heartbeat(POOL_NAME, "another", heartbeat_interval_seconds=60)
        return [one for one in told[1] if "no worker" in one["subject"]]

    # Workers of other tests may have asked for other queues before: all that end together are
    # told once, under the name of the first.
    client.get_scheduled_flow_runs_for_work_pool(POOL_NAME, work_queue_names=["default", "bulk"])
    message = wait_for(look)[0]
    named = re.search(r"the queue (\S+) any more", message["body"])
    assert named is not None
    queue = client.read_work_queue_by_name(named[1], work_pool_name=POOL_NAME)
    assert queue.name != "bulk"
    assert str(queue.status) == "WorkQueueStatus.NOT_READY"
    assert str(client.read_work_pool(POOL_NAME).status) == "WorkPoolStatus.READY"


def test_a_run_whose_heartbeat_stops_is_marked_crashed(
    client: SyncPrefectClient, run: FlowRun
) -> None:
    related = {"prefect.resource.id": "prefect.tag.dlcflow", "prefect.resource.role": "tag"}
    emit_event(client, "prefect.flow-run.heartbeat", f"prefect.flow-run.{run.id}", related)

    def reason() -> str | None:
        state = client.read_flow_run(run.id).state
        return state.message if state and state.is_crashed() else None

    assert str(wait_for(reason)).startswith(NO_HEARTBEAT_MESSAGE)


def looks(client: SyncPrefectClient) -> set[UUID]:
    """Those that a crash has started."""
    of_recovery = FlowFilter.model_validate({"name": {"any_": ["recovery"]}})
    found = client.read_flow_runs(flow_filter=of_recovery)
    return {one.id for one in found if one.created_by and one.created_by.type == "AUTOMATION"}


def test_a_crash_starts_a_look(client: SyncPrefectClient, run: FlowRun) -> None:
    # One look serves all crashes of five seconds, and the test before this one has made one.
    time.sleep(6)
    before = looks(client)
    client.set_flow_run_state(run.id, Crashed())
    wait_for(lambda: looks(client) - before)


@pytest.mark.parametrize(
    ("flow", "starts"),
    [
        *((flow, True) for flow in ("pose-estimation", "behavior", "neural")),
        *((flow, False) for flow in ("one-movie", "inbox", "recovery")),
    ],
)
def test_looks_are_for_crashes_of_requests_and_not_of_looks(
    client: SyncPrefectClient, flow: str, starts: bool
) -> None:
    crashed = client.create_flow_run_from_deployment(deploy_stub(client, flow=flow))
    client.set_flow_run_state(crashed.id, Crashed())
    of_it = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.Crashed"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{crashed.id}"]),
    )
    (event,) = wait_for(lambda: client.read_events(of_it, limit=1).events)
    found = {one.name: one for one in client.read_automations()}["dlcflow: a run crashed"]
    # As the server decides it.
    trigger = EventTrigger.model_validate(found.trigger.model_dump(mode="json"))
    assert trigger.covers(ReceivedEvent.model_validate(event.model_dump())) == starts


def test_a_paused_automation_stays_paused(client: SyncPrefectClient) -> None:
    def find() -> Any:
        return {one.name: one for one in client.read_automations()}["dlcflow: no worker"]

    before = find()
    client.pause_automation(before.id)
    automations.reconcile_automations(client, None)
    assert (find().id, find().enabled) == (before.id, False)
    client.resume_automation(before.id)


def test_an_automation_that_the_file_lacks_goes_and_that_of_others_stays(
    client: SyncPrefectClient,
) -> None:
    found = {one.name: one for one in client.read_automations()}["dlcflow: no worker"]
    for name in ("dlcflow: of old", "somebody's"):
        values = found.model_dump(exclude={"id"}) | {"name": name}
        client.create_automation(AutomationCore.model_validate(values))
    automations.reconcile_automations(client, None)
    names = [one.name for one in client.read_automations()]
    assert "dlcflow: of old" not in names
    assert "somebody's" in names
    assert names.count("dlcflow: no worker") == 1


def test_nobody_is_told_where_no_block_is_named(client: SyncPrefectClient) -> None:
    automations.reconcile_automations(client, "")
    names = [one.name for one in client.read_automations()]
    assert "dlcflow: a run failed" not in names
    assert "dlcflow: a run's heartbeat stopped" in names


def test_a_block_that_there_is_not_is_named(client: SyncPrefectClient) -> None:
    with pytest.raises(ValueError, match="DLCFLOW_NOTIFY=slack-webhook/none: expected") as caught:
        automations.reconcile_automations(client, "slack-webhook/none")
    assert "`prefect block create slack-webhook`" in str(caught.value)
