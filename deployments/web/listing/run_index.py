"""The runs below the configured locations, kept up to date in the background."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployments.web.listing.run_database import IndexedRun, RunDatabase
from tasks.errors import PoseError
from tasks.output.run_summary import UNREADABLE, RunSummary, is_run_record, summarize_record
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

log = logging.getLogger("web")

_READS_AT_ONCE = 8
_SHORTEST_PAUSE = 5.0
"""Seconds from one look at the store to the next, at least."""

_LISTING_SHARE = 4
"""Pauses are this many times as long as the last look took: listing large buckets has a price."""


@dataclass(frozen=True)
class IndexState:
    """How far the index is.

    Attributes:
        version: Changes when what is known changes.
        looked: When the store was last looked at, in seconds since 1970; None before that.
        is_looking: Whether it is being looked at now.
        problem: Why it could not be; empty if it could.
    """

    version: int = 0
    looked: float | None = None
    is_looking: bool = False
    problem: str = ""

    @property
    def mark(self) -> str:
        """Text that changes whenever a page that shows the runs would look different."""
        problem = hashlib.sha256(self.problem.encode(errors="replace")).hexdigest()[:8]
        return f"{self.version}-{self.looked is not None}-{problem}"


class RunIndex:
    """Runs below some folders, read from their records where these are new or have changed.

    Args:
        store: Where the folders are.
        folders: Folders with results.
        name_run: Names a run by the location of its results.
        cache: Folder of the database; what is in it can be made again.

    Attributes:
        database: What is known.
        state: How far it is.
    """

    def __init__(
        self,
        store: ObjectStore,
        folders: Sequence[Location],
        name_run: Callable[[Location], str],
        cache: Path,
    ) -> None:
        self.database = RunDatabase(cache)
        self.state = IndexState()
        self._store, self._folders, self._name_run = store, folders, name_run
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Look at the store in a thread, now and whenever `request_refresh` is called."""
        threading.Thread(target=self._refresh_on_demand, name="run index", daemon=True).start()
        self.request_refresh()

    def stop(self) -> None:
        """End the thread once it is done with what it does."""
        self._stopped.set()
        self._wanted.set()

    def request_refresh(self) -> None:
        """Ask for a look at the store, soon; return at once."""
        self._wanted.set()

    def _refresh_on_demand(self) -> None:
        while self._wanted.wait() and not self._stopped.is_set():
            self._wanted.clear()
            began = time.monotonic()
            try:
                self.refresh()
            except Exception:
                log.exception("looking for runs failed")
            took = time.monotonic() - began
            self._stopped.wait(max(_SHORTEST_PAUSE, _LISTING_SHARE * took))

    def refresh(self) -> None:
        """Read records that are new or have changed, and forget those that are gone."""
        self._change_state(is_looking=True)
        known = self.database.read_etags()
        found: dict[str, str] = {}
        problems = []
        for folder in self._folders:
            try:
                records = [i for i in self._store.list(folder) if is_run_record(i.location)]
            except NoSuchObject as error:
                records = []
                problems.append(str(error))
            except PoseError as error:
                # What was known stays: it is rather the store that is gone than the results.
                records = []
                found |= {k: v for k, v in known.items() if k.startswith(str(folder))}
                problems.append(str(error))
            found |= {_output_of(info): info.etag or "" for info in records}
            changed = [i for i in records if known.get(_output_of(i)) != (i.etag or "")]
            # People look for the newest first.
            changed.sort(key=lambda info: info.modified.timestamp() if info.modified else 0)
            with ThreadPoolExecutor(_READS_AT_ONCE) as readers:
                list(readers.map(self._read_record, reversed(changed)))
        if gone := [output for output in known if output not in found]:
            self.database.remove_runs(gone)
            self._change_state(has_news=True)
        self._change_state(looked=time.time(), is_looking=False, problem=" ".join(problems))

    def find_run(self, output: Location) -> IndexedRun | None:
        """Return a run as the store has it now; None if there is none.

        Raises:
            PoseError: The store cannot be reached.
        """
        try:
            info = self._store.stat(output.child(RUN_RECORD_FILE))
        except NoSuchObject:
            return None
        known = self.database.read_etag(str(output))
        if known != (info.etag or ""):
            self._save_record(info)
        return self.database.get_run(str(output))

    def _read_record(self, info: ObjectInfo) -> None:
        if self._stopped.is_set():
            return
        try:
            self._save_record(info)
        except PoseError as error:  # it is read at the next look
            log.warning("%s", error)
        except UnicodeError:
            log.warning("left out, since its name is no Unicode: %r", str(info.location))

    def _save_record(self, info: ObjectInfo) -> None:
        run = summarize_record(self._store.read(info.location, MAX_RECORD_BYTES))
        output = _output_of(info)
        name = self._name_run(_folder_of(info.location))
        try:
            self.database.save_run(output, name, info.etag or "", run)
        except (UnicodeError, OverflowError):  # text or numbers that no run writes
            unreadable = RunSummary("", UNREADABLE, "")
            self.database.save_run(output, name, info.etag or "", unreadable)
        self._change_state(has_news=True)

    def _change_state(self, *, has_news: bool = False, **changes: Any) -> None:
        with self._lock:
            version = self.state.version + has_news
            self.state = replace(self.state, version=version, **changes)


def _output_of(info: ObjectInfo) -> str:
    return str(_folder_of(info.location))


def _folder_of(record: Location) -> Location:
    return Location(record.bucket, record.key.removesuffix(RUN_RECORD_FILE))
