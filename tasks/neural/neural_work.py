"""The analysis of one recording under way, and its result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.neural.cell_recordings import CellSeries
from tasks.neural.neural_settings import NeuralSettings
from tasks.pose.tables.quality import Verdict

RESULT_FILES = frozenset(
    {
        *("mapped_states.parquet", "mapped_states_ideas.parquet", "states.csv"),
        *("trace_population_data.csv", "event_population_data.csv", "average_correlations.csv"),
        *("correlation_statistic_comparison.csv", "pairwise_correlation_heatmaps.h5"),
        *("spatial_analysis_pairwise_correlations.zip", "neural.json"),
        *("time-in-states.svg", "traces.png", "event-raster.png"),
        *("trace-means.svg", "trace-scores.svg", "trace-footprints.png"),
        *("event-means.svg", "event-scores.svg", "event-footprints.png"),
        *("average-correlations.svg", "correlations.png", "correlation-statistic.svg"),
        *("correlation-distance.png", "correlation-map.png"),
    }
)
"""Names of all files that an analysis can make."""


@dataclass(frozen=True)
class BehaviorStart:
    """When time 0 of the annotations was.

    Attributes:
        seconds: Seconds since 1970 (UTC).
        source: What tells that, for the record.
    """

    seconds: float
    source: str


@dataclass(frozen=True)
class NeuralResult:
    """Results of a recording.

    Attributes:
        files: The files, by published name.
        verdict: Pass or look.
        reasons: Why to look.
        warnings: What the user should know, one sentence each.
        facts: Figures for the record.
    """

    files: dict[str, Path]
    verdict: Verdict
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    facts: dict[str, Any]


@dataclass
class NeuralWork:
    """Data that the steps share."""

    folder: Path
    settings: NeuralSettings
    series: CellSeries
    files: dict[str, Path] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add_parquet(self, frame: pd.DataFrame, name: str) -> None:
        """Write a table as Parquet, and count it among the files."""
        frame.to_parquet(self.folder / name, index=False)
        self.files[name] = self.folder / name

    def add_csv(self, frame: pd.DataFrame, name: str) -> None:
        """Write a table as CSV, and count it among the files."""
        frame.to_csv(self.folder / name, index=False, lineterminator="\n")
        self.files[name] = self.folder / name


def replace_nan(value: Any) -> Any:
    """A value as JSON can hold it."""
    match value:
        case dict():
            return {str(k): replace_nan(v) for k, v in value.items()}
        case list() | tuple():
            return [replace_nan(v) for v in value]
        case float() | np.floating():
            return float(value) if np.isfinite(value) else None
        case np.integer():
            return int(value)
    return value
