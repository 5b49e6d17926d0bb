"""Movies arrive by the hundred: what becomes of them, and how soon. Run by hand.

    python -m tests.bench.arrivals                  500 in a minute, told twice, late, 10 % never
    python -m tests.bench.arrivals --ceph FOLDER    the same, told by the Ceph in FOLDER itself
    python -m tests.bench.arrivals --movies 1       one, until its run is Running

A real server, worker and receiver; runs of pose-estimation stay scheduled, but for a single one.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from deployments.background import ServiceParts, is_answering
from deployments.up import stop_service
from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tests.integration.test_receiver import notification
from tests.support.paths import ROOT
from tests.support.stores import find_free_port, moto_store

BUCKET = f"lab-{os.getpid()}"
INBOX = f"s3://{BUCKET}/inbox/"
LOST_SHARE = 0.1
GIVE_UP_SECONDS = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.arrivals", description=__doc__)
    parser.add_argument("--movies", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--ceph", type=Path, help="folder of a Ceph that object-store.sh started")
    parser.add_argument("--folder", type=Path, help="for logs that are kept")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if options.ceph:
            lines = (options.ceph / "env").read_text().splitlines()
            settings = dict(line.split("=", 1) for line in lines)
        else:
            settings = stack.enter_context(moto_store())
        os.environ.update(settings)
        urls = start_parts(folder, stack, everything=options.movies == 1)
        fill_bucket(urls["receiver"] if options.ceph else None)
        put = drop_movies(
            options.movies, options.seconds, None if options.ceph else urls["receiver"]
        )
        report_runs(urls["server"], put, everything=options.movies == 1)


def start_parts(folder: Path, stack: ExitStack, *, everything: bool) -> dict[str, str]:
    """A server, the deployments, a worker, the receiver."""
    server, receiver = (f"http://127.0.0.1:{find_free_port()}" for _ in range(2))
    environment = (
        dict(os.environ)
        | PREFECT_SETTINGS
        | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"{server}/api",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            # Runs that wait for a GPU are late by design. With SQLite, marking hundreds of them as
            # such while others are created locks the database for minutes.
            "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "86400",
            "DLCFLOW_INBOX": INBOX,
            "PYTHONPATH": str(ROOT),
        }
    )
    parts = ServiceParts(folder, environment)
    stack.callback(stop_service, folder)
    prefect = (sys.executable, "-m", "prefect")
    port = server.rpartition(":")[2]
    parts.start(
        "server",
        (*prefect, "server", "start", "--port", port),
        server,
        partial(is_answering, f"{server}/api/health"),
    )
    parts.run_command("deploying", (sys.executable, "-m", "deployments.deploy"))
    queues = () if everything else ("--work-queue", "service")
    parts.start(
        "worker", (*prefect, "worker", "start", "--pool", "gpu", "--type", "process", *queues)
    )
    port = receiver.rpartition(":")[2]
    parts.start(
        "receiver", (sys.executable, "-m", "deployments.receiver", "--port", port), receiver
    )
    return {"server": f"{server}/api", "receiver": receiver}


def fill_bucket(webhook: str | None) -> None:
    """A bucket with a request, which tells a webhook of arrivals if it can."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="models/m.zip", Body=b"zip")
    request = b"model: ../models/m.zip\noutput: ../results/"
    s3.put_object(Bucket=BUCKET, Key="inbox/request.yaml", Body=request)
    if webhook is None:
        return
    sns = boto3.client("sns")
    arn = sns.create_topic(Name=BUCKET, Attributes={"push-endpoint": webhook})["TopicArn"]
    rules = [{"Name": "prefix", "Value": "inbox/"}]
    topic = {
        "Id": "dlcflow",
        "TopicArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
    configuration: Any = {"TopicConfigurations": [topic]}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)


def drop_movies(count: int, seconds: float, webhook: str | None) -> dict[str, float]:
    """Put movies in the inbox over some time; returns when each was there."""
    s3, chance, put = boto3.client("s3"), random.Random(7), dict[str, float]()
    posts = ThreadPoolExecutor(8)
    keys = [f"inbox/day{n % 20}/m{n}.mp4" for n in range(count)]
    told = set(
        keys
        if webhook is None or count == 1
        else chance.sample(keys, int(count * (1 - LOST_SHARE)))
    )
    took = []
    for key in keys:
        begun = time.time()
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        put[f"s3://{BUCKET}/{key}"] = time.time()
        took.append(time.time() - begun)
        if webhook and key in told:
            for delay in (0.0, chance.uniform(0, 3)):
                threading.Timer(
                    delay, posts.submit, (_post_json, webhook, notification(BUCKET, key))
                ).start()
        time.sleep(max(0.0, seconds / count - (time.time() - begun)) if count > 1 else 0)
    print(f"{count} movies put, {len(told)} told; a put took {statistics.median(took):.3f} s")
    return put


def _post_json(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    for _ in range(20):
        # A busy SQLite is answered with 503.
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(request) as answer:
            return json.load(answer)
        time.sleep(1)
    raise RuntimeError(f"{url} does not answer")


def list_runs(server: str, flow: str) -> list[Any]:
    found: list[Any] = []
    while True:
        page = {"flows": {"name": {"any_": [flow]}}, "limit": 200, "offset": len(found)}
        more = _post_json(f"{server}/flow_runs/filter", page | {"sort": "ID_DESC"})
        found += more
        if len(more) < 200:
            return found


def report_runs(server: str, put: dict[str, float], *, everything: bool) -> None:
    """Wait until no more runs come, look twice, and say what there is."""
    until, last, since = time.time() + GIVE_UP_SECONDS, -1, time.time()
    while time.time() < until and time.time() - since < 60:
        now = sum(
            run["parameters"]["movies"][0] in put for run in list_runs(server, "pose-estimation")
        )
        if now != last:
            last, since = now, time.time()
        if everything and now:
            break
        time.sleep(0.5)
    arrivals = list_runs(server, "arrival")
    print(f"{last} runs after {len(arrivals)} arrival runs")
    print_delays(list_runs(server, "pose-estimation"), put)
    if everything:
        (run,) = list_runs(server, "pose-estimation")
        print_states(server, [*arrivals, run], next(iter(put.values())))
        return
    for _ in range(2):
        look_at_inbox(server)
    times = Counter(run["parameters"]["movies"][0] for run in list_runs(server, "pose-estimation"))
    print(f"after two looks: {len(times)} movies with a run, {sum(times.values())} runs")
    assert times == Counter(dict.fromkeys(put, 1))


def print_delays(found: list[Any], put: dict[str, float]) -> None:
    delays = [
        datetime.fromisoformat(run["created"]).timestamp() - put[run["parameters"]["movies"][0]]
        for run in found
    ]
    if delays:
        print(
            f"put to Scheduled: median {statistics.median(delays):.1f} s, max {max(delays):.1f} s"
        )


def print_states(server: str, found: list[Any], since: float) -> None:
    time.sleep(20)
    for run in found:
        with urllib.request.urlopen(f"{server}/flow_run_states/?flow_run_id={run['id']}") as answer:
            for state in sorted(json.load(answer), key=lambda state: state["timestamp"]):
                after = datetime.fromisoformat(state["timestamp"]).timestamp() - since
                print(f"{after:6.1f} s  {run['name']}: {state['name']}")


def look_at_inbox(server: str) -> None:
    """Run the inbox deployment and wait for its end."""
    deployment = _get_json(f"{server}/deployments/name/inbox/inbox")["id"]
    body = {"parameters": {"quiet": 0}, "state": {"type": "SCHEDULED"}}
    run = _post_json(f"{server}/deployments/{deployment}/create_flow_run", body)
    until = time.time() + GIVE_UP_SECONDS
    while time.time() < until:
        state = _get_json(f"{server}/flow_runs/{run['id']}")["state"]
        if state["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
            print(f"look: {state['name']}: {state.get('message')}")
            return
        time.sleep(1)


def _get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
