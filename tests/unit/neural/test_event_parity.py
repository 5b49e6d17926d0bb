"""Events across states: with `parity` as the IDEAS tool defines them, else as docs/neural.md does.

The original's output for events is not public; a few lines here follow its definition.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.neural.analyze_neural import analyze_neural
from tasks.neural.cell_recordings import FloatArray, read_cell_series
from tasks.neural.event_rates import read_events
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import NeuralResult
from tests.support.paths import needs_shared_data
from tests.unit.neural.test_map_states import PUBLIC, SYNTHETIC
from tests.unit.neural.test_parity import ORIGINAL, STATES

pytestmark = needs_shared_data

CELL_SETS = [PUBLIC / f"cellset_series_part{part}-PCA-ICA.isxd" for part in (1, 2)]
LENGTHS, PERIOD, CELLS = (2047, 1701), 0.1, 20


@pytest.fixture(scope="module")
def offsets() -> list[list[FloatArray]]:
    """Microseconds of each cell's events, for both files: some a tick early, one twice."""
    random = np.random.default_rng(5)
    found = []
    for length in LENGTHS:
        samples = [np.sort(random.choice(length - 1, 40, replace=False)) for _ in range(CELLS)]
        found.append(
            [
                np.append(s * 100_000 + 20.0 * (-1) ** s * (s > 0), s[-1] * 100_000 + 30_000.0)
                for s in samples
            ]
        )
    return found


@pytest.fixture(scope="module")
def event_sets(offsets: list[list[FloatArray]], tmp_path_factory: Any) -> list[Path]:
    import isx

    folder = tmp_path_factory.mktemp("events")
    paths: list[Path] = []
    for number, (cells, of_file) in enumerate(zip(CELL_SETS, offsets, strict=True)):
        cell_set = isx.CellSet.read(str(cells))  # kept: what a temporary returns is garbage
        path = folder / f"events{number}.isxd"
        events = isx.EventSet.write(str(path), cell_set.timing, [f"C{i:02}" for i in range(CELLS)])
        for cell, one in enumerate(of_file):
            events.set_cell_data(cell, one.astype(np.uint64), np.ones(len(one), np.float32))
        events.flush()
        paths.append(path)
    return paths


def analyze(folder: Path, event_sets: list[Path], **settings: Any) -> NeuralResult:
    chosen = NeuralSettings(**({"states": STATES, "shuffles": 100} | settings))
    table = ORIGINAL / "annotations_series.parquet"
    return analyze_neural(CELL_SETS, event_sets, [], table, "table", folder, chosen)


def rates_of_ideas(offsets: list[list[FloatArray]]) -> FloatArray:
    """A sample at a time: cut, once for each, the second file its own length later."""
    rates = np.zeros((sum(LENGTHS), CELLS))
    for begin, of_file in zip((0.0, LENGTHS[1] * PERIOD), offsets, strict=True):
        for cell, one in enumerate(of_file):
            for offset in one:
                rates[int((offset / 1e6 + begin) / PERIOD), cell] = 1 / PERIOD
    return rates


def test_events_are_those_of_the_original_tool(
    offsets: list[list[FloatArray]], event_sets: list[Path], tmp_path: Path
) -> None:
    analyze(tmp_path, event_sets, parity=True, comparison="pairwise")
    ours = pd.read_csv(tmp_path / "event_population_data.csv")
    rates = rates_of_ideas(offsets)
    states = pd.read_parquet(ORIGINAL / "annotations_series.parquet")["state"].to_numpy()
    a, b = states == "quad 1", states == "center"

    def score(first: Any, second: Any) -> FloatArray:
        x, y = rates[first].mean(axis=0), rates[second].mean(axis=0)
        index: FloatArray = (x - y) / (x + y)
        return index

    observed, random = score(a, b), np.random.RandomState(1984)
    chance = np.array(
        [
            score(np.roll(a, random.randint(0, len(a))), np.roll(b, random.randint(0, len(b))))
            for _ in range(100)
        ]
    )
    up, down = (chance > observed).mean(axis=0), (chance < observed).mean(axis=0)
    label = "quad 1 vs center"
    assert ours[f"modulation scores in {label}"].to_numpy() == pytest.approx(observed, abs=1e-12)
    assert ours[f"p-values in {label}"].to_numpy() == pytest.approx(np.minimum(up, down), abs=1e-12)
    flags = 1 * ((observed > 0) & (up < 0.025)) - 1 * ((observed < 0) & (down < 0.025))
    assert ours[f"modulation in {label}"].tolist() == flags.tolist()
    for name in STATES:
        mean = ours[f"mean event rate (Hz) in {name}"].to_numpy()
        assert mean == pytest.approx(rates[states == name].mean(axis=0), rel=1e-12)


def test_ours_round_count_each_event_and_begin_where_the_file_does(
    offsets: list[list[FloatArray]], event_sets: list[Path], tmp_path: Path
) -> None:
    series = read_cell_series(CELL_SETS)
    rates, problem = read_events(event_sets, series, parity=False)
    assert rates is not None, problem
    expected = np.zeros_like(rates)
    for begin, of_file in zip((0, LENGTHS[0]), offsets, strict=True):
        for cell, one in enumerate(of_file):
            for offset in one:
                expected[cell, begin + round(offset / 100_000)] += 10
    assert rates == pytest.approx(expected)
    assert rates.max() == pytest.approx(20)  # the last event of each cell is a second one
    result = analyze(tmp_path, event_sets, event_scaling="standardize", min_bouts=1)
    table = pd.read_csv(tmp_path / "event_population_data.csv")
    z = (rates - rates.mean(axis=1, keepdims=True)) / rates.std(axis=1, keepdims=True)
    states = pd.read_parquet(ORIGINAL / "annotations_series.parquet")["state"].to_numpy()
    for name in STATES:
        mean = table[f"mean z-score in {name}"].to_numpy()
        assert mean == pytest.approx(z[:, states == name].mean(axis=1), abs=1e-12)
    assert result.facts["event means"]["unit"] == "z-score"
    (center,) = (m for m in result.facts["event means"]["states"] if m["state"] == "center")
    assert (center["seconds"], center["bouts"], center["cells"]) == (pytest.approx(36.5), 5, 20)
    made = {name for name in result.files if name.startswith("event-")}
    assert made == {
        f"event-{n}" for n in ("raster.png", "means.svg", "scores.svg", "footprints.png")
    }
    assert all(result.files[name].stat().st_size < 1_000_000 for name in made)


def test_event_sets_of_other_cells_are_left_out(event_sets: list[Path], tmp_path: Path) -> None:
    series = read_cell_series([PUBLIC / "cellset_accepted_undecided_and_rejected_cells.isxd"])
    rates, problem = read_events(event_sets[:1], series, parity=True)
    assert rates is not None, problem  # nine accepted ones of twenty, by their places
    assert len(rates) == 9
    other = [SYNTHETIC / "synthetic-events.isxd"]
    for parity, told in ((True, "has events of 6 cells"), (False, "has no events of C")):
        rates, problem = read_events(other, series, parity=parity)
        assert rates is None
        assert told in problem
    result = analyze(tmp_path, event_sets[:1])
    assert any("one event set for each cell set" in warning for warning in result.warnings)
    assert "event_population_data.csv" not in result.files
