"""The lock on an output location: one run at a time writes there, and knows when it may not."""

import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from time import monotonic
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import Abort
from prefect.logging import get_run_logger

from tasks.errors import PoseError
from tasks.output.hidden_folder import hidden_location
from tasks.output.process_identity import has_ended, identify_this_process
from tasks.pose.results.run_record import utc_now
from tasks.storage.claims import RENEW_INTERVAL, STALE_AFTER, Claim, Holder, is_held_by
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NotSupported

LOCK_FOLDER = "lock/"
"""Folder of claims below the hidden folder."""


class LockLost(PoseError):  # noqa: N818 - as the other errors that users see
    """Another run writes to the output location by now: this one must not."""


class OutputLock:
    """A run that writes to an output location, alone where the store can see to that."""

    def __init__(self) -> None:
        self._output: Location | None = None
        self._claim: Claim | None = None
        self._ended = threading.Event()
        self._left = False
        self._starts: int | None = None

    def acquire(
        self,
        store: ObjectStore,
        output: Location,
        waiting: Callable[[Holder], None],
        lost: Callable[[], None],
    ) -> None:
        """Wait for the lock on an output location, hold it and keep it.

        Args:
            store: Where it is.
            output: The location.
            waiting: Called now and then with whom it waits for.
            lost: Called, in a thread, once another run has taken it over.

        Raises:
            NotSupported: The store cannot do it.
        """
        claim = Claim(store, hidden_location(output, LOCK_FOLDER), _this_holder(), has_ended)
        self._output, self._claim, self._starts = output, claim, _count_starts(_this_holder().id)
        try:
            claim.acquire(waiting)
        except NotSupported:
            self._claim = None
            raise
        renew = (claim, lost, get_run_logger())
        threading.Thread(
            target=self._renew_until_ended, args=renew, name="lock", daemon=True
        ).start()

    def check_held(self, *, ask: bool = True) -> None:
        """Make sure that the lock is still held.

        Args:
            ask: Whether to ask the store, or only the thread that renews the lock.

        Raises:
            LockLost: It is not.
            Retriable: The store does not tell.
        """
        if self._claim is None:
            return
        if self._ended.is_set():
            raise LockLost(f"{self._output}: this run is ending; nothing more is written")
        if not ask and not self._claim.lost:
            return
        if not self._claim.renew_and_check():
            raise LockLost(self._describe_loss(self._claim))

    def let_expire(self) -> None:
        """Let the lock become stale when this run ends: others go on with its work.

        Until somebody takes it over, it stands for them, and this run gets it back at once where it
        is started again.
        """
        self._left = True

    def release(self) -> None:
        """Give the lock up; what the store refuses now is stale in a minute."""
        self._ended.set()
        if self._claim is not None and not self._left:
            try:
                self._claim.release()
            except PoseError as error:
                get_run_logger().warning(
                    "%s: its lock could not be removed: %s", self._output, error
                )

    @property
    def claims_location(self) -> Location | None:
        """The folder that its claim lies in; None where it has none: not every store can do it."""
        return hidden_location(self._output, LOCK_FOLDER) if self._output and self._claim else None

    @property
    def is_restarted_elsewhere(self) -> bool:
        """Return whether this run was taken for dead and started again elsewhere."""
        if self._claim is None or not self._claim.lost:
            return False
        if (successor := self._claim.successor) is not None:
            return successor.id == _this_holder().id
        now = _count_starts(_this_holder().id)
        return None not in (now, self._starts) and now != self._starts

    def _renew_until_ended(self, claim: Claim, lost: Callable[[], None], log: Any) -> None:
        """Give signs of life until the run ends; a store may be away for a while."""
        renewed, told = monotonic(), False
        while not self._ended.wait(RENEW_INTERVAL):
            try:
                if not claim.renew_and_check():
                    log.error("%s", self._describe_loss(claim))
                    lost()
                    return
                renewed, told = monotonic(), False
            except PoseError as error:  # settings that break meanwhile may be mended
                if not told and monotonic() - renewed > STALE_AFTER:
                    log.warning("The lock has not been renewed for a minute: %s", error)
                    told = True

    def _describe_loss(self, claim: Claim) -> str:
        other = claim.successor or "a run that has ended since"
        return (
            f"{self._output}: this run gave no sign of life for {STALE_AFTER:.0f} s, and its lock "
            f"was taken over by {other}; nothing more is written. Check that run's results, and "
            "run this one again if they are not what you want"
        )


class DelegatedLock:
    """A run that writes for another one, as long as that one has the lock.

    Args:
        store: Where the claims are.
        run: Id of the run that has the lock.
        claims: The folder of claims.
    """

    def __init__(self, store: ObjectStore, run: str, claims: Location) -> None:
        self._store, self._run, self.claims_location = store, run, claims

    def check_held(self, *, ask: bool = True) -> None:
        """Make sure that the other run still has the lock; see `Writer.check`."""
        if not ask:
            return
        if not is_held_by(self._run, self._store, self.claims_location):
            raise LockLost(
                f"{self.claims_location}: the request's run {self._run}, for which this run works, "
                "no longer has a lock on the output location; nothing more is written. Run the "
                "request again if the results there are not what you want"
            )


_current_lock: ContextVar[OutputLock | DelegatedLock | None] = ContextVar("writer", default=None)


@contextmanager
def hold_output_lock() -> Iterator[OutputLock]:
    """Hold the lock that is taken in the block until it ends, however it ends.

    Yields:
        What `lock_output` takes it with.

    Raises:
        Abort: This same run has been started again, elsewhere: it ends without a word, since what
            it says of itself would be taken for what the other one says.
    """
    writer = OutputLock()
    token = _current_lock.set(writer)
    _process_locks.append(writer)
    try:
        yield writer
    except PoseError as error:
        if writer.is_restarted_elsewhere:
            get_run_logger().warning(
                "This run has been started again elsewhere; it ends here: %s", error
            )
            raise Abort from error
        raise
    finally:
        _current_lock.reset(token)
        writer.release()
        _process_locks.remove(writer)


_process_locks: list[OutputLock] = []
"""Holder or waiter for a lock in this process."""


def release_locks() -> None:
    """Give this process' locks up: it ends now, whatever its threads are at."""
    for writer in _process_locks:
        writer.release()


@contextmanager
def write_on_behalf_of(store: ObjectStore, run: str | None, claims: str | None) -> Iterator[None]:
    """Let what is written in the block be another run's, which has to have the lock.

    Args:
        store: Where is written.
        run: The other run's id.
        claims: Location of the folder of claims; None where the store cannot lock.
    """
    token = _current_lock.set(
        DelegatedLock(store, run, Location.parse(claims)) if run and claims else None
    )
    try:
        yield
    finally:
        _current_lock.reset(token)


def let_lock_expire() -> None:
    """Let this run's lock stand for those that go on with its work when it ends."""
    writer = _current_lock.get()
    if isinstance(writer, OutputLock):
        writer.let_expire()


def check_lock(*, ask: bool = True) -> None:
    """Make sure that this run may still write to its output location; ask before each change.

    Args:
        ask: Whether to ask the store, or only the thread that renews the lock.

    Raises:
        LockLost: Another run writes there by now.
        Retriable: The store does not tell.
    """
    writer = _current_lock.get()
    if writer is not None:
        writer.check_held(ask=ask)


def has_output_lock() -> bool:
    """Return whether this run holds a lock on its output location."""
    writer = _current_lock.get()
    return isinstance(writer, OutputLock) and writer.claims_location is not None


def claims_folder() -> Location | None:
    """The folder that this run's claim lies in, if it has one."""
    writer = _current_lock.get()
    return writer.claims_location if writer else None


def _count_starts(run: str) -> int | None:
    """Count a run's starts; one that has ended counts as started once more."""
    with suppress(Exception), get_client(sync_client=True) as client:
        found = client.read_flow_run(UUID(run))
        return found.run_count + bool(found.state and found.state.is_final())
    return None


def _this_holder() -> Holder:
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    run = context.flow_run
    since = f"{utc_now():%Y-%m-%d %H:%M:%S} UTC"
    return Holder(str(run.id), run.name, platform.node(), since, identify_this_process())
