"""Natural order, and patterns in which ``*`` stays within a folder and ``**`` does not."""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase


def natural_order(key: str) -> tuple[object, str]:
    """A sort key that puts m2 before m10 and does not tell capitals from small letters."""
    return [_order_of_part(part) for part in key.casefold().split("/")], key


def _order_of_part(part: str) -> tuple[list[str | int], str]:
    # Without its suffix, so that m.mp4 comes before m1.mp4.
    stem, suffix = os.path.splitext(part)  # noqa: PTH122 - a key is no path
    # A split by a group alternates text and number, so that like is compared with like.
    return [int(p) if i % 2 else p for i, p in enumerate(re.split(r"(\d+)", stem))], suffix


def with_whole_stars(pattern: str) -> str:
    """Write ``**.mp4`` as ``**/*.mp4``: only a part of its own crosses folders."""
    return re.sub(r"(?<![^/])\*\*(?=[^/])", "**/*", pattern)


def fixed_folder(pattern: str) -> str:
    """What comes before the first part of a pattern that has special characters."""
    plain = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return plain[: plain.rfind("/") + 1]


def matches(key: str, pattern: str) -> bool:
    """Whether a key fits a pattern, as ``glob`` with ``recursive=True`` would say of a file."""
    return _parts_match(key.split("/"), pattern.split("/"))


def _parts_match(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_parts_match(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    fits = bool(parts) and fnmatchcase(parts[0], pattern[0])
    return fits and _parts_match(parts[1:], pattern[1:])
