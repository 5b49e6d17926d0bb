"""What bounds a loop: what it waits for, or its own work."""

from collections.abc import Iterator

import pytest

from tasks.processes.bottleneck import EstimationTimer


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("waiting", "working", "bound"),
    [(0.0, 1.0, "the network"), (1.0, 0.0, "decoding"), (0.6, 0.5, "decoding")],
)
def test_the_longer_part_bounds_the_work(
    waiting: float, working: float, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("tasks.processes.bottleneck.time.monotonic", clock)

    def decoded() -> Iterator[int]:
        for index in range(5):
            clock.now += waiting
            yield index

    waits, seen = EstimationTimer(), []
    for item in waits.measure_waits(decoded()):
        clock.now += working
        seen.append(item)
    assert seen == [0, 1, 2, 3, 4]
    assert waits.bottleneck == bound
    assert waits.end().decoding == pytest.approx(5 * waiting)


def test_what_fails_while_it_is_waited_for_is_raised() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        list(EstimationTimer().measure_waits(broken()))


def test_parts_of_an_estimation_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("tasks.processes.bottleneck.time.monotonic", clock)
    timer = EstimationTimer()
    for name, seconds in (("queued", 3.0), ("preparation", 2.0), ("preparation", 1.0)):
        with timer.measure_part(name):
            clock.now += seconds
        if name == "queued":
            timer.begin()
    clock.now += 4
    assert timer.seconds == 7
    times = timer.end()
    assert (times.queued, times.preparation, times.tracking) == (3, 3, 0)
