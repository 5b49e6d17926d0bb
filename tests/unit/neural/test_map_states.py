"""States mapped to samples: the truth of synthetic recordings, and rules by construction."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.neural.cell_recordings import CellSeries, read_cell_series
from tasks.neural.map_states import (
    AnnotationRows,
    MappedStates,
    check_counters_agree,
    choose_clock,
    map_states,
)
from tasks.neural.neural_settings import Clock, MappingMethod, NeuralSettings
from tasks.neural.timing_references import read_sample_counters
from tasks.pose.movies.reader import open_movie
from tests.support.paths import SHARED_FOLDER, needs_shared_data

SYNTHETIC = SHARED_FOLDER / "next-steps" / "synthetic"
PUBLIC = SHARED_FOLDER / "next-steps" / "ideas-neural-circuit-analysis"


def series_of(samples: int, period: float = 0.1, dropped: tuple[int, ...] = ()) -> CellSeries:
    valid = np.ones(samples, dtype=bool)
    valid[list(dropped)] = False
    return CellSeries(
        names=("C0",),
        traces=np.zeros((1, samples)),
        centers=np.zeros((1, 2), np.int64),
        files=np.zeros(samples, np.int64),
        times=np.arange(samples, dtype=np.float64) * period,
        valid=valid,
        period=period,
        start=0.0,
        file_names=("a.isxd",),
        order=(0,),
        status="accepted",
    )


def map_letters(
    letters: str, samples: int, step: float = 1 / 30, method: str = "majority", **changes: Any
) -> MappedStates:
    times = np.arange(len(letters)) * step
    rows = AnnotationRows(
        times + changes.pop("offset", 0.0),
        [None if letter == "?" else letter for letter in letters],
        np.arange(len(letters)),
        {"Speed (px/s)": np.arange(len(letters), dtype=float)},
        0,
    )
    series = series_of(samples, **changes)
    return map_states(rows, series.times, series, Clock.ELAPSED, MappingMethod(method))


def test_the_state_that_holds_the_longest_wins() -> None:
    mapped = map_letters("rrmmmrrrr", 3)
    assert mapped.states == ["r", "m", "r"]
    assert mapped.covered == pytest.approx([1, 1, 1])
    assert mapped.numbers["Speed (px/s)"] == pytest.approx([1, 4, 7])
    assert map_letters("rrmmmrrrr", 3, method="nearest").states == ["r", "m", "r"]


def test_of_equal_states_the_later_one_wins() -> None:
    assert map_letters("rmmrrm", 3, step=0.05).states == ["m", "r", "m"]


def test_a_sample_less_than_half_covered_has_no_state() -> None:
    assert map_letters("rrr???r??rrr", 4).states == ["r", None, None, "r"]
    assert map_letters("rrr", 3).states == ["r", None, None]


def test_dropped_samples_keep_their_row_and_get_nothing() -> None:
    mapped = map_letters("rrrrrrrrr", 3, dropped=(1,))
    assert mapped.states == ["r", None, "r"]
    assert np.isnan(mapped.numbers["Speed (px/s)"][1])


def test_a_row_lasts_no_longer_than_one_and_a_half_steps() -> None:
    times = np.array([0.0, 0.1, 0.2, 0.8, 0.9])
    rows = AnnotationRows(times, ["r"] * 5, np.arange(5), {}, 0)
    series = series_of(10)
    mapped = map_states(rows, series.times, series, Clock.ELAPSED, MappingMethod.MAJORITY)
    assert [state is not None for state in mapped.states] == [True] * 4 + [False] * 4 + [True] * 2


def test_recordings_that_do_not_overlap_are_refused() -> None:
    with pytest.raises(BadInput, match=r"from 100\.000 to .* do not overlap|do not overlap"):
        map_letters("rrr", 3, offset=100.0)


def test_times_that_do_not_rise_are_refused() -> None:
    with pytest.raises(BadInput, match="do not rise"):
        map_letters("rrr", 3, step=0.0)


def test_counters_of_another_recording_are_refused() -> None:
    assert check_counters_agree(5e6, 3e6, 1002.4, 1000.0) == pytest.approx(-0.4)
    with pytest.raises(BadInput, match=r"disagree by 6\.0 s"):
        check_counters_agree(11e6, 3e6, 1002.0, 1000.0)


@pytest.mark.parametrize(
    ("settings", "facts", "clock"),
    [
        ({}, {"has_counters": True, "has_time": True}, "counter"),
        ({}, {"has_counters": False, "has_time": True}, "elapsed"),
        (
            {},
            {"has_counters": False, "has_time": True, "has_start": True},
            "start",
        ),
        ({}, {"has_counters": False, "has_time": False}, "rows"),
        ({"clock": "rows"}, {"has_counters": True, "has_time": True}, "rows"),
    ],
)
def test_the_best_clock_that_there_is(settings: Any, facts: Any, clock: str) -> None:
    known = {"has_start": False} | facts
    assert choose_clock(NeuralSettings(**settings), rows=7, samples=7, **known) == clock


def test_a_clock_that_is_not_there_is_refused() -> None:
    facts = {"has_counters": False, "has_time": False, "has_start": False}
    for settings, told in (
        (NeuralSettings(clock=Clock.COUNTER), "counter needs"),
        (NeuralSettings(clock=Clock.ELAPSED), "has no column"),
        (NeuralSettings(clock=Clock.START), "when the behavior's recording began"),
        (NeuralSettings(), "name the time column"),
        (NeuralSettings(clock=Clock.ROWS), "found 8 rows"),
    ):
        with pytest.raises(BadInput, match=told):
            choose_clock(settings, rows=8, samples=7, **facts)


@needs_shared_data
def test_the_synthetic_truth_by_the_hardware_counter() -> None:
    truth = pd.read_csv(SYNTHETIC / "mapping-truth.csv")
    series = read_cell_series([SYNTHETIC / "synthetic-cellset.isxd"])
    found = read_sample_counters(
        SYNTHETIC / "synthetic-miniscope.isxd", series.sources[0], SYNTHETIC
    )
    counters = found.counters
    assert counters == pytest.approx(truth["counter_filled_us"].to_numpy())
    frames = []
    for part in (0, 1):
        name = f"Group-20240111-080531_2024-01-12-08-55-21_sched_{part}.isxb"
        reader = open_movie(SHARED_FOLDER / "movies" / name)
        for _ in reader:
            pass
        recording = reader.compute_timing().recording
        assert recording is not None
        frames.append(recording.counter)
    times = (np.concatenate(frames) - counters[0]) / 1e6
    assert series.names == ("C0", "C1", "C2", "C3")
    rows = AnnotationRows(times, ["here"] * len(times), np.arange(len(times)), {}, 0)
    sample_times = (counters - counters[0]) / 1e6
    mapped = map_states(rows, sample_times, series, Clock.COUNTER, MappingMethod.MAJORITY)
    near = mapped.nearest >= 0
    assert mapped.nearest[near].tolist() == truth["nearest_frame"][near].tolist()
    assert mapped.differences[near].tolist() == truth["nearest_difference_us"][near].tolist()
    assert [state is not None for state in mapped.states] == [
        i < 12 and i not in (7, 8) for i in range(24)
    ]


@needs_shared_data
def test_a_series_keeps_its_gap() -> None:
    paths = [PUBLIC / f"cellset_series_part{part}-PCA-ICA.isxd" for part in (2, 1)]
    series = read_cell_series(paths)
    assert series.order == (1, 0)
    assert len(series.times) == 2047 + 1701
    assert series.times[2047] - series.times[2046] - series.period == pytest.approx(19.9, abs=1e-3)
    assert series.status == "undecided"


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "cells", "status"),
    [
        ("cellset_accepted_undecided_and_rejected_cells", 9, "accepted"),
        ("cellset_single_accepted_cell", 1, "accepted"),
    ],
)
def test_accepted_cells_come_first(name: str, cells: int, status: str) -> None:
    series = read_cell_series([PUBLIC / f"{name}.isxd"])
    assert (len(series.names), series.status) == (cells, status)


@needs_shared_data
def test_rejected_cells_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="found 20 that are rejected"):
        read_cell_series([PUBLIC / "cellset_rejected_cells_only.isxd"])
    with pytest.raises(BadInput, match="different cells or statuses"):
        read_cell_series(
            [
                PUBLIC / "cellset_accepted_undecided_and_rejected_cells.isxd",
                PUBLIC / "cellset_series_part2-PCA-ICA.isxd",
            ]
        )
    with pytest.raises(BadInput, match="overlap in time"):
        read_cell_series([PUBLIC / "cellset_series_part2-PCA-ICA.isxd"] * 2)
    (tmp_path / "broken.isxd").write_bytes(b"no cells")
    with pytest.raises(BadInput, match="expected an Inscopix CellSet"):
        read_cell_series([tmp_path / "broken.isxd"])
