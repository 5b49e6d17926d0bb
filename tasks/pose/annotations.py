"""The annotations table: all movies in one, a row for each frame, written movie by movie."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.movies import Timing
from tasks.pose.poses import read_poses
from tasks.pose.settings import AnnotationsFormat

ARENA = "single"
"""DeepLabCut's name, in the individuals' column level, for body parts unique to the arena."""


@dataclass(frozen=True)
class MoviePoses:
    """One movie's share of the table.

    Attributes:
        number: Which movie of the request it is, counted from 0.
        poses: Its H5, coordinates relative to the crop.
        timing: When its frames were shown.
        offset: The crop's left and top edge in pixels; (0, 0) without a crop.
    """

    number: int
    poses: Path
    timing: Timing
    offset: tuple[int, int]


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
    write(_counted(_tables(movies), rows), target, expected)
    return rows


def _counted(tables: Iterator[pd.DataFrame], rows: dict[int, int]) -> Iterator[pd.DataFrame]:
    for table in tables:
        rows[int(table["Movie number"].iloc[0])] = len(table)
        yield table


def _tables(movies: list[MoviePoses]) -> Iterator[pd.DataFrame]:
    first_frame, start = 0, Fraction(0)
    for movie in movies:
        yield movie_table(movie, first_frame, start)
        first_frame += len(movie.timing.seconds)
        start += length_of(movie.timing)


def length_of(timing: Timing) -> Fraction:
    """From a movie's first frame to the next movie's: one frame period after its last, in seconds.

    Exact, so that errors of rounding do not add up over hundreds of movies.
    """
    if timing.constant:
        return len(timing.seconds) / timing.frame_rate
    return Fraction(float(timing.seconds[-1])) + 1 / timing.frame_rate


def _times(timing: Timing, start: Fraction) -> NDArray[np.float64]:
    """Times since the first movie's first frame; those of one recording where all are even."""
    if not timing.constant:
        return timing.seconds + float(start)
    rate, before = timing.frame_rate, start * timing.frame_rate
    index = np.arange(len(timing.seconds)) + float(before)
    return index * np.float64(rate.denominator) / np.float64(rate.numerator)


def movie_table(movie: MoviePoses, first_frame: int, start: Fraction) -> pd.DataFrame:
    """Make one movie's rows.

    Args:
        movie: The movie's poses and times.
        first_frame: Number of frames in the movies before it.
        start: When the movie starts, in seconds since the first movie's first frame.

    Returns:
        Frame counts as int64; times in seconds, full-frame pixels and likelihoods as float64.
    """
    poses = read_poses(movie.poses)
    local = np.arange(len(poses), dtype=np.int64)
    columns: dict[str, NDArray[Any]] = {
        "Frame number": local + first_frame,
        "Movie number": np.full(len(poses), movie.number, dtype=np.int64),
        "Local frame number": local,
        "Time since start (s)": _times(movie.timing, start),
    }
    offsets = {"x": movie.offset[0], "y": movie.offset[1], "likelihood": 0}
    labels: list[tuple[str, ...]] = list(poses.columns)  # type: ignore[arg-type]
    for label in labels:
        values = poses[label].to_numpy(dtype=np.float64)
        columns[column_name(label)] = values + offsets[label[-1]]
    return pd.DataFrame(columns)


def column_name(label: tuple[str, ...]) -> str:
    """Name a column: the individual where there are several, the body part, the coordinate.

    Args:
        label: DeepLabCut's column: scorer, individual (multi-animal only), body part, coordinate.
    """
    names = label[1:]
    return " ".join(names[1:] if len(names) == 3 and names[0] == ARENA else names)  # noqa: PLR2004


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
                schema = table.schema.with_metadata(_range_index(table.schema.metadata, rows))
                writer = pq.ParquetWriter(target, schema)
            writer.write_table(table.replace_schema_metadata(schema.metadata))
    finally:
        if writer is not None:
            writer.close()


def _range_index(metadata: dict[bytes, bytes], rows: int) -> dict[bytes, bytes]:
    """Tell pandas that the index is 0, 1, 2 … over all movies.

    https://arrow.apache.org/docs/python/pandas.html and pandas' developer docs, "Storing pandas
    DataFrame objects in Apache Parquet format", describe this block.
    """
    block = json.loads(metadata[b"pandas"])
    index = {"kind": "range", "name": None, "start": 0, "stop": rows, "step": 1}
    return metadata | {b"pandas": json.dumps(block | {"index_columns": [index]}).encode()}
