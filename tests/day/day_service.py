"""The service that lives through the day: ``make up`` in a folder, its parts, and its clock."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)

from deployments.background import end_process, is_running, read_settings, read_state
from deployments.demo.inputs import DEMO_BUCKET
from flows.inbox import UNCHANGED_SECONDS
from tasks.environment_variables import DEVICE_LOCKS, NOTICE_CHOICE, NOTIFICATION_BLOCK
from tests.day.process_watch import ProcessId, find_descendants, identify
from tests.support.notice_listener import NOTICE_WORDS
from tests.support.paths import ROOT

SPEED = 24
"""By how much the clock of schedules is fast: a day is an hour."""

LOOK_INTERVAL = 300.0
"""Seconds between two looks at the inbox, as they are deployed."""

BLOCK_NAME = "day"
NOTICE_KINDS = "failed,refused,verdict,finished,no-worker"

_OTHERS = ("AWS_", "PREFECT_", "DLCFLOW_")
"""What begins so in the environment is somebody's who works on this machine."""


class DayService:
    """``make up``, ``make down``, and what happens in between.

    Args:
        folder: Where the service keeps what it keeps.
        scratch: Where temporary folders go.

    Attributes:
        folder: The former.
        scratch: The latter.
        mark: What all processes of the service have in their environment.
        replaced: Processes of workers that were killed.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder, self.scratch = folder, scratch
        self.mark = f"PREFECT_HOME={folder / 'prefect'}"
        self.replaced = set[ProcessId]()
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(_OTHERS)} | {
            "TMPDIR": str(scratch),
            "XDG_STATE_HOME": str(folder / "state"),
            DEVICE_LOCKS.name: str(folder / "slots"),
        }

    def up(self) -> list[str]:
        """Start what is not running, and let the schedule's clock go fast.

        Returns:
            The parts that were started.

        Raises:
            RuntimeError: ``make up`` fails.
        """
        said = self._call("up")
        return [line.removeprefix("starting ") for line in said if line.startswith("starting ")]

    def down(self) -> None:
        """End all.

        Raises:
            RuntimeError: ``make down`` fails.
        """
        self._call("down")

    def _call(self, word: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "deployments.up", word, "--folder", str(self.folder)],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"make {word} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.splitlines()

    def tell(self, listener: str) -> None:
        """Have people told of everything.

        Args:
            listener: Address that notices go to, without a scheme.
        """
        with self.connect():
            block = CustomWebhookNotificationBlock(
                name=BLOCK_NAME, url=f"http://{listener}", json_data=NOTICE_WORDS
            )
            block.save(BLOCK_NAME, overwrite=True)
        self._environment |= {
            NOTIFICATION_BLOCK.name: f"custom-webhook/{BLOCK_NAME}",
            NOTICE_CHOICE.name: NOTICE_KINDS,
        }

    @contextmanager
    def connect(self) -> Iterator[SyncPrefectClient]:
        """Make this process a client of the server."""
        url = f"{self.parts['server']['url']}/api"
        settings = {PREFECT_API_URL: url, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}
        with temporary_settings(settings), get_client(sync_client=True) as client:
            yield client

    def hurry(self) -> None:
        """Let the schedule's clock go fast; ``make up`` sets it back."""
        with self.connect() as client:
            found = client.read_deployment_by_name("inbox/inbox")
            quiet = found.parameters | {"quiet": UNCHANGED_SECONDS / SPEED}
            client.update_deployment(found.id, DeploymentUpdate(parameters=quiet))
            fast = IntervalSchedule(interval=timedelta(seconds=LOOK_INTERVAL / SPEED))
            for schedule in found.schedules:
                client.update_deployment_schedule(found.id, schedule.id, schedule=fast)

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Process, start mark, and address of each part, by name."""
        return read_state(self.folder)

    @property
    def store_settings(self) -> Mapping[str, str]:
        """What boto3 finds in the environment of those who use the store."""
        found = read_settings(self.folder)
        return {name: value for name, value in found.items() if name.startswith("AWS_")}

    @property
    def bucket(self) -> str:
        """Where movies are dropped, and results appear."""
        return DEMO_BUCKET

    def kill_worker(self) -> None:
        """Kill the worker as an operator does: those that it started hear of it by themselves."""
        pid = self.parts["worker"]["pid"]
        self.replaced |= identify({pid, *find_descendants(pid)})
        os.killpg(pid, signal.SIGKILL)

    def lose_worker(self) -> None:
        """Kill the worker and all its runs, as if its machine had lost its power."""
        pid = self.parts["worker"]["pid"]
        lost = {pid, *find_descendants(pid)}
        self.replaced |= identify(lost)
        for each in lost:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)

    def end_server(self) -> None:
        """End the server, as an update does."""
        end_process(self.parts["server"]["pid"])

    def end_database(self) -> None:
        """End the database, as its own service does: who is connected is cut off."""
        part = self.parts["database"]
        os.kill(part["pid"], signal.SIGINT)
        until = time.monotonic() + 60
        while is_running(part) and time.monotonic() < until:
            time.sleep(0.2)

    def read_log(self, part: str) -> str:
        """What a part has said."""
        file = self.folder / f"{part}.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
