"""The files that correlations of cells are published in."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from tasks.neural.cell_recordings import CellSeries, FloatArray
from tasks.neural.neural_settings import CellStatistic
from tasks.neural.neural_work import NeuralWork
from tasks.neural.state_correlations import (
    StateCorrelations,
    average_by_fisher,
    average_halves,
)


@dataclass(frozen=True)
class CorrelationResult:
    """Correlations in each state.

    Attributes:
        states: Matrices, by state.
        statistic: (cells,), the statistic of each cell's correlations, by state.
    """

    states: Mapping[str, StateCorrelations]
    statistic: Mapping[str, FloatArray]


def write_correlations(
    found: Mapping[str, StateCorrelations], work: NeuralWork
) -> CorrelationResult:
    """Write averages, the statistic of each cell, matrices, and pairs with their distances.

    Args:
        found: The correlations in each state.
        work: The analysis; its files and facts grow.
    """
    settings, series = work.settings, work.series
    rows = []
    for name, one in found.items():
        positive, negative = average_halves(one.matrix)
        row: dict[str, Any] = {"state": name, "positive": positive, "negative": negative}
        if not settings.parity:
            row |= {
                "mean r (Fisher z)": average_by_fisher(one.matrix),
                "share of pairs above chance": one.above_chance,
                "frames": one.frames,
                "seconds": one.frames * series.period,
                "bouts": one.bouts,
            }
        if one.equal is not None:
            positive, negative = average_halves(one.equal)
            row |= {
                "equal frames": one.equal_frames,
                "positive, equal frames": positive,
                "negative, equal frames": negative,
                "mean r (Fisher z), equal frames": average_by_fisher(one.equal),
            }
        rows.append(row)
    work.facts["correlations"] = rows
    work.add_csv(pd.DataFrame(rows), "average_correlations.csv")
    pick = {
        CellStatistic.MAX: np.nanmax,
        CellStatistic.MEAN: np.nanmean,
        CellStatistic.MIN: np.nanmin,
    }[settings.statistic]
    statistic = {name: _summarize_rows(one.matrix, pick) for name, one in found.items()}
    table: dict[str, Any] = {"name": series.names} | statistic
    work.add_csv(pd.DataFrame(table), "correlation_statistic_comparison.csv")
    _write_matrices(found, work)
    if settings.include_positions:
        _write_pairs(found, work)
    return CorrelationResult(found, statistic)


def measure_distances(series: CellSeries) -> tuple[FloatArray, FloatArray | None]:
    """Distances of all pairs of cells' centers, those above the diagonal of a matrix, row by row.

    Returns:
        Pixels, and micrometers where the files say how large a pixel is.
    """
    a, b = np.triu_indices(len(series.names), 1)
    apart = (series.centers[a] - series.centers[b]).astype(np.float64)
    pixels: FloatArray = np.hypot(*apart.T)
    if series.pixel_size is None:
        return pixels, None
    micrometers: FloatArray = np.hypot(*(apart * series.pixel_size).T)
    return pixels, micrometers


def _summarize_rows(matrix: FloatArray, statistic: Any) -> FloatArray:
    known = np.isfinite(matrix).any(axis=1)
    result = np.full(len(matrix), np.nan)
    result[known] = statistic(matrix[known], axis=1)
    return result


def _write_matrices(found: Mapping[str, StateCorrelations], work: NeuralWork) -> None:
    """One matrix for each state; cells and frames as attributes, which other readers ignore."""
    import h5py  # noqa: PLC0415

    target = work.folder / "pairwise_correlation_heatmaps.h5"
    with h5py.File(target, "w") as file:
        file.attrs["cells"] = json.dumps(work.series.names)
        plain = _make_unique({name: name.replace("/", "_") for name in found})
        for name, one in found.items():
            data = file.create_dataset(plain[name], data=one.matrix)
            data.attrs["state"], data.attrs["frames"], data.attrs["bouts"] = (
                name,
                one.frames,
                one.bouts,
            )
    work.files[target.name] = target


def _write_pairs(found: Mapping[str, StateCorrelations], work: NeuralWork) -> None:
    series, target = work.series, work.folder / "spatial_analysis_pairwise_correlations.zip"
    a, b = np.triu_indices(len(series.names), 1)
    xy = series.centers
    names = np.array(series.names, dtype=object)
    pixels, micrometers = measure_distances(series)
    stems = _make_unique(
        {name: "".join(c if c.isalnum() or c in "-_" else "_" for c in name) for name in found}
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, one in found.items():
            plain = stems[name]
            matrix = pd.DataFrame(one.matrix, index=names, columns=names)
            archive.writestr(_entry(f"correlation_matrix_{plain}.csv"), matrix.to_csv())
            pairs = pd.DataFrame(
                {
                    "cell_name_1": names[a],
                    "cell_name_2": names[b],
                    "correlation": one.matrix[a, b],
                    "centroid_x1": xy[a, 0],
                    "centroid_y1": xy[a, 1],
                    "centroid_x2": xy[b, 0],
                    "centroid_y2": xy[b, 1],
                    "distance": pixels,
                }
            )
            if micrometers is not None and not work.settings.parity:
                pairs["distance (um)"] = micrometers
            archive.writestr(
                _entry(f"correlation_matrix_{plain}_triu.csv"), pairs.to_csv(index=False)
            )
    work.files[target.name] = target


def _make_unique(names: Mapping[str, str]) -> dict[str, str]:
    """File names by state; a number goes behind one that another state has: ``a/b``, ``a_b``."""
    made: dict[str, str] = {}
    for state, name in names.items():
        free = (name if i == 1 else f"{name}-{i}" for i in count(1))
        made[state] = next(one for one in free if one not in made.values())
    return made


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without the time of day, so that the same content makes the same archive."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
