"""What people are told of, counted at a webhook: once each, on a real server."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Failed, Pending, Running

from deployments.deploy import POOL_NAME
from deployments.upkeep import notify_test
from flows.inbox import inbox
from tasks import PREFECT_TAG, UPKEEP_TAG
from tasks.environment_variables import NOTICE_KINDS, NOTIFICATION_BLOCK
from tasks.stages.run_states import FAIL_STATE, LOOK_STATE
from tasks.upkeep import ended_runs, tell
from tasks.upkeep.notice import NoticeSettings, choose_notices, read_notice_settings
from tasks.upkeep.refusals import Refusal, read_refusals, send_refusals
from tasks.upkeep.tell import tell_people
from tests.integration.lab import (
    connect_as_client,
    deploy_stub,
    deploy_without_inbox,
    set_states,
)
from tests.support.notice_listener import NOTICE_WORDS, NoticeListener, listen_to_notices
from tests.support.waiting import wait_for

BLOCK = "custom-webhook/lab"
SINGLE_KINDS = tuple(kind for kind in NOTICE_KINDS if kind != "digest")


@pytest.fixture(scope="module")
def listener() -> Iterator[NoticeListener]:
    with listen_to_notices() as found:
        yield found


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str], listener: NoticeListener) -> Iterator[SyncPrefectClient]:
    with connect_as_client(lab_server) as client, pytest.MonkeyPatch.context() as patch:
        # Its queues have never been asked for: that other tests' workers are gone is no news.
        with suppress(ObjectNotFound):
            client.delete_work_pool(POOL_NAME)
        block = CustomWebhookNotificationBlock(
            name="lab", url=f"http://{listener.url}", json_data=NOTICE_WORDS
        )
        block.save("lab", overwrite=True)
        Secret(value=f"json://{listener.url}").save("address", overwrite=True)
        deploy_without_inbox(client, patch, notify=BLOCK)
        yield client
        deploy_without_inbox(client, patch, notify="")


@pytest.fixture(autouse=True)
def wanted(client: SyncPrefectClient, listener: NoticeListener) -> None:
    """All but the digest is wanted, and nothing has happened yet."""
    listener.told.clear()
    choose_notices(client, "", None)
    choose_notices(client, BLOCK, SINGLE_KINDS)
    tell_people(client, POOL_NAME)
    listener.told.clear()


def end_run(
    client: SyncPrefectClient, state: Any, tag: str = PREFECT_TAG, flow: str = "pose-estimation"
) -> FlowRun:
    stub = deploy_stub(client, tag=tag, flow=flow)
    run = client.create_flow_run_from_deployment(stub, name="m1 · openfield")
    set_states(client, run, Pending(), Running(), state)
    return run


def test_each_end_of_a_run_is_told_once(
    client: SyncPrefectClient, listener: NoticeListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ArtifactCreate(key="results-s3-lab-1", type="markdown", data="# Complete")
    runs = {
        "failed": end_run(client, Failed(message="m1: no movie")),
        "needs a look": end_run(client, Completed(name=LOOK_STATE, message="1 movie, 1 look")),
        "has poses that fail": end_run(client, Completed(name=FAIL_STATE, message="1 fail")),
        "finished": end_run(client, Completed(message="1 movie, 1 pass")),
    }
    quiet = [
        end_run(client, Failed(), tag="somebody's"),
        end_run(client, Failed(), flow="one-movie"),
        end_run(client, Completed(message="3 started"), tag=UPKEEP_TAG, flow="inbox"),
    ]
    crashed = end_run(client, Crashed(message="out of memory"))
    made = client.create_artifact(page.model_copy(update={"flow_run_id": runs["finished"].id}))
    assert len(tell_people(client, POOL_NAME)) == len(runs)
    assert tell_people(client, POOL_NAME) == []
    for words, run in runs.items():
        (notice,) = listener.about(str(run.id))
        assert notice["subject"] == f"dlcflow: m1 · openfield {words}"
        state = client.read_flow_run(run.id).state
        assert state is not None
        assert notice["body"].startswith(str(state.message))
        assert f"/runs/flow-run/{run.id}" in notice["body"]
    (finished,) = listener.about(str(runs["finished"].id))
    assert f"/artifacts/artifact/{made.id}" in finished["body"]
    assert not any(listener.about(str(run.id)) for run in quiet)
    # A crash is told of if nobody has started the run again.
    assert not listener.about(str(crashed.id))
    monkeypatch.setattr(ended_runs, "_CRASH_SETTLED", timedelta())
    tell_people(client, POOL_NAME)
    (notice,) = listener.about(str(crashed.id))
    assert notice["subject"].endswith("crashed")
    set_states(client, crashed, Failed())


def test_only_what_is_chosen_is_told(client: SyncPrefectClient, listener: NoticeListener) -> None:
    choose_notices(client, None, ("finished",))
    end_run(client, Failed())
    end_run(client, Completed(name=LOOK_STATE))
    tell_people(client, POOL_NAME)
    (notice,) = listener.told
    assert notice["subject"].endswith("needs a look")


def test_a_notice_that_is_not_taken_is_sent_again(
    client: SyncPrefectClient, listener: NoticeListener
) -> None:
    run = end_run(client, Failed(message="m1: no movie"))
    listener.refuses = True
    with pytest.raises(ConnectionError, match="custom-webhook/lab did not take a notice"):
        tell_people(client, POOL_NAME)
    listener.refuses = False
    for _ in range(2):
        tell_people(client, POOL_NAME)
    assert len(listener.about(str(run.id))) == 1


def test_looks_that_fail_for_one_reason_are_told_of_once(
    client: SyncPrefectClient, listener: NoticeListener
) -> None:
    for reason in ("the store is away", "the store is away", "there is no bucket lab"):
        end_run(client, Failed(message=reason), tag=UPKEEP_TAG, flow="inbox")
    tell_people(client, POOL_NAME)
    assert [one["body"].partition("\n")[0] for one in listener.told] == [
        "the store is away",
        "there is no bucket lab",
    ]


def test_what_an_inbox_refuses_is_told_once(
    client: SyncPrefectClient, listener: NoticeListener, tmp_path: Path
) -> None:
    movies, results = tmp_path / "inbox", tmp_path / "results"
    for folder in (movies, results):
        folder.mkdir()
    for name in ("empty.mp4", "none.avi"):
        (movies / name).touch()
    model = tmp_path / "m.zip"
    model.write_bytes(b"zip")
    since = datetime.now(UTC)

    def look() -> None:
        inbox(str(movies), str(model), str(results))

    def refused() -> list[Refusal]:
        return [refusal for _, refusal in read_refusals(client, since)]

    for _ in range(2):
        look()
    wait_for(lambda: len(refused()) == 2)
    (movies / "empty.mp4").write_bytes(b"a movie")
    look()
    for _ in range(2):
        tell_people(client, POOL_NAME)
    assert sorted(one["subject"] for one in listener.told) == [
        "dlcflow: empty.mp4 is refused",
        "dlcflow: none.avi is refused",
    ]
    assert all(str(movies) in one["body"] for one in listener.told)
    listener.told.clear()
    many = [Refusal(f"{i}", f"{i}.mp4", "s3://lab/inbox/", "it is empty") for i in range(25)]
    send_refusals(client, many)
    wait_for(lambda: len(refused()) == 27)
    for _ in range(2):
        tell_people(client, POOL_NAME)
    (notice,) = listener.told
    assert notice["subject"] == "dlcflow: 25 movies are refused"
    assert "and 5 more" in notice["body"]


def test_that_no_worker_asks_is_told_once_until_one_does(
    client: SyncPrefectClient, listener: NoticeListener
) -> None:
    def ask() -> None:
        names = ["default", "bulk"]
        client.get_scheduled_flow_runs_for_work_pool(POOL_NAME, work_queue_names=names)

    def tell_later(seconds: float) -> None:
        tell_people(client, POOL_NAME, datetime.now(UTC) + timedelta(seconds=seconds))
        assert all("no worker" in one["subject"] for one in listener.told)

    ask()
    for seconds, count in ((0, 0), (30, 0), (70, 1), (80, 1)):
        tell_later(seconds)
        assert len(listener.told) == count
    (notice,) = listener.told
    assert "the queues bulk, default" in notice["body"]
    ask()
    tell_later(0)
    tell_later(90)
    assert len(listener.told) == 2


def test_a_digest_takes_the_place_of_notices(
    client: SyncPrefectClient, listener: NoticeListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_notices(client, None, ("digest",))
    failed = end_run(client, Failed(message="m1: no movie"))
    end_run(client, Completed(name=FAIL_STATE, message="1 fail"))
    end_run(client, Completed(message="1 pass"))
    monkeypatch.setattr(tell, "DIGEST_HOUR", 0)
    for _ in range(2):
        tell_people(client, POOL_NAME)
    (notice,) = listener.told
    assert "to look at" in notice["subject"]
    assert f"/runs/flow-run/{failed.id})" in notice["body"]
    # Of a day on which nothing happens nobody is told.
    assert tell_people(client, POOL_NAME, datetime.now(UTC) + timedelta(days=1)) == []


def test_what_was_before_anybody_wanted_to_know_is_history(
    client: SyncPrefectClient, listener: NoticeListener
) -> None:
    choose_notices(client, "", None)
    run = end_run(client, Failed())
    assert tell_people(client, POOL_NAME) == []
    choose_notices(client, BLOCK, None)
    tell_people(client, POOL_NAME)
    assert not listener.about(str(run.id))


def test_a_test_notice_comes_by_a_block_or_an_address_in_a_secret(
    client: SyncPrefectClient,
    listener: NoticeListener,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(NOTIFICATION_BLOCK.name, raising=False)
    assert notify_test.main([]) == 0
    assert "custom-webhook/lab has taken a notice" in capsys.readouterr().out
    monkeypatch.setenv(NOTIFICATION_BLOCK.name, "secret/address")
    assert notify_test.main([]) == 0
    subjects = [one.get("subject") or one.get("title") for one in listener.told]
    assert subjects == ["dlcflow: a test"] * 2
    for block in ("slack-webhook/none", "json/none", "nothing"):
        monkeypatch.setenv(NOTIFICATION_BLOCK.name, block)
        assert notify_test.main([]) == 1
        assert f"DLCFLOW_NOTIFY={block}: expected a notification block" in capsys.readouterr().err


def test_deploying_keeps_the_choice(client: SyncPrefectClient) -> None:
    chosen = NoticeSettings(BLOCK, ("finished",))
    choose_notices(client, BLOCK, ("finished",))
    assert choose_notices(client, None, None) == read_notice_settings(client) == chosen
    with pytest.raises(ValueError, match="DLCFLOW_NOTIFY=slack-webhook/none: expected") as caught:
        choose_notices(client, "slack-webhook/none", None)
    assert "`prefect block create slack-webhook`" in str(caught.value)
    assert read_notice_settings(client) == chosen
