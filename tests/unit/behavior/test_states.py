"""States and bouts: thresholds, hysteresis, shortest bouts, and durations that sum up."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.segments import FloatArray, find_segments
from tasks.behavior.states import STATE_NAMES, find_thresholds, label_states
from tests.support.tracks import analyze, make_table

LETTERS = {"r": 0.0, "b": 5.0, "m": 20.0, "?": np.nan}
"""Speeds of 10 frames a second: rest, between, movement, unknown."""


def label(speeds: str, times: FloatArray | None = None, **chosen: Any) -> str:
    """The states of speeds, a letter for each frame; a bar ends a segment."""
    times = np.arange(len(speeds)) / 10 if times is None else times
    segments = find_segments(times, np.zeros(len(speeds), np.int64), 0.5)
    values = BehaviorSettings(**({"max_rest_speed": 2, "min_movement_speed": 10} | chosen))
    thresholds = find_thresholds(values, None)
    assert thresholds is not None
    speed = np.array([LETTERS[letter] for letter in speeds])
    codes = label_states(speed, segments, thresholds, values)
    return "".join("?" if code < 0 else STATE_NAMES[code][0] for code in codes)


@pytest.mark.parametrize(
    ("speeds", "chosen", "states"),
    [
        ("rrbmm", {}, "rromm"),
        ("?brbmbrb", {"between": "hold"}, "??rrmmrr"),
        ("rb?bm", {"between": "hold"}, "rrrrm"),
        ("rb??????bm", {"between": "hold"}, "rr???????m"),
        ("mmrmm", {"min_rest": 0.2}, "mmmmm"),
        ("mmrrmm", {"min_rest": 0.2}, "mmrrmm"),
        ("mmrbb", {"min_rest": 0.2}, "mmooo"),
        ("mrmrmmmm", {"min_rest": 0.2, "min_movement": 0.2}, "mmmmmmmm"),
        ("rmm", {"min_rest": 0.2}, "rmm"),
        ("mmr", {"min_rest": 0.2}, "mmr"),
        ("rr??rr", {}, "rrrrrr"),
        ("rr??mm", {}, "rr??mm"),
        ("rr??????rr", {}, "rr??????rr"),
        ("rr?????rr", {}, "rrrrrrrrr"),
    ],
)
def test_states(speeds: str, chosen: dict[str, Any], states: str) -> None:
    assert label(speeds, **chosen) == states


def test_speed_at_a_threshold() -> None:
    def of(speed: float, **thresholds: float) -> str:
        segments = find_segments(np.arange(2) / 10, np.zeros(2, np.int64), 0.5)
        chosen = BehaviorSettings(**thresholds)
        found = find_thresholds(chosen, None)
        assert found is not None
        return STATE_NAMES[int(label_states(np.full(2, speed), segments, found, chosen)[0])]

    assert of(2, max_rest_speed=2, min_movement_speed=10) == "rest"
    assert of(10, max_rest_speed=2, min_movement_speed=10) == "movement"
    assert of(2, max_rest_speed=2) == of(2, min_movement_speed=2) == "movement"
    assert of(1.9, min_movement_speed=2) == "rest"


def test_nothing_is_bridged_or_held_over_a_break() -> None:
    times = np.r_[np.arange(3), 50 + np.arange(3)] / 10
    assert label("rr??rr", times) == "rr??rr"
    assert label("rrr?bm", times, between="hold") == "rrr??m"


def test_thresholds_in_cm_need_a_scale() -> None:
    with pytest.raises(ValidationError, match="there is no scale"):
        BehaviorSettings(max_rest_speed=1, threshold_units="cm/s")
    chosen = BehaviorSettings(
        max_rest_speed=1,
        min_movement_speed=2,
        threshold_units="cm/s",
        pixels_per_cm=8,
    )
    assert find_thresholds(chosen, 8) == find_thresholds(
        BehaviorSettings(max_rest_speed=8, min_movement_speed=16), None
    )


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"max_rest_speed": 3, "min_movement_speed": 2}, "would be both"),
        ({"min_rest": 1}, "need states"),
        ({"median_filter_length": 4}, "must be an odd number from 1 to 101; try 3 or 5"),
        ({"min_stay": 1}, "there are no zones"),
        ({"movies": ["a.mp4"]}, "labeled_movie is off"),
        ({"keypoints": ["nose", "nose"]}, "names one twice"),
        ({"pixels_per_cm": 0}, "greater than 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(chosen: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        BehaviorSettings(**chosen)


@settings(max_examples=60, deadline=None)
@given(
    st.text("rbm?", min_size=2, max_size=60),
    st.lists(st.sampled_from([0.1, 0.1, 0.1, 0.3, 2.0]), min_size=60, max_size=60),
    st.sampled_from([0.0, 0.15, 0.25, 1.0]),
    st.sampled_from([0.0, 0.15, 0.35]),
    st.sampled_from(["other", "hold"]),
)
def test_no_short_bout_is_left_between_known_states(
    speeds: str, steps: list[float], min_rest: float, min_movement: float, between: str
) -> None:
    times = np.cumsum([0.0, 0.1, *steps])[: len(speeds)]
    assume(np.median(np.diff(times)) < 0.5)
    segments = find_segments(times, np.zeros(len(speeds), np.int64), 0.5)
    found = label(speeds, times, min_rest=min_rest, min_movement=min_movement, between=between)
    assert len(found) == len(speeds)
    bounds = [
        0,
        *(i for i in range(1, len(found)) if found[i] != found[i - 1] or i in segments.starts),
        len(found),
    ]
    limits = {"r": min_rest, "m": min_movement}
    for a, b in pairwise(bounds):
        cut = a in segments.starts or b in segments.starts or b == len(found)
        if not cut and "?" not in (found[a - 1], found[b]):
            assert segments.durations[a:b].sum() >= limits.get(found[a], 0) - 1e-9


def test_durations_sum_to_the_time_observed(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.choice([0.03, 0.05, 0.4, 3.0], 2000, p=[0.5, 0.45, 0.04, 0.01]))
    positions = np.cumsum(rng.normal(0, 1, (2000, 2)) * (np.sin(times)[:, None] > 0), axis=0)
    likelihood = np.where(rng.random(2000) < 0.1, 0, 1.0)
    table, result = analyze(
        make_table(times, {"nose": positions}, {"nose": likelihood}, np.repeat([0, 1], 1000)),
        tmp_path,
        max_rest_speed=5,
        min_movement_speed=30,
        min_rest=0.1,
    )
    everything = result.animals[0].everything
    segments = find_segments(times, np.repeat([0, 1], 1000), 0.5)
    in_states = sum(state.seconds for state in everything.states.values())
    assert in_states + everything.unknown_s == pytest.approx(everything.observed_s)
    assert everything.observed_s == pytest.approx(segments.observed)
    assert sum(one.observed_s for one in result.animals[0].movies) == pytest.approx(
        everything.observed_s
    )
    bouts = pd.read_csv(tmp_path / "bouts.csv")
    for name, state in everything.states.items():
        own = bouts[bouts["state"] == name]
        assert own["duration (s)"].sum() == pytest.approx(state.seconds)
        assert len(own) == state.bouts
    assert bouts["frames"].sum() == table["state"].notna().sum()
    told = json.loads((tmp_path / "locomotion.json").read_text())
    assert told["animals"][0]["all"]["observed_s"] == pytest.approx(everything.observed_s)


def test_bouts_of_one_frame_have_a_duration(tmp_path: Path) -> None:
    times = np.arange(40) / 20
    x = np.cumsum(np.tile([0.0, 5.0], 20))
    _, result = analyze(
        make_table(times, {"nose": np.column_stack([x, 0 * x])}), tmp_path, max_rest_speed=50
    )
    bouts = pd.read_csv(tmp_path / "bouts.csv")
    assert bouts["duration (s)"].to_numpy() == pytest.approx(0.05)
    assert (bouts["stop (s)"] - bouts["start (s)"]).to_numpy() == pytest.approx(0.05)
    moving = bouts[bouts["state"] == "movement"]
    assert moving["distance (px)"].to_numpy() == pytest.approx(5)
    assert moving["mean speed (px/s)"].to_numpy() == pytest.approx(100)
    assert moving["peak speed (px/s)"].to_numpy() == pytest.approx(100)
    assert any("of bouts are one frame long" in reason for reason in result.reasons)


def test_without_thresholds_there_are_no_states_and_one_is_proposed(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    speed = np.where(np.arange(4000) // 200 % 2, 100.0, 2.0) * rng.lognormal(0, 0.4, 4000)
    x = np.cumsum(speed) / 30
    table, result = analyze(
        make_table(np.arange(4000) / 30, {"nose": np.column_stack([x, 0 * x])}), tmp_path
    )
    assert "state" not in table
    assert not (tmp_path / "bouts.csv").exists()
    proposed = result.animals[0].proposed_threshold
    assert proposed is not None
    assert 5 < proposed < 50
    assert "has a valley at" in result.warnings[-1]


def test_a_table_of_ours_may_be_given_again(tmp_path: Path) -> None:
    times = np.arange(40) / 20
    table = make_table(times, {"nose": np.column_stack([50 * times, 0 * times])})
    once, _ = analyze(table, tmp_path, max_rest_speed=10)
    again, _ = analyze(once, tmp_path, max_rest_speed=70)
    assert again["state"].dropna().unique().tolist() == ["rest"]
    assert sorted(again.columns) == sorted(once.columns)
