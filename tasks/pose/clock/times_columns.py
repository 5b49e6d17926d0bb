"""Columns of text: what separates them, where their rows begin, and their names."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile

from tasks.messages import format_value
from tasks.pose.clock.listed_times import UnusableTimesError
from tasks.pose.clock.time_values import begins_with_date, is_value
from tasks.pose.times_settings import TimeUnit

ROWS_LOOKED_AT = 200
"""Rows by which it is decided what a file is."""

_MAX_COLUMNS = 200
_MAX_ROWS_ABOVE = 100
"""Rows of a title and a header that may stand above the times."""

_UNITS = {
    TimeUnit.SECONDS: ("s", "sec", "secs", "second", "seconds"),
    TimeUnit.MILLISECONDS: ("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"),
    TimeUnit.MICROSECONDS: ("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"),
    TimeUnit.NANOSECONDS: ("ns", "nsec", "nanos", "nanosecond", "nanoseconds"),
}
_UNIT_OF_WORD = {word: unit for unit, words in _UNITS.items() for word in words}
_WORDS = re.compile(r"[^\W\d_]+|\d+")

_WHOLE_AND_DECIMALS = re.compile(
    r'"?([-+]?\d+|(?:\d{4}[-/]?\d{2}[-/]?\d{2}[T ])?\d{1,2}:?\d{2}:?\d{2}),(\d+)'
    r'(?:[-+]\d{2}:?\d{2}|Z)?"?'
)
"""A number, date, or time of day with a decimal comma, or else two columns."""

_HALF_DAYS = re.compile(r"(:\d{2}(?:[.,]\d+)?) ([AaPp]\.?[Mm]\b)")

Splitter = Callable[[str], list[str]]


def split_table(rows: Sequence[str]) -> tuple[Splitter, list[str], int]:
    """Find out what separates columns, what they are called, and where their rows begin.

    The rows in the middle decide: above them there may be a title, names, and units.

    Args:
        rows: At least one line.

    Returns:
        What makes cells of a row; the columns' names, none if they have none; and the number of
        rows above the first one of times.

    Raises:
        UnusableTimesError: There are too many columns, or there is a header alone.
    """
    body = rows[len(rows) // 2 :][:ROWS_LOOKED_AT]
    split = _choose_splitter(body)
    cells = [split(row) for row in body]
    width = Counter(map(len, cells)).most_common(1)[0][0]
    if width > _MAX_COLUMNS:
        raise UnusableTimesError(f"expected at most {_MAX_COLUMNS} columns, found {width}")
    columns = [[row[i] for row in cells if i < len(row) and row[i]] for i in range(width)]
    known = [i for i, column in enumerate(columns) if _has_values(column)]
    if not known:
        alone = "a header alone" if len(rows) == 1 else format_value(body[0])
        raise UnusableTimesError(
            f"expected times such as 0.04 or 2026-01-27T15:20:34.25, found {alone}"
        )
    heads = map(split, rows[: min(_MAX_ROWS_ABOVE, len(rows) - 1)])
    above = list(takewhile(lambda row: not _has_times(row, known), heads))
    return split, _choose_names(above, columns), len(above)


def _has_values(column: Sequence[str]) -> bool:
    return bool(column) and 2 * sum(map(is_value, column)) >= len(column)


def _has_times(cells: Sequence[str], known: Sequence[int]) -> bool:
    """Return whether a row has nothing but values where the rows in the middle have them."""
    found = [cells[i] for i in known if i < len(cells) and cells[i]]
    return bool(found) and all(map(is_value, found))


def _choose_names(above: list[list[str]], columns: Sequence[Sequence[str]]) -> list[str]:
    """The names of columns, by the rows above the times; the last of which may have units."""
    width, names, units = len(columns), above[-1] if above else [], []
    if len(above) > 1 and any(cell.strip("[]()").casefold() in _UNIT_OF_WORD for cell in names):
        names, units = above[-2:]
    if names and len(names) == width - 1:
        # R names rows, and not the column of their names; others end each row with a separator.
        names = [*names, ""] if not columns[-1] else ["", *names]
    if len(names) != width:
        return []
    units = units if len(units) == width else [""] * width
    return [f"{name} ({unit})" if unit else name for name, unit in zip(names, units, strict=True)]


def _choose_splitter(rows: Sequence[str]) -> Splitter:
    """Choose the separator of columns: the sign that is in all rows that are looked at."""
    for sign in ("\t", ";", ","):
        if all(sign in row for row in rows) and not (sign == "," and _has_decimal_commas(rows)):
            return lambda row: _split_row(row, sign)
    if begins_with_date(rows[-1].strip()):
        return lambda row: [row.strip().strip('"')]
    if all(len(row.split()) == 1 for row in rows):
        return lambda row: [row.strip().strip('"')]
    return lambda row: _HALF_DAYS.sub(r"\1\2", row).split()


def _split_row(row: str, sign: str) -> list[str]:
    if '"' not in row:
        return [cell.strip() for cell in row.split(sign)]
    try:
        # Row by row: a quotation mark that is never closed must not swallow the next rows.
        cells = next(csv.reader([row], delimiter=sign, skipinitialspace=True))
    except csv.Error as error:
        raise UnusableTimesError("a row of it is too long; check the file") from error
    return [cell.strip() for cell in cells]


def _has_decimal_commas(rows: Sequence[str]) -> bool:
    """Return whether rows are single values with a decimal comma, rather than two columns."""
    found = [_WHOLE_AND_DECIMALS.fullmatch(row.strip()) for row in rows]
    if not all(found):
        return False
    before, after = zip(*((match[1], match[2]) for match in found if match), strict=True)
    if any(len(part) > 1 and part.startswith("0") for part in after):
        return True
    numbers = list(map(int, after))
    if set(after) <= {"0", "1"} or all(b - a == 1 for a, b in pairwise(numbers)):
        return False  # states of a line, or frame numbers
    if any(":" in part for part in before):
        return True
    is_counted = all(int(a) < int(b) for a, b in pairwise(before))
    return not is_counted and any(a > b for a, b in pairwise(numbers))


def plain_name(name: str) -> tuple[str, TimeUnit | None]:
    """A column's name without signs and its unit, and that unit."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [word.casefold() for word in _WORDS.findall(spaced)]
    unit = next((_UNIT_OF_WORD[word] for word in reversed(words) if word in _UNIT_OF_WORD), None)
    return "".join(word for word in words if word not in _UNIT_OF_WORD), unit
