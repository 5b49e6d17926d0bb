"""The report of a dry run: what a request would do, for programs and for people."""

from collections import Counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.messages import format_value
from tasks.pose.movie_inspection.movie_facts import MovieFacts

MovieAction = Literal["run", "continue", "reuse", "refuse"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class MovieForecast(_Part):
    """One movie of a request."""

    name: str = Field(description="Its folder below the output location.")
    location: str = Field(description="The movie.")
    action: MovieAction = Field(
        description="run: from its first frame; continue: an interrupted estimation goes on; "
        "reuse: poses, or all results, are those of an earlier run; refuse."
    )
    is_certain: bool = Field(
        default=True,
        description="False where something of a movie of this name is kept, and whether this is "
        "the same movie is known once it is fetched.",
    )
    first_frame: int = Field(default=0, description="The frame that an estimation goes on from.")
    reused: tuple[str, ...] = Field(default=(), description="What an earlier run has made.")
    made: tuple[str, ...] = Field(default=(), description="What this run would make.")
    problem: str | None = Field(default=None, description="Why it would be refused.")
    facts: MovieFacts | None = Field(
        default=None, description="What it is; null where nothing would read it again."
    )


class DiskSpace(_Part):
    """Room for a request's files."""

    location: str = Field(description="Folder or output location.")
    needed: int = Field(description="Bytes, about.")
    free: int | None = Field(description="Bytes; null in a store, which does not tell.")


class TimeForecast(_Part):
    """The time that a run would take."""

    seconds: float = Field(description="From its start to its end, as busy as the machine is now.")
    undisturbed_seconds: float = Field(description="The same if no other program ran.")
    start_seconds: float = Field(description="Until the first movie's turn.")
    network_seconds: float = Field(description="Of estimation, all movies together.")
    frames: int = Field(description="Frames that the network would see.")
    device: str = Field(description="What the network would run on.")
    basis: str = Field(description="What the forecast is made from.")
    sentence: str = Field(description="All of this for people.")


class DryRunReport(_Part):
    """The report of ``python -m flows run --dry-run``, as ``--json`` prints it."""

    refused: bool = Field(description="Whether anything would be refused.")
    problems: tuple[str, ...] = Field(default=(), description="Why the request would be refused.")
    warnings: tuple[str, ...] = Field(default=(), description="What a run would warn of.")
    model: dict[str, Any] | None = Field(
        default=None, description="What `inspect --model --json` prints."
    )
    movies: tuple[MovieForecast, ...] = Field(default=(), description="In the order of a run.")
    order: str | None = Field(default=None, description="What the order of movies is taken from.")
    waits_for: tuple[str, ...] = Field(
        default=(), description="Runs that write to the output now, or wait to."
    )
    scratch: DiskSpace | None = Field(
        default=None, description="Room for the run's files on this machine, while it runs."
    )
    output: DiskSpace | None = Field(
        default=None, description="Room for results that are not there yet."
    )
    time: TimeForecast | None = Field(default=None, description="How long the run takes.")
    no_time: str | None = Field(default=None, description="Why no time can be told.")

    def to_json(self) -> str:
        """Render as one JSON object, for programs."""
        return self.model_dump_json(indent=2) + "\n"


_ACTION_COUNTS: dict[MovieAction, str] = {
    "run": "to run",
    "continue": "to go on",
    "reuse": "reused",
    "refuse": "refused",
}

MAX_LISTED_MOVIES = 50
"""Movies that are listed, those that would be refused first."""


def format_dry_run(report: DryRunReport) -> str:
    """Format a report for a terminal, without its problems, which are errors.

    Args:
        report: The report.
    """
    rows = [*_describe_model(report), *_describe_movies(report)]
    if report.waits_for:
        rows.append(("waits for", "; ".join(report.waits_for)))
    for name, room in (("scratch", report.scratch), ("output", report.output)):
        if room:
            rows.append((name, _describe_room(room)))
    if report.time:
        rows.append(("time", report.time.sentence))
    elif report.no_time:
        rows.append(("time", report.no_time))
    width = max((len(name) for name, _ in rows), default=0)
    lines = ["Dry run: nothing is written.", ""]
    lines += [f"{name:<{width}}  {text}" for name, text in rows]
    if report.warnings:
        lines += ["", "Please note:", *(f"  • {warning}" for warning in report.warnings)]
    return "\n".join(lines) + "\n"


def _describe_model(report: DryRunReport) -> list[tuple[str, str]]:
    if report.model is None or report.model["model"] is None:
        return []
    model = report.model["model"]
    parts = f"{len(model['body_parts'])} body parts"
    network = model["net_type"] or "network"
    return [("model", f"{format_value(model['name'])}: {network}, {parts}, {model['snapshot']}")]


def _describe_movies(report: DryRunReport) -> list[tuple[str, str]]:
    if not report.movies:
        return []
    counts = Counter(movie.action for movie in report.movies)
    told = ", ".join(f"{counts[a]} {text}" for a, text in _ACTION_COUNTS.items() if counts[a])
    frames = sum(movie.facts.frames or 0 for movie in report.movies if movie.facts)
    more = f", {frames:,} frames" if frames else ""
    rows = [("movies", f"{len(report.movies)}: {told}{more}")]
    urgent = sorted(report.movies, key=lambda movie: movie.action != "refuse")
    rows += [
        (f"  {format_value(movie.name)}", _describe_movie(movie))
        for movie in urgent[:MAX_LISTED_MOVIES]
    ]
    if len(urgent) > MAX_LISTED_MOVIES:
        rows.append(("  …", f"and {len(urgent) - MAX_LISTED_MOVIES} more; --json lists all"))
    return rows


def _describe_movie(movie: MovieForecast) -> str:
    facts = movie.facts
    what = ""
    if facts and facts.width:
        frames = f"{facts.frames:,}" if facts.frames is not None else "an unknown number of"
        what = f"{facts.codec}, {facts.width}×{facts.height}, {frames} frames: "
    return f"{what}{describe_action(movie)}"


def describe_action(movie: MovieForecast) -> str:
    """Describe for people what a run would do with a movie."""
    match movie.action:
        case "refuse":
            return "refused"
        case "reuse" if not movie.made:
            return "all reused"
        case "reuse":
            return f"{', '.join(movie.reused)} reused; makes {', '.join(movie.made)}"
        case "continue":
            return f"goes on from frame {movie.first_frame:,}"
    return "runs" if movie.is_certain else "runs, unless its content is what it was"


def _describe_room(room: DiskSpace) -> str:
    free = "" if room.free is None else f", {_format_bytes(room.free)} free"
    return f"about {_format_bytes(room.needed)} in {format_value(room.location)}{free}"


def _format_bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"  # noqa: PLR2004
        size /= 1000
    return f"{size:.1f} TB"
