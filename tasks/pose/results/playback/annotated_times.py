"""A movie's true times, read from a run's annotations without its poses."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.messages import format_error
from tasks.pose.movies.mp4_times import MAX_FRAMES

TIME_COLUMN = "Time since start (s)"
NUMBER_COLUMN = "Local frame number"
MOVIE_COLUMN = "Movie number"
CLOCK_COLUMN = "Experiment time (s)"

_COLUMNS = (MOVIE_COLUMN, NUMBER_COLUMN, TIME_COLUMN)

MAX_FOOTER_BYTES = 2**26
"""Bytes of the list of a Parquet file's parts; a run of 10,000 movies has about as many."""


@dataclass(frozen=True)
class AnnotatedTimes:
    """Times of a movie's frames, as the annotations have them.

    Attributes:
        seconds: Seconds since the first movie's first frame, NaN where a frame has no time;
            (frames,).
        numbers: Each frame's number in the movie, which skips frames that a recorder dropped;
            (frames,).
        clock: Seconds on the experiment's clock, NaN where they are not known, (frames,); None
            without a times file.
    """

    seconds: NDArray[np.float64]
    numbers: NDArray[np.int64]
    clock: NDArray[np.float64] | None


def read_annotated_times(file: BinaryIO, movie: int, *, is_csv: bool) -> AnnotatedTimes:
    """Read one movie's times.

    Args:
        file: The annotations; of a Parquet file, only those parts are read that are needed.
        movie: The movie's number in the run.
        is_csv: Whether they are CSV.

    Raises:
        BadInput: These are no annotations of ours, or too many to look through.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to load, and other movies need it not

    try:
        batches = list((_read_csv if is_csv else _read_parquet)(file, movie))
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise BadInput(
            f"expected annotations of a run, found a table that cannot be read as such "
            f"({format_error(error)}); run the movies again"
        ) from error

    def join(name: str) -> NDArray[Any]:
        parts = [batch.column(name).to_numpy(zero_copy_only=False) for batch in batches]
        return np.concatenate(parts) if parts else np.empty(0)

    has_clock = bool(batches) and CLOCK_COLUMN in batches[0].schema.names
    return AnnotatedTimes(
        join(TIME_COLUMN).astype(np.float64),
        join(NUMBER_COLUMN).astype(np.int64),
        join(CLOCK_COLUMN).astype(np.float64) if has_clock else None,
    )


def _read_parquet(file: BinaryIO, movie: int) -> Iterator[Any]:
    """Record batches with the rows of a movie."""
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    _check_footer(file)
    table = pq.ParquetFile(file)
    names = table.schema_arrow.names
    place = names.index(MOVIE_COLUMN)
    groups = [
        index
        for index in range(table.num_row_groups)
        if _may_hold(table.metadata.row_group(index).column(place).statistics, movie)
    ]
    if sum(table.metadata.row_group(index).num_rows for index in groups) > 2 * MAX_FRAMES:
        raise ValueError("too many rows")
    wanted = [*_COLUMNS, *({CLOCK_COLUMN} & set(names))]
    for batch in table.iter_batches(row_groups=groups, columns=wanted):
        yield batch.filter(pc.equal(batch.column(MOVIE_COLUMN), movie))


def _may_hold(statistics: Any, movie: int) -> bool:
    """Return whether a part of the table may have rows of a movie."""
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= movie <= statistics.max)


def _check_footer(file: BinaryIO) -> None:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little")
    if length > MAX_FOOTER_BYTES:
        raise ValueError(f"its list of parts has {length:,} bytes")
    file.seek(0)


def _read_csv(file: BinaryIO, movie: int) -> Iterator[Any]:
    """Record batches with the rows of a movie, which follow each other."""
    import pyarrow.compute as pc  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    file.seek(0)
    header = file.read(_MAX_HEADER_BYTES).partition(b"\n")[0]
    names = header.decode(errors="ignore").strip().split(",")
    file.seek(0)
    wanted = [*_COLUMNS, *({CLOCK_COLUMN} & set(names))]
    rows = 0
    with csv.open_csv(
        file,
        read_options=csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        convert_options=csv.ConvertOptions(include_columns=wanted),
    ) as reader:
        for batch in reader:
            numbers = batch.column(MOVIE_COLUMN)
            found = batch.filter(pc.equal(numbers, movie))
            rows += len(found)
            if len(found):
                yield found
            if rows > MAX_FRAMES:
                raise ValueError("too many rows")
            if len(numbers) and numbers[-1].as_py() > movie:
                return


_MAX_HEADER_BYTES = 2**20
_CSV_BLOCK_BYTES = 2**22
