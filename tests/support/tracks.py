"""Annotations tables whose behavior is known by construction."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.behavior.analyze import BehaviorResult, analyze_annotations
from tasks.behavior.behavior_settings import BehaviorSettings


def make_table(
    times: Any,
    parts: dict[str, Any],
    likelihoods: dict[str, Any] | None = None,
    movies: Any = None,
) -> pd.DataFrame:
    """A table with one animal's keypoints at given positions, shape (frames, 2)."""
    frames = len(times)
    columns: dict[str, Any] = {
        "Frame number": np.arange(frames),
        "Movie number": np.zeros(frames, dtype=np.int64) if movies is None else movies,
        "Time since start (s)": times,
    }
    for name, positions in parts.items():
        columns[f"{name} x"], columns[f"{name} y"] = np.asarray(positions, dtype=float).T
        columns[f"{name} likelihood"] = (likelihoods or {}).get(name, np.ones(frames))
    return pd.DataFrame(columns)


def analyze(
    table: pd.DataFrame, folder: Path, individuals: tuple[str, ...] = (), **settings: Any
) -> tuple[pd.DataFrame, BehaviorResult]:
    """Analyze a table; the table that comes out, and what was found."""
    path = folder / "annotations.parquet"
    table.to_parquet(path)
    result = analyze_annotations(
        path,
        "table",
        folder,
        BehaviorSettings(**settings),
        individuals,
        None,
        with_previews=False,
    )
    return pd.read_parquet(folder / "behavior.parquet"), result
