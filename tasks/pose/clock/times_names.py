"""Names of times files: how they follow from a movie's name."""

import os
from collections.abc import Iterable

from tasks.pose.times_settings import AUTOMATIC_TIMES, NO_TIMES

_TIMES_SUFFIXES = (".json", ".csv", ".txt", ".npy", ".tsv")
"""Endings of times files' names."""

_AUTOMATIC_ENDINGS = (
    "_timestamps", "_times", ".timestamps", ".times", "-timestamps", "_frametimes"
)  # fmt: skip
"""Text between a movie's name and a times file's suffix, the likeliest first."""


RENAMED_ENDING = "_VIDEO"
"""End of a movie's name that DeepLabCut-live-GUI 1 replaces in the name of its times file."""


def list_times_names(movie: str, wanted: str) -> tuple[str, ...]:
    """List the names that a movie's times file may have, the likeliest first.

    Args:
        movie: The movie's file name, such as ``m1.mp4``.
        wanted: The setting ``times.file``: ``auto``, ``none``, or a name in which ``{stem}`` and
            ``{name}`` stand for the movie's.

    Returns:
        File names, of files in the movie's folder.
    """
    stem = os.path.splitext(movie)[0]  # noqa: PTH122 - of an object, which is no path
    if wanted == NO_TIMES:
        return ()
    if wanted != AUTOMATIC_TIMES:
        return (wanted.replace("{stem}", stem).replace("{name}", movie),)
    # The program's own documentation has the movie's whole name before the ending.
    names = [f"{movie}_timestamps.json"]
    names += [f"{stem}{end}{suffix}" for end in _AUTOMATIC_ENDINGS for suffix in _TIMES_SUFFIXES]
    if stem.endswith(RENAMED_ENDING):
        names.append(f"{stem.removesuffix(RENAMED_ENDING)}_TS.npy")
    return tuple(names)


def find_times_name(movie: str, wanted: str, there: Iterable[str]) -> str | None:
    """Find a movie's times file among the names in its folder.

    Args:
        movie: The movie's file name.
        wanted: The setting ``times.file``.
        there: Names of the files that there are.
    """
    known = set(there)
    return next((name for name in list_times_names(movie, wanted) if name in known), None)


def is_times_name(name: str) -> bool:
    """Return whether a file's name is one that is found by itself beside some movie."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return suffix in _TIMES_SUFFIXES and stem.endswith((*_AUTOMATIC_ENDINGS, "_TS"))
