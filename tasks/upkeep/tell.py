"""Tell people what they want to be told of, once each, over restarts of the server too."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.types._datetime import now

from tasks.upkeep.daily_digest import DIGEST_HOUR, build_digest
from tasks.upkeep.ended_runs import (
    CLOCK_TOLERANCE,
    EndedRun,
    build_notice,
    find_ended_runs,
    mark_told,
)
from tasks.upkeep.notice import (
    MEMORY_VARIABLE,
    Notice,
    NoticeSettings,
    read_notice_settings,
    read_variable,
    send_notice,
    write_variable,
)
from tasks.upkeep.refusals import build_refusal_notices, read_refusals

NO_WORKER_AFTER = timedelta(seconds=60)
"""How long nobody must have asked for runs of a queue before somebody is told."""

FEWER_LOOKS_AFTER = timedelta(seconds=20)
"""Queues that nobody has asked for so long may be about to follow: all are told of at once."""

CURSOR_STEP = timedelta(minutes=1)
"""By how much the time of the last run must have moved on before it is written down."""


@dataclass(frozen=True)
class ToldMemory:
    """Things that people have been told of, but for runs, which have a label.

    Attributes:
        begin: Since when people are told; what ended before is history.
        runs: When the last run ended that was looked at.
        refusals: Time of the last refusal that was told of.
        queues: Queues that no worker asks for, and that somebody was told of.
        digest: Day of the last digest, in the server's time zone.
        looks: Digest of what the last failed look at an inbox said.
    """

    begin: datetime
    runs: datetime
    refusals: datetime
    queues: tuple[str, ...] = ()
    digest: str = ""
    looks: str = ""

    @classmethod
    def load(cls, client: SyncPrefectClient, present: datetime) -> Self:
        """Read it; before the first time all is history."""
        found = read_variable(client, MEMORY_VARIABLE)

        def read_time(name: str) -> datetime:
            return datetime.fromisoformat(found[name]) if name in found else present

        return cls(
            begin=read_time("begin"),
            runs=read_time("runs"),
            refusals=read_time("refusals"),
            queues=tuple(found.get("queues", ())),
            digest=str(found.get("digest", "")),
            looks=str(found.get("looks", "")),
        )

    def save(self, client: SyncPrefectClient) -> None:
        """Write it down."""
        values: dict[str, Any] = {
            name: getattr(self, name).isoformat() for name in ("begin", "runs", "refusals")
        }
        values |= {"queues": list(self.queues), "digest": self.digest, "looks": self.looks}
        write_variable(client, MEMORY_VARIABLE, values)


class Teller:
    """Tells of all that is new, kind by kind.

    Args:
        client: The server.
        settings: What people want to be told of.
        memory: What they have been told of.
        present: The time.
    """

    def __init__(
        self,
        client: SyncPrefectClient,
        settings: NoticeSettings,
        memory: ToldMemory,
        present: datetime,
    ) -> None:
        self.memory = memory
        self.sent: list[str] = []
        self._client, self._settings, self._present = client, settings, present

    def tell_of_runs(self) -> None:
        """Tell of runs that have ended."""
        latest = self.memory.runs
        for ended in find_ended_runs(self._client, self.memory.runs - CLOCK_TOLERANCE):
            end = ended.run.end_time
            if end is None or end < self.memory.begin:
                continue
            latest = max(latest, min(end, self._present))
            if not ended.is_told and self._is_run_wanted(ended):
                self._tell_of_run(ended)
        if latest - self.memory.runs > CURSOR_STEP:
            self.memory = replace(self.memory, runs=latest)

    def _is_run_wanted(self, ended: EndedRun) -> bool:
        kinds = self._settings.kinds
        return ended.kind in kinds or (ended.kind == "verdict" and "finished" in kinds)

    def _tell_of_run(self, ended: EndedRun) -> None:
        """Tell of a run; of looks that fail for one reason, of the first one."""
        reason = hashlib.sha256(ended.message.encode()).hexdigest()[:16] if ended.is_look else ""
        if not reason or reason != self.memory.looks:
            self._send(build_notice(self._client, ended))
        mark_told(self._client, ended)
        if reason:
            self.memory = replace(self.memory, looks=reason)

    def tell_of_refusals(self) -> None:
        """Tell of movies that an inbox refuses."""
        known = self.memory.refusals
        found = [pair for pair in read_refusals(self._client, known) if pair[0] > known]
        if "refused" in self._settings.kinds:
            for notice in build_refusal_notices([refusal for _, refusal in found]):
                self._send(notice)
        if found:
            self.memory = replace(self.memory, refusals=found[-1][0])

    def tell_of_workers(self, pool: str) -> None:
        """Tell of queues that no worker asks for any more.

        Args:
            pool: The work pool.
        """
        ages = dict(self._queue_ages(pool))
        quiet = {name: age for name, age in ages.items() if age > FEWER_LOOKS_AFTER}
        if any(age < NO_WORKER_AFTER for age in quiet.values()):
            return
        if set(quiet) - set(self.memory.queues) and "no-worker" in self._settings.kinds:
            self._send(
                Notice(
                    "dlcflow: no worker",
                    f"No worker of the work pool {pool} asks for runs of the queues "
                    f"{', '.join(sorted(quiet))}; they wait until one does (`make worker`).",
                )
            )
        self.memory = replace(self.memory, queues=tuple(sorted(quiet)))

    def _queue_ages(self, pool: str) -> Iterator[tuple[str, timedelta]]:
        """How long ago each queue was asked that a worker has asked and that is not paused."""
        try:
            queues = self._client.read_work_queues(work_pool_name=pool)
        except ObjectNotFound:
            return
        for queue in queues:
            if queue.last_polled is not None and not queue.is_paused:
                yield queue.name, self._present - queue.last_polled

    def tell_of_the_day(self) -> None:
        """Tell of the last day in one notice, once a day."""
        here = self._present.astimezone()
        today = here.date().isoformat()
        if "digest" not in self._settings.kinds or here.hour < DIGEST_HOUR:
            return
        if self.memory.digest != today:
            notice = build_digest(self._client, self._present - timedelta(days=1))
            if notice is not None:
                self._send(notice)
            self.memory = replace(self.memory, digest=today)

    def _send(self, notice: Notice) -> None:
        send_notice(self._settings.block, notice)
        self.sent.append(f"told: {notice.subject}")


def tell_people(
    client: SyncPrefectClient, pool: str, present: datetime | None = None
) -> Sequence[str]:
    """Tell people what is new, and remember it.

    Args:
        client: The server.
        pool: The work pool whose workers are watched.
        present: The time; by default it is now.

    Returns:
        What was sent, a sentence each.

    Raises:
        ConnectionError: A notice was not taken; it is sent the next time.
        ValueError: The block that sends them is gone.
    """
    settings = read_notice_settings(client)
    if not settings.block:
        return []
    present = present or now("UTC")
    before = read_variable(client, MEMORY_VARIABLE)
    teller = Teller(client, settings, ToldMemory.load(client, present), present)
    known = teller.memory if before else None
    try:
        teller.tell_of_runs()
        teller.tell_of_refusals()
        teller.tell_of_workers(pool)
        teller.tell_of_the_day()
    finally:
        if teller.memory != known:
            teller.memory.save(client)
    return teller.sent
