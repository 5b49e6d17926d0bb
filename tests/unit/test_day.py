"""``make day`` finds out what it is to find out: its verdict on made-up days, and its plans."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.states import Completed, Crashed, Failed

from tests.day.deliveries import check_deliveries
from tests.day.dropped_movies import KINDS, DroppedMovie, plan_drops
from tests.day.process_watch import LongLife
from tests.support.notice_listener import NoticeListener

GOOD, TEXT, EMPTY = (
    DroppedMovie("movie-000", 0),
    DroppedMovie("bad-001", 1, "text"),
    DroppedMovie("bad-002", 2, "empty"),
)
COMPLETE = {"movie-000": {"status": "complete", "flow_run": {"id": "1"}}}


def run(number: int, movie: DroppedMovie, state: Any) -> Any:
    parameters = {"movies": [f"s3://lab/{movie.key}"]}
    return SimpleNamespace(id=str(number), name=movie.name, state=state, parameters=parameters)


def as_told(*subjects: str) -> NoticeListener:
    listener = NoticeListener()
    listener.told += [{"subject": f"dlcflow: {subject}", "body": ""} for subject in subjects]
    return listener


TOLD = ("movie-000 · openfield finished", "bad-001 · openfield failed", "bad-002.mp4 is refused")
RUNS = (run(1, GOOD, Completed()), run(2, TEXT, Failed()))


def check(told: tuple[str, ...] = TOLD, runs: Any = RUNS, records: Any = COMPLETE) -> list[str]:
    return list(check_deliveries((GOOD, TEXT, EMPTY), runs, records, as_told(*told)))


def test_a_day_on_which_all_is_well() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"told": (*TOLD, TOLD[2])}, "bad-002: told 2 times"),
        ({"told": TOLD[:2]}, "bad-002: told 0 times"),
        ({"told": (TOLD[0], "bad-001 · openfield finished", TOLD[2])}, "bad-001: told 1 times"),
        ({"records": {}}, "movie-000: not delivered"),
        ({"runs": (*RUNS, run(3, GOOD, Completed()))}, "movie-000: 2 runs"),
        ({"runs": (run(1, GOOD, Crashed()), RUNS[1])}, "movie-000: its run has not completed"),
        ({"runs": (run(4, GOOD, Completed()), RUNS[1])}, "movie-000: delivered by 1, which is"),
        ({"runs": (*RUNS, run(5, EMPTY, Failed()))}, "bad-002: 1 runs"),
        ({"runs": (RUNS[0], run(2, TEXT, Completed()))}, "bad-001: it is bad, and its run has"),
        ({"runs": (*RUNS, run(6, DroppedMovie("other", 0), Completed()))}, "the run other is for"),
    ],
)
def test_what_goes_wrong_is_found(changes: dict[str, Any], found: str) -> None:
    assert any(sentence.startswith(found) for sentence in check(**changes))


def test_the_same_seed_is_the_same_day() -> None:
    plans = [plan_drops(200, 2700, random.Random(7)) for _ in range(2)]
    assert plans[0] == plans[1] != plan_drops(200, 2700, random.Random(8))
    faults = [movie.fault for movie in plans[0] if movie.fault]
    assert (len(plans[0]), len(faults), set(faults)) == (200, 10, set(KINDS))
    assert all(0 <= movie.after <= 2700 for movie in plans[0])
    assert len(plan_drops(5, 60, random.Random(7))) == 5


def test_growth_is_since_a_process_has_settled() -> None:
    steady = LongLife("server", [(0, 100), (1, 140), (2, 120), (3, 140), (4, 130), (5, 141)])
    assert steady.growth == 1
    leaks = LongLife("server", [(n, 100 * n) for n in range(9)])
    assert leaks.growth == 600
