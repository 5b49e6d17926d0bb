"""Order of movies by name, with the files into which a camera splits a recording kept together.

Most cameras number the parts of a recording at the end of its name, so that natural order is
right. GoPro cameras put the chapter before the recording: ``GX010001``, ``GX020001`` is one
recording, ``GX010002`` the next one; older ones write ``GOPR0001``, ``GP010001``, ``GP020001``.
Source: https://community.gopro.com/s/article/GoPro-Camera-File-Naming-Convention
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tasks.messages import format_value
from tasks.storage.patterns import natural_sort_key, split_numbers

_GOPRO_NAME = re.compile(
    r"(?<![A-Za-z0-9])(?P<kind>G(?:OPR|P(?P<later>\d\d)|[GHLSX](?P<chapter>\d\d)))"
    r"(?P<number>\d{4})(?!\d)",
    re.IGNORECASE,
)

_MAX_NAMED = 5


@dataclass(frozen=True)
class Chapter:
    """One of the files of a recording.

    Attributes:
        key: The file.
        series: What names of the same camera have in common: folder, and text before and after.
        letters: The camera's letters for the kind of movie.
        recording: The recording's number.
        number: The chapter's own.
        first: The number of a recording's first chapter.
    """

    key: str
    series: tuple[str, str, str]
    letters: str
    recording: int
    number: int
    first: int

    def name_of(self, number: int) -> str:
        """The name that another chapter of this recording has, without its suffix."""
        _, before, after = self.series
        kind = f"{self.letters}{number:02d}"
        if self.first == 0:
            kind = f"GP{number:02d}" if number else "GOPR"
        return f"{before}{kind}{self.recording:04d}{after}"


def find_chapters(keys: Iterable[str]) -> dict[str, Chapter]:
    """Find the files of recordings that a GoPro camera has split.

    Six digits after two letters may also be a date. So a series of names counts only where most of
    its recordings begin with their first chapter.

    Args:
        keys: Object keys or paths.

    Returns:
        The chapters, by key.
    """
    series: dict[tuple[str, str, str], list[Chapter]] = defaultdict(list)
    for key in keys:
        if chapter := _parse_chapter(key):
            series[chapter.series].append(chapter)
    found: dict[str, Chapter] = {}
    for chapters in series.values():
        recordings = {(one.letters, one.recording) for one in chapters}
        begun = {(one.letters, one.recording) for one in chapters if one.number == one.first}
        if 2 * len(begun) >= len(recordings):
            found |= {one.key: one for one in chapters}
    return found


def _parse_chapter(key: str) -> Chapter | None:
    folder, name = posixpath.split(key)
    stem, _ = posixpath.splitext(name)
    match = _GOPRO_NAME.search(stem)
    if match is None:
        return None
    is_old = match["chapter"] is None
    return Chapter(
        key=key,
        series=(folder, stem[: match.start()], stem[match.end() :]),
        letters="GP" if is_old else match["kind"][:2].upper(),
        recording=int(match["number"]),
        number=int(match["later"] or 0) if is_old else int(match["chapter"]),
        first=0 if is_old else 1,
    )


def name_sort_key(chapters: dict[str, Chapter]) -> Callable[[str], tuple[object, str]]:
    """Make a sort key for movies: natural order, with the chapters of each recording together.

    Args:
        chapters: What `find_chapters` found among them.
    """
    letters: dict[tuple[object, int], set[str]] = defaultdict(set)
    for one in chapters.values():
        letters[one.series, one.recording].add(one.letters)
    # A camera counts its recordings whatever their kind; one number of two kinds is of two cameras.
    several = {series for (series, _), kinds in letters.items() if len(kinds) > 1}

    def sort_key(key: str) -> tuple[object, str]:
        chapter = chapters.get(key)
        if chapter is None:
            return natural_sort_key(key)
        folder, before, after = chapter.series
        parts, _ = natural_sort_key(f"{folder}/" if folder else "")
        assert isinstance(parts, list)
        camera, kind = ("g", chapter.letters)
        if chapter.series in several:
            camera, kind = chapter.letters, ""
        # Text and numbers alternate, as in other names.
        stem = [*split_numbers(f"{before}{camera}".casefold()), chapter.recording]
        stem += [kind.casefold(), chapter.number, *split_numbers(after.casefold())]
        return [*parts[:-1], (stem, posixpath.splitext(key)[1].casefold())], key

    return sort_key


def missing_chapter_warnings(chapters: Sequence[Chapter]) -> list[str]:
    """Say which chapters are missing between others, or before them."""
    numbers: dict[tuple[object, ...], dict[int, Chapter]] = defaultdict(dict)
    for one in chapters:
        numbers[one.series, one.letters, one.recording][one.number] = one
    names = [
        last.name_of(number)
        for there in numbers.values()
        for last in [there[max(there)]]
        for number in range(last.first, last.number)
        if number not in there
    ]
    if not names:
        return []
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    are = "chapters of recordings are" if len(names) > 1 else "a chapter of a recording is"
    shown = ", ".join(map(format_value, names[:_MAX_NAMED]))
    return [f"{are} missing: {shown}{more}; the movies after it are timed as if there were no gap"]
