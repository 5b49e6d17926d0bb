"""What a run would do with each movie of a request: make, go on, take over, or refuse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir

from tasks.command_line.dry_run_report import MovieAction, MovieForecast
from tasks.command_line.inspect_movies import MoviesToReport, SheetChoice, look_into_movies
from tasks.errors import BadInput
from tasks.full_disk import FULL_DISK_REMEDY, count_free_bytes
from tasks.output.kept_archives import HiddenListing, list_hidden_objects, peek_archive
from tasks.output.reuse import EarlierResults, Reuse, find_earlier_results, find_reuse
from tasks.pose.movie_inspection.movie_facts import MovieFacts
from tasks.pose.network.checkpoint_files import count_frames_in_row
from tasks.pose.results.run_record import InputObject
from tasks.pose.settings import PoseSettings
from tasks.run.movie import compute_edges
from tasks.run.scratch_space import estimate_output_bytes
from tasks.run_data import FetchedInput, MovieSource, ReadyModel, ResolvedRequest

_RESULTS = {
    "found": "the network's poses",
    "poses": "filtered poses",
    "quality": "verdict",
    "previews": "previews",
    "labeled": "labeled movie",
    "exports": "files for other programs",
}
"""What a run makes of a movie, by the names of `tasks.output.reuse.Reuse`."""


@dataclass(frozen=True)
class MoviePlan:
    """What a run would do with a movie.

    Attributes:
        source: The movie.
        facts: What it is; None where nothing would read it.
        reuse: Earlier results that still hold; None where none are kept.
        first_frame: The frame that an interrupted estimation goes on from.
        network_pixels: Pixels of what goes to the network.
        is_certain: Whether its content is known as far as earlier results depend on it.
        problem: Why it would be refused; empty if it would not.
    """

    source: MovieSource
    facts: MovieFacts | None = None
    reuse: Reuse | None = None
    first_frame: int = 0
    network_pixels: int = 0
    is_certain: bool = True
    problem: str = ""

    @property
    def is_estimated(self) -> bool:
        """Return whether the network would run on it."""
        return not self.problem and (self.reuse is None or self.reuse.found is None)

    @property
    def is_drawn(self) -> bool:
        """Return whether its labeled movie would be made."""
        return not self.problem and (self.reuse is None or self.reuse.labeled is None)

    @property
    def is_published(self) -> bool:
        """Return whether anything of it would be published."""
        return not self.problem and (self.reuse is None or self.reuse.outputs is None)

    @property
    def frames(self) -> int:
        """Number of its frames; 0 where that is not known."""
        if self.reuse and self.reuse.found:
            return self.reuse.found.frames
        return (self.facts.frames if self.facts else None) or 0

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of its frames in pixels; 0 where they are not known."""
        if self.reuse and self.reuse.checked:
            return self.reuse.checked.info.width, self.reuse.checked.info.height
        facts = self.facts
        return ((facts.width if facts else None) or 0, (facts.height if facts else None) or 0)

    @property
    def output_bytes(self) -> int:
        """Bytes of its results that are not there yet, about."""
        if not self.is_drawn:
            return 0
        width, height = self.frame_size
        return estimate_output_bytes(self.source.info.size, self.frames, width * height)

    def to_forecast(self, settings: PoseSettings) -> MovieForecast:
        """Tell it for people and programs.

        Args:
            settings: The request's settings.
        """
        wanted = [name for name in _RESULTS if name != "poses" or settings.has_median_filter]
        known = {name for name in wanted if self.reuse and getattr(self.reuse, name) is not None}
        made = tuple(_RESULTS[name] for name in wanted if name not in known)
        return MovieForecast(
            name=self.source.name,
            location=str(self.source.info.location),
            action=self._action,
            is_certain=self.is_certain,
            first_frame=self.first_frame,
            reused=tuple(_RESULTS[name] for name in wanted if name in known),
            made=() if self.problem or not self.is_published else made,
            problem=self.problem or None,
            facts=self.facts,
        )

    @property
    def _action(self) -> MovieAction:
        if self.problem:
            return "refuse"
        if not self.is_estimated:
            return "reuse"
        return "continue" if self.first_frame else "run"


def plan_movies(
    request: ResolvedRequest, ready: ReadyModel | None, scratch: Path
) -> list[MoviePlan]:
    """Find out what a run would do with each movie of a request.

    Args:
        request: The request.
        ready: The model; None where it cannot be used: movies are looked into all the same.
        scratch: The dry run's scratch folder.

    Raises:
        Retriable: The store cannot be reached.
    """
    kept = list_hidden_objects(request)
    looked_back = [
        _look_back(movie, kept, ready, scratch) if ready else (EarlierResults(), None)
        for movie in request.movies
    ]
    movies = list(zip(request.movies, looked_back, strict=True))
    read = [movie for movie, (past, _) in movies if past.fetched is None]
    facts = _look_into(request, read)
    return [
        _judge(
            MoviePlan(
                source=movie,
                facts=facts.get(movie.number),
                reuse=reuse,
                first_frame=_find_first_frame(reuse, kept),
                is_certain=reuse is not None or not _has_past(movie, past, kept),
            ),
            request,
            ready,
        )
        for movie, (past, reuse) in movies
    ]


def _look_back(
    movie: MovieSource, kept: HiddenListing, ready: ReadyModel, scratch: Path
) -> tuple[EarlierResults, Reuse | None]:
    """Find a movie's earlier results, and which of them still hold."""
    folder, store = scratch / str(movie.number), kept.request.store
    past = find_earlier_results(movie, kept, ready, folder, peek_archive)
    fetched = past.fetched
    if fetched is None and _has_past(movie, past, kept):
        # A local file is read for it, as a run does; a remote one has one where we uploaded it.
        sha256 = store.known_sha256(store.stat(movie.info.location))
        if sha256 is not None:
            fetched = _as_fetched(movie, sha256)
    if fetched is None:
        return past, None
    return past, find_reuse(past, movie, fetched, kept, ready, folder)


def _has_past(movie: MovieSource, past: EarlierResults, kept: HiddenListing) -> bool:
    """Return whether anything of a movie is kept, so that it matters what its content is."""
    if past.results or past.estimate:
        return True
    return any(f"/{movie.name}/" in name for name in kept.names or ())


def _as_fetched(movie: MovieSource, sha256: str) -> FetchedInput:
    info = movie.info
    return FetchedInput(
        info.location.path if info.location.is_local else Path("not-fetched"),
        InputObject(
            location=str(info.location),
            size=info.size,
            etag=info.etag,
            version=info.version,
            sha256=sha256,
        ),
    )


def _find_first_frame(reuse: Reuse | None, kept: HiddenListing) -> int:
    """Find the frame that an interrupted estimation goes on from; 0 where there was none."""
    if reuse is None or reuse.found is not None:
        return 0
    folder = str(reuse.checkpoints.own)
    there = [name for name in kept.names or () if name.startswith(folder)]
    return count_frames_in_row(name.rpartition("/")[2] for name in there)


def _look_into(request: ResolvedRequest, movies: Sequence[MovieSource]) -> dict[int, MovieFacts]:
    """Look into movies; what was found, by their numbers."""
    if not movies:
        return {}
    infos = tuple(movie.info for movie in movies)
    reports = look_into_movies(
        MoviesToReport(request.store, infos, request.order, ()),
        request.given.settings.times,
        decodes=False,
        sheets=SheetChoice(is_wanted=False),
        is_hasty=True,
    )
    numbers = (movie.number for movie in movies)
    return {number: report.facts for number, report in zip(numbers, reports, strict=True)}


def _judge(plan: MoviePlan, request: ResolvedRequest, ready: ReadyModel | None) -> MoviePlan:
    """Refuse a movie that a run would refuse before it estimates it."""
    if plan.facts and not plan.facts.usable:
        return replace(plan, problem="; ".join(plan.facts.problems))
    if ready is None:
        return plan
    try:
        left, right, top, bottom = compute_edges(
            request.given.settings.crop, plan.frame_size, ready
        )
    except BadInput as error:
        return replace(plan, problem=f"{plan.source.name}: {error}")
    plan = replace(plan, network_pixels=(right - left) * (bottom - top))
    free = count_free_bytes(Path(gettempdir()))
    if plan.output_bytes > free:
        problem = (
            f"{plan.source.name}: about {plan.output_bytes:,} bytes of scratch are needed for its "
            f"results, and {free:,} are free in {gettempdir()}; {FULL_DISK_REMEDY}"
        )
        return replace(plan, problem=problem)
    return plan
