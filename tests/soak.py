"""Runs that are killed at random, on a real store, must come to the same end as undisturbed ones.

    make soak                                  20 runs, each killed one to three times
    make soak RUNS=5 SEED=7 AT_ONCE=2          fewer, the same kills again, two at a time

A real Prefect server with our deployments and automations, our worker, Ceph and PostgreSQL (moto's
server and SQLite where they are not installed). Nobody starts a run again but the service itself.
In the end it prints what was found, and ends with 1 if anything is not as it should be.
"""

import argparse
import fcntl
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from _pytest.outcomes import Skipped
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter

from deployments import deploy
from tasks.environment_variables import DEVICE_LOCKS, INBOX
from tests.integration.lab import connect_as_client
from tests.support.full_server import quick_prefect_server
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.servers import run_process, start_database
from tests.support.stores import ceph_store, create_s3_client, moto_store

BUCKET = "soak"
MOVIE_FRAMES = {"m1": 90, "m2": 40}
MOST_KILLS = 3
GIVE_UP_SECONDS = 1500.0
"""Seconds that a run has, with all its kills."""

TIMES_AND_IDS = {
    "seconds", "frames_per_second", "started", "finished", "stages", "flow_run", "etag", "resumed",
    "report.html", "output", "location",
}  # fmt: skip


@dataclass
class KilledRun:
    """A run that is going to be killed.

    Attributes:
        number: Which one it is.
        kills: Seconds after each start of its process at which it is killed.
        run: Its id in Prefect.
        during: The stages that were under way when it was killed.
        seconds: From its creation to its end.
        alive: Seconds that its last process lived.
        starts: How often its process was started.
        wrong: What is not as it should be.
    """

    number: int
    kills: list[float]
    run: UUID | None = None
    during: list[str] = field(default_factory=list)
    seconds: float = 0.0
    alive: float = 0.0
    starts: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def output_prefix(self) -> str:
        """Its prefix in the bucket."""
        return f"out/{self.number}/"


def main() -> int:
    """Run the soak; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="for logs that are kept")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.runs} runs, {options.at_once} at a time", flush=True)
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        lab = SoakLab(stack, folder)
        return lab.run_soak(options.runs, random.Random(options.seed), options.at_once)


class SoakLab:
    """Server, worker and store, and what runs leave there."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.scratch, self.slots = folder / "scratch", folder / "slots"
        for place in (self.scratch, self.slots):
            place.mkdir(exist_ok=True)
        self.settings = stack.enter_context(_run_store(folder))
        self.s3 = create_s3_client(self.settings)
        os.environ.update(self.settings)
        os.environ[INBOX.name] = ""
        environment = stack.enter_context(quick_prefect_server(folder, start_database(stack)))
        self.prefect: SyncPrefectClient = stack.enter_context(connect_as_client(environment))
        if deploy.main([]):
            raise RuntimeError("the deployments could not be made")
        self.deployment = self.prefect.read_deployment_by_name("pose-estimation/pose-estimation").id
        own = {
            "TMPDIR": str(self.scratch),
            DEVICE_LOCKS.name: str(self.slots),
            "DLCFLOW_CHECKPOINT_SECONDS": "1",
        }
        worker = [sys.executable, "-m", "deployments.worker", "--runs", "4"]
        env = os.environ | environment | self.settings | own
        stack.enter_context(run_process(worker, folder / "worker.log", env=env))
        self._fill_bucket(folder)

    def _fill_bucket(self, folder: Path) -> None:
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.upload_file(str(DEMO_MODEL), BUCKET, "mouse.zip")
        for name, frames in MOVIE_FRAMES.items():
            movie = cut_movie(DEMO_MOVIE, folder / f"{name}.mp4", frames)
            self.s3.upload_file(str(movie), BUCKET, f"in/{name}.mp4")

    def run_soak(self, runs: int, random_: random.Random, at_once: int) -> int:
        """Do an undisturbed run, kill others, and compare."""
        whole = KilledRun(0, [])
        self.run_to_end(whole)
        print(f"undisturbed: {whole.seconds:.0f} s, {whole.starts} start {whole.wrong}", flush=True)
        expected = self.read_results(whole)
        # Up to a process' whole life: some are killed before they have begun, some at the very end.
        victims = [
            KilledRun(
                n,
                [random_.uniform(0.5, whole.alive) for _ in range(random_.randint(1, MOST_KILLS))],
            )
            for n in range(1, runs + 1)
        ]
        places = threading.Semaphore(at_once)
        threads = [
            threading.Thread(target=self._run_when_free, args=(v, places), daemon=True)
            for v in victims
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for victim in victims:
            self._compare_results(victim, expected)
        last = KilledRun(runs + 1, [])
        self.run_to_end(last)  # sweeps what those before could not
        return self._print_summary(victims, [*whole.wrong, *last.wrong, *self.find_leftovers()])

    def _run_when_free(self, victim: KilledRun, places: threading.Semaphore) -> None:
        with places:
            self.run_to_end(victim)
            print(
                f"run {victim.number}: {victim.seconds:.0f} s, {victim.starts} starts, killed "
                f"during {'; '.join(victim.during) or 'nothing'} {victim.wrong or ''}",
                flush=True,
            )

    def run_to_end(self, victim: KilledRun) -> None:
        """Start a run, kill it as often as it is due, and wait until it has ended."""
        parameters = {
            "model": f"s3://{BUCKET}/mouse.zip",
            "movies": [f"s3://{BUCKET}/in/"],
            "output": f"s3://{BUCKET}/{victim.output_prefix}",
        }
        run = self.prefect.create_flow_run_from_deployment(self.deployment, parameters=parameters)
        victim.run, started = run.id, time.monotonic()
        began = started
        seen: set[int] = set()
        waiting = list(victim.kills)
        while time.monotonic() - started < GIVE_UP_SECONDS:
            now = self.prefect.read_flow_run(run.id)
            if now.state and now.state.is_final() and not now.state.is_crashed():
                break
            for pid in _find_processes(run.id) - seen:
                seen.add(pid)
                began = time.monotonic()
                if waiting:
                    self._kill_process(pid, waiting.pop(0), victim)
            time.sleep(0.5)
        ended = time.monotonic()
        victim.seconds, victim.alive, victim.starts = ended - started, ended - began, len(seen)
        state = self.prefect.read_flow_run(run.id).state
        if state is None or not state.is_completed():
            victim.wrong.append(
                f"ended as {state.name if state else '?'}: {state and state.message}"
            )

    def _kill_process(self, pid: int, after: float, victim: KilledRun) -> None:
        until = time.monotonic() + after
        while time.monotonic() < until and Path(f"/proc/{pid}").exists():
            time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            victim.during.append(f"{after:.1f} s: {self._describe_stages(victim)}")

    def _describe_stages(self, victim: KilledRun) -> str:
        assert victim.run is not None
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[victim.run]))
        running: Any = TaskRunFilter.model_validate({"state": {"name": {"any_": ["Running"]}}})
        found = self.prefect.read_task_runs(flow_run_filter=chosen, task_run_filter=running)
        names = sorted(task.name for task in found if not task.name.startswith("movie"))
        return ", ".join(names) or "between stages"

    def read_results(self, victim: KilledRun) -> dict[str, bytes]:
        """What a run has delivered."""
        return {
            key.removeprefix(victim.output_prefix): self.s3.get_object(Bucket=BUCKET, Key=key)[
                "Body"
            ].read()
            for key in self._list_keys(victim.output_prefix)
            if "/.dlcflow/" not in key
        }

    def _list_keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _compare_results(self, victim: KilledRun, expected: dict[str, bytes]) -> None:
        found = self.read_results(victim)
        if found.keys() != expected.keys():
            victim.wrong.append(f"other files: {sorted(found.keys() ^ expected.keys())}")
        for name in found.keys() & expected.keys() - {"report.html"}:
            one, other = found[name], expected[name]
            same = (
                one == other
                if name != "run.json"
                else _comparable_record(one) == _comparable_record(other)
            )
            if not same:
                victim.wrong.append(f"{name} differs")
        hidden = [
            key
            for key in self._list_keys(f"{victim.output_prefix}.dlcflow/")
            if "/movies/" not in key
        ]
        if hidden:
            victim.wrong.append(f"left over: {hidden}")

    def find_leftovers(self) -> Iterator[str]:
        """What should not be there when all has ended."""
        uploads = self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        if uploads:
            yield f"unfinished uploads: {[upload['Key'] for upload in uploads]}"
        if folders := [path.name for path in self.scratch.iterdir() if "dlcflow" in path.name]:
            yield f"scratch folders: {folders}"
        if held := [path.name for path in self.slots.iterdir() if _is_slot_held(path)]:
            yield f"slots: {held}"

    def _print_summary(self, victims: list[KilledRun], wrong: list[str]) -> int:
        kills = sum(len(victim.during) for victim in victims)
        seconds = [victim.seconds for victim in victims]
        resumed = [_count_resumed_frames(self.read_results(victim)) for victim in victims]
        bad = [f"run {v.number}: {sentence}" for v in victims for sentence in v.wrong] + wrong
        print(f"{len(victims)} runs, {kills} kills, {len(bad)} things wrong")
        if seconds:
            print(
                f"seconds a run: median {statistics.median(seconds):.0f}, most {max(seconds):.0f}"
            )
        went_on = sum(map(bool, resumed))
        print(f"frames with poses from checkpoints: {sum(resumed)}, in {went_on} runs")
        print(
            "\n".join(bad)
            or "all completed by themselves, and delivered what the undisturbed run did"
        )
        return 1 if bad else 0


def _count_resumed_frames(found: dict[str, bytes]) -> int:
    record = json.loads(found.get("run.json", b'{"movies": []}'))
    return sum(movie["resumed"] or 0 for movie in record["movies"])


def _comparable_record(record: bytes) -> Any:
    return _strip_times_and_ids(json.loads(record))


def _strip_times_and_ids(value: Any) -> Any:
    """A record without what depends on when, where and in which run it was made."""
    if isinstance(value, dict):
        return {k: _strip_times_and_ids(v) for k, v in value.items() if k not in TIMES_AND_IDS}
    return [_strip_times_and_ids(one) for one in value] if isinstance(value, list) else value


def _find_processes(run: UUID) -> set[int]:
    """The processes that execute a flow run."""
    wanted = f"PREFECT__FLOW_RUN_ID={run}".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (path / "environ").read_bytes().split(b"\0")
            if wanted in environment and b"prefect.engine" in (path / "cmdline").read_bytes():
                found.add(int(path.name))
    return found


def _is_slot_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def _run_store(folder: Path) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        try:
            settings = stack.enter_context(ceph_store(folder / "ceph"))
        except Skipped as why:
            print(f"{why}: moto's server is used instead", flush=True)
            settings = stack.enter_context(moto_store())
        yield settings


if __name__ == "__main__":
    sys.exit(main())
