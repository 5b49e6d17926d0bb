"""Read times from CSV and plain text, as Bonsai and camera programs write them."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.messages import format_list, format_value
from tasks.pose.clock.listed_times import (
    EPOCH_ORIGIN,
    FILE_ORIGIN,
    MAX_TIMES,
    MIDNIGHT_ORIGIN,
    ListedTimes,
    UnusableTimesError,
)
from tasks.pose.clock.signal_edges import find_state_edges
from tasks.pose.times_settings import TimesKind, TimesSettings, TimeUnit
from tasks.pose.untrusted.yaml_loader import decode_text

_MAX_COLUMNS = 200
_ROWS_LOOKED_AT = 200

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

_UNITS = {
    TimeUnit.SECONDS: ("s", "sec", "secs", "second", "seconds"),
    TimeUnit.MILLISECONDS: ("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"),
    TimeUnit.MICROSECONDS: ("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"),
    TimeUnit.NANOSECONDS: ("ns", "nsec", "nanos", "nanosecond", "nanoseconds"),
}
_UNIT_OF_WORD = {word: unit for unit, words in _UNITS.items() for word in words}
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_TIMECODES = re.compile(r"#\s*time(?:code|stamp)s? format v2", re.IGNORECASE)
"""First line of what Raspberry Pi cameras (--save-pts) and mkvextract write: milliseconds."""

_SECONDS_PER_DAY = 86_400


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
    column = table.find_times("", besides=state)
    values, origin = table.read_column(column)
    unit = TimeUnit.SECONDS if origin != FILE_ORIGIN else table.unit_of(column)
    edges = find_state_edges(table.read_states(state))
    return ListedTimes(
        values[edges], "rising edges of a line", table.name_column(column), unit, origin
    )


class _Table:
    """Rows of text, and what their columns are.

    Args:
        rows: At least one line.
    """

    def __init__(self, rows: list[str]) -> None:
        self._split = _choose_splitter(rows)
        first = self._split(rows[0])
        if len(first) > _MAX_COLUMNS:
            raise UnusableTimesError(f"expected at most {_MAX_COLUMNS} columns, found {len(first)}")
        has_header = not all(_is_value(cell) for cell in first if cell)
        self.header = first if has_header else []
        self._rows = rows[1:] if has_header else rows
        self._width = len(first)
        if not self._rows:
            raise UnusableTimesError("expected one time for each frame, found a header alone")
        sample = [self._split(row) for row in islice(self._rows, _ROWS_LOOKED_AT)]
        self._sample = [[r[i] if i < len(r) else "" for r in sample] for i in range(self._width)]

    def find_times(self, wanted: str, besides: int | None = None) -> int:
        """The column of times: the one that is named, or the only one that it can be."""
        if wanted:
            return self._find_named(wanted)
        columns = [i for i in range(self._width) if i != besides]
        if len(columns) == 1:
            return columns[0]
        rising = [i for i in columns if _is_column(self._sample[i])]
        if self.header:
            named = [i for i in columns if self._is_time_name(i)]
            in_units = [i for i in rising if _plain_name(self.header[i])[1]]
            found = named or in_units or rising
        else:
            found = [i for i in rising if not _counts(self._sample[i])]
        if len(found) == 1:
            return found[0]
        what = format_list(self.header) if self.header else f"{self._width} columns without a name"
        raise UnusableTimesError(
            f"expected one column of times, found {len(found)} that may be it ({what}); name one "
            "in times.column"
        )

    def _find_named(self, wanted: str) -> int:
        names = [name.casefold() for name in self.header]
        if wanted.casefold() in names:
            return names.index(wanted.casefold())
        if wanted.isdecimal() and 1 <= int(wanted[:4]) <= self._width:
            return int(wanted[:4]) - 1
        known = format_list(self.header) if self.header else f"1 to {self._width}"
        raise UnusableTimesError(f"expected a column {format_value(wanted)}, found {known}")

    def find_numbers(self, times: int) -> int | None:
        """The column of frame numbers, where there is one."""
        others = [i for i in range(self._width) if i != times and _counts(self._sample[i])]
        if self.header:
            others = [i for i in others if _plain_name(self.header[i])[0] in _NUMBER_NAMES]
        return others[0] if len(others) == 1 else None

    def has_states(self, wanted: str) -> bool:
        """Return whether each row is a change of a line: a time and a state."""
        return not wanted and bool(self._list_states())

    def _list_states(self) -> list[int]:
        return [
            i
            for i, cells in enumerate(self._sample)
            if set(map(str.casefold, cells)) in _STATE_SETS
            and (not self.header or _plain_name(self.header[i])[0] in _STATE_NAMES)
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
        first = self._sample[column][0]
        read, origin = _choose_reader(first)
        values = np.empty(len(self._rows))
        for row, cell in enumerate(self._cells(column)):
            try:
                values[row] = read(cell)
            except (ValueError, OverflowError) as error:
                raise UnusableTimesError(
                    f"row {row + 1} of {self.name_column(column) or 'its times'}: expected a time "
                    f"such as {format_value(first)}, found {format_value(cell)}; correct it"
                ) from error
        if origin == MIDNIGHT_ORIGIN:
            values += np.concatenate([[0], np.cumsum(np.diff(values) < -_SECONDS_PER_DAY / 2)]) * (
                _SECONDS_PER_DAY
            )
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
        return f"column {column + 1}" if self._width > 1 else None

    def unit_of(self, column: int) -> TimeUnit | None:
        """Return the unit of times that a column's name states."""
        return _plain_name(self.header[column])[1] if self.header else None

    def _is_time_name(self, column: int) -> bool:
        name, unit = _plain_name(self.header[column])
        known = name in _TIME_NAMES or name.endswith(("timestamp", "timestamps"))
        return known and bool(name or unit)


_HIGH = {"1", "true", "high", "on", "1.0"}
_STATE_SETS = ({"0", "1"}, {"true", "false"}, {"high", "low"}, {"on", "off"}, {"0.0", "1.0"})


def _choose_splitter(rows: Sequence[str]) -> Callable[[str], list[str]]:
    """Choose the separator of columns: the sign that is in all rows that are looked at."""
    sample = rows[:_ROWS_LOOKED_AT]
    for sign in ("\t", ";", ","):
        if all(sign in row for row in sample):
            return lambda row: [cell.strip().strip('"') for cell in row.split(sign)]
    if any(_DATE.match(row.strip()) for row in sample[-1:]):
        return lambda row: [row.strip().strip('"')]
    one_each = all(len(row.split()) == 1 for row in sample[1:])
    return (lambda row: [row.strip().strip('"')]) if one_each else str.split


def _plain_name(name: str) -> tuple[str, TimeUnit | None]:
    """A column's name without signs and its unit, and that unit."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [word.casefold() for word in _WORDS.findall(spaced)]
    unit = next((_UNIT_OF_WORD[word] for word in reversed(words) if word in _UNIT_OF_WORD), None)
    return "".join(word for word in words if word not in _UNIT_OF_WORD), unit


def _is_value(cell: str) -> bool:
    try:
        _choose_reader(cell)[0](cell)
    except (ValueError, OverflowError):
        return False
    return True


def _is_column(cells: Sequence[str]) -> bool:
    """Return whether cells may be times: values that never fall."""
    if not cells or not all(map(_is_value, cells)):
        return False
    read, origin = _choose_reader(cells[0])
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


def _choose_reader(cell: str) -> tuple[Callable[[str], float], str]:
    """Choose how times are written, and their origin."""
    if _DATE.match(cell):
        return _parse_date, EPOCH_ORIGIN if _parse_zone(cell) else "1970-01-01 00:00, local time"
    if _TIME_OF_DAY.fullmatch(cell):
        return _parse_time_of_day, MIDNIGHT_ORIGIN
    if _DECIMAL_COMMA.fullmatch(cell):
        return lambda text: _parse_number(text.replace(",", ".")), FILE_ORIGIN
    return _parse_number, FILE_ORIGIN


def _parse_number(text: str) -> float:
    if "_" in text or len(text) > _MAX_NUMBER_LENGTH:
        raise ValueError(text)
    return float(text)


_MAX_NUMBER_LENGTH = 40


def _parse_date(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _parse_zone(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


def _parse_time_of_day(text: str) -> float:
    parts = _TIME_OF_DAY.fullmatch(text)
    if not parts:
        raise ValueError(text)
    return int(parts[1]) * 3600 + int(parts[2]) * 60 + float(parts[3])
