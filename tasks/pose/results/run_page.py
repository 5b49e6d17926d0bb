"""A run's page in Prefect's UI: its movies in a table, with small pictures and links."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.messages import as_markdown_code, escape_markdown, lead_with_cause
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, REPORT_FILE, RUN_RECORD_FILE
from tasks.pose.results.report import MoviePictures, sort_by_urgency
from tasks.pose.results.run_record import MovieRecord, RunRecord

THUMBNAIL_SIZE = (160, 120)
"""Columns and rows that a small picture fits into."""

MAX_PICTURE_BYTES = 1_000_000
"""Bytes of pictures in a page; the report has them all."""

MAX_ROWS = 200
"""Movies in a page's table, those that need a look first."""

MAX_WARNINGS = 10


@dataclass(frozen=True)
class ResultLinks:
    """Web addresses that open results for a limited time.

    Attributes:
        by_location: The address of each result that has one.
        hours: How long they work; 0 where there are none.
    """

    by_location: Mapping[str, str]
    hours: int = 0


def render_run_page(
    record: RunRecord, output: str, pictures: Mapping[str, MoviePictures], links: ResultLinks
) -> str:
    """Render a run as Markdown, as Prefect's UI shows it.

    Args:
        record: The run.
        output: The location of its results.
        pictures: Pictures of each delivered movie, by its name.
        links: Addresses that open results.

    Returns:
        The page, with its pictures in it.
    """
    return "\n".join(
        [
            f"## {_format_title(record)}",
            "",
            *_format_locations(record, output, links),
            "",
            *_format_movie_table(record, _make_thumbnails_by_movie(record, pictures), links),
            "",
            *_format_bottleneck(record),
            *_format_warnings(record),
        ]
    )


def _format_title(record: RunRecord) -> str:
    count = len(record.movies)
    movies = f"{count} movie{'s' if count != 1 else ''}"
    return f"{record.status.value.capitalize()}: {movies} · {escape_markdown(record.model.name)}"


_NO_LINKS = (
    "There are no links: browsers take `.` and `..` between slashes for folders, and would ask for "
    "other objects. Use an output location without them."
)


def _format_locations(record: RunRecord, output: str, links: ResultLinks) -> list[str]:
    report = record.outputs.get(REPORT_FILE)
    opened = links.by_location.get(report.location) if report else None
    lines = [f"**[Open the report]({opened})**", ""] if opened else []
    folder = output.rstrip("/")
    lines += [
        f"- results: {as_markdown_code(output)}",
        *(f"- {name}: {as_markdown_code(made.location)}" for name, made in record.outputs.items()),
        f"- run record: {as_markdown_code(f'{folder}/{RUN_RECORD_FILE}')}",
    ]
    if links.by_location:
        lines += [
            "",
            f"Links work for {links.hours} hours. New ones: "
            + as_markdown_code(f"python -m flows open {folder}/"),
        ]
    elif links.hours and "://" in folder:
        lines += [
            "",
            _NO_LINKS,
        ]
    return lines


def _format_movie_table(
    record: RunRecord, small: Mapping[str, list[str]], links: ResultLinks
) -> list[str]:
    head = [
        "| movie | open | verdict | frames | a frame | where it was | why |",
        "|---|---|---|---|---|---|---|",
    ]
    movies = sort_by_urgency(record)
    shown = sorted(movies[:MAX_ROWS], key=lambda movie: movie.number)
    rows = [_format_movie_row(movie, small.get(movie.name, []), links) for movie in shown]
    more = len(movies) - len(shown)
    told = [f"| … and {more} more, all of them in the report | | | | | | |"] if more else []
    return [*head, *rows, *told]


def _format_movie_row(movie: MovieRecord, pictures: list[str], links: ResultLinks) -> str:
    labeled = movie.outputs.get(LABELED_MOVIE_FILE)
    opened = links.by_location.get(labeled.location) if labeled else None
    cells = (
        escape_markdown(movie.name),
        f"[labeled movie]({opened})" if opened else "",
        f"**{movie.quality.verdict.value if movie.quality else 'failed'}**",
        _format_frame_count(movie),
        *(pictures or ["", ""]),
        escape_markdown(_explain_verdict(movie)),
    )
    return f"| {' | '.join(cells)} |"


def _format_frame_count(movie: MovieRecord) -> str:
    if movie.frames is None:
        return "–"
    declared = movie.frames.declared
    lost = f" of {declared}" if declared not in (None, movie.frames.poses) else ""
    return f"{movie.frames.poses}{lost}"


def _explain_verdict(movie: MovieRecord) -> str:
    if movie.error:
        return f"{lead_with_cause(movie.error)} ({movie.failed_stage or 'Movie'})"
    return "; ".join(movie.quality.reasons[:2]) if movie.quality else ""


def _format_bottleneck(record: RunRecord) -> list[str]:
    return [f"{record.bottleneck.sentence}.", ""] if record.bottleneck else []


def _format_warnings(record: RunRecord) -> list[str]:
    if not record.warnings:
        return []
    more = len(record.warnings) - MAX_WARNINGS
    told = [f"- {escape_markdown(line)}" for line in record.warnings[:MAX_WARNINGS]]
    return ["### Worth knowing", "", *told, *([f"- … and {more} more"] if more > 0 else [])]


# --- pictures --------------------------------------------------------------------------------


def _make_thumbnails_by_movie(
    record: RunRecord, pictures: Mapping[str, MoviePictures]
) -> dict[str, list[str]]:
    """Two small pictures of each movie while the budget lasts, of those that need a look first."""
    left = MAX_PICTURE_BYTES
    small: dict[str, list[str]] = {}
    for movie in sort_by_urgency(record):
        files = pictures.get(movie.name)
        made = (
            [_make_thumbnail(alt, path) for alt, path in _choose_pictures(files)] if files else []
        )
        size = sum(map(len, made))
        if size > left:
            break
        small[movie.name] = made
        left -= size
    return small


def _choose_pictures(
    files: MoviePictures,
) -> tuple[tuple[str, Path | None], tuple[str, Path | None]]:
    """A labeled frame, the first of the least certain ones, and where the animal has been."""
    index, frame = next(iter(sorted(files.worst.items())), (0, None))
    been = next((path for path in files.previews.values() if path.suffix == ".png"), None)
    return (f"frame {index}", frame), ("trajectory", been)


def _make_thumbnail(alt: str, path: Path | None) -> str:
    if path is None:
        return ""
    from PIL import Image  # noqa: PLC0415 - only at a run's end

    with Image.open(path) as picture:
        small = picture.convert("RGB")
        small.thumbnail(THUMBNAIL_SIZE)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    data = base64.b64encode(file.getvalue()).decode()
    return f"![{alt}](data:image/jpeg;base64,{data})"
