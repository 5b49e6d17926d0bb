"""Format untrusted values for messages: short and on one line."""

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*")
"""Text without controls, line ends, and signs that turn around what follows them."""

LOCATION_FORM = "expected s3://bucket/key, file:///path or a plain path"
"""What a location must look like, in the words of forms and commands."""

MAX_VALUE_LENGTH = 100
"""Characters of a value that a message quotes."""

_MAX_LISTED_ITEMS = 5
"""Number of a list's items that a message names."""


def format_value(value: object) -> str:
    """A value in a message: short, on one line, and in quotes where there is nothing to see."""
    text = str(value) if isinstance(value, str | PurePath) else repr(value)
    return _shorten_text(text) if text.strip() else format_quoted(value)


def format_quoted(value: object) -> str:
    """A value in a message that complains of its type: text stands in quotes."""
    return _shorten_text(repr(value))


def _shorten_text(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= MAX_VALUE_LENGTH else f"{shown[:MAX_VALUE_LENGTH]}…"


LEADING_LENGTH = 80
"""Characters of a message that lists and notices show: they say the cause, and no location."""

_LOCATION = re.compile(
    r"(?:s3|file)://[^\s,;'\"]*[^\s,;'\".:)]"  # an address
    r"|(?<![^\s('\"])/[^\s,;'\"]*/[^\s,;'\"]*[^\s,;'\".:)]"  # a path with two parts at least
)


def lead_with_cause(text: str) -> str:
    """Let a message begin with its cause: locations at its begin are named, and follow at its end.

    >>> lead_with_cause("s3://lab/day1/m1.mp4: there is no such object in the bucket")
    'm1.mp4: there is no such object in the bucket (s3://lab/day1/m1.mp4)'
    """
    moved: dict[str, None] = {}
    while (found := _LOCATION.search(text)) and found.start() < LEADING_LENGTH:
        moved[found[0]] = None
        name = found[0].rstrip("/").rpartition("/")[2]
        folder = "/" if found[0].endswith("/") else ""
        text = f"{text[: found.start()]}{name}{folder}{text[found.end() :]}"
    return f"{strip_full_stop(text)} ({', '.join(moved)})" if moved else text


def strip_full_stop(text: str) -> str:
    """Take the full stop from a sentence that is gone on with: its end has one mark."""
    return text.rstrip(" .")


def describe_failure(name: str, error: str) -> str:
    """Name what failed, and why: an error that begins with it, or its file, says it."""
    subject = error.partition(": ")[0].rpartition("/")[2]
    own = subject == name or subject.startswith(f"{name}.")
    return strip_full_stop(error if own else f"{name}: {error}")


def format_error(error: BaseException) -> str:
    """Format a library's error: short and on one line."""
    return " ".join(str(error).split())[:400]


class FieldProblem(NamedTuple):
    """A field that a pydantic model refuses.

    Attributes:
        path: The field's name, and the names and indices below it; empty where fields contradict
            each other.
        text: What is expected there, and what was found.
        is_unknown: Whether the model has no such field.
    """

    path: tuple[str | int, ...]
    text: str
    is_unknown: bool


def find_field_problem(error: "ValidationError") -> FieldProblem:
    """Put the first problem of a pydantic error into words."""
    return find_field_problems(error)[0]


def find_field_problems(error: "ValidationError") -> list[FieldProblem]:
    """Put all problems of a pydantic error into words, in the order of its fields."""
    return [_describe_problem(one) for one in error.errors()]


def _describe_problem(one: "ErrorDetails") -> FieldProblem:
    if one["type"] == "missing":  # pydantic's input is what the field is missing in
        return FieldProblem(one["loc"], "expected a value, found none", is_unknown=False)
    expected = one["msg"].removeprefix("Value error, ")
    found = f", found {format_quoted(one['input'])}" if one["loc"] else ""
    return FieldProblem(one["loc"], f"{expected}{found}", one["type"] == "extra_forbidden")


def format_list(items: Iterable[object]) -> str:
    """The first few items of a list, and how many more there are."""
    texts = [format_value(str(item)) for item in items]
    more = [f"and {len(texts) - _MAX_LISTED_ITEMS} more"] if len(texts) > _MAX_LISTED_ITEMS else []
    return ", ".join(texts[:_MAX_LISTED_ITEMS] + more)


def format_duration(seconds: float) -> str:
    """Render a duration as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def escape_markdown(text: str) -> str:
    """A stranger's text as text in a Markdown page: no lines, links, pictures or HTML of theirs."""
    one_line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in _MARKDOWN_SIGNS else sign for sign in one_line)


def unescape_markdown(text: str) -> str:
    """The text that `escape_markdown` was given, on one line."""
    return re.sub(r"\\([\\`*_{}\[\]()<>#+!|~&])", r"\1", text)


_MARKDOWN_SIGNS = set("\\`*_{}[]()<>#+!|~&")


def as_markdown_code(text: str) -> str:
    """A location in a Markdown page, to be copied as it stands."""
    return escape_markdown(text) if "`" in text else f"`{text}`"
