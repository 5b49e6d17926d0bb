"""What bound a run, and what would help most."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pose.results.run_record import Bottleneck, StageTime
from tasks.pose.speed.run_bottleneck import RunConditions, describe_bottleneck, find_bottleneck
from tasks.pose.speed.run_seconds import MovieSeconds, RunLayout, RunSeconds
from tasks.processes.bottleneck import EstimationTimes
from tests.support.records import example_movie, example_run

CPU = RunConditions(device="cpu", cpus=2)
GPU = RunConditions(device="cuda:0", cpus=16)
SMALL = dict.fromkeys(("fetch", "check", "decoding", "network", "drawing", "publish"), 1.0)


def run(start: float = 1, waiting: float = 0, movies: int = 1, **long: float) -> RunSeconds:
    movie = MovieSeconds(**SMALL | long)
    layout = RunLayout(at_once=3)
    return RunSeconds(start, waiting, (movie,) * movies, 1.0, layout)


CASES: dict[str, tuple[RunSeconds, RunConditions, Bottleneck, str]] = {
    "network on processors": (
        run(network=100),
        CPU,
        Bottleneck.NETWORK,
        "The network took 1 min 40 s of 1 min 47 s on 2 processors; a GPU would help most",
    ),
    "network on a GPU": (
        run(network=100),
        GPU,
        Bottleneck.NETWORK,
        "on cuda:0; a crop would help most: the time grows with the pixels",
    ),
    "network on a GPU, cropped": (
        run(network=100),
        replace(GPU, is_cropped=True),
        Bottleneck.NETWORK,
        "the setting precision half would help most",
    ),
    "network on a GPU, cropped, half": (
        run(network=100),
        replace(GPU, is_cropped=True, is_half=True),
        Bottleneck.NETWORK,
        "a faster GPU would help most",
    ),
    "network on a GPU, several movies": (
        run(network=100, movies=4),
        replace(GPU, movies=4),
        Bottleneck.NETWORK,
        " on cuda:0; more GPUs would help most: spread_from shares movies out among workers",
    ),
    "decoding": (
        run(decoding=100),
        GPU,
        Bottleneck.DECODING,
        (
            "Decoding took 1 min 40 s of 1 min 47 s, in which the network waited; movies recorded "
            "with fewer pixels would help most"
        ),
    ),
    "decoding on few processors": (
        run(decoding=100),
        CPU,
        Bottleneck.DECODING,
        "more processors would help most",
    ),
    "tracking": (
        run(tracking=50),
        GPU,
        Bottleneck.TRACKING,
        "Following animals took 50 s of 58 s on one processor; a faster one would help most",
    ),
    "drawing": (
        run(drawing=100),
        GPU,
        Bottleneck.DRAWING,
        "Labeled movies, previews and tables took 1 min 40 s of 1 min 47 s; faster processors",
    ),
    "drawing of several": (
        run(drawing=100, network=30, movies=3),
        replace(GPU, movies=3),
        Bottleneck.DRAWING,
        "more processors would help most",
    ),
    "start": (
        run(start=30),
        CPU,
        Bottleneck.START,
        (
            "Loading programs, libraries and the model took 30 s of 37 s; more movies in one "
            "request would help most"
        ),
    ),
    "store": (
        run(fetch=100),
        replace(GPU, is_fetched=True, size=2_500_000_000),
        Bottleneck.STORE,
        (
            "Transfers from and to the store took 1 min 40 s of 1 min 47 s for 2,500 MB; a worker "
            "nearer to the store would help most"
        ),
    ),
    "disk": (
        run(publish=100),
        replace(GPU, is_fetched=True),
        Bottleneck.DISK,
        "a faster disk would help most",
    ),
    "queue for a GPU": (
        run(queued=100),
        GPU,
        Bottleneck.DEVICE,
        "Waiting for a GPU that other runs used took 1 min 40 s of 1 min 48 s; another GPU",
    ),
    "queue for processors": (
        run(queued=100),
        CPU,
        Bottleneck.DEVICE,
        "Waiting for processors that other runs used",
    ),
    "queue for the output": (
        run(waiting=100),
        GPU,
        Bottleneck.OUTPUT,
        "Waiting for another run at the same output took",
    ),
    "other programs": (
        run(network=100),
        replace(CPU, lost=0.9),
        Bottleneck.PROGRAMS,
        (
            "Other programs, which had 90 % of the processors, cost 1 min 34 s of 1 min 47 s; a "
            "machine without them would help most"
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_would_shorten_the_run_most_bounds_it(name: str) -> None:
    seconds, conditions, bottleneck, words = CASES[name]
    found = find_bottleneck(seconds, conditions)
    assert found is not None
    assert found.by is bottleneck
    assert found.share == pytest.approx(found.seconds / seconds.total, abs=1e-3)
    assert words in found.sentence
    assert "\n" not in found.sentence
    assert not found.sentence.endswith(".")


def test_every_kind_has_a_case() -> None:
    assert {case[2] for case in CASES.values()} == set(Bottleneck)


def test_work_beside_longer_work_bounds_nothing() -> None:
    """Three movies are drawn beside the network: that takes longer in all, but costs less."""
    several = run(network=100, drawing=95, movies=5)
    found = find_bottleneck(several, replace(CPU, movies=5))
    assert found is not None
    assert found.by is Bottleneck.NETWORK
    drawn = find_bottleneck(run(network=60, drawing=100, movies=5), replace(CPU, movies=5))
    assert drawn is not None
    assert drawn.by is Bottleneck.DRAWING


def test_a_run_that_took_no_time_was_bound_by_nothing() -> None:
    assert find_bottleneck(RunSeconds(0.1, 0.0, (), 0.1), CPU) is None


SECONDS = st.floats(0, 1000, allow_nan=False)


@given(
    st.builds(
        RunSeconds,
        SECONDS,
        SECONDS,
        st.lists(st.builds(MovieSeconds, *[SECONDS] * 8), max_size=4).map(tuple),
        SECONDS,
        st.builds(RunLayout, st.integers(1, 3), st.just(1), st.integers(1, 2)),
    ),
    st.floats(0, 1),
    st.booleans(),
)
def test_no_part_costs_more_than_the_run(seconds: RunSeconds, lost: float, fetched: bool) -> None:
    conditions = RunConditions("cpu", 2, len(seconds.movies), lost, is_fetched=fetched)
    found = find_bottleneck(seconds, conditions)
    if found is not None:
        assert 0 < found.seconds <= seconds.total + 1e-3
        assert 0 < found.share <= 1


class TestRecords:
    """The same, read from a run's record."""

    def described(self, **changes: Any) -> Any:
        stages = {
            "Fetch movie": StageTime(seconds=1),
            "Estimate poses": StageTime(seconds=60),
            "Label movie": StageTime(seconds=9),
        }
        movie = example_movie(stages=stages, **changes)
        return describe_bottleneck(example_run(movie, seconds=72))

    def test_name_the_network_s_device(self) -> None:
        found = self.described(estimation=EstimationTimes(preparation=2, decoding=1))
        assert found.by is Bottleneck.NETWORK
        assert found.seconds == 59
        assert "on 2 processors" in found.sentence

    def test_tell_decoding_from_the_network(self) -> None:
        assert self.described(estimation=EstimationTimes(decoding=55)).by is Bottleneck.DECODING

    def test_tell_waits_from_work(self) -> None:
        found = self.described(estimation=EstimationTimes(queued=600))
        assert found.by is Bottleneck.DEVICE

    def test_tell_other_programs_from_our_own(self) -> None:
        assert self.described(estimation=EstimationTimes(lost=0.95)).by is Bottleneck.PROGRAMS
