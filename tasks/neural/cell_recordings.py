"""Cell sets and miniscope movies of one recording, as Inscopix' isx reads them."""

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
from tasks.neural.isxd_footer import MOVIE_TYPE, read_footer

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAX_PERIOD_DIFFERENCE = 1e-6
"""Seconds by which periods of one series may differ."""

_OUTLINE_LEVEL = 0.5
"""Part of a footprint's maximum along which its outline is drawn."""

_FOOTPRINT_FLOOR = 0.25
"""Part of a footprint's maximum under which it counts as nothing, for its center."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a series: a cell set, or a miniscope movie.

    Attributes:
        path: The file.
        start: When its first sample began, in seconds since 1970 (UTC).
        period: Seconds for each sample.
        samples: How many there are, dropped ones included.
        valid: (samples,), whether anything was recorded.
        cells: Name and status of each cell; none for a movie.
        is_movie: Whether it is a movie.
        downsampling: Frames of the raw movie for each sample; None where the file does not say.
        recording: Inscopix' identifier of the recording; None where the file does not say.
        pixel_size: Micrometers for each pixel, along x and y.
    """

    path: Path
    start: float
    period: float
    samples: int
    valid: BoolArray
    cells: tuple[tuple[str, str], ...] = ()
    is_movie: bool = False
    downsampling: int | None = None
    recording: str | None = None
    pixel_size: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


@dataclass(frozen=True)
class CellSeries:
    """The samples of a recording that is one file or several, and its cells.

    Attributes:
        names: The cells that are used; none for miniscope movies.
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
        sources: The files, in order of time.
        outlines: The outline of each footprint, (points, 2), x and y in pixels.
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
    sources: tuple[SourceFile, ...] = ()
    outlines: tuple[FloatArray, ...] = ()

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Micrometers for each pixel, along x and y; None where the files do not say."""
        return self.sources[0].pixel_size if self.sources else None


def read_cell_series(paths: Sequence[Path]) -> CellSeries:
    """Read a series of cell sets, or of miniscope movies, in order of time.

    Accepted cells are used; where there are none, undecided ones. A cell that is never recorded
    counts as rejected. Movies have no cells: just the times of their samples.

    Args:
        paths: The cell sets, or the movies.

    Raises:
        BadInput: A file is neither, files do not belong together, or there is no cell to use.
    """
    found = [_describe_file(path) for path in paths]
    order = sorted(range(len(found)), key=lambda i: found[i].start)
    files = [found[i] for i in order]
    _check_series(files)
    counts = [one.samples for one in files]
    times = np.concatenate(
        [one.start - files[0].start + np.arange(one.samples) * one.period for one in files]
    )
    raw = np.concatenate([_read_traces(one) for one in files], axis=1)
    chosen, status = _choose_cells(files[0], np.isfinite(raw).any(axis=1))
    centers, outlines = _read_footprints(files[0].path, chosen)
    return CellSeries(
        names=tuple(files[0].cells[i][0] for i in chosen),
        traces=raw[chosen],
        centers=centers,
        files=np.repeat(np.arange(len(files)), counts),
        times=times,
        valid=np.concatenate([one.valid for one in files]),
        period=files[0].period,
        start=files[0].start,
        file_names=tuple(one.name for one in files),
        order=tuple(order),
        status=status,
        sources=tuple(files),
        outlines=outlines,
    )


def _choose_cells(first: SourceFile, usable: BoolArray) -> tuple[list[int], str]:
    """The cells that are used, and which status they have."""
    if first.is_movie:
        return [], "no"
    for status in ("accepted", "undecided"):
        chosen = [i for i, (_, s) in enumerate(first.cells) if s == status and usable[i]]
        if chosen:
            return chosen, status
    raise BadInput(
        f"{first.name}: expected accepted or undecided cells, found {len(first.cells)} that are "
        "rejected or never recorded; accept cells first"
    )


def open_with_isx(path: Path, kind: str) -> Any:
    """Open a file as one of isx' classes.

    Raises:
        BadInput: It is no such file.
    """
    import isx  # noqa: PLC0415 - seconds that a form need not wait for

    try:
        return getattr(isx, kind).read(str(path))
    except Exception as error:  # a stranger's file: whatever isx says
        raise BadInput(
            f"{path.name}: expected an Inscopix {kind} (.isxd), found a file that cannot be read "
            f"as one ({format_error(error)})"
        ) from error


def _describe_file(path: Path) -> SourceFile:
    footer = read_footer(path)
    is_movie = footer.get("type") == MOVIE_TYPE
    opened = open_with_isx(path, "Movie" if is_movie else "CellSet")
    timing = opened.timing
    start = timing.start  # kept: what a temporary returns is garbage
    count = 0 if is_movie else opened.num_cells
    extra = footer.get("extraProperties") or {}
    downsampling = (extra.get("idps") or {}).get("temporalDownsampling")
    recording = extra.get("recordingUUID")
    return SourceFile(
        path,
        to_seconds(start.to_datetime()),
        timing.period.to_usecs() / 1e6,
        timing.num_samples,
        np.array(timing.get_valid_samples_mask(), dtype=np.bool_),
        tuple((opened.get_cell_name(i), opened.get_cell_status(i)) for i in range(count)),
        is_movie,
        downsampling if isinstance(downsampling, int) and downsampling > 0 else None,
        recording if isinstance(recording, str) and recording else None,
        _read_pixel_size(footer),
    )


def _read_pixel_size(footer: dict[str, Any]) -> tuple[float, float] | None:
    """Micrometers for each pixel, as Inscopix' programs take them."""
    try:
        size = footer["spacingInfo"]["pixelSize"]
        x, y = (float(size[axis]["num"]) / float(size[axis]["den"]) for axis in "xy")
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if x > 0 and y > 0 else None


def to_seconds(start: datetime) -> float:
    """Seconds since 1970; isx gives UTC without saying so."""
    return (start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()


def _check_series(files: Sequence[SourceFile]) -> None:
    first = files[0]
    for before, one in pairwise(files):
        both = f"{first.name} and {one.name}"
        if one.is_movie != first.is_movie:
            raise BadInput(f"{both} are a cell set and a movie; give files of one kind")
        if one.cells != first.cells:
            raise BadInput(f"{both} have different cells or statuses; give files of one series")
        if abs(one.period - first.period) > MAX_PERIOD_DIFFERENCE:
            raise BadInput(f"{both} have different periods ({first.period:g}, {one.period:g} s)")
        if one.start < before.start + before.samples * before.period - before.period / 2:
            raise BadInput(f"{before.name} and {one.name} overlap in time")


def _read_traces(one: SourceFile) -> FloatArray:
    if one.is_movie:
        return np.empty((0, one.samples))
    cells = open_with_isx(one.path, "CellSet")
    traces: FloatArray = np.array(
        [cells.get_cell_trace_data(i) for i in range(cells.num_cells)], dtype=np.float64
    )
    return traces.reshape(len(one.cells), one.samples)


def _read_footprints(
    path: Path, chosen: Sequence[int]
) -> tuple[IntegerArray, tuple[FloatArray, ...]]:
    """Center of mass of each footprint, in whole pixels, as the IDEAS tool has it; its outline."""
    if not chosen:
        return np.empty((0, 2), dtype=np.int64), ()
    cells = open_with_isx(path, "CellSet")
    centers, outlines = [], []
    for index in chosen:
        image = np.array(cells.get_cell_image_data(index), dtype=np.float64)
        image -= image.min()
        if image.max() > 0:
            image /= image.max()
        outlines.append(_trace_outline(image >= _OUTLINE_LEVEL))
        image[image < _FOOTPRINT_FLOOR] = 0
        total = image.sum()
        rows, columns = np.indices(image.shape)
        if total:
            center = (int((columns * image).sum() / total), int((rows * image).sum() / total))
        centers.append(center if total else (0, 0))
    return np.array(centers, dtype=np.int64).reshape(-1, 2), tuple(outlines)


def _trace_outline(mask: BoolArray) -> FloatArray:
    """The longest outline of a mask, (points, 2); empty where there is none."""
    import cv2  # noqa: PLC0415

    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not found:
        return np.empty((0, 2))
    return np.array(max(found, key=len), dtype=np.float64).reshape(-1, 2)
