"""An annotations table as a file: columns by name, one at a time, and new ones beside them."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.messages import format_error, format_list, format_value
from tasks.pose.settings import AnnotationsFormat

TABLE_SUFFIXES = (".parquet", ".csv")
"""Endings of annotations tables' names, in lower case."""

ROWS_PER_CHUNK = 32_768
"""Rows in memory at a time while a table is written."""

MAX_ROWS = 20_000_000
"""Rows of a table; at 30 frames a second a week has 18 million."""


class AnnotationsFile:
    """A table of annotations on the local disk, ours or IDEAS'.

    Args:
        path: A Parquet or CSV file, by what its name ends in, whatever the case.
        name: What to call it in messages.

    Raises:
        BadInput: It is no such file, or has no rows.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._path = path
        self._table: Any = None
        try:
            self._open()
        except BadInput:
            raise
        except Exception as error:
            kind = "Parquet" if self._is_parquet else "CSV"
            raise BadInput(
                f"{name}: expected an annotations table as {kind}, found a file that cannot be "
                f"read as one ({format_error(error)}); export it again"
            ) from error
        if len(set(self.columns)) < len(self.columns):
            twice = {c for c in self.columns if self.columns.count(c) > 1}
            raise BadInput(f"{name}: two columns are called {format_list(sorted(twice))}")
        if not 0 < self.rows <= MAX_ROWS:
            raise BadInput(f"{name}: expected 1 to {MAX_ROWS:,} rows, found {self.rows:,}")

    @property
    def _is_parquet(self) -> bool:
        return self._path.suffix.lower() == ".parquet"

    def _open(self) -> None:
        if self._is_parquet:
            import pyarrow.parquet as pq  # noqa: PLC0415

            with pq.ParquetFile(self._path) as file:
                self.columns = list(file.schema_arrow.names)
                self.rows = file.metadata.num_rows
            return
        import pandas as pd  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        frame = pd.read_csv(self._path, encoding="utf-8-sig", float_precision="round_trip")
        frame.columns = frame.columns.map(str)
        self._table = pa.Table.from_pandas(frame, preserve_index=False)
        self.columns, self.rows = list(self._table.column_names), self._table.num_rows

    def read_floats(self, column: str) -> NDArray[np.float64]:
        """A column as numbers, NaN where a value is missing.

        Raises:
            BadInput: There is no such column, or it holds no numbers.
        """
        import pyarrow as pa  # noqa: PLC0415

        data = self._read_column(column)
        try:
            numbers = data.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadInput(
                f"{self.name}: expected numbers in the column {format_value(column)}, found "
                f"{data.type} ({format_error(error)})"
            ) from error
        return np.array(numbers, dtype=np.float64)

    def read_integers(self, column: str) -> NDArray[np.int64]:
        """A column as whole numbers.

        Raises:
            BadInput: There is no such column, or it holds anything else.
        """
        values = self.read_floats(column)
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise BadInput(
                f"{self.name}: expected whole numbers in the column {format_value(column)}, in "
                "every row"
            )
        return values.astype(np.int64)

    def read_texts(self, column: str) -> list[str | None]:
        """A column as texts, None where a value is missing.

        Raises:
            BadInput: There is no such column.
        """
        values = self._read_column(column).to_pylist()
        return [None if value is None or value != value else str(value) for value in values]  # noqa: PLR0124 - NaN

    def check_columns(self, names: list[str], purpose: str) -> None:
        """Refuse a table that lacks a column.

        Raises:
            BadInput: It names what is missing, what for, and what there is.
        """
        if missing := [name for name in names if name not in self.columns]:
            raise BadInput(
                f"{self.name}: expected the column{'s' if len(missing) > 1 else ''} "
                f"{format_list(missing)} ({purpose}), found {format_list(self.columns)}"
            )

    def _read_column(self, column: str) -> Any:
        self.check_columns([column], "asked for")
        if self._table is not None:
            return self._table.column(column)
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            # Not the whole dataset machinery: the file is ours alone.
            with pq.ParquetFile(self._path) as file:
                return file.read(columns=[column]).column(column)
        except Exception as error:
            raise BadInput(f"{self.name}: {format_error(error)}; export it again") from error

    def write_with(self, added: Mapping[str, Any], target: Path, form: AnnotationsFormat) -> None:
        """Write the table with more columns behind its own, a piece at a time.

        A column that is there already under an added one's name gives way to it.

        Args:
            added: Columns by name: anything that `pyarrow.array` takes.
            target: The file to write.
            form: Parquet or CSV (without an index).
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        more = {
            name: values if isinstance(values, pa.Array) else pa.array(values)
            for name, values in added.items()
        }
        pieces = self._read_with(more)
        if form is AnnotationsFormat.CSV:
            with target.open("w", encoding="utf-8", newline="") as text:
                for number, piece in enumerate(pieces):
                    frame = piece.to_pandas(integer_object_nulls=True)
                    frame.to_csv(text, header=number == 0, index=False, lineterminator="\n")
            return
        first = next(pieces)
        # Coordinates hardly repeat: a dictionary of each would only take time and memory.
        repeating = [field.name for field in first.schema if not pa.types.is_floating(field.type)]
        with pq.ParquetWriter(target, first.schema, use_dictionary=repeating) as file:
            for piece in chain([first], pieces):
                file.write_table(piece)
        pa.default_memory_pool().release_unused()

    def _read_with(self, more: Mapping[str, Any]) -> Iterator[Any]:
        """The table piece by piece, with its share of the added columns."""
        begin = 0
        for piece in self._read_pieces():
            rows = piece.num_rows
            table = piece.drop_columns([name for name in piece.column_names if name in more])
            for name, values in more.items():
                table = table.append_column(name, values.slice(begin, rows))
            begin += rows
            yield table

    def _read_pieces(self) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        if self._table is not None:
            for begin in range(0, self.rows, ROWS_PER_CHUNK):
                yield self._table.slice(begin, ROWS_PER_CHUNK)
            return
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=ROWS_PER_CHUNK):
                yield pa.Table.from_batches([batch])
