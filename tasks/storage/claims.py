"""One writer at a time, agreed on through small objects in the store that is written to.

A run that wants to write puts a *claim* under the next number, if nobody else has
(`ObjectStore.create`), looks again who is there, and gives way where somebody is. While it holds
the claim it renews a *sign* of life beside it:

    lock/00000001              the claim: who, where, since when; written once
    lock/00000001.4f1c09ab…    the claimant's sign of life; nobody else writes it

Claim and sign that a watcher has seen unchanged for `STALE_AFTER` seconds, by its own clock, are
those of a holder that is gone: the watcher takes the next number, and then removes them. No two
clocks are compared. A holder that was only suspended finds its claim removed. It cannot harm its
successor: all that it writes before it has looked is its own sign.
"""

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Protocol

from tasks.errors import PoseError
from tasks.storage.location import Location
from tasks.storage.sign_of_life import SignOfLife, SignStore
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import NoSuchObject, NotSupported, StoreUnavailable

RENEW_INTERVAL = 15.0
"""Seconds between two signs of life."""

STALE_AFTER = 60.0
"""Seconds without a sign after which a holder is taken to be gone."""

POLL_INTERVAL = 2.0
"""Seconds between two looks of a waiting run."""

UNREACHABLE_TIMEOUT = 120.0
"""Seconds for which a waiting run tries to reach the store."""

_RELEASE_TIMEOUT = 5.0
"""Seconds that the end of a claim waits for a sign which is just being written."""

_MAX_CLAIM_BYTES = 1 << 16


class ClaimStore(SignStore, Protocol):
    """The part of `ObjectStore` that claims need."""

    def list(self, prefix: Location) -> Iterator[ObjectInfo]: ...  # noqa: D102
    def read(self, location: Location, limit: int) -> bytes: ...  # noqa: D102
    def create(self, location: Location, data: bytes) -> bool: ...  # noqa: D102


@dataclass(frozen=True)
class Holder:
    """The holder of a claim.

    Attributes:
        id: The run: what has the same id may take the claim over at once.
        name: What people call it.
        host: The machine.
        since: When it came, by that machine's clock; only ever shown.
        process: What tells its process apart; see `Claim`.
        token: Tells two holders of the same run apart.
    """

    id: str
    name: str
    host: str
    since: str
    process: str = ""
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def __str__(self) -> str:
        return f"run {self.name!r} ({self.id}) on {self.host}, since {self.since}"


_UNKNOWN_HOLDER = Holder(
    "unknown", "of another version", "an unknown machine", "an unknown time", token=""
)


_Fingerprint = frozenset[tuple[str, str | None]]
"""Keys and ETags: another one with every sign of life."""


@dataclass(frozen=True)
class _ClaimObjects:
    """Objects with the same number."""

    objects: tuple[ObjectInfo, ...]

    @property
    def claim_object(self) -> ObjectInfo | None:
        """None where a sign alone was left behind."""
        return next((info for info in self.objects if "." not in info.location.name), None)

    @property
    def fingerprint(self) -> _Fingerprint:
        """Return a fingerprint of all these objects."""
        return frozenset((info.location.key, info.etag) for info in self.objects)


class Claim:
    """The right to be the only one that writes.

    Args:
        store: Where it is agreed on.
        folder: For claims and signs, and for nothing else.
        holder: Who wants it.
        has_ended: Whether a holder's process is known to have ended.
        clock: Seconds that never go back.
        pause: Waits so many seconds.

    Attributes:
        lost: Whether it was held, and somebody else has taken it over.
        successor: Who that is, if it is known.
    """

    def __init__(
        self,
        store: ClaimStore,
        folder: Location,
        holder: Holder,
        has_ended: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lost = False
        self.successor: Holder | None = None
        self._store, self._folder, self._holder = store, folder, holder
        self._has_ended, self._clock, self._pause = has_ended, clock, pause
        self._content = json.dumps(asdict(holder), indent=2).encode()
        self._number = 0
        self._sign = SignOfLife(store, self._sign_location)
        self._unchanged_since: dict[_Fingerprint, float] = {}
        self._looked = clock()
        self._one_at_a_time = threading.RLock()

    def acquire(self, waiting: Callable[[Holder], None]) -> None:
        """Wait until nobody else has the claim, and have it.

        Args:
            waiting: Called at every look with whom it waits for.

        Raises:
            NotSupported: The store does not do what this needs; nothing is left there. Other errors
                are the store's.
        """
        while True:
            found = self._list_with_retries()
            gone = {one.fingerprint for one in found.values() if self._is_gone(one)}
            others = [one for one in found.values() if one.fingerprint not in gone]
            if alive := [holder for one in others if (holder := self._holder_of(one))]:
                waiting(alive[0])
                self._pause(POLL_INTERVAL)
            elif self._try_to_claim(max(found, default=0) + 1, gone):
                return
            else:
                self._pause(random.uniform(0, POLL_INTERVAL))  # noqa: S311 - parts two that meet

    def renew_and_check(self) -> bool:
        """Give a sign of life, and look whether the claim still stands; once lost, it stays so.

        In this order: a run that is about to take the claim over sees the sign, or is seen.
        """
        with self._one_at_a_time:
            if not self.lost:
                self._sign.renew()
                found = self._wait_for_decision()
                if not self._is_mine(self._claim_location) or self._later_claims(found):
                    self._mark_lost(found)
            return not self.lost

    def release(self) -> None:
        """Give the claim up, where it is held or being taken."""
        waited = self._one_at_a_time.acquire(timeout=_RELEASE_TIMEOUT)
        try:
            if self._number:
                if self._is_mine(self._claim_location):
                    self._store.remove(self._claim_location)
                self._sign.remove()
        finally:
            if waited:
                self._one_at_a_time.release()

    @property
    def _claim_location(self) -> Location:
        return self._folder.child(f"{self._number:08}")

    @property
    def _sign_location(self) -> Location:
        return self._folder.child(f"{self._number:08}.{self._holder.token}")

    def _list_with_retries(self) -> dict[int, _ClaimObjects]:
        """Look as a waiting run, perhaps for hours: a store may be away for a while."""
        while True:
            try:
                return self._list_claims()
            except StoreUnavailable:
                if self._clock() - self._looked >= UNREACHABLE_TIMEOUT:
                    raise
            self._pause(POLL_INTERVAL)

    def _list_claims(self) -> dict[int, _ClaimObjects]:
        """List the claims by number, and note since when each has been seen unchanged."""
        objects: dict[int, list[ObjectInfo]] = {}
        for info in self._store.list(self._folder):
            number = info.location.name.partition(".")[0]
            if number.isdecimal():
                objects.setdefault(int(number), []).append(info)
        found = {number: _ClaimObjects(tuple(objects[number])) for number in sorted(objects)}
        self._track_changes([one.fingerprint for one in found.values()])
        return found

    def _track_changes(self, marks: Iterable[_Fingerprint]) -> None:
        now = self._clock()
        # While the store was away from here, it may have been away from those who give signs.
        known = self._unchanged_since if now - self._looked < RENEW_INTERVAL else {}
        self._unchanged_since = {mark: known.get(mark, now) for mark in marks}
        self._looked = now

    def _is_gone(self, found: _ClaimObjects) -> bool:
        """Return whether only this run's own earlier start, or nobody, still has a claim."""
        if (
            found.claim_object is None
            or self._looked - self._unchanged_since[found.fingerprint] >= STALE_AFTER
        ):
            return True
        holder = self._holder_of(found)
        return holder is not None and (
            holder.id == self._holder.id or self._has_ended(holder.process)
        )

    def _holder_of(self, found: _ClaimObjects) -> Holder | None:
        """Return the holder of a claim; None if it has just been given up."""
        return (
            None
            if found.claim_object is None
            else _read_holder(self._store, found.claim_object.location)
        )

    def _is_mine(self, location: Location) -> bool:
        holder = _read_holder(self._store, location)
        return holder is not None and holder.token == self._holder.token

    def _try_to_claim(self, number: int, gone: set[_Fingerprint]) -> bool:
        """Claim a number; give way to any holder that has not been found to be gone."""
        self._number = number
        self._sign = SignOfLife(self._store, self._sign_location)
        if not self._create_claim():
            self._number = 0
            return False
        others = [one for n, one in self._list_claims().items() if n != number]
        if any(one.claim_object and one.fingerprint not in gone for one in others):
            self._store.remove(self._claim_location)
            self._number = 0
            return False
        self._sign.renew()
        self._remove_claims(others)
        return True

    def _create_claim(self) -> bool:
        """Make the claim, unless somebody else has; see that the store heeds the condition."""
        if not self._store.create(self._claim_location, self._content):
            # The client library repeats a request whose answer was lost.
            return self._is_mine(self._claim_location)
        if not self._store.create(self._claim_location, self._content):
            return True
        self._store.remove(self._claim_location)
        self._number = 0
        raise NotSupported(
            f"{self._folder}: the store ignores the condition of a conditional write "
            "(If-None-Match: *); use a store that supports it",
        )

    def _remove_claims(self, found: Iterable[_ClaimObjects]) -> None:
        """Remove what others have left, claims first: what has none is in nobody's way."""
        for one in found:
            for info in sorted(one.objects, key=lambda info: info.location.key):
                self._store.remove(info.location)

    def _wait_for_decision(self) -> dict[int, _ClaimObjects]:
        """Wait until later claims are gone or this one is removed; return what is left."""
        until = self._clock() + STALE_AFTER
        found = self._list_claims()
        while self._later_claims(found) and self._has_own_claim(found) and self._clock() < until:
            self._pause(POLL_INTERVAL)
            found = self._list_claims()
        return found

    def _has_own_claim(self, found: dict[int, _ClaimObjects]) -> bool:
        return self._number in found and found[self._number].claim_object is not None

    def _later_claims(self, found: dict[int, _ClaimObjects]) -> list[_ClaimObjects]:
        """Claims that were made later than this one."""
        return [one for n, one in found.items() if n > self._number and one.claim_object]

    def _mark_lost(self, found: dict[int, _ClaimObjects]) -> None:
        self.lost = True
        holders = [holder for one in reversed(found.values()) if (holder := self._holder_of(one))]
        others = [holder for holder in holders if holder.token != self._holder.token]
        self.successor = next(iter(others), None)
        with suppress(PoseError):
            self._sign.remove()


def is_held_by(
    run: str,
    store: ClaimStore,
    folder: Location,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Return whether a run's claim is valid, for those who work for that run without one.

    Where somebody came later, it is waited until that is decided, as in `Claim.holds`.

    Args:
        run: The run's id; it has the claim, too, where it was started again and claimed anew.
        store: Where it is agreed on.
        folder: The claims' folder.
        clock: Seconds that never go back.
        pause: Waits so many seconds.
    """
    until = clock() + STALE_AFTER
    while True:
        names = {info.location.name: info.location for info in store.list(folder)}
        claims = [names[name] for name in sorted(filter(str.isdecimal, names))]
        holders = [holder.id for claim in claims if (holder := _read_holder(store, claim))]
        if run not in holders or holders[-1] == run:
            return run in holders
        if clock() >= until:
            return False
        pause(POLL_INTERVAL)


def read_holders(store: ClaimStore, folder: Location) -> list[Holder]:
    """Read who holds a claim or waits for it, some of whom may have ended without giving it up.

    Args:
        store: Where it is agreed on.
        folder: The claims' folder.
    """
    claims = sorted(info.location for info in store.list(folder) if info.location.name.isdecimal())
    return [holder for claim in claims if (holder := _read_holder(store, claim))]


def _read_holder(store: ClaimStore, location: Location) -> Holder | None:
    """Read the holder of a claim; None if it has just been given up."""
    try:
        return Holder(**json.loads(store.read(location, _MAX_CLAIM_BYTES)))
    except NoSuchObject:
        return None
    except (ValueError, TypeError):
        return _UNKNOWN_HOLDER
