"""Names of a stranger's zip: paths that stay below its root, and can be shown and compared."""

import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath

from tasks.errors import BadInput

MAX_PART_LENGTH = 255
"""Characters of a file's or folder's name; no file system that is in use allows more."""

MAX_DEPTH = 50
"""Folders in folders; a DeepLabCut model lies in five."""

_MAX_SHOWN_LENGTH = 200

_CONTROL_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that break or garble a line of a message: controls and line ends."""

_DIRECTION_MARKS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Unicode directions that make a name look like another."""


def to_safe_path(filename: str, archive: str) -> PurePosixPath:
    """Turn a member's name into a path below the archive's root.

    Args:
        filename: What the archive calls it.
        archive: What to call the archive in messages.

    Raises:
        BadInput: It leads elsewhere, or no file system could hold it.
    """
    # Windows tools write backslashes, which the format does not allow.
    path = PurePosixPath(filename.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]
    plain = filename.isascii() and filename.isprintable()
    if not filename or outside or (not plain and any(map(_is_garbling, filename))):
        raise BadInput(
            f"{archive}: a member is called {ascii(filename)[:300]}, which is not a valid name, "
            "leads outside the archive, or holds control characters; zip the model's folder again"
        )
    if len(path.parts) > MAX_DEPTH or any(len(part) > MAX_PART_LENGTH for part in path.parts):
        raise BadInput(
            f"{archive}: a member is called {shorten_path(path)}, which is longer or deeper than "
            "any file system allows; zip the model's folder again"
        )
    return path


def _is_garbling(sign: str) -> bool:
    """Return whether a character breaks a line of a message, or reverses the text after it."""
    category = unicodedata.category(sign)
    return category in _CONTROL_CATEGORIES or unicodedata.bidirectional(sign) in _DIRECTION_MARKS


def folders_above(path: str, *, itself: bool) -> Iterator[str]:
    """The folders that a path lies in; one at a time, since many deep ones would not fit."""
    yield from (path[:place] for place, sign in enumerate(path) if sign == "/")
    if itself:
        yield path


def shorten_path(path: PurePosixPath | str) -> str:
    """A checked path in a message, its middle left out where it is long."""
    text = str(path)
    return (
        text
        if len(text) <= _MAX_SHOWN_LENGTH
        else f"{text[: _MAX_SHOWN_LENGTH // 2]}…{text[-_MAX_SHOWN_LENGTH // 2 :]}"
    )


def as_portable_key(path: PurePosixPath) -> str:
    """A path as Windows and macOS compare it: without case, accents in one form, ends trimmed."""
    parts = (part.rstrip(". ") for part in path.parts)
    return unicodedata.normalize("NFC", "/".join(parts)).casefold()


def is_clutter(path: PurePosixPath) -> bool:
    """Return whether a file was added by macOS, or must never be unpickled."""
    return (
        "__MACOSX" in path.parts
        or path.name.startswith("._")
        or path.name in {".DS_Store", "Thumbs.db", "desktop.ini"}
        or "training-datasets" in path.parts
    )
