"""The record of a run on neural activity, its definitions, and its report."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tasks.neural.neural_methods import describe_neural_methods
from tasks.neural.neural_settings import NeuralSettings
from tasks.pose.results.report import load_template, to_data_url
from tasks.pose.results.run_record import (
    FlowRunRecord,
    FrozenRecord,
    HostRecord,
    InputObject,
    OutputFile,
    PublishedRecord,
    ResultStatus,
    StageTime,
)

DEFINITIONS: Mapping[str, str] = {
    "state of a sample": "majority: the state that holds the longest in [start, start + period), "
    "a row lasting until the next one, at most 1.5 median steps; null under half a sample",
    "modulation score": "(a − b) ÷ (a + b), a and b the means of max(trace − floor, 0) in both "
    "sets of frames, floor the trace's 1st percentile; −1 to 1",
    "difference (sd)": "difference of the means of both sets of frames ÷ the trace's standard "
    "deviation",
    "p-value": "min(1, 2 (b + 1) ÷ (n + 1)), b shuffles at least as extreme on the rarer side; a "
    "shuffle shifts the sequence of states circularly within each file, by at least 10 s",
    "q-value": "Benjamini-Hochberg over cells (scipy.stats.false_discovery_control)",
    "correlation": "Pearson's r, each pair over the frames that both cells have",
    "mean r (Fisher z)": "tanh of the mean of arctanh(r) over pairs",
    "equal frames": "mean (by Fisher's z) of 50 draws of whole bouts, in random order, of as many "
    "frames as the shortest state has",
    "share of pairs above chance": "pairs whose |r| is reached by at most 5 % of 200 circular "
    "shifts of the cells against each other",
}
"""Definitions of the numbers; docs/neural.md has them at length."""

PARITY_DEFINITIONS: Mapping[str, str] = {
    "modulation score": "as the IDEAS tool: (a − b) ÷ (a + b) of means above the trace's minimum",
    "p-value": "as the IDEAS tool: share of shuffles beyond the score, the smaller side, masks "
    "shifted each for itself, numpy RandomState(1984)",
    "correlation": "as the IDEAS tool: numpy.corrcoef over frames without any NaN, diagonal 0",
}


class NeuralRequestRecord(FrozenRecord):
    """The request."""

    cell_sets: tuple[str, ...]
    annotations: str
    output: str
    event_sets: tuple[str, ...]
    settings: NeuralSettings


class NeuralRecord(PublishedRecord):
    """The whole of the `run.json` of a run on neural activity."""

    schema_version: Literal[1] = 1
    kind: Literal["neural"] = "neural"
    status: ResultStatus
    product: str
    started: datetime
    finished: datetime
    seconds: float
    request: NeuralRequestRecord
    inputs: tuple[InputObject, ...]
    key: str = Field(description="Digest of all that the results depend on.")
    reused: bool
    facts: dict[str, Any]
    definitions: dict[str, str]
    outputs: dict[str, OutputFile]
    stages: dict[str, StageTime]
    warnings: tuple[str, ...]
    host: HostRecord
    flow_run: FlowRunRecord | None


def render_neural_report(record: NeuralRecord, pictures: Sequence[Path]) -> str:
    """Render `report.html`: states, modulated cells, correlations, figures, definitions."""
    shown = {path.name: to_data_url(path) for path in pictures}
    template = load_template("neural_report.html.j2", Path(__file__).parent)
    methods = describe_neural_methods(record.request.settings, record.facts)
    return str(template.render(record=record, shown=shown, methods=methods))
