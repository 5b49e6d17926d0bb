"""A run's page in Prefect's UI: its movies in a table, with small pictures and links."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.messages import as_code, escaped
from tasks.pose.results.file_names import LABELED, RUN_RECORD
from tasks.pose.results.report import MoviePictures, by_urgency
from tasks.pose.results.run_record import MovieRecord, RunRecord

THUMBNAIL = (160, 120)
"""Columns and rows that a small picture fits into."""

PICTURE_BUDGET = 1_000_000
"""Bytes of pictures in a page; the report has them all."""

MOST_ROWS = 200
"""Movies in a page's table, those that need a look first."""

MOST_WARNINGS = 10


@dataclass(frozen=True)
class Links:
    """Web addresses that open results for a limited time.

    Attributes:
        by_location: The address of each result that has one.
        hours: How long they work; 0 where there are none.
    """

    by_location: Mapping[str, str]
    hours: int = 0


def render_page(
    record: RunRecord, output: str, pictures: Mapping[str, MoviePictures], links: Links
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
            f"## {_title(record)}",
            "",
            *_where(record, output, links),
            "",
            *_table(record, _small(record, pictures), links),
            "",
            *_worth_knowing(record),
        ]
    )


def _title(record: RunRecord) -> str:
    count = len(record.movies)
    movies = f"{count} movie{'s' if count != 1 else ''}"
    return f"{record.status.value.capitalize()}: {movies} · {escaped(record.model.name)}"


def _where(record: RunRecord, output: str, links: Links) -> list[str]:
    report = record.outputs.get("report.html")
    opened = links.by_location.get(report.location) if report else None
    lines = [f"**[Open the report]({opened})**", ""] if opened else []
    folder = output.rstrip("/")
    lines += [
        f"- results: {as_code(output)}",
        *(f"- {name}: {as_code(made.location)}" for name, made in record.outputs.items()),
        f"- run record: {as_code(f'{folder}/{RUN_RECORD}')}",
    ]
    if links.by_location:
        lines += [
            "",
            f"Links work for {links.hours} hours. New ones: "
            + as_code(f"python -m flows open {folder}/"),
        ]
    return lines


def _table(record: RunRecord, small: Mapping[str, list[str]], links: Links) -> list[str]:
    head = [
        "| movie | open | verdict | frames | a frame | where it was | why |",
        "|---|---|---|---|---|---|---|",
    ]
    movies = by_urgency(record)
    shown = sorted(movies[:MOST_ROWS], key=lambda movie: movie.number)
    rows = [_row(movie, small.get(movie.name, []), links) for movie in shown]
    more = len(movies) - len(shown)
    told = [f"| … and {more} more, all of them in the report | | | | | | |"] if more else []
    return [*head, *rows, *told]


def _row(movie: MovieRecord, pictures: list[str], links: Links) -> str:
    labeled = movie.outputs.get(LABELED)
    opened = links.by_location.get(labeled.location) if labeled else None
    cells = (
        escaped(movie.name),
        f"[labelled movie]({opened})" if opened else "",
        f"**{movie.quality.verdict.value if movie.quality else 'failed'}**",
        _frames(movie),
        *(pictures or ["", ""]),
        escaped(_why(movie)),
    )
    return f"| {' | '.join(cells)} |"


def _frames(movie: MovieRecord) -> str:
    if movie.frames is None:
        return "–"
    declared = movie.frames.declared
    lost = f" of {declared}" if declared not in (None, movie.frames.poses) else ""
    return f"{movie.frames.poses}{lost}"


def _why(movie: MovieRecord) -> str:
    if movie.error:
        return f"{movie.failed_stage or 'Movie'}: {movie.error}"
    return "; ".join(movie.quality.reasons[:2]) if movie.quality else ""


def _worth_knowing(record: RunRecord) -> list[str]:
    if not record.warnings:
        return []
    more = len(record.warnings) - MOST_WARNINGS
    told = [f"- {escaped(line)}" for line in record.warnings[:MOST_WARNINGS]]
    return ["### Worth knowing", "", *told, *([f"- … and {more} more"] if more > 0 else [])]


# --- pictures --------------------------------------------------------------------------------


def _small(record: RunRecord, pictures: Mapping[str, MoviePictures]) -> dict[str, list[str]]:
    """Two small pictures of each movie while the budget lasts, of those that need a look first."""
    left = PICTURE_BUDGET
    small: dict[str, list[str]] = {}
    for movie in by_urgency(record):
        files = pictures.get(movie.name)
        made = [_thumbnail(alt, path) for alt, path in _chosen(files)] if files else []
        size = sum(map(len, made))
        if size > left:
            break
        small[movie.name] = made
        left -= size
    return small


def _chosen(files: MoviePictures) -> tuple[tuple[str, Path | None], tuple[str, Path | None]]:
    """A labelled frame, the first of the least certain ones, and where the animal has been."""
    index, frame = next(iter(sorted(files.worst.items())), (0, None))
    been = next((path for path in files.previews.values() if path.suffix == ".png"), None)
    return (f"frame {index}", frame), ("trajectory", been)


def _thumbnail(alt: str, path: Path | None) -> str:
    if path is None:
        return ""
    from PIL import Image  # noqa: PLC0415 - only at a run's end

    with Image.open(path) as picture:
        small = picture.convert("RGB")
        small.thumbnail(THUMBNAIL)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    data = base64.b64encode(file.getvalue()).decode()
    return f"![{alt}](data:image/jpeg;base64,{data})"
