"""The paragraph on methods says what the settings and the clock made of a run."""

from typing import Any

import pytest

from tasks.neural.neural_methods import describe_neural_methods
from tasks.neural.neural_settings import Clock, NeuralSettings


def describe(clock: str = "counter", cells: int = 3, **settings: Any) -> str:
    facts = {"clock": {"used": clock}, "cells": cells}
    return describe_neural_methods(NeuralSettings(**settings), facts)


@pytest.mark.parametrize("clock", [c.value for c in Clock if c is not Clock.AUTO])
def test_each_clock_has_its_words(clock: str) -> None:
    others = {describe(c.value) for c in Clock if c not in {Clock.AUTO, Clock(clock)}}
    assert describe(clock) not in others


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "1,000 circular shifts of the sequence of states"),
        ({}, "Benjamini and Hochberg, and a cell counted as modulated below 0.05"),
        (
            {"flag_by": "p", "alpha": 0.01},
            "not corrected, and a cell counted as modulated below 0.01",
        ),
        ({"comparison": "state vs baseline", "baseline_state": "rest"}, "with the state rest by"),
        ({"min_seconds": 20, "min_bouts": 5}, "less than 20 s, or fewer than 5 bouts"),
        ({"method": "nearest"}, "nearest to its start"),
        ({"subtract_bout_means": True}, "Each bout's mean was subtracted"),
        ({"parity": True}, "one-sided p"),
    ],
)
def test_settings_are_told(settings: Any, told: str) -> None:
    assert told in describe(**settings)


def test_what_was_not_done_is_not_told() -> None:
    assert "random draws" not in describe(equal_frames=False)
    assert "Pearson" not in describe(cells=0)
    assert "median steps" not in describe("rows")
    assert "left out" in describe()
    assert "left out" not in describe(parity=True)
