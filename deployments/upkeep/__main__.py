"""``python -m deployments.upkeep``: look after the runs of the server that PREFECT_API_URL names.

It starts crashed runs again, marks those as crashed whose heartbeat has stopped, lets runs that
wait say why, tells people what they want to be told of, and keeps the history of looks at the inbox
short. None of that is a run: a list of runs is of people's. Our server starts it by itself; beside
another server it is started once.
"""

import argparse
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.deploy import POOL_NAME, SHARED_QUEUES, connect_to_server
from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tasks.environment_variables import read_restarts
from tasks.errors import BadInput

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

TICK = 1.0
"""Seconds between two looks at what is due."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries of what keeps going wrong."""

CONNECT_PAUSE = 2.0
"""Seconds between two tries to reach a server that is not there."""

SETTLING_SECONDS = 120.0
"""Seconds after its start in which no run is taken for silent: the server was away, too."""

_log = logging.getLogger("dlcflow.upkeep")

_PDEATHSIG = 1
"""Number of Linux' prctl."""


@dataclass
class Chore:
    """Something that is done again and again.

    Attributes:
        name: What it is.
        seconds: Time from one end to the next begin.
        do: Does it; returns what was done, one sentence each, or a number of no interest.
        due: When it is done next, by the monotonic clock.
        complaint: What went wrong the last time, which is logged once.
        failures: How often in a row it went wrong.
    """

    name: str
    seconds: float
    do: "Callable[[SyncPrefectClient], Sequence[str] | int]"
    due: float = 0.0
    complaint: str = ""
    failures: int = 0

    def do_if_due(self, client: "SyncPrefectClient") -> None:
        """Do it if its time has come; what goes wrong is logged, and tried again at its time."""
        if time.monotonic() < self.due:
            return
        try:
            done = self.do(client)
        except Exception as error:  # noqa: BLE001 - the other chores must go on
            self._complain(f"{type(error).__name__}: {error}")
        else:
            self.complaint, self.failures = "", 0
            for sentence in () if isinstance(done, int) else done:
                _log.info("%s", sentence)
        pause = min(self.seconds * 2.0**self.failures, max(LONGEST_PAUSE, self.seconds))
        self.due = time.monotonic() + pause

    def _complain(self, text: str) -> None:
        self.failures += 1
        if text != self.complaint:
            self.complaint = text
            _log.warning("%s: %s", self.name, text)


def main(arguments: list[str] | None = None) -> int:
    """Look after runs until a signal comes, or the parent is gone.

    Args:
        arguments: Words of the command line; by default those of this process.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m deployments.upkeep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parent", type=int, help="process that it ends with")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    _log.setLevel(logging.INFO)
    os.environ.update(PREFECT_SETTINGS | os.environ)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.parent and not _end_with(options.parent):
        return 0
    try:
        chores = list_chores(read_restarts())
    except BadInput as error:
        parser.error(str(error))
    while not ended.wait(CONNECT_PAUSE):
        # Beside a server that starts there is none for a while.
        with suppress(ConnectionError):
            look_after_runs(chores, ended)
    return 0


def list_chores(restarts: int) -> list[Chore]:
    """List what is to be done.

    Args:
        restarts: How many times a crashed run is started again, at most.
    """
    from tasks.recovery.restart import (  # noqa: PLC0415 - loads Prefect, which reads settings
        mark_ended_runs,
        mark_silent_runs,
        recover_runs,
    )
    from tasks.upkeep.history import shorten_history  # noqa: PLC0415
    from tasks.upkeep.tell import tell_people  # noqa: PLC0415
    from tasks.upkeep.waits import explain_waits  # noqa: PLC0415

    settled = time.monotonic() + SETTLING_SECONDS
    return [
        Chore("reasons for waits", 2, lambda client: explain_waits(client, SHARED_QUEUES)),
        Chore("crashed runs", 5, lambda client: recover_runs(client, restarts)),
        Chore("ended runs", 30, mark_ended_runs),
        Chore("silent runs", 10, mark_silent_runs, settled),
        Chore("notices", 5, lambda client: tell_people(client, POOL_NAME)),
        Chore("history", 30, shorten_history),
    ]


def look_after_runs(chores: Sequence[Chore], ended: threading.Event) -> None:
    """Do chores at their times.

    Args:
        chores: What to do.
        ended: Ends it.

    Raises:
        ConnectionError: There is no server.
    """
    with connect_to_server() as client:
        while not ended.wait(TICK):
            for chore in chores:
                chore.do_if_due(client)


def _end_with(parent: int) -> bool:
    """End this process when its parent is gone; return whether the parent is still there."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


if __name__ == "__main__":
    sys.exit(main())
