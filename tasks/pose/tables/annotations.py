"""The annotations table: all movies in one, a row for each frame, written movie by movie."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.movies.frame_times import compute_times, estimate_first_frame
from tasks.pose.movies.start_times import ClockMoment, MovieStart, compute_starts
from tasks.pose.movies.timing import Timing
from tasks.pose.settings import AnnotationsFormat
from tasks.pose.tables.keypoints import keypoint_name
from tasks.pose.tables.median_filter import NOT_FOUND
from tasks.pose.tables.pose_table import read_poses_in_parts

ROWS_PER_CHUNK = 32_768
"""Rows in memory at a time, and in each of a Parquet file's row groups."""

MULTI_ANIMAL_COLUMN_LEVELS = 4
"""Column levels of DeepLabCut's table of several animals: scorer, individual, part, coordinate."""


@dataclass(frozen=True)
class MoviePoses:
    """One movie's share of the table.

    Attributes:
        number: Which movie of the request it is, counted from 0.
        poses: Its H5, coordinates relative to the crop.
        timing: When its frames were shown.
        offset: The crop's left and top edge in pixels; (0, 0) without a crop.
        clock: Its frames' times on the experiment's clock, NaN where they have none, in seconds,
            shape (frames,); None without a times file.
        clock_origin: What that clock counts from.
    """

    number: int
    poses: Path
    timing: Timing
    offset: tuple[int, int]
    clock: NDArray[np.float64] | None = None
    clock_origin: str = ""

    @property
    def moment(self) -> ClockMoment | None:
        """Time of its first frame on the experiment's clock; None if that is unknown."""
        if self.clock is None:
            return None
        return ClockMoment(estimate_first_frame(self.clock, self.timing), self.clock_origin)


def write_annotations(
    movies: Iterable[MoviePoses], target: Path, form: AnnotationsFormat
) -> dict[int, int]:
    """Write the annotations of all movies as one table.

    Args:
        movies: The movies, in the request's order.
        target: The file to write.
        form: Parquet (with a range index) or CSV (without an index).

    Returns:
        How many rows each movie has, by its number.
    """
    movies = list(movies)
    expected = sum(len(movie.timing.seconds) for movie in movies)
    rows: dict[int, int] = {}
    write = _write_parquet if form is AnnotationsFormat.PARQUET else _write_csv
    write(_count_rows_per_movie(_build_all_tables(movies), rows), target, expected)
    return rows


def _count_rows_per_movie(
    tables: Iterator[pd.DataFrame], rows: dict[int, int]
) -> Iterator[pd.DataFrame]:
    for table in tables:
        number = int(table["Movie number"].iloc[0])
        rows[number] = rows.get(number, 0) + len(table)
        yield table


def _build_all_tables(movies: list[MoviePoses]) -> Iterator[pd.DataFrame]:
    starts = compute_starts([m.timing for m in movies], [m.moment for m in movies])
    has_clock = any(movie.clock is not None for movie in movies)
    for movie, start in zip(movies, starts, strict=True):
        yield from build_movie_tables(movie, start, has_clock=has_clock)


def build_movie_tables(
    movie: MoviePoses, start: MovieStart, *, has_clock: bool = False
) -> Iterator[pd.DataFrame]:
    """Make one movie's rows, piece by piece.

    Args:
        movie: The movie's poses and times.
        start: Where the movie begins.
        has_clock: Whether the table has times on the experiment's clock.

    Yields:
        Frame counts as int64; times in seconds, the recorder's counter in microseconds, full-frame
        pixels and likelihoods as float64. Numbers skip the frames that a recorder dropped.
    """
    times = compute_times(movie.timing, start.seconds, movie.clock)
    clock = np.full(len(times), np.nan) if movie.clock is None else movie.clock
    recording = movie.timing.recording
    local = recording.positions if recording else np.arange(len(times), dtype=np.int64)
    begin = 0
    for poses in read_poses_in_parts(movie.poses, ROWS_PER_CHUNK):
        part = slice(begin, begin + len(poses))
        begin += len(poses)
        columns: dict[str, NDArray[Any]] = {
            "Frame number": local[part] + start.frame,
            "Movie number": np.full(len(poses), movie.number, dtype=np.int64),
            "Local frame number": local[part],
            "Time since start (s)": times[part],
        }
        if has_clock:
            columns["Experiment time (s)"] = clock[part]
        if recording:
            columns["Hardware counter (us)"] = recording.counter[part]
        yield pd.DataFrame(columns | _compute_full_frame_columns(poses, movie.offset))


def _compute_full_frame_columns(
    poses: pd.DataFrame, offset: tuple[int, int]
) -> dict[str, NDArray[np.float64]]:
    """Every column of poses by its name, in full-frame pixels.

    An animal that DeepLabCut marks as not found has none: its mark is no place in the frame.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    shift = np.array((*offset, 0))
    labels: list[tuple[str, ...]] = list(poses.columns)  # type: ignore[arg-type]
    for first in range(0, len(labels), 3):
        keypoint = poses.iloc[:, first : first + 3].to_numpy(dtype=np.float64)
        absent = (keypoint == NOT_FOUND).all(axis=1)
        placed = np.where(absent[:, None], np.nan, keypoint + shift)
        columns |= dict(zip(map(column_name, labels[first : first + 3]), placed.T, strict=True))
    return columns


def column_name(label: tuple[str, ...]) -> str:
    """Name a column: the individual where there are several, the body part, the coordinate.

    Args:
        label: DeepLabCut's column: scorer, individual (multi-animal only), body part, coordinate.
    """
    *_, part, coord = label
    individual = label[1] if len(label) == MULTI_ANIMAL_COLUMN_LEVELS else ""
    return f"{keypoint_name(individual, part)} {coord}"


def _write_csv(tables: Iterator[pd.DataFrame], target: Path, _rows: int) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        for index, table in enumerate(tables):
            table.to_csv(file, index=False, header=index == 0, lineterminator="\n")


def _write_parquet(tables: Iterator[pd.DataFrame], target: Path, rows: int) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    writer = None
    try:
        for frame in tables:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if writer is None:
                schema = table.schema.with_metadata(_add_range_index(table.schema.metadata, rows))
                # Coordinates hardly repeat: a dictionary of each would only take memory.
                writer = pq.ParquetWriter(target, schema, use_dictionary=_DICTIONARY_COLUMNS)
            writer.write_table(table.replace_schema_metadata(schema.metadata))
    finally:
        if writer is not None:
            writer.close()
        pa.default_memory_pool().release_unused()


_DICTIONARY_COLUMNS = ["Movie number"]
"""Columns with few different values."""


def _add_range_index(metadata: dict[bytes, bytes], rows: int) -> dict[bytes, bytes]:
    """Tell pandas that the index is 0, 1, 2 … over all movies.

    https://arrow.apache.org/docs/python/pandas.html and pandas' developer docs, "Storing pandas
    DataFrame objects in Apache Parquet format", describe this block.
    """
    block = json.loads(metadata[b"pandas"])
    index = {"kind": "range", "name": None, "start": 0, "stop": rows, "step": 1}
    return metadata | {b"pandas": json.dumps(block | {"index_columns": [index]}).encode()}
