"""Values of a stranger's files in our messages: short, and on one line."""

import re
from collections.abc import Iterable
from pathlib import PurePath

ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*")
"""Text without controls, line ends, and signs that turn around what follows them."""

LONGEST = 100
"""Characters of a value that a message quotes."""

_NAMED = 5
"""How many of a list's items a message names."""


def said(value: object) -> str:
    """A value in a message: short, on one line, and in quotes where there is nothing to see."""
    text = str(value) if isinstance(value, str | PurePath) else repr(value)
    return _short(text) if text.strip() else quoted(value)


def quoted(value: object) -> str:
    """A value in a message that complains of its type: text stands in quotes."""
    return _short(repr(value))


def _short(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def reason_of(error: BaseException) -> str:
    """What a library's error says: on one line, and not at length."""
    return " ".join(str(error).split())[:400]


def listed(items: Iterable[object]) -> str:
    """The first few items of a list, and how many more there are."""
    texts = [said(str(item)) for item in items]
    more = [f"and {len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    return ", ".join(texts[:_NAMED] + more)


def escaped(text: str) -> str:
    """A stranger's text as text in a Markdown page: no lines, links, pictures or HTML of theirs."""
    one_line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in _MARKDOWN else sign for sign in one_line)


_MARKDOWN = set("\\`*_{}[]()<>#+!|~&")


def as_code(text: str) -> str:
    """A location in a Markdown page, to be copied as it stands."""
    return escaped(text) if "`" in text else f"`{text}`"
