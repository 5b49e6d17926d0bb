"""A day of a service: drops and mishaps side by side, and what is found when all is quiet again."""

import random
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.upkeep.history import KEPT_FAILED_LOOKS
from tests.day.day_service import DayService
from tests.day.deliveries import (
    ListedRuns,
    check_deliveries,
    is_settled,
    list_runs,
    read_record,
)
from tests.day.dropped_movies import DroppedMovie, plan_drops, write_movies
from tests.day.mishaps import Mishap, plan_mishaps
from tests.day.process_watch import (
    ProcessWatch,
    find_marked,
    identify,
    list_temporary,
    read_command,
)
from tests.support.notice_listener import NoticeListener
from tests.support.stores import create_s3_client

DROP_SHARE = 0.75
"""Part of the day in which movies are dropped."""

QUIET_SECONDS = 600.0
"""Seconds without any movie that is delivered or refused after which the rest never comes."""

HISTORY_SECONDS = 130.0
"""Seconds until looks that ended well are removed, and what is idle has settled."""

LOOKS_SHARE = 1 / 20
"""Share of the runs listed that may be upkeep's."""

LEAST_LOOKS = KEPT_FAILED_LOOKS + 1
"""Looks that stay however few the people's runs are."""

GROWTH_BYTES, GROWTH_SHARE = 48 << 20, 0.2
"""Growth of a part's processes that is none: caches fill, and pages come and go."""

_SAMPLE_SECONDS = 10.0
_POLL_SECONDS = 2.0
_MIB = 1 << 20


class ServiceDay:
    """A day.

    Args:
        service: The service, which is not up yet.
        listener: Who is told.
        draws: Where chance comes from.
        inputs: Where movies are made.
    """

    def __init__(
        self, service: DayService, listener: NoticeListener, draws: random.Random, inputs: Path
    ) -> None:
        self._service, self._listener, self._draws = service, listener, draws
        self._inputs = inputs
        self._watch = ProcessWatch()
        self._begin = 0.0
        self._dropped: dict[str, datetime] = {}
        self._most_looks = (0, 0.0)
        self._wrong: list[str] = []
        self._ended = threading.Event()

    def live(self, count: int, seconds: float) -> int:
        """Live through it.

        Args:
            count: Movies that are dropped.
            seconds: How long it is.

        Returns:
            The exit status: 1 if anything is not as it should be.
        """
        movies = plan_drops(count, DROP_SHARE * seconds, self._draws)
        files = write_movies(self._inputs, movies)
        self._service.up()
        self._service.tell(self._listener.url)
        self._service.up()
        self._service.hurry()
        idle = list_temporary(self._service.scratch)
        self._begin = time.monotonic()
        mishaps = plan_mishaps(self._service, DROP_SHARE * seconds, self._draws)
        self._side_by_side(
            lambda: self._drop(movies, files), lambda: self._suffer(mishaps), movies=movies
        )
        now = self._rest()
        with self._service.connect() as client:
            listed = list_runs(client, datetime.now(UTC))
        wrong = [*self._wrong, *self._check_replaced(), *self._check_runs(movies, listed)]
        wrong += [*self._check_memory(now), *self._check_temporary(idle)]
        self._service.down()
        wrong += self._check_what_is_left()
        print("\n".join(wrong) or "all delivered or refused once, told once, and nothing left over")
        return 1 if wrong else 0

    def _side_by_side(self, *work: Callable[[], None], movies: Sequence[DroppedMovie]) -> None:
        """Let movies come and mishaps happen, until nothing more is to come."""
        threads = [threading.Thread(target=self._note_errors, args=(one,)) for one in work]
        watch = threading.Thread(target=self._note_errors, args=(self._look_on,), daemon=True)
        for thread in (*threads, watch):
            thread.start()
        for thread in threads:
            thread.join()
        self._wait_for_all(movies)
        self._ended.set()
        watch.join()

    def _note_errors(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the day goes on, and tells of it
            self._wrong.append(f"{type(error).__name__}: {error}")

    def _elapsed(self) -> float:
        return time.monotonic() - self._begin

    def _say(self, text: str) -> None:
        print(f"{self._elapsed() / 60:5.1f} min  {text}", flush=True)

    @property
    def _store(self) -> Any:
        return create_s3_client(dict(self._service.store_settings))

    def _drop(self, movies: Sequence[DroppedMovie], files: dict[str, Path]) -> None:
        store = self._store
        for movie in movies:
            time.sleep(max(0.0, movie.after - self._elapsed()))
            store.upload_file(str(files[movie.name]), self._service.bucket, movie.key)
            self._dropped[movie.name] = datetime.now(UTC)
        self._say(f"all {len(movies)} are dropped")

    def _suffer(self, mishaps: Sequence[Mishap]) -> None:
        for mishap in mishaps:
            time.sleep(max(0.0, mishap.after - self._elapsed()))
            self._say(mishap.name)
            self._wrong += [f"{mishap.name}: {sentence}" for sentence in mishap.happen()]
            self._say("it is over")

    def _look_on(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            try:
                self._watch.sample(self._service.parts, self._elapsed())
                with self._service.connect() as client:
                    listed = list_runs(client, datetime.now(UTC))
            except Exception:  # noqa: BLE001 - the server is away now and then
                continue
            self._most_looks = max(self._most_looks, (len(listed.looks), listed.share))

    def _wait_for_all(self, movies: Sequence[DroppedMovie]) -> None:
        store, last = self._store, time.monotonic()
        waited = list(movies)
        while waited and time.monotonic() - last < QUIET_SECONDS:
            left = [
                movie
                for movie in waited
                if not is_settled(store, self._service.bucket, movie, self._listener)
            ]
            if len(left) < len(waited):
                last = time.monotonic()
            waited = left
            time.sleep(_POLL_SECONDS)
        self._say(f"{len(movies) - len(waited)} of {len(movies)} are delivered or refused")

    def _rest(self) -> float:
        """Set the clock right again, as `make up` does, and let all become quiet; the time."""
        started = self._service.up()
        if started:
            self._wrong.append(f"in the end `make up` has started {', '.join(started)}")
        time.sleep(HISTORY_SECONDS)
        now = self._elapsed()
        self._watch.sample(self._service.parts, now)
        return now

    def _check_runs(self, movies: Sequence[DroppedMovie], listed: ListedRuns) -> Iterator[str]:
        found = {m.name: read_record(self._store, self._service.bucket, m) for m in movies}
        records = {name: record for name, (record, _) in found.items()}
        waits = [
            (found[m.name][1] - self._dropped[m.name]).total_seconds()
            for m in movies
            if records[m.name].get("status") == "complete"
        ]
        good = sum(not movie.fault for movie in movies)
        print(f"{len(waits)} of {good} good movies delivered, {len(listed.people)} runs")
        if waits:
            print(
                f"seconds from drop to results: median {statistics.median(waits):.0f}, "
                f"most {max(waits):.0f}"
            )
        words = Counter(_kind_of(notice["subject"]) for notice in self._listener.told)
        print(f"notices: {', '.join(f'{n} {word}' for word, n in sorted(words.items()))}")
        looks, share = len(listed.looks), listed.share
        most, most_share = self._most_looks
        print(
            f"looks at the inbox listed: {looks} ({share:.0%}); at most {most} ({most_share:.0%}) "
            "on the fast clock"
        )
        for part in ("server", "worker", "receiver"):
            print(f"tracebacks in the log of {part}: {_count_tracebacks(self._service, part)}")
        yield from check_deliveries(movies, listed.people, records, self._listener)
        if looks > max(LEAST_LOOKS, LOOKS_SHARE * len(listed.people)):
            yield f"{looks} looks at the inbox are listed beside {len(listed.people)} runs"

    def _check_replaced(self) -> Iterator[str]:
        """Check that workers which were killed have left nothing that runs."""
        for pid, start in identify(pid for pid, _ in self._service.replaced):
            if (pid, start) in self._service.replaced:
                yield f"of a worker that was killed, there is still {read_command(pid)}"

    def _check_memory(self, now: float) -> Iterator[str]:
        stored = sum(
            item["Size"]
            for page in self._store.get_paginator("list_objects_v2").paginate(
                Bucket=self._service.bucket
            )
            for item in page.get("Contents", [])
        )
        print(f"memory, MiB (and growth); the store holds objects of {stored / _MIB:.0f} MiB:")
        growths = self._watch.find_growth(now, HISTORY_SECONDS)
        for part, (held, growth) in sorted(growths.items()):
            print(f"  {part:10} {held / _MIB:6.0f} ({growth / _MIB:+.0f})")
            # The embedded store keeps its objects in memory, and pieces of them for a while.
            allowed = GROWTH_BYTES + GROWTH_SHARE * held + (2 * stored if part == "store" else 0)
            if growth > allowed:
                yield f"{part} has grown by {growth / _MIB:.0f} MiB to {held / _MIB:.0f} MiB"

    def _check_temporary(self, idle: Sequence[str]) -> Iterator[str]:
        found = list_temporary(self._service.scratch)
        print(f"temporary folders: {len(idle)} at first, {len(found)} in the end")
        if len(found) > len(idle):
            yield f"temporary folders: {', '.join(found)}; at first {', '.join(idle)}"

    def _check_what_is_left(self) -> Iterator[str]:
        time.sleep(5)
        left = find_marked(self._service.mark)
        found = list_temporary(self._service.scratch)
        print(f"after `make down`: {len(left)} processes, {len(found)} temporary folders")
        yield from (f"still running: {pid} {command}" for pid, command in left.items())
        if found:
            yield f"still in the folder of temporary files: {', '.join(found)}"


def _kind_of(subject: str) -> str:
    """What a notice is about, in a word or two."""
    kinds = ("failed", "crashed", "finished", "needs a look", "has poses that fail", "refused")
    return next((kind for kind in kinds if subject.endswith(kind)), subject)


def _count_tracebacks(service: DayService, part: str) -> int:
    return len(re.findall(r"^Traceback ", service.read_log(part), re.MULTILINE))
