"""`make deploy` against a real server: what it makes, again and again, and that it works."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

import tasks
from deployments import definitions, deploy
from tasks import OWN_TAGS, UPKEEP_TAG, environment_variables
from tasks.environment_variables import NOTIFICATION_BLOCK
from tasks.storage.location import Location
from tests.support.waiting import wait_for

INBOX = "s3://lab/inbox/"

LIGHT = {"inbox", "pose-estimation-on-arrival"}
ANALYSES = {"behavior", "neural"}
INBOX_ONLY = LIGHT
NAMES = {"pose-estimation", "one-movie", *ANALYSES, *LIGHT}


@pytest.fixture(scope="module")
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    """A server that this checkout was deployed to."""
    with pytest.MonkeyPatch.context() as patch, get_client(sync_client=True) as client:
        patch.setenv(environment_variables.INBOX.name, INBOX)
        patch.delenv(NOTIFICATION_BLOCK.name, raising=False)
        assert deploy.main([]) == 0
        yield client


def everything(client: SyncPrefectClient) -> dict[str, Any]:
    """All that `make deploy` may touch, with ids and times."""
    polled = {"last_polled", "status"}
    kinds = (client.read_work_pools(), client.read_work_queues(), client.read_deployments())
    found = [one.model_dump(mode="json", exclude=polled) for kind in kinds for one in kind]
    found += [one.model_dump(mode="json") for one in client.read_automations()]
    return {one["id"]: one for one in found}


def deployments(client: SyncPrefectClient) -> dict[str, Any]:
    return {one.name: one for one in client.read_deployments() if OWN_TAGS & set(one.tags)}


def triggers(client: SyncPrefectClient) -> dict[str, Any]:
    return {one.name: one for one in client.read_automations()}


def test_there_is_a_pool_with_queues_by_urgency(client: SyncPrefectClient) -> None:
    assert client.read_work_pool("gpu").type == "process"
    queues = client.read_work_queues(work_pool_name="gpu")
    by_priority = sorted(queues, key=lambda queue: queue.priority or 0)
    assert [queue.name for queue in by_priority] == [
        "service",
        "analysis",
        "urgent",
        "movies",
        "default",
        "bulk",
    ]


def test_there_are_deployments_of_this_version(client: SyncPrefectClient) -> None:
    ours = deployments(client)
    assert ours.keys() == NAMES
    assert {d.version for d in ours.values()} == {tasks.__version__}
    assert {d.work_pool_name for d in ours.values()} == {"gpu"}
    assert {name for name, d in ours.items() if UPKEEP_TAG in d.tags} == LIGHT
    assert {
        name for name, d in ours.items() if d.work_queue_name == definitions.SERVICE_QUEUE
    } == LIGHT
    assert {ours[name].work_queue_name for name in ANALYSES} == {definitions.ANALYSIS_QUEUE}
    assert ours["pose-estimation"].work_queue_name == "default"
    assert [d.job_variables for d in ours.values()] == [{}] * len(NAMES)
    assert ours["inbox"].parameters == {"inbox": INBOX}


def test_names_of_all_deployments_are_known_for_good() -> None:
    entries = yaml.safe_load(definitions.DEPLOYMENTS_FILE.read_text())["deployments"]
    assert set(definitions.DEPLOYMENT_NAMES) >= {entry["name"] for entry in entries}


def test_the_form_knows_every_setting(client: SyncPrefectClient) -> None:
    schema = deployments(client)["pose-estimation"].parameter_openapi_schema
    settings = schema["definitions"]["PoseSettings"]["properties"]
    assert all(field["title"] and field["description"] for field in settings.values())
    assert settings["dot_size"]["minimum"] == 1


def test_automations_are_there_once(client: SyncPrefectClient) -> None:
    names = [one.name for one in client.read_automations()]
    assert sorted(name for name in names if name.startswith("dlcflow")) == [
        "dlcflow: arrival in the inbox",
    ]


def test_a_second_time_changes_nothing(client: SyncPrefectClient) -> None:
    before = everything(client)
    assert deploy.main([]) == 0
    assert everything(client) == before


@pytest.fixture
def cluster(client: SyncPrefectClient) -> Iterator[None]:
    """The server with a work pool for a cluster, for a while."""
    client.delete_work_pool("gpu")
    assert deploy.main(["--pool", "kubernetes"]) == 0
    yield
    client.delete_work_pool("gpu")
    assert deploy.main([]) == 0


@pytest.mark.usefixtures("cluster")
def test_light_runs_and_analyses_in_a_cluster_ask_for_no_gpu(client: SyncPrefectClient) -> None:
    from prefect.client.schemas.actions import DeploymentUpdate

    ours = deployments(client)
    wanted: dict[str, Any] = {name: {} for name in NAMES}
    wanted |= dict.fromkeys(LIGHT, definitions.LIGHT_RUN_VARIABLES["kubernetes"])
    wanted |= dict.fromkeys(ANALYSES, definitions.ANALYSIS_RUN_VARIABLES["kubernetes"])
    assert {name: one.job_variables for name, one in ours.items()} == wanted
    before = everything(client)
    assert deploy.main([]) == 0
    assert everything(client) == before
    client.update_deployment(ours["inbox"].id, DeploymentUpdate(job_variables={"gpus": 1}))
    assert deploy.main([]) == 0
    assert {name: one.job_variables for name, one in deployments(client).items()} == wanted


def test_arrivals_start_a_run(client: SyncPrefectClient) -> None:
    from tasks.inbox.arrivals import emit_arrival_events

    inbox = Location.parse(INBOX)
    arrived = [inbox.child(name) for name in ("a/{{ 1 + 1 }}.mp4", "a/m1.mp4")]
    assert not _runs_of(client, "arrival")
    assert emit_arrival_events([inbox, Location.parse("s3://lab/inbox2/")], arrived) == 1
    (run,) = wait_for(lambda: _runs_of(client, "arrival"))
    assert run.parameters == {"locations": list(map(str, arrived)), "inbox": INBOX}
    assert run.work_queue_name == "service"


def _runs_of(client: SyncPrefectClient, flow: str) -> list[Any]:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    name = FlowFilter(name=FlowFilterName(any_=[flow]))
    return [run for run in client.read_flow_runs(flow_filter=name) if run.deployment_id]


def test_what_somebody_changed_on_the_server_is_put_right(client: SyncPrefectClient) -> None:
    from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
    from prefect.client.schemas.schedules import CronSchedule

    before = deployments(client)
    midnight = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 0 * * *"), slug="midnight")
    changed = before["inbox"]
    client.update_deployment(changed.id, DeploymentUpdate(parameters={"inbox": "s3://other/"}))
    client.create_deployment_schedules(changed.id, [midnight])
    client.delete_automation(triggers(client)["dlcflow: arrival in the inbox"].id)
    assert deploy.main([]) == 0
    after = deployments(client)
    assert after["inbox"].parameters == {"inbox": INBOX}
    assert [one.slug for one in after["inbox"].schedules] == ["every-five-minutes"]
    assert "dlcflow: arrival in the inbox" in triggers(client)
    assert after["pose-estimation"] == before["pose-estimation"]


def test_what_an_earlier_version_made_goes_and_what_others_made_stays(
    client: SyncPrefectClient,
) -> None:
    found = triggers(client)["dlcflow: arrival in the inbox"]
    for name in ("dlcflow: a run's heartbeat stopped", "somebody's"):
        values = found.model_dump(exclude={"id"}) | {"name": name}
        client.create_automation(AutomationCore.model_validate(values))
    flow = client.create_flow_from_name("recovery")
    client.create_deployment(flow, "recovery", tags=["dlcflow"])
    assert deploy.main([]) == 0
    names = [one.name for one in client.read_automations()]
    assert "dlcflow: a run's heartbeat stopped" not in names
    assert names.count("somebody's") == names.count("dlcflow: arrival in the inbox") == 1
    assert "recovery" not in deployments(client)


def test_without_an_inbox_its_deployments_go_and_those_of_others_stay(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = deployments(client)["pose-estimation"]
    client.create_deployment(ours.flow_id, "our defaults", tags=["dlcflow"])
    monkeypatch.setenv(environment_variables.INBOX.name, "")
    assert deploy.main([]) == 0
    assert deployments(client).keys() == {*NAMES, "our defaults"} - INBOX_ONLY
    assert "dlcflow: arrival in the inbox" not in triggers(client)


def test_an_inbox_that_is_not_named_stays_as_it_is(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment_variables.INBOX.name, "s3://other/inbox")
    assert deploy.main([]) == 0
    before = everything(client)
    monkeypatch.delenv(environment_variables.INBOX.name)
    assert deploy.main([]) == 0
    assert everything(client) == before
    found = deployments(client)["pose-estimation-on-arrival"]
    assert found.parameters == {"inbox": "s3://other/inbox/"}
    trigger = triggers(client)["dlcflow: arrival in the inbox"].trigger
    assert trigger.match.root == {"prefect.resource.id": "s3://other/inbox/"}


def test_the_type_of_a_pool_cannot_be_changed(
    client: SyncPrefectClient, capfd: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main(["--pool", "docker"]) == 1
    assert "is of type process, which cannot be changed to docker" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:9/api", "expected a Prefect server at http://127.0.0.1:9/api"),
        (None, "expected PREFECT_API_URL to name a Prefect server, found nothing"),
    ],
)
def test_a_server_that_there_is_not_is_named(
    url: str | None, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({PREFECT_API_URL: url}):
        assert deploy.main([]) == 1
    assert sentence in capfd.readouterr().err


def test_an_address_of_something_else_is_named(
    client: SyncPrefectClient, capfd: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({PREFECT_API_URL: f"{str(client.api_url).rstrip('/')}/v9"}):
        assert deploy.main([]) == 1
    assert "found something that answers with status 404" in capfd.readouterr().err


def test_a_wrong_password_is_named(
    lab_server: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    url = lab_server["PREFECT_API_URL"]
    with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: "lab:wrong"}):
        assert deploy.main([]) == 1
    assert f"the Prefect server at {url} refuses the password" in capfd.readouterr().err
