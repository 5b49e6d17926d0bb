"""Find movies in their stores and look into them, without Prefect, a model, or a GPU."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.command_line.fetched_movie import fetch_movie, fetch_times
from tasks.command_line.inspect_model import REFUSED, UNKNOWN, USABLE
from tasks.command_line.movie_head import can_look_at_head, look_at_head
from tasks.errors import BadInput, PoseError
from tasks.messages import format_value
from tasks.pose.movie_inspection.look_into import MovieToInspect, look_into_movie
from tasks.pose.movie_inspection.movie_facts import MovieFacts
from tasks.pose.movie_inspection.movie_page import as_json, as_text
from tasks.pose.movie_inspection.needed_parts import find_needed_parts
from tasks.pose.movie_inspection.sample_pictures import PICTURES
from tasks.pose.movies.reader import RECORDING_SUFFIX
from tasks.pose.times_settings import TimesSettings
from tasks.processes.stage_process import StageProcess
from tasks.processes.watchdog import Patience
from tasks.run.estimator import child_environment
from tasks.run.find_movies import FoundMovies, find_entry_movies
from tasks.run.movie_order import (
    check_one_format,
    describe_order,
    order_warnings,
    sort_by_recording,
)
from tasks.run.recording_times import read_recording_time
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import convert_os_errors

SHEET_SUFFIXES = (".png", ".svg")
"""Endings of contact sheets' file names."""

_MIN_FRAME_BYTES = 1_000
"""Bytes that a frame takes at least, for how long a movie may keep the decoder silent."""


@dataclass(frozen=True)
class SheetChoice:
    """Destination of contact sheets.

    Attributes:
        target: A file for one movie, or a folder; None for the present folder.
        is_wanted: Whether they are drawn.
    """

    target: Path | None = None
    is_wanted: bool = True

    def place_all(self, stems: Sequence[str]) -> list[Path | None]:
        """The file of each movie's sheet; movies of one name get numbers.

        Raises:
            BadInput: It is one file for several movies, or in no folder that can be written to.
        """
        if not self.is_wanted:
            return [None] * len(stems)
        is_file = bool(self.target and self.target.suffix.lower() in SHEET_SUFFIXES)
        if is_file and len(stems) > 1:
            raise BadInput(
                f"--sheet: expected a folder for the sheets of {len(stems)} movies, found the file "
                f"{format_value(self.target)}; name a folder"
            )
        folder = self.target or Path.cwd()
        folder = folder.parent if is_file else folder
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise BadInput(
                f"--sheet: nothing can be written to {format_value(folder)}; name another folder, "
                "or leave sheets out with --no-sheet"
            )
        return [self.target] if is_file else [folder / name for name in _name_sheets(stems)]


def _name_sheets(stems: Sequence[str]) -> Iterator[str]:
    """Name the files of sheets; movies of one name get numbers."""
    seen: Counter[str] = Counter()
    for stem in stems:
        shown = "".join(letter if letter.isprintable() else "_" for letter in stem)
        seen[shown.casefold()] += 1
        number = seen[shown.casefold()]
        yield f"{shown}{f'-{number}' if number > 1 else ''}-sheet.png"


@dataclass(frozen=True)
class MovieReport:
    """Printed report of a movie.

    Attributes:
        name: The movie.
        facts: What was found.
        status: What the command's exit status would be for it alone.
    """

    name: str
    facts: MovieFacts
    status: int


@dataclass(frozen=True)
class MoviesToReport:
    """Movies that are to be looked into.

    Attributes:
        store: Where they are.
        infos: The movies, in order.
        order: What their order was taken from.
        warnings: What a run with all of them would warn of.
    """

    store: ObjectStore
    infos: tuple[ObjectInfo, ...]
    order: str
    warnings: tuple[str, ...]


def find_movies(texts: Sequence[str]) -> MoviesToReport:
    """Find the movies that a command names.

    Args:
        texts: Objects, prefixes that end in ``/``, or globs.

    Raises:
        BadInput: They name no movie.
        Retriable: The store cannot be reached.
    """
    store = LocationStore()
    seen: dict[object, ObjectInfo] = {}
    entries = []
    for entry in (find_entry_movies(store, text) for text in texts):
        fresh = tuple(info for info in entry.infos if info.location not in seen)
        seen |= {info.location: info for info in fresh}
        if fresh:
            entries.append(FoundMovies(fresh, entry.is_listed))
    infos = list(seen.values())
    try:
        check_one_format([info.location for info in infos])
        infos, warnings = sort_by_recording(store, infos)
    except BadInput as error:  # no run takes them all; each is looked into all the same
        return MoviesToReport(store, tuple(infos), "as given", (str(error),))
    warnings += order_warnings(store, entries)
    return MoviesToReport(store, tuple(infos), describe_order(entries), tuple(warnings))


def look_into_movies(
    movies: MoviesToReport,
    times: TimesSettings,
    *,
    decodes: bool,
    sheets: SheetChoice,
    is_hasty: bool = False,
) -> Iterator[MovieReport]:
    """Look into movies one after the other.

    In a child process: a file from a stranger may crash a decoder.

    Args:
        movies: The movies.
        times: Which files have the times of their frames.
        decodes: Whether to decode every frame.
        sheets: Where contact sheets go.
        is_hasty: Whether of a large remote file that is no MP4 only the beginning is looked at,
            which tells no more than what the file declares.

    Raises:
        BadInput: Sheets cannot be written there.
    """
    with convert_os_errors():
        places = sheets.place_all([info.location.stem for info in movies.infos])
    with (
        TemporaryDirectory(prefix="dlcflow-", ignore_cleanup_errors=True) as scratch,
        _start_process(Path(scratch)) as process,
    ):
        for info, sheet in zip(movies.infos, places, strict=True):
            if is_hasty and can_look_at_head(movies.store, info):
                yield _look_at_head(movies.store, info, process, Path(scratch))
            else:
                yield _look_into(movies.store, info, times, sheet, decodes, process, Path(scratch))


@contextmanager
def _start_process(scratch: Path) -> Iterator[StageProcess]:
    environment = child_environment(scratch, threads=1)
    process = StageProcess("inspection", scratch / "inspection.log", environment)
    try:
        yield process
    finally:
        process.end()


def _look_into(
    store: ObjectStore,
    info: ObjectInfo,
    times: TimesSettings,
    sheet: Path | None,
    decodes: bool,
    process: StageProcess,
    scratch: Path,
) -> MovieReport:
    location, name = info.location, info.location.name

    def find_parts(path: Path) -> list[tuple[int, int]]:
        return process.call(find_needed_parts, path, name, 0 if sheet is None else PICTURES)

    try:
        with (
            convert_os_errors(),
            fetch_times(store, info, times, scratch) as clock,
            fetch_movie(store, info, scratch, None if decodes else find_parts) as path,
            _show_progress(name) as progress,
        ):
            facts = process.call(
                look_into_movie,
                MovieToInspect(path, name, str(location), info.size, clock),
                decodes,
                sheet,
                on_progress=progress,
                patience=Patience(name, info.size // _MIN_FRAME_BYTES),
            )
    except PoseError as error:
        status = REFUSED if isinstance(error, BadInput) else UNKNOWN
        facts = MovieFacts(location=str(location), usable=False, problems=(str(error),))
        return MovieReport(name, facts, status)
    if location.suffix.lower() != RECORDING_SUFFIX and (time := read_recording_time(store, info)):
        facts = facts.model_copy(update={"recorded": time.start})
    return MovieReport(name, facts, USABLE if facts.usable else REFUSED)


def _look_at_head(
    store: ObjectStore, info: ObjectInfo, process: StageProcess, scratch: Path
) -> MovieReport:
    name = info.location.name
    try:
        with convert_os_errors():
            facts = look_at_head(store, info, scratch, process)
    except PoseError as error:
        status = REFUSED if isinstance(error, BadInput) else UNKNOWN
        facts = MovieFacts(location=str(info.location), usable=False, problems=(str(error),))
        return MovieReport(name, facts, status)
    return MovieReport(name, facts, USABLE)


@contextmanager
def _show_progress(name: str) -> Iterator[Callable[[int], None] | None]:
    """Show on a terminal how many frames are decoded."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(frames: int) -> None:
        sys.stderr.write(f"\r{format_value(name)}: {frames:,} frames decoded")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")


def report_movies(
    texts: Sequence[str],
    times: TimesSettings,
    *,
    decodes: bool,
    sheets: SheetChoice,
    as_object: bool,
) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the report of ``python -m flows inspect --movie``, part by part.

    Args:
        texts: Locations of movies.
        times: Which files have the times of their frames.
        decodes: Whether to decode every frame.
        sheets: Where contact sheets go.
        as_object: Whether to render JSON, for programs; that comes as one part.

    Yields:
        Exit status of a part, text for standard output, sentences for standard error.
    """
    try:
        movies = find_movies(texts)
        reports = []
        for report in look_into_movies(movies, times, decodes=decodes, sheets=sheets):
            reports.append(report)
            if not as_object:
                space = "\n" if len(reports) > 1 else ""
                text = space + as_text(format_value(report.name), report.facts)
                yield report.status, text, list(report.facts.problems)
    except PoseError as error:
        status = REFUSED if isinstance(error, BadInput) else UNKNOWN
        yield status, as_json([], None, [str(error)]) if as_object else "", [str(error)]
        return
    facts = [report.facts for report in reports]
    if as_object:
        problems = [problem for one in facts for problem in one.problems]
        status = max(report.status for report in reports)
        yield status, as_json(facts, movies.order, movies.warnings), problems
    elif len(reports) > 1:
        yield USABLE, _format_summary(facts, movies), []


def _format_summary(facts: Sequence[MovieFacts], movies: MoviesToReport) -> str:
    usable = sum(one.usable for one in facts)
    frames = sum(one.frames or 0 for one in facts)
    lines = [f"\n{usable} of {len(facts)} movies can be used, with {frames:,} frames"]
    lines += [f"  order: {movies.order}"]
    lines += [f"  • {sentence}" for sentence in movies.warnings]
    return "\n".join(lines) + "\n"
