"""Cell sets, event sets, and the counters of miniscope movies, as Inscopix' isx reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.messages import format_error

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAX_PERIOD_DIFFERENCE = 1e-6
"""Seconds by which periods of one series may differ."""

_FOOTPRINT_FLOOR = 0.25
"""Part of a footprint's maximum under which it counts as nothing, for its center."""


@dataclass(frozen=True)
class CellSeries:
    """The cells of a recording that is one file or several.

    Attributes:
        names: The cells that are used.
        traces: (cells, samples), NaN where nothing was recorded.
        centers: (cells, 2), x and y of each footprint's center in whole pixels.
        files: (samples,), which file each sample is of, in order of time.
        times: (samples,), seconds since the first sample, gaps between files included.
        valid: (samples,), whether anything was recorded.
        period: Seconds for each sample.
        start: When the first sample began, in seconds since 1970 (UTC).
        file_names: The files, in order of time.
        order: For each of them, its place among those that were given.
        status: Which cells are used: accepted, or undecided.
    """

    names: tuple[str, ...]
    traces: FloatArray
    centers: IntegerArray
    files: IntegerArray
    times: FloatArray
    valid: BoolArray
    period: float
    start: float
    file_names: tuple[str, ...]
    order: tuple[int, ...]
    status: str


@dataclass(frozen=True)
class _OneFile:
    """One cell set."""

    path: Path
    start: float
    period: float
    samples: int
    valid: BoolArray
    cells: tuple[tuple[str, str], ...]


def read_cell_series(paths: Sequence[Path]) -> CellSeries:
    """Read a series of cell sets, in order of time.

    Accepted cells are used; where there are none, undecided ones. A cell that is never recorded
    counts as rejected.

    Args:
        paths: The cell sets.

    Raises:
        BadInput: A file is no cell set, files do not belong together, or there is no cell to use.
    """
    found = [_describe_cell_set(path) for path in paths]
    order = sorted(range(len(found)), key=lambda i: found[i].start)
    files = [found[i] for i in order]
    _check_series(files)
    cells = files[0].cells
    raw = np.concatenate([_read_traces(one) for one in files], axis=1)
    usable = np.isfinite(raw).any(axis=1)
    status = "accepted"
    chosen = [i for i, (_, s) in enumerate(cells) if s == "accepted" and usable[i]]
    if not chosen:
        status = "undecided"
        chosen = [i for i, (_, s) in enumerate(cells) if s == "undecided" and usable[i]]
    if not chosen:
        raise BadInput(
            f"{files[0].path.name}: expected accepted or undecided cells, found "
            f"{len(cells)} that are rejected or never recorded; accept cells first"
        )
    counts = [one.samples for one in files]
    times = np.concatenate(
        [one.start - files[0].start + np.arange(one.samples) * one.period for one in files]
    )
    return CellSeries(
        names=tuple(cells[i][0] for i in chosen),
        traces=raw[chosen],
        centers=_read_centers(files[0].path, chosen),
        files=np.repeat(np.arange(len(files)), counts),
        times=times,
        valid=np.concatenate([one.valid for one in files]),
        period=files[0].period,
        start=files[0].start,
        file_names=tuple(one.path.name for one in files),
        order=tuple(order),
        status=status,
    )


def _open_with_isx(path: Path, kind: str) -> Any:
    import isx  # noqa: PLC0415 - seconds that a form need not wait for

    try:
        return getattr(isx, kind).read(str(path))
    except Exception as error:  # a stranger's file: whatever isx says
        raise BadInput(
            f"{path.name}: expected an Inscopix {kind} (.isxd), found a file that cannot be read "
            f"as one ({format_error(error)})"
        ) from error


def _describe_cell_set(path: Path) -> _OneFile:
    cells = _open_with_isx(path, "CellSet")
    timing = cells.timing
    start = timing.start  # kept: what a temporary returns is garbage
    return _OneFile(
        path,
        _to_seconds(start.to_datetime()),
        timing.period.to_usecs() / 1e6,
        timing.num_samples,
        np.array(timing.get_valid_samples_mask(), dtype=np.bool_),
        tuple((cells.get_cell_name(i), cells.get_cell_status(i)) for i in range(cells.num_cells)),
    )


def _to_seconds(start: datetime) -> float:
    """Seconds since 1970; isx gives UTC without saying so."""
    return (start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()


def _check_series(files: Sequence[_OneFile]) -> None:
    first = files[0]
    for before, one in pairwise(files):
        both = f"{first.path.name} and {one.path.name}"
        if one.cells != first.cells:
            raise BadInput(f"{both} have different cells or statuses; give files of one series")
        if abs(one.period - first.period) > MAX_PERIOD_DIFFERENCE:
            raise BadInput(f"{both} have different periods ({first.period:g}, {one.period:g} s)")
        if one.start < before.start + before.samples * before.period - before.period / 2:
            raise BadInput(f"{before.path.name} and {one.path.name} overlap in time")


def _read_traces(one: _OneFile) -> FloatArray:
    cells = _open_with_isx(one.path, "CellSet")
    traces: FloatArray = np.array(
        [cells.get_cell_trace_data(i) for i in range(cells.num_cells)], dtype=np.float64
    )
    return traces


def _read_centers(path: Path, chosen: Sequence[int]) -> IntegerArray:
    """Center of mass of each footprint, in whole pixels, as the IDEAS tool computes it."""
    cells = _open_with_isx(path, "CellSet")
    centers = []
    for index in chosen:
        image = np.array(cells.get_cell_image_data(index), dtype=np.float64)
        image -= image.min()
        if image.max() > 0:
            image /= image.max()
        image[image < _FOOTPRINT_FLOOR] = 0
        total = image.sum()
        rows, columns = np.indices(image.shape)
        if total:
            center = (int((columns * image).sum() / total), int((rows * image).sum() / total))
        centers.append(center if total else (0, 0))
    return np.array(centers, dtype=np.int64).reshape(-1, 2)


def read_events(
    paths: Sequence[Path], series: CellSeries, *, cut: bool
) -> tuple[FloatArray | None, str]:
    """Event rates of the series' cells, a sample at a time.

    Args:
        paths: Event sets, in the order of the cell sets that were given.
        series: The cells.
        cut: Whether offsets are cut to a sample, as the IDEAS tool does, not rounded.

    Returns:
        (cells, samples), events per second; None where the cells are others, and why.
    """
    ordered = [paths[i] for i in series.order] if len(paths) == len(series.order) else list(paths)
    if len(ordered) != len(series.file_names):
        return None, "there is not one event set for each cell set; events are left out"
    rates = np.zeros(series.traces.shape)
    begin = 0
    for number, path in enumerate(ordered):
        events = _open_with_isx(path, "EventSet")
        names = [events.get_cell_name(i) for i in range(events.num_cells)]
        if missing := [name for name in series.names if name not in names]:
            return None, f"{path.name} has no events of {missing[0]}; events are left out"
        samples = int((series.files == number).sum())
        for row, name in enumerate(series.names):
            offsets, _ = events.get_cell_data(names.index(name))
            places = np.asarray(offsets, dtype=np.float64) / (series.period * 1e6)
            index = (np.floor(places) if cut else np.rint(places)).astype(np.int64)
            index = index[(index >= 0) & (index < samples)] + begin
            if cut:
                rates[row, index] = 1 / series.period
            else:
                np.add.at(rates[row], index, 1 / series.period)
        begin += samples
    return rates, ""


def read_counters(path: Path, samples: int) -> FloatArray:
    """Hardware counters of a miniscope movie's frames in microseconds, dropped ones filled in.

    Args:
        path: The movie.
        samples: Samples of the cell set that was made from it: the movie may have been
            downsampled in time by a whole number.

    Raises:
        BadInput: It is no movie, has no counters, or its length does not fit.
    """
    movie = _open_with_isx(path, "Movie")
    frames = movie.timing.num_samples
    if frames < samples or frames // samples * samples > frames:
        raise BadInput(
            f"{path.name}: expected the movie of a cell set of {samples} samples, found {frames} "
            "frames; give the movie that it was made from"
        )
    step = frames // samples
    try:
        counters = np.array([movie.get_frame_timestamp(i) for i in range(frames)], dtype=np.float64)
    except Exception as error:  # isx says so of movies without headers
        raise BadInput(
            f"{path.name}: it has no hardware counters ({format_error(error)}); give the raw movie"
        ) from error
    known = np.flatnonzero(counters > 0)
    if len(known) < 2:  # noqa: PLR2004
        raise BadInput(f"{path.name}: it has no hardware counters; give the raw movie")
    index = np.arange(frames)
    period = (counters[known[-1]] - counters[known[0]]) / (known[-1] - known[0])
    filled = np.interp(index, known, counters[known])
    filled += np.minimum(index - known[0], 0) * period + np.maximum(index - known[-1], 0) * period
    counted: FloatArray = filled[::step][:samples]
    return counted
