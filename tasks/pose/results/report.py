"""`report.html`: one self-contained page with the ledger, the verdicts and the pictures."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tasks.pose.results.file_names import path_below_output
from tasks.pose.results.run_record import MovieRecord, RunRecord

MAX_PICTURE_BYTES = 30 * 2**20
"""Bytes of pictures in one page; movies beyond it link to their files instead."""

_MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class MoviePictures:
    """One movie's pictures, as files.

    Attributes:
        previews: By published name.
        worst: The labeled worst frames, by frame index.
        refine: Frames that are delivered to be corrected, labeled and small, by frame index.
    """

    previews: Mapping[str, Path]
    worst: Mapping[int, Path]
    refine: Mapping[int, Path] = field(default_factory=dict)


_NO_PICTURES = MoviePictures({}, {})


def render_report(record: RunRecord, pictures: Mapping[str, MoviePictures]) -> str:
    """Render the report of a run.

    Args:
        record: The run.
        pictures: Pictures of each delivered movie, by its name.

    Returns:
        An HTML page that loads nothing from elsewhere.
    """
    return str(
        load_template("report.html.j2").render(
            record=record, shown=_embed_within_budget(record, pictures)
        )
    )


def _embed_within_budget(
    record: RunRecord, pictures: Mapping[str, MoviePictures]
) -> dict[str, dict[str, Any]]:
    """Embed pictures while the budget lasts, of movies that need a look first."""
    left = MAX_PICTURE_BYTES
    shown: dict[str, dict[str, Any]] = {}
    for movie in sort_by_urgency(record):
        files = pictures.get(movie.name, _NO_PICTURES)
        size = sum(p.stat().st_size for p in (*files.previews.values(), *files.worst.values()))
        shown[movie.name] = _embed_movie_pictures(files if size <= left else _NO_PICTURES)
        left -= size if size <= left else 0
    for movie in sort_by_urgency(record):
        refine = pictures.get(movie.name, _NO_PICTURES).refine
        size = sum(path.stat().st_size for path in refine.values())
        shown[movie.name]["refine"] = _embed_frames(refine if size <= left else {})
        left -= size if size <= left else 0
    return shown


def sort_by_urgency(record: RunRecord) -> list[MovieRecord]:
    """A run's movies, those that need a look first."""
    return sorted(record.movies, key=_urgency_rank)


def _urgency_rank(movie: MovieRecord) -> int:
    order = {"fail": 0, "look": 1, "pass": 2}
    return order[movie.quality.verdict] if movie.quality else -1


def _embed_movie_pictures(files: MoviePictures) -> dict[str, Any]:
    return {
        "previews": {path.name: to_data_url(path) for path in files.previews.values()},
        "worst": _embed_frames(files.worst),
    }


def _embed_frames(frames: Mapping[int, Path]) -> dict[int, str]:
    return {index: to_data_url(path) for index, path in sorted(frames.items())}


def to_data_url(path: Path) -> str:
    """A picture as an address that holds it."""
    data = base64.b64encode(path.read_bytes()).decode()
    return f"data:{_MEDIA_TYPES[path.suffix]};base64,{data}"


@cache
def load_template(name: str, folder: Path = Path(__file__).parent) -> Any:
    """Load a page's template, with the filters and the style that all reports share.

    Args:
        name: Its file name.
        folder: Where it lies; the style lies beside this module.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["link"] = _format_link
    environment.filters["setting"] = _format_setting
    environment.filters["size"] = _format_size
    environment.filters["seconds"] = lambda seconds: f"{seconds:,.1f} s"
    environment.filters["number"] = _format_number
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    return environment.get_template(name)


def _format_link(name: str, movie: str) -> str:
    """The relative address of a movie's file."""
    return "/".join(quote(part, safe="") for part in path_below_output(movie, name).split("/"))


def _format_setting(value: Any) -> str:
    """A setting's value without Python's or JSON's signs."""
    match value:
        case None | bool():
            return str(value).lower()
        case list():
            return ", ".join(map(str, value))
        case dict():
            return " ".join(f"{key} {_format_setting(part)}" for key, part in value.items())
    return str(value)


def _format_number(value: float | None, unit: str) -> str:
    """A figure with four digits, or all whole ones, and its unit."""
    if value is None:
        return "–"
    return f"{value:,.4g} {unit}" if abs(value) < 10_000 else f"{value:,.0f} {unit}"  # noqa: PLR2004


def _format_size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.1f} GB"
