"""Natural order, and patterns in which ``*`` stays within a folder and ``**`` does not."""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase


def natural_sort_key(key: str) -> tuple[object, str]:
    """A sort key that puts m2 before m10 and does not tell capitals from small letters."""
    return [_part_sort_key(part) for part in key.casefold().split("/")], key


def _part_sort_key(part: str) -> tuple[list[str | int], str]:
    # Without its suffix, so that m.mp4 comes before m1.mp4.
    stem, suffix = os.path.splitext(part)  # noqa: PTH122 - a key is no path
    return split_numbers(stem), suffix


def split_numbers(text: str) -> list[str | int]:
    """Split a text at its numbers.

    >>> split_numbers("m2b10")
    ['m', 2, 'b', 10, '']
    """
    # A split by a group alternates text and number, so that like is compared with like.
    return [int(p) if i % 2 else p for i, p in enumerate(re.split(r"(\d+)", text))]


def normalize_double_stars(pattern: str) -> str:
    """Write ``**.mp4`` as ``**/*.mp4``: only a whole path part crosses folders."""
    return re.sub(r"(?<![^/])\*\*(?=[^/])", "**/*", pattern)


def literal_folder(pattern: str) -> str:
    """Return the part of a pattern before its first special characters."""
    plain = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return plain[: plain.rfind("/") + 1]


def is_match(key: str, pattern: str) -> bool:
    """Return whether a key fits a pattern, as ``glob`` with ``recursive=True`` matches files."""
    return _is_match_by_parts(key.split("/"), pattern.split("/"))


def _is_match_by_parts(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_is_match_by_parts(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    fits = bool(parts) and fnmatchcase(parts[0], pattern[0])
    return fits and _is_match_by_parts(parts[1:], pattern[1:])
