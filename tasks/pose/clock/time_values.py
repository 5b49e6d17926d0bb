"""Cells of text as times: numbers, dates, and times of day."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from tasks.pose.clock.listed_times import (
    EPOCH_ORIGIN,
    FILE_ORIGIN,
    LOCAL_ORIGIN,
    MIDNIGHT_ORIGIN,
)

SECONDS_PER_DAY = 86_400

_DATE = re.compile(r"\d{4}([-/]?)\d{2}\1\d{2}[T ]\d{2}:?\d{2}")
_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:[.,]\d+)?) ?(?:([AaPp])\.?[Mm]\.?)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_MAX_NUMBER_LENGTH = 40
_HALF_A_DAY = 12


def choose_reader(cell: str) -> tuple[Callable[[str], float], str]:
    """Choose how times are written, and their origin.

    Args:
        cell: One of them.

    Returns:
        What makes seconds, or a number, of such a cell and raises ValueError or OverflowError for
        another one; and what they count from.
    """
    if _DATE.match(cell):
        return _parse_date, EPOCH_ORIGIN if _has_zone(cell) else LOCAL_ORIGIN
    if _TIME_OF_DAY.fullmatch(cell):
        return _parse_time_of_day, MIDNIGHT_ORIGIN
    if _DECIMAL_COMMA.fullmatch(cell):
        return lambda text: _parse_number(text.replace(",", ".")), FILE_ORIGIN
    return _parse_number, FILE_ORIGIN


def is_value(cell: str) -> bool:
    """Return whether a cell may be a time, or any other number."""
    try:
        choose_reader(cell)[0](cell)
    except (ValueError, OverflowError):
        return False
    return True


def is_missing(cell: str) -> bool:
    """Return whether a cell says that there is no time."""
    return cell.casefold() in {"", "nan", "na", "n/a", "null", "none"}


def begins_with_date(text: str) -> bool:
    """Return whether text begins with a date and a time."""
    return bool(_DATE.match(text))


def _parse_number(text: str) -> float:
    if "_" in text or len(text) > _MAX_NUMBER_LENGTH:
        raise ValueError(text)
    return float(text)


def _parse_date(text: str) -> float:
    moment = datetime.fromisoformat(text.replace("/", "-"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text.replace("/", "-")).tzinfo is not None
    except ValueError:
        return False


def _parse_time_of_day(text: str) -> float:
    parts = _TIME_OF_DAY.fullmatch(text)
    if not parts:
        raise ValueError(text)
    hours = int(parts[1])
    if parts[4]:
        hours = hours % _HALF_A_DAY + _HALF_A_DAY * (parts[4] in "Pp")
    return hours * 3600 + int(parts[2]) * 60 + float(parts[3].replace(",", "."))
