"""Who may write, when several want to: with a store in memory and a clock that is told the time."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tasks.storage.claims import (
    POLL_INTERVAL,
    RENEW_INTERVAL,
    STALE_AFTER,
    Claim,
    Holder,
    is_held_by,
)
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import NoSuchObject, NotSupported, StoreUnavailable

ENDED = "a process that is known to have ended".__eq__

FOLDER = Location("lab", "out/.dlcflow/lock/")


class MemoryStore:
    """What the protocol needs of a store; `between` runs before the next claim is made."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.between: Callable[[], object] = lambda: None
        self.away = False
        self._lock = threading.Lock()

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        if self.away:
            raise StoreUnavailable("the store is away")
        with self._lock:
            found = sorted(self.objects.items())
        for key, data in found:
            where, etag = Location("lab", key), hashlib.md5(data).hexdigest()
            yield ObjectInfo(where, len(data), etag, None, None, None)

    def read(self, location: Location, limit: int) -> bytes:
        try:
            return self.objects[location.key]
        except KeyError:
            raise NoSuchObject(str(location)) from None

    def put(self, location: Location, data: bytes) -> str | None:
        with self._lock:
            self.objects[location.key] = data
        return None

    def create(self, location: Location, data: bytes) -> bool:
        between, self.between = self.between, lambda: None
        between()
        with self._lock:
            made = location.key not in self.objects
            self.objects.setdefault(location.key, data)
        return made

    def remove(self, location: Location) -> None:
        with self._lock:
            self.objects.pop(location.key, None)

    def remove_version(self, location: Location, version: str) -> None:
        raise AssertionError("it keeps no versions")


class Heedless(MemoryStore):
    """Overwrites, whatever the condition."""

    def create(self, location: Location, data: bytes) -> bool:
        self.put(location, data)
        return True


class Honest(MemoryStore):
    """Has no conditions, and says so."""

    def create(self, location: Location, data: bytes) -> bool:
        raise NotSupported("the store does not support this request")


class Forgetful(MemoryStore):
    """Answers a claim only when it is made again, since the first answer was lost."""

    def create(self, location: Location, data: bytes) -> bool:
        super().create(location, data)
        return super().create(location, data)


class Time:
    """A clock that goes on while somebody waits, when what is due happens."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def time() -> Time:
    return Time()


def claim(store: MemoryStore, run: str, time: Time) -> Claim:
    return Claim(
        store, FOLDER, Holder(run, f"mouse · {run}", "gpu-1", "noon", run), ENDED, time, time.pause
    )


def taken(store: MemoryStore, run: str, time: Time) -> Claim:
    """A claim that nobody has to wait for."""
    made = claim(store, run, time)
    before = time.now
    made.acquire(lambda holder: pytest.fail(f"waited for {holder}"))
    assert time.now == before
    return made


def waits(store: MemoryStore, run: str, time: Time) -> tuple[Claim, list[str], float]:
    """A claim, whom it waited for, and how long."""
    asked, before = list[str](), time.now
    made = claim(store, run, time)
    made.acquire(lambda holder: asked.append(holder.id))
    return made, list(dict.fromkeys(asked)), time.now - before


@contextmanager
def every(seconds: float, time: Time, action: Callable[[], object]) -> Iterator[None]:
    """Do something now and then while somebody waits."""
    due = time.now + seconds

    def look() -> None:
        nonlocal due
        if time.now >= due:
            due += seconds
            action()

    time.meanwhile = look
    yield
    time.meanwhile = lambda: None


def test_who_is_alone_comes_in_at_once_and_leaves_nothing(store: MemoryStore, time: Time) -> None:
    first = taken(store, "a", time)
    assert first.renew_and_check()
    assert min(store.objects) == "out/.dlcflow/lock/00000001"
    first.release()
    assert store.objects == {}


def test_the_second_waits_and_knows_for_whom(store: MemoryStore, time: Time) -> None:
    first = taken(store, "a", time)
    renewals = 0

    def renew() -> None:
        nonlocal renewals
        renewals += 1
        if renewals == 100:
            first.release()
        elif renewals < 100:
            assert first.renew_and_check()

    with every(RENEW_INTERVAL, time, renew):
        second, asked, waited = waits(store, "b", time)
    assert asked == ["a"]
    assert waited >= 100 * RENEW_INTERVAL
    assert second.renew_and_check()


def test_a_holder_that_is_gone_is_superseded(store: MemoryStore, time: Time) -> None:
    taken(store, "killed", time)
    second, asked, waited = waits(store, "b", time)
    assert asked == ["killed"]
    assert STALE_AFTER <= waited <= STALE_AFTER + 2 * POLL_INTERVAL
    assert second.renew_and_check()
    second.release()
    assert store.objects == {}


def test_a_run_that_is_started_again_takes_over_at_once(store: MemoryStore, time: Time) -> None:
    killed = taken(store, "a", time)
    again = taken(store, "a", time)
    assert again.renew_and_check()
    assert not killed.renew_and_check()
    assert again.renew_and_check()


def test_a_process_that_is_known_to_have_ended_is_not_waited_for(
    store: MemoryStore, time: Time
) -> None:
    killed = taken(store, "a process that is known to have ended", time)
    assert taken(store, "b", time).renew_and_check()
    assert not killed.renew_and_check()


def test_a_suspended_holder_notices_its_loss(store: MemoryStore, time: Time) -> None:
    suspended = taken(store, "a", time)
    second, _, _ = waits(store, "b", time)
    assert not suspended.renew_and_check()
    assert suspended.lost
    assert suspended.successor
    assert suspended.successor.id == "b"
    suspended.release()
    assert second.renew_and_check()
    second.release()
    assert store.objects == {}


def test_a_loss_is_noticed_when_the_successor_is_gone_too(store: MemoryStore, time: Time) -> None:
    suspended = taken(store, "a", time)
    waits(store, "b", time)[0].release()
    third = taken(store, "c", time)  # under the number that the first one had
    assert not suspended.renew_and_check()
    suspended.release()
    assert third.renew_and_check()
    third.release()
    assert not suspended.renew_and_check()
    assert store.objects == {}


def test_what_somebody_removed_is_lost(store: MemoryStore, time: Time) -> None:
    first = taken(store, "a", time)
    store.objects.clear()
    assert not first.renew_and_check()
    assert first.successor is None
    assert store.objects == {}


def test_nobody_is_gone_because_the_store_was_away(store: MemoryStore, time: Time) -> None:
    first = taken(store, "a", time)
    until = time.now + STALE_AFTER + 30

    def meanwhile() -> None:
        store.away = time.now < until
        if time.now >= until + RENEW_INTERVAL:
            first.release()

    time.meanwhile = meanwhile
    _, asked, waited = waits(store, "b", time)
    assert asked == ["a"]
    assert waited >= STALE_AFTER + 30 + RENEW_INTERVAL


def test_a_store_that_stays_away_ends_the_wait(store: MemoryStore, time: Time) -> None:
    store.away = True
    with pytest.raises(StoreUnavailable):
        waits(store, "a", time)


def test_a_holder_that_shows_life_at_the_last_moment_keeps_it(
    store: MemoryStore, time: Time
) -> None:
    suspended = taken(store, "a", time)

    def wakes() -> None:
        # It sees that somebody is taking over, and waits for what becomes of it.
        store.between = lambda: None
        suspended._sign.renew()

    def later() -> None:
        if time.now > 1100:
            suspended.release()

    store.between = wakes
    time.meanwhile = later
    _, _, waited = waits(store, "b", time)
    assert waited > 100
    assert not suspended.lost


def test_a_late_challenger_gives_way(store: MemoryStore, time: Time) -> None:
    """It saw a dead claim; before it makes its own, that was followed by one, and by a third."""
    taken(store, "dead", time)
    third: list[Claim] = []

    def meanwhile() -> None:
        waits(store, "quick", time)[0].release()
        third.append(taken(store, "c", time))

    store.between = meanwhile
    rounds = 0

    def holds() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 10:
            assert third[0].renew_and_check()
        elif rounds == 10:
            third[0].release()

    late = claim(store, "late", time)
    asked: list[str] = []

    def waiting(holder: Holder) -> None:
        asked.append(holder.id)
        if holder.id == "c":
            time.meanwhile = holds

    late.acquire(waiting)
    assert list(dict.fromkeys(asked)) == ["dead", "c"]
    assert late.renew_and_check()


def test_a_holder_waits_for_what_becomes_of_a_challenger(store: MemoryStore, time: Time) -> None:
    first = taken(store, "a", time)
    challenge = FOLDER.child("00000002")
    store.put(challenge, b"{}")
    time.meanwhile = lambda: store.remove(challenge)
    assert first.renew_and_check()
    time.meanwhile = lambda: None
    store.put(challenge, b"{}")  # by somebody who came no further
    before = time.now
    assert not first.renew_and_check()
    assert time.now - before >= STALE_AFTER


def test_a_claim_whose_answer_was_lost_is_held_all_the_same(time: Time) -> None:
    store = Forgetful()
    assert taken(store, "a", time).renew_and_check()
    assert len(store.objects) == 2


@pytest.mark.parametrize("store", [Heedless(), Honest()])
def test_a_store_without_conditions_is_found_out(store: MemoryStore, time: Time) -> None:
    with pytest.raises(NotSupported, match="store"):
        taken(store, "a", time)
    assert store.objects == {}


def test_what_a_killed_holder_has_left_goes_with_the_next_one(
    store: MemoryStore, time: Time
) -> None:
    store.put(FOLDER.child("00000007.a-sign-alone"), b"3")
    store.put(FOLDER.child("somebody's note"), b"")
    taken(store, "a", time).release()
    assert [key.rpartition("/")[2] for key in store.objects] == ["somebody's note"]


def test_a_claim_that_cannot_be_read_is_respected(store: MemoryStore, time: Time) -> None:
    store.put(FOLDER.child("00000001"), b"of another version")
    _, asked, waited = waits(store, "a", time)
    assert asked == ["unknown"]
    assert waited >= STALE_AFTER


def test_an_end_in_the_middle_of_it_leaves_nothing(store: MemoryStore, time: Time) -> None:
    made = claim(store, "a", time)
    put = store.put

    def cancelled(location: Location, data: bytes) -> None:
        put(location, data)
        raise KeyboardInterrupt

    store.put = cancelled  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        made.acquire(lambda holder: None)
    made.release()
    assert store.objects == {}


def test_a_race_has_one_winner_at_a_time_and_no_loser(store: MemoryStore) -> None:
    still = Time()  # nobody is taken to be gone
    inside, entered = list[int](), list[int]()
    most = 0
    gate = threading.Barrier(10)

    def race(number: int) -> None:
        nonlocal most
        made = Claim(
            store, FOLDER, Holder(str(number), "x", "x", "x"), ENDED, still, lambda _: None
        )
        gate.wait()
        made.acquire(lambda holder: None)
        inside.append(number)
        most = max(most, len(inside))
        assert made.renew_and_check()
        inside.remove(number)
        entered.append(number)
        made.release()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, sorted(entered)) == (1, list(range(10)))
    assert store.objects == {}


class TestWhoWorksForAHolder:
    """Runs of a spread request's movies have no claim of their own."""

    def test_may_write_while_its_run_has_the_claim(self, store: MemoryStore, time: Time) -> None:
        assert not is_held_by("one", store, FOLDER, time, time.pause)
        holder = taken(store, "one", time)
        assert is_held_by("one", store, FOLDER, time, time.pause)
        assert not is_held_by("other", store, FOLDER, time, time.pause)
        holder.release()
        assert not is_held_by("one", store, FOLDER, time, time.pause)

    def test_may_write_while_its_run_is_away_and_when_it_is_there_again(
        self, store: MemoryStore, time: Time
    ) -> None:
        taken(store, "one", time)
        time.now += 10 * STALE_AFTER
        assert is_held_by("one", store, FOLDER, time, time.pause)
        taken(store, "one", time)
        assert is_held_by("one", store, FOLDER, time, time.pause)

    def test_may_not_write_once_another_run_has_it(self, store: MemoryStore, time: Time) -> None:
        taken(store, "one", time)
        _, waited_for, _ = waits(store, "two", time)
        assert waited_for == ["one"]
        assert not is_held_by("one", store, FOLDER, time, time.pause)

    @pytest.mark.parametrize("gives_way", [True, False])
    def test_waits_for_what_becomes_of_a_challenger(
        self, store: MemoryStore, time: Time, gives_way: bool
    ) -> None:
        taken(store, "one", time)
        challenger = FOLDER.child("00000002")
        store.put(challenger, b"of another version")
        if gives_way:
            time.meanwhile = lambda: store.remove(challenger)
        assert is_held_by("one", store, FOLDER, time, time.pause) == gives_way
