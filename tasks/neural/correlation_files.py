"""The files that correlations of cells are published in."""

import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tasks.neural.cell_recordings import FloatArray
from tasks.neural.neural_settings import CellStatistic
from tasks.neural.neural_work import NeuralWork
from tasks.neural.state_correlations import (
    StateCorrelations,
    average_by_fisher,
    average_halves,
)


def write_correlations(found: Mapping[str, StateCorrelations], work: NeuralWork) -> None:
    """Write averages, the statistic of each cell, matrices, and pairs with their distances (px).

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
    statistic = {"name": series.names}
    pick = {
        CellStatistic.MAX: np.nanmax,
        CellStatistic.MEAN: np.nanmean,
        CellStatistic.MIN: np.nanmin,
    }
    table: dict[str, Any] = dict(statistic)
    for name, one in found.items():
        table[name] = _summarize_rows(one.matrix, pick[settings.statistic])
    work.add_csv(pd.DataFrame(table), "correlation_statistic_comparison.csv")
    _write_matrices(found, work)
    _write_pairs(found, work)
    work.facts["_matrices"] = {name: one.matrix for name, one in found.items()}


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
        for name, one in found.items():
            data = file.create_dataset(name.replace("/", "_"), data=one.matrix)
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
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, one in found.items():
            plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
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
                    "distance": np.hypot(*(xy[a] - xy[b]).T),
                }
            )
            archive.writestr(
                _entry(f"correlation_matrix_{plain}_triu.csv"), pairs.to_csv(index=False)
            )
    work.files[target.name] = target


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without the time of day, so that the same content makes the same archive."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
