"""Read times from CSV and plain text, as Bonsai and camera programs write them."""

import re
from collections.abc import Sequence
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.messages import format_list, format_value
from tasks.pose.clock.listed_times import (
    FILE_ORIGIN,
    MAX_TIMES,
    MIDNIGHT_ORIGIN,
    ListedTimes,
    UnusableTimesError,
)
from tasks.pose.clock.signal_edges import find_signal_edges, find_state_edges
from tasks.pose.clock.time_values import SECONDS_PER_DAY, choose_reader, is_missing, is_value
from tasks.pose.clock.times_columns import ROWS_LOOKED_AT, plain_name, split_table
from tasks.pose.times_settings import TimesKind, TimesSettings, TimeUnit
from tasks.pose.untrusted.yaml_loader import decode_text

_TIME_NAMES = {
    "timestamp", "timestamps", "time", "times", "frametime", "frametimes", "frametimestamp",
    "systemtime", "systemtimestamp", "cameratime", "cameratimestamp", "sensortimestamp",
    "devicetimestamp", "hardwaretimestamp", "hosttimestamp", "unixtime", "epoch", "datetime",
    "elapsed", "elapsedtime", "pts", "t", "",
}  # fmt: skip
"""Headers of columns of times, in small letters, without signs and units."""

_NUMBER_NAMES = {
    "frame", "frames", "framenumber", "frameid", "frameindex", "frameno", "framenum",
    "framecount", "framecounter", "imagenumber", "imageid", "index",
}  # fmt: skip

_STATE_NAMES = {"value", "state", "level", "ttl", "digital", "sync", "trigger", "high"}

_TIMECODES = re.compile(r"#\s*time(?:code|stamp)s? format v2", re.IGNORECASE)
"""First line of what Raspberry Pi cameras (--save-pts) and mkvextract write: milliseconds."""

_EDGES = "rising edges of a line"


def parse_text_times(data: bytes, settings: TimesSettings) -> ListedTimes:
    """Read times from a text file.

    Args:
        data: Its bytes.
        settings: Which column, in which unit, and what kind of times.

    Raises:
        UnusableTimesError: With the reason, and what to do.
    """
    text = decode_text(data)[0]
    if "\0" in text:
        raise UnusableTimesError(
            "expected text, found a binary file; name another file in times.file"
        )
    lines = text.splitlines()
    unit = TimeUnit.MILLISECONDS if lines and _TIMECODES.match(lines[0]) else None
    rows = [line for line in lines if line.strip() and line.lstrip()[0] not in "#%"]
    if len(rows) > MAX_TIMES:
        raise UnusableTimesError(f"expected at most {MAX_TIMES:,} rows, found {len(rows):,}")
    if not rows:
        raise UnusableTimesError("expected one time for each frame, found no row")
    table = _Table(rows)
    if settings.kind is TimesKind.SIGNAL:
        return _read_signal(table, settings)
    if settings.kind is TimesKind.EDGES or (
        settings.kind is TimesKind.AUTO and table.has_states(settings.column)
    ):
        return _read_edges(table, settings)
    column = table.find_times(settings.column)
    values, origin = table.read_column(column)
    number = table.find_numbers(column)
    return ListedTimes(
        values,
        "timecodes" if unit else "text",
        table.name_column(column),
        TimeUnit.SECONDS if origin != FILE_ORIGIN else unit or table.unit_of(column),
        origin,
        None if number is None else table.read_numbers(number),
    )


def _read_edges(table: "_Table", settings: TimesSettings) -> ListedTimes:
    """The times at which a line rises, where each row is a change of it."""
    state = table.find_states(settings.column)
    return _pick_times(table, find_state_edges(table.read_states(state)), besides=state)


def _read_signal(table: "_Table", settings: TimesSettings) -> ListedTimes:
    """The times at which a line rises, where each row is a sample of it."""
    column = table.find_signal(settings.column)
    edges = find_signal_edges(table.read_column(column)[0])
    if table.width == 1:
        name = table.name_column(column)
        return ListedTimes(edges.astype(np.float64), _EDGES, name, TimeUnit.SAMPLES)
    return _pick_times(table, edges, besides=column)


def _pick_times(table: "_Table", edges: NDArray[np.int64], besides: int) -> ListedTimes:
    column = table.find_times("", besides)
    values, origin = table.read_column(column)
    unit = TimeUnit.SECONDS if origin != FILE_ORIGIN else table.unit_of(column)
    return ListedTimes(values[edges], _EDGES, table.name_column(column), unit, origin)


class _Table:
    """Rows of text, and what their columns are.

    Attributes:
        header: The columns' names; none where they have none.
        width: Number of columns.
    """

    def __init__(self, rows: list[str]) -> None:
        self._split, self.header, above = split_table(rows)
        self._rows = rows[above:]
        sample = [self._split(row) for row in islice(self._rows, ROWS_LOOKED_AT)]
        self.width = len(self.header) or max(map(len, sample))
        self._sample = [[r[i] if i < len(r) else "" for r in sample] for i in range(self.width)]

    def find_times(self, wanted: str, besides: int | None = None) -> int:
        """The column of times: the one that is named, or the only one that it can be."""
        if wanted:
            return self._find_named(wanted)
        columns = [i for i in range(self.width) if i != besides]
        if len(columns) == 1:
            return columns[0]
        rising = [i for i in columns if _is_column(self._sample[i])]
        if self.header:
            named = [i for i in columns if self._is_time_name(i)]
            in_units = [i for i in rising if plain_name(self.header[i])[1]]
            others = [i for i in rising if plain_name(self.header[i])[0] not in _NUMBER_NAMES]
            found = named or in_units or others
        else:
            found = [i for i in rising if not _counts(self._sample[i])]
        if len(found) == 1:
            return found[0]
        what = format_list(self.header) if self.header else f"{self.width} columns without a name"
        raise UnusableTimesError(
            f"expected one column of times, found {len(found)} that may be it ({what}); name one "
            "in times.column"
        )

    def _find_named(self, wanted: str) -> int:
        names = [name.casefold() for name in self.header]
        if wanted.casefold() in names:
            return names.index(wanted.casefold())
        if wanted.isdecimal() and 1 <= int(wanted[:4]) <= self.width:
            return int(wanted[:4]) - 1
        known = format_list(self.header) if self.header else f"1 to {self.width}"
        raise UnusableTimesError(f"expected a column {format_value(wanted)}, found {known}")

    def find_numbers(self, times: int) -> int | None:
        """The column of frame numbers, where there is one."""
        others = [i for i in range(self.width) if i != times and _counts(self._sample[i])]
        if self.header:
            others = [i for i in others if plain_name(self.header[i])[0] in _NUMBER_NAMES]
        return others[0] if len(others) == 1 else None

    def has_states(self, wanted: str) -> bool:
        """Return whether each row is a change of a line: a time and a state."""
        return not wanted and bool(self._list_states())

    def _list_states(self) -> list[int]:
        return [
            i
            for i, cells in enumerate(self._sample)
            if set(map(str.casefold, cells)) in _STATE_SETS
            and (not self.header or plain_name(self.header[i])[0] in _STATE_NAMES)
        ]

    def find_states(self, wanted: str) -> int:
        """The column that says whether the line is high."""
        if wanted:
            return self._find_named(wanted)
        found = self._list_states()
        if len(found) != 1:
            raise UnusableTimesError(
                f"expected one column of a line's state (0 and 1), found {len(found)}; name it in "
                "times.column"
            )
        return found[0]

    def find_signal(self, wanted: str) -> int:
        """The column of a line's samples: the one that is named, or the only one that falls."""
        if wanted:
            return self._find_named(wanted)
        found = [i for i in range(self.width) if not _is_column(self._sample[i])]
        if self.width > 1 and len(found) != 1:
            raise UnusableTimesError(
                f"expected one column of a line's samples, found {len(found)} that may be it; name "
                "it in times.column"
            )
        return found[0] if found else 0

    def read_states(self, column: int) -> NDArray[np.bool_]:
        """Read whether the line is high, row by row."""
        return np.array([cell.casefold() in _HIGH for cell in self._cells(column)], dtype=np.bool_)

    def read_numbers(self, column: int) -> NDArray[np.int64]:
        """Frame numbers, row by row."""
        try:
            return np.array([int(float(cell)) for cell in self._cells(column)], dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise UnusableTimesError(
                "its frame numbers are no whole numbers; correct them"
            ) from error

    def read_column(self, column: int) -> tuple[NDArray[np.float64], str]:
        """Every time of a column, and what they count from."""
        cells = [cell for cell in self._sample[column] if not is_missing(cell)]
        example = next(filter(is_value, cells), "")
        read, origin = choose_reader(example)
        values = np.empty(len(self._rows))
        for row, cell in enumerate(self._cells(column)):
            try:
                values[row] = np.nan if is_missing(cell) else read(cell)
            except (ValueError, OverflowError) as error:
                what = format_value(example) if example else "12.5"
                raise UnusableTimesError(
                    f"row {row + 1} of {self.name_column(column) or 'its times'}: expected a time "
                    f"such as {what}, found {format_value(cell)}; correct it"
                ) from error
        if origin == MIDNIGHT_ORIGIN:
            known = np.flatnonzero(~np.isnan(values))
            midnights = np.diff(values[known]) < -SECONDS_PER_DAY / 2
            values[known[1:]] += np.cumsum(midnights) * SECONDS_PER_DAY
        return values, origin

    def _cells(self, column: int) -> Sequence[str]:
        cells = []
        for row in self._rows:
            parts = self._split(row)
            cells.append(parts[column] if column < len(parts) else "")
        return cells

    def name_column(self, column: int) -> str | None:
        """Name a column; None if it is the only one and has no name."""
        if self.header:
            return format_value(self.header[column])
        return f"column {column + 1}" if self.width > 1 else None

    def unit_of(self, column: int) -> TimeUnit | None:
        """Return the unit of times that a column's name states."""
        return plain_name(self.header[column])[1] if self.header else None

    def _is_time_name(self, column: int) -> bool:
        name, unit = plain_name(self.header[column])
        known = name in _TIME_NAMES or name.endswith(("timestamp", "timestamps"))
        return known and bool(name or unit)


_HIGH = {"1", "true", "high", "on", "1.0"}
_STATE_SETS = ({"0", "1"}, {"true", "false"}, {"high", "low"}, {"on", "off"}, {"0.0", "1.0"})


def _is_column(cells: Sequence[str]) -> bool:
    """Return whether cells may be times: values that never fall."""
    cells = [cell for cell in cells if not is_missing(cell)]
    if not cells or not all(map(is_value, cells)):
        return False
    read, origin = choose_reader(cells[0])
    try:
        values = [read(cell) for cell in cells]
    except (ValueError, OverflowError):
        return False
    rises = origin == MIDNIGHT_ORIGIN or all(a <= b for a, b in pairwise(values))
    return rises and (len(values) == 1 or values[0] != values[-1])


def _counts(cells: Sequence[str]) -> bool:
    """Return whether cells may be frame numbers: whole, rising, mostly by one."""
    try:
        values = [int(cell) for cell in cells]
    except ValueError:
        return False
    steps = [b - a for a, b in pairwise(values)]
    return all(step > 0 for step in steps) and sum(step == 1 for step in steps) * 2 >= len(steps)
