"""Event rates of a recording's cells, a sample at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.neural.cell_recordings import CellSeries, FloatArray, IntegerArray, open_with_isx

_MICROSECONDS = 1e6


def read_events(
    paths: Sequence[Path], series: CellSeries, *, parity: bool
) -> tuple[FloatArray | None, str]:
    """Read event rates of the series' cells.

    Args:
        paths: Event sets, in the order of the cell sets that were given.
        series: The cells.
        parity: Whether to do it like the IDEAS tool: offsets are cut to a sample, a sample's events
            count once, later files begin their own length after the file before, and cells are
            told by their places.

    Returns:
        (cells, samples), events per second, NaN where nothing was recorded (but for parity); None
        where the cells are others, and why.
    """
    if len(paths) != len(series.file_names):
        return None, "there is not one event set for each cell set; events are left out"
    opened = [open_with_isx(paths[place], "EventSet") for place in series.order]
    rates = np.zeros(series.traces.shape)
    begin, seconds = 0, 0.0
    for number, events in enumerate(opened):
        samples = int((series.files == number).sum())
        rows, problem = _find_rows(events, paths[series.order[number]].name, series, parity=parity)
        if problem:
            return None, problem
        if number and parity:
            seconds += events.timing.num_samples * series.period
        for row, place in enumerate(rows):
            offsets = np.asarray(events.get_cell_data(place)[0], dtype=np.float64)
            if parity:
                index = np.floor((offsets / _MICROSECONDS + seconds) / series.period)
                rates[row, _keep_inside(index, len(series.times))] = 1 / series.period
            else:
                index = np.rint(offsets / (series.period * _MICROSECONDS))
                # What rounds to the end belongs to the last sample.
                index = np.where(index == samples, samples - 1, index)
                np.add.at(rates[row], _keep_inside(index, samples) + begin, 1 / series.period)
        begin += samples
    if not parity:
        rates[:, ~series.valid] = np.nan
    return rates, ""


def _keep_inside(index: FloatArray, samples: int) -> IntegerArray:
    return index[(index >= 0) & (index < samples)].astype(np.int64)


def _find_rows(
    events: Any, file_name: str, series: CellSeries, *, parity: bool
) -> tuple[list[int], str]:
    """Places of the series' cells among an event set's; and why there are none."""
    if not parity:
        names = [events.get_cell_name(i) for i in range(events.num_cells)]
        if missing := [name for name in series.names if name not in names]:
            return [], f"{file_name} has no events of {missing[0]}; events are left out"
        return [names.index(name) for name in series.names], ""
    if events.num_cells == len(series.names):
        return list(range(events.num_cells)), ""
    statuses = [status for _, status in series.sources[0].cells[: events.num_cells]]
    rows = [i for i, status in enumerate(statuses) if status == series.status]
    if len(rows) != len(series.names):
        return [], (
            f"{file_name} has events of {events.num_cells} cells, of which {len(rows)} are "
            f"{series.status}, not {len(series.names)}; events are left out"
        )
    return rows, ""
