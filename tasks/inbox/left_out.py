"""What lies in an inbox and no run takes: why, and the one thing to do about it."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tasks.inbox.batches import InboxContents, MovieGroup, find_result_folders
from tasks.inbox.memory import MEMORY_FILE
from tasks.inbox.request_file import REQUEST_FILE
from tasks.messages import format_list
from tasks.pose.movies.reader import MOVIE_SUFFIXES

_COPIED = {".mov", ".mkv", ".ts", ".mts", ".m2ts", ".flv", ".3gp"}
"""Movies whose pictures fit into an MP4 as they are, as a rule."""

_ENCODED = {".wmv", ".webm", ".mpg", ".mpeg", ".vob", ".ogv", ".asf", ".divx", ".mjpeg", ".mjpg"}
"""Movies whose pictures are encoded anew, in so high a quality that nothing is seen of it."""

_RENAMED = {".m4v": ".mp4", ".qt": ".mp4"}
"""Movies that are one of ours under another name, as a rule."""

_UNFINISHED = {".part", ".partial", ".filepart", ".crdownload", ".tmp", ".download"}

_REQUEST_SLIPS = {"request.yml", "request.yaml.txt", "requests.yaml", "request.json", "request.txt"}

NOTHING_TO_DO = "nothing"


@dataclass(frozen=True)
class LeftOutFile:
    """A file that no run takes.

    Attributes:
        name: Its path below the inbox.
        reason: Why.
        remedy: The one thing to do.
    """

    name: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class LeftOut:
    """Everything in an inbox that no run takes.

    Attributes:
        files: Files that somebody may miss.
        others: Number of other files, which are no movies, by how their names end.
    """

    files: tuple[LeftOutFile, ...] = ()
    others: tuple[tuple[str, int], ...] = ()

    @property
    def sentence(self) -> str:
        """Describe the other files; empty where there are none."""
        count = sum(number for _, number in self.others)
        if not count:
            return ""
        kinds = format_list(ending or "no ending" for ending, _ in self.others)
        return f"{count} other file{'s' if count > 1 else ''}: no movies ({kinds})"


NONE = LeftOut()
"""Nothing is left out."""


def find_left_out(contents: InboxContents, groups: Sequence[MovieGroup]) -> LeftOut:
    """Find what lies in an inbox and no run takes.

    Args:
        contents: What the look found.
        groups: The batches of movies that it found in them.
    """
    taken = {info.location for group in groups for info in (*group.movies, *group.times)}
    taken |= {info.location for info in contents.files.values()}
    within = find_result_folders(contents)
    rest = [
        info.location
        for info in contents.objects
        if info.location not in taken
        and info.location.name != MEMORY_FILE
        and not str(info.location).startswith(within)
    ]
    files, others = [], Counter[str]()
    for location in rest:
        if told := explain_left_out(location.name):
            name = str(location).removeprefix(str(contents.inbox))
            files.append(LeftOutFile(name, *told))
        else:
            others[location.suffix.lower()] += 1
    return LeftOut(tuple(files), tuple(others.most_common()))


def explain_left_out(name: str) -> tuple[str, str] | None:
    """Explain why no run takes a file, and what to do.

    Args:
        name: Its name.

    Returns:
        The reason and the remedy; None for a file that nobody would miss, or that runs do take.
    """
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in _UNFINISHED:
        return "its upload is under way, or broke off", "wait for its end, or upload it again"
    if name.lower() in _REQUEST_SLIPS:
        return f"requests are read from {REQUEST_FILE} only", f"rename it to {REQUEST_FILE}"
    if name.startswith("."):
        return _explain_hidden(suffix)
    if suffix in _RENAMED:
        target = path.with_suffix(_RENAMED[suffix]).name
        return f"its name ends in {suffix}", f"rename it to {target}"
    if suffix in _COPIED | _ENCODED:
        how = "-c copy" if suffix in _COPIED else "-c:v libx264 -crf 10"
        target = shlex.quote(path.with_suffix(".mp4").name)
        command = f"ffmpeg -i {shlex.quote(name)} {how} {target}"
        return f"runs take {_describe_formats()}, not {suffix}", f"{command}, and drop that file"
    return None


def _explain_hidden(suffix: str) -> tuple[str, str] | None:
    if suffix not in MOVIE_SUFFIXES:
        return None
    return "a hidden file, as macOS writes one beside each movie", NOTHING_TO_DO


def _describe_formats() -> str:
    return ", ".join(MOVIE_SUFFIXES)
