"""With `parity`, the numbers of the original tools; without, our corrections of their faults."""

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.neural.analyze_neural import analyze_neural
from tasks.neural.cell_recordings import read_cell_series
from tasks.neural.event_rates import read_events
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import NeuralResult
from tasks.neural.state_correlations import (
    correlate,
    correlate_equal_frames,
    list_bouts,
    share_above_chance,
)
from tasks.neural.state_modulation import compute_index, modulate
from tasks.neural.state_shifts import draw_shifts
from tests.support.paths import SHARED_FOLDER, needs_shared_data
from tests.unit.neural.test_map_states import PUBLIC, SYNTHETIC

ORIGINAL = SHARED_FOLDER / "next-steps" / "original-outputs"
STATES = ["quad 1", "center", "quad 4"]


def analyze(folder: Path, **settings: Any) -> NeuralResult:
    chosen = NeuralSettings(**({"states": STATES, "shuffles": 200} | settings))
    parts = [PUBLIC / f"cellset_series_part{part}-PCA-ICA.isxd" for part in (1, 2)]
    table = ORIGINAL / "annotations_series.parquet"
    return analyze_neural(parts, [], [], table, "table", folder, chosen)


@needs_shared_data
@pytest.mark.parametrize("comparison", ["pairwise", "state vs baseline", "state vs not state"])
def test_activity_is_that_of_the_original_tool(comparison: str, tmp_path: Path) -> None:
    analyze(tmp_path, parity=True, comparison=comparison, baseline_state="center")
    ours = pd.read_csv(tmp_path / "trace_population_data.csv")
    folder = f"population_{comparison.replace(' ', '_')}"
    theirs = pd.read_csv(ORIGINAL / folder / "trace_population_data.csv")
    assert list(ours.columns) == list(theirs.columns)
    assert ours["name"].tolist() == theirs["name"].tolist()
    for column in theirs.columns[1:]:
        exact = column.startswith(("p-values", "modulation in"))
        tolerance = {"rel": 0, "abs": 0} if exact else {"rel": 1e-12, "abs": 1e-13}
        assert ours[column].to_numpy() == pytest.approx(theirs[column].to_numpy(), **tolerance)


@needs_shared_data
def test_correlations_are_those_of_the_original_tool(tmp_path: Path) -> None:
    """To the last digits, which depend on the processor's kernels for sums of products."""
    analyze(tmp_path, parity=True)
    name = "pairwise_correlation_heatmaps.h5"
    with h5py.File(tmp_path / name) as ours, h5py.File(ORIGINAL / "correlations" / name) as theirs:
        assert set(ours) == set(theirs)
        for state in theirs:
            assert ours[state][...] == pytest.approx(theirs[state][...], rel=0, abs=2e-15)
    for name in ("average_correlations.csv", "correlation_statistic_comparison.csv"):
        ours_table = pd.read_csv(tmp_path / name)
        theirs_table = pd.read_csv(ORIGINAL / "correlations" / name)
        pd.testing.assert_frame_equal(ours_table, theirs_table, rtol=1e-12)


@needs_shared_data
def test_our_own_numbers_of_the_public_series(tmp_path: Path) -> None:
    result = analyze(tmp_path)
    table = pd.read_csv(tmp_path / "trace_population_data.csv")
    for label in STATES:
        p_values = table[f"p-values in {label}"]
        assert p_values.between(2 / 201 - 1e-12, 1).all()
        assert (table[f"q-values in {label}"] >= p_values - 1e-12).all()
    rows = {row["state"]: row for row in result.facts["correlations"]}
    assert rows["quad 1"]["frames"] == 2833
    assert {row["equal frames"] for row in rows.values()} == {351}
    with h5py.File(tmp_path / "pairwise_correlation_heatmaps.h5") as file:
        assert np.isnan(np.diag(file["center"][...])).all()
        assert file["center"].attrs["frames"] == 365
    statistic = pd.read_csv(tmp_path / "correlation_statistic_comparison.csv")
    assert (statistic["center"] < 1).all()
    assert all(path.stat().st_size < 1_000_000 for path in result.files.values())


@needs_shared_data
def test_a_state_that_is_not_there_and_one_that_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no state running"):
        analyze(tmp_path, states=["running"])
    result = analyze(tmp_path, states=["quad 1", "quad 2"])
    table = pd.read_csv(tmp_path / "trace_population_data.csv")
    assert table["modulation scores in quad 2"].isna().all()
    assert any(
        "quad 2: no numbers of traces, since the state has 0.7 s" in w for w in result.warnings
    )
    assert any("quad 2 has 0.7 s" in reason for reason in result.reasons)


@needs_shared_data
def test_a_baseline_must_be_there_and_names_may_be_alike(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="baseline_state: there is no state running"):
        analyze(tmp_path, states=[], comparison="state vs baseline", baseline_state="running")
    frame = pd.read_parquet(ORIGINAL / "annotations_series.parquet")
    alike = frame["state"].astype(str).map({"quad 1": "a_b", "center": "a/b"})
    table = tmp_path / "alike.parquet"
    frame.assign(state=alike).to_parquet(table)
    parts = [PUBLIC / f"cellset_series_part{part}-PCA-ICA.isxd" for part in (1, 2)]
    analyze_neural(parts, [], [], table, "table", tmp_path, NeuralSettings(shuffles=10))
    with h5py.File(tmp_path / "pairwise_correlation_heatmaps.h5") as file:
        assert {name: data.attrs["state"] for name, data in file.items()} == {
            "a_b": "a/b",
            "a_b-2": "a_b",
        }
    with zipfile.ZipFile(tmp_path / "spatial_analysis_pairwise_correlations.zip") as archive:
        assert len(set(archive.namelist())) == len(archive.namelist()) == 4
        pairs = pd.read_csv(archive.open("correlation_matrix_a_b_triu.csv"))
    assert pairs["distance (um)"].to_numpy() == pytest.approx(17.6 * pairs["distance"])


@needs_shared_data
def test_offsets_of_events_are_rounded_and_cut_for_parity() -> None:
    series = read_cell_series([SYNTHETIC / "synthetic-cellset.isxd"])
    for cut, late in ((False, 0), (True, -1)):
        rates, problem = read_events([SYNTHETIC / "synthetic-events.isxd"], series, parity=cut)
        assert rates is not None, problem
        assert np.flatnonzero(rates[0] > 0).tolist() == [1, 9 + late]
        assert np.nanmax(rates) == pytest.approx(20)


def test_the_index() -> None:
    a, b = np.array([3.0, 0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0, 2.0])
    assert compute_index(a, b).tolist() == [0.5, 0.0, 1.0, -1.0]


def test_a_cell_that_follows_the_state_is_modulated_and_noise_is_not() -> None:
    rng = np.random.default_rng(8)
    state = np.repeat(np.arange(60) % 2 == 0, 50)
    traces = rng.normal(0, 1, (20, len(state)))
    traces[0] += state
    traces[1] -= state
    traces[2, 100:200] = np.nan
    files = np.zeros(len(state), np.int64)
    # Bouts of random lengths, so that shifts do not fall on the state's own rhythm.
    order = np.argsort(np.repeat(rng.random(60), 50), kind="stable")
    state, traces = state[order], traces[:, order]
    shifts = draw_shifts(np.ones(len(state), dtype=bool), files, 0.1, 400)
    found = modulate(traces, state, ~state, shifts, NeuralSettings())
    assert found.flags[0] == 1
    assert found.flags[1] == -1
    assert np.count_nonzero(found.flags[2:]) <= 1
    assert found.differences is not None
    assert found.differences[0] == pytest.approx(0.9, abs=0.1)
    assert np.isfinite(found.scores).all()


def test_shifts_stay_in_their_file_and_leave_unknown_frames_alone() -> None:
    files = np.repeat([0, 1], [300, 200])
    known = np.ones(500, dtype=bool)
    known[40:60] = False
    shifts = draw_shifts(known, files, 0.1, 50)
    assert len(shifts) == 50
    for source in shifts.find_sources(0, 50).T:
        assert sorted(source.tolist()) == list(range(500))
        assert (files[source] == files).all()
        assert source[40:60].tolist() == list(range(40, 60))
        moved = (np.searchsorted(np.flatnonzero(files == 1), source[300]) - 0) % 200
        assert 50 <= moved <= 150  # a quarter of a file of 20 s


def test_correlations_use_what_both_cells_have() -> None:
    rng = np.random.default_rng(3)
    traces = rng.normal(50, 1, (4, 300))
    traces[1, :150] = np.nan
    expected = pd.DataFrame(traces.T).corr().to_numpy()
    np.fill_diagonal(expected, np.nan)
    assert correlate(traces) == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_equal_frames_take_away_what_few_frames_add() -> None:
    rng = np.random.default_rng(4)
    traces = rng.normal(0, 1, (10, 2000))
    mask = np.ones(2000, dtype=bool)
    mask[::40] = False
    bouts = list_bouts(mask, np.zeros(2000, np.int64))
    assert len(bouts) == 50
    upper = np.triu_indices(10, 1)
    whole = np.abs(correlate(traces[:, mask])[upper]).mean()
    few = np.abs(correlate(traces[:, mask][:, :80])[upper]).mean()
    equal = np.abs(correlate_equal_frames(traces, bouts, 80)[upper]).mean()
    assert few > 3 * whole
    assert equal < few / 2


def test_pairs_above_chance() -> None:
    rng = np.random.default_rng(5)
    traces = rng.normal(0, 1, (8, 1500))
    assert share_above_chance(traces, 0.1) == pytest.approx(0.05, abs=0.12)
    assert share_above_chance(traces + 2 * rng.normal(0, 1, 1500), 0.1) == 1
    assert share_above_chance(traces[:, :5], 0.1) is None
