"""What the upload page shows of a movie that has arrived: that it is seen, its run, its results."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Completed

from tasks.environment_variables import INBOX, WEB_RESULTS
from tasks.inbox import look as look_module
from tasks.inbox import start_runs
from tasks.inbox.look import parse_arrivals, parse_inbox
from tasks.inbox.request_file import FolderRequest
from tasks.storage.location import Location
from tests.integration.lab import connect_as_client
from tests.support.records import example_movie, example_run
from tests.support.servers import is_answering, run_process
from tests.support.stores import StoreSettings, find_free_port
from tests.support.waiting import wait_for
from tests.support.web_page import find_accessibility_problems

if TYPE_CHECKING:
    from playwright.sync_api import Page

BUCKET = "uploaded-lab"
DEPLOYMENT = "pose-estimation/for uploaded movies"


@pytest.fixture(scope="module")
def client(lab_server: dict[str, str], object_store: StoreSettings) -> Iterator[SyncPrefectClient]:
    """A server with a deployment that looks at an inbox with two folders."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="models/m.zip", Body=b"zip")
    request = b"model: ../../models/m.zip\noutput: ../../results/\n"
    s3.put_object(Bucket=BUCKET, Key="inbox/day1/request.yaml", Body=request)
    s3.put_object(Bucket=BUCKET, Key="inbox/none/notes.txt", Body=b"x")
    with connect_as_client(lab_server) as found:
        parameters = {"inbox": f"s3://{BUCKET}/inbox", "deployment": DEPLOYMENT}
        for flow, given in (("inbox", parameters), ("pose-estimation", {})):
            flow_id = found.create_flow_from_name(flow)
            found.create_deployment(
                flow_id,
                "for uploaded movies",
                parameters=given,
                enforce_parameter_schema=False,
            )
        yield found


@contextmanager
def run_page(environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run the page as a process: it finds Prefect and the store by its environment."""
    port = find_free_port()
    words = [sys.executable, "-m", "deployments.web", "--port", str(port)]
    with run_process(words, folder / "page.log", env=environment):
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: is_answering(f"{url}/health"), (folder / "page.log").read_text)
        yield url


@pytest.fixture(scope="module")
def page_url(
    client: SyncPrefectClient,
    lab_server: dict[str, str],
    object_store: StoreSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    mine = {
        INBOX.name: f"s3://{BUCKET}/inbox/",
        WEB_RESULTS.name: f"s3://{BUCKET}/results/",
    }
    with run_page(
        {**os.environ, **lab_server, **object_store, **mine}, tmp_path_factory.mktemp("page")
    ) as url:
        yield url


def value(stage: Any, *arguments: Any) -> Any:
    """What a stage returns, without an engine around it."""
    state = stage.task.fn(*arguments)
    assert state.is_completed(), state.message
    return state.data


def start_run_of(key: str) -> None:
    """Do what the receiver and the flow of an arrival do."""
    inbox = parse_inbox(f"s3://{BUCKET}/inbox")
    arrived = parse_arrivals(inbox, [f"{inbox}{key}"])
    found = value(look_module.look_at_arrivals, inbox, FolderRequest(), arrived, 60)
    known = value(start_runs.find_started_runs, found.batches, DEPLOYMENT)
    value(start_runs.start_due_runs, known, DEPLOYMENT)


def deliver(client: SyncPrefectClient, run: Any) -> None:
    """Write the run record that a run would."""
    (text,) = run.parameters["movies"]
    names = ("model", "movies", "output", "settings")
    request = {name: run.parameters[name] for name in names}
    record = example_run(
        example_movie("m", 0, input=describe_input(text)),
        request=request,
        model_input=describe_input(run.parameters["model"]),
    )
    client.set_flow_run_state(run.id, Completed(), force=True)
    place = Location.parse(run.parameters["output"]).child("run.json")
    boto3.client("s3").put_object(
        Bucket=place.bucket, Key=place.key, Body=record.to_json().encode()
    )


def describe_input(text: str) -> dict[str, Any]:
    where = Location.parse(text)
    head = boto3.client("s3").head_object(Bucket=where.bucket, Key=where.key)
    size, etag = head["ContentLength"], head["ETag"]
    return {"location": text, "size": size, "etag": etag, "version": None, "sha256": None}


def test_a_movie_is_followed_to_its_results(
    page_url: str, client: SyncPrefectClient, tab: "Page", tmp_path: Path
) -> None:
    name = f"<script>alert({tab.viewport_size and tab.viewport_size['width']})<\\script>.mp4"
    movie = tmp_path / name
    movie.write_bytes(f"movie {name}".encode())
    tab.goto(f"{page_url}/upload")
    note = tab.locator("#folder-note")
    tab.locator("#folder option[value='day1/']").wait_for(state="attached")
    tab.locator("#folder").select_option("none/")
    assert note.inner_text().startswith(
        "Nothing will be run for movies in this folder: no model and no output is set for it; write"
    )
    tab.locator("#folder").select_option("day1/")
    assert note.inner_text() == (
        "Each movie is analyzed as soon as it has arrived, with "
        f"s3://{BUCKET}/models/m.zip; results go below s3://{BUCKET}/results/."
    )
    tab.locator("#files").set_input_files(str(movie))
    told = tab.locator(".upload .told")
    wait_for(lambda: "In the inbox. Its run starts within" in told.inner_text(), told.inner_text)
    start_run_of(f"day1/{name}")
    wait_for(lambda: "The inbox has seen it" in told.inner_text(), told.inner_text)
    runs = client.read_flow_runs()
    location = f"s3://{BUCKET}/inbox/day1/{name}"
    (run,) = [one for one in runs if one.parameters.get("movies") == [location]]
    link = tab.get_by_role("link", name="Its run in Prefect")
    assert link.get_attribute("href") == f"http://prefect.lab/runs/flow-run/{run.id}"
    assert find_accessibility_problems(tab) == []
    deliver(client, run)
    wait_for(lambda: "Analyzed." in told.inner_text(), told.inner_text)
    assert link.count() == 1
    tab.get_by_role("link", name="Its results").click()
    tab.wait_for_url("**/runs/**")
    assert tab.locator(".gallery h3").inner_text() == "m"
