"""Data of a run, step by step: its request, its movies, and their results."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tasks.pose.clock.experiment_clock import ExperimentClock, UnusedTimes
from tasks.pose.estimate import Estimate
from tasks.pose.exports.nwb_metadata import NwbMetadata
from tasks.pose.exports.write_exports import MovieExports
from tasks.pose.finishing import LabeledMovieResult
from tasks.pose.model.description import Model
from tasks.pose.movies.reader import MovieInfo
from tasks.pose.network.interface import LoadedModel
from tasks.pose.results.run_record import InputObject, MovieRecord, OutputFile, RequestRecord
from tasks.pose.speed.stage_parts import ESTIMATE_STAGE
from tasks.pose.tables.annotations import MoviePoses
from tasks.pose.tables.quality import Quality
from tasks.processes.watchdog import Patience
from tasks.stages.run_states import NamedEnd, end_by_verdicts
from tasks.stages.stage_times import StageSeconds
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, ObjectStore


@dataclass(frozen=True)
class MovieSource:
    """One movie of a request.

    Attributes:
        number: Its place in the request, counted from 0.
        name: Its folder below the output location.
        info: The object.
        times: The file with the times of its frames; None where there is none.
        problem: Why it cannot be read, where that is known before it is fetched.
    """

    number: int
    name: str
    info: ObjectInfo
    times: ObjectInfo | None = None
    problem: str | None = None


@dataclass(frozen=True)
class ResolvedRequest:
    """A request whose locations have been found.

    Attributes:
        given: The request as it was given.
        model: The model archive.
        movies: The movies, in order.
        output: The prefix or folder that results go below.
        warnings: What the user should know, one sentence each.
        store: Where all of these are, opened.
        order: What the order of its movies was taken from.
        nwb_metadata: What the lab says of its movies, where NWB files are wanted.
    """

    given: RequestRecord
    model: ObjectInfo
    movies: tuple[MovieSource, ...]
    output: Location
    warnings: tuple[str, ...]
    store: ObjectStore = field(compare=False)
    order: str = "as given"
    nwb_metadata: NwbMetadata | None = None

    @property
    def has_readable_movies(self) -> bool:
        """Return whether a movie may be readable, as far as is known."""
        return any(movie.problem is None for movie in self.movies)


@dataclass(frozen=True)
class FetchedInput:
    """An input on the local disk, and exactly which bytes it is."""

    path: Path
    input: InputObject


INPUT_FOLDER = "input"
"""Folder of the fetched movie in its scratch folder, apart from results of the same name."""

EXPORTS_FOLDER = "exports"
"""Folder of files for other programs in a movie's scratch folder, until they are published."""


@dataclass(frozen=True)
class ReadyModel:
    """A model that has been checked and can run.

    Attributes:
        model: What is known of it.
        project: The DeepLabCut project that runs it.
        network: Digest of how its network is built and run.
    """

    model: Model
    project: Path
    network: str


@dataclass(frozen=True)
class CheckedMovie:
    """A movie that can be read.

    Attributes:
        name: Its folder below the output location.
        path: The file.
        info: Shape, rate and declared length.
        edges: Left, right, top, bottom in pixels of what goes to the network.
        size: The file's bytes; where an earlier run has made all that is made of it, the file
            itself may not be here.
    """

    name: str
    path: Path
    info: MovieInfo
    edges: tuple[int, int, int, int]
    size: int

    @property
    def crop_offset(self) -> tuple[int, int]:
        """Left and top edge of what goes to the network, in pixels."""
        return self.edges[0], self.edges[2]

    @property
    def is_cropped(self) -> bool:
        """Return whether only a part of the frame goes to the network."""
        return self.edges != (0, self.info.width, 0, self.info.height)

    @property
    def cropped_size(self) -> tuple[int, int]:
        """Width and height of what goes to the network, in pixels."""
        left, right, top, bottom = self.edges
        return right - left, bottom - top

    @property
    def patience(self) -> Patience:
        """Limits on the silence of work on the whole movie."""
        return Patience(self.name, self.info.declared_frames or self.size // MIN_FRAME_BYTES)


MIN_FRAME_BYTES = 1_000
"""Bytes that a frame takes at least in a movie that does not tell how many it has."""


@dataclass(frozen=True)
class AnalyzedMovie:
    """One movie's results, on the way to the run record.

    Attributes:
        source: The movie of the request.
        fetched: Its bytes.
        checked: Its shape.
        found: Its poses and times.
        poses: The H5 that is delivered, in the scratch folder.
        quality: The verdict.
        labeled: The labeled movie.
        previews: The preview files, in the scratch folder, by their published names.
        outputs: What was published, by name.
        seconds: Time that each stage took.
        exports: The files for other programs, in the scratch folder where they were made anew.
        clock: The frames' times on the experiment's clock, or the reason why the times file that
            was found is not used; None where there is no such file.
        times: The times file's bytes.
    """

    source: MovieSource
    fetched: FetchedInput
    checked: CheckedMovie
    found: Estimate
    poses: Path
    quality: Quality
    labeled: LabeledMovieResult
    previews: dict[str, Path]
    outputs: dict[str, OutputFile]
    seconds: StageSeconds = field(default_factory=dict)
    exports: MovieExports = field(default_factory=MovieExports)
    clock: ExperimentClock | UnusedTimes | None = None
    times: FetchedInput | None = None

    @property
    def experiment_clock(self) -> ExperimentClock | None:
        """The frames' times on the experiment's clock, where they are known."""
        return self.clock if isinstance(self.clock, ExperimentClock) else None

    @property
    def poses_for_table(self) -> MoviePoses:
        """The movie's share of the annotations."""
        clock = self.experiment_clock
        return MoviePoses(
            self.source.number,
            self.poses,
            self.found.timing,
            self.checked.crop_offset,
            clock.seconds if clock else None,
            clock.record.clock_name if clock else "",
        )

    @property
    def short_summary(self) -> str:
        """Frames and verdict in a few words."""
        reuse = _describe_reuse(self.seconds)
        return f"{self.found.frames} frames, {self.quality.verdict_summary}{reuse}"

    @property
    def named_end(self) -> NamedEnd | str:
        """The same, with a name for the state where the verdict asks for one."""
        return end_by_verdicts([self.quality.verdict.value], self.short_summary)


def _describe_reuse(seconds: StageSeconds) -> str:
    """Describe in a word or two which of a movie's results are an earlier run's."""
    made = [name for name, s in seconds.items() if s is not None]
    if seconds.get(ESTIMATE_STAGE, 0.0) is not None:
        return ""
    return ", poses reused" if set(made) & _PRODUCING_STAGES else ", reused"


_PRODUCING_STAGES = {
    "Filter poses",
    "Judge quality",
    "Draw previews",
    "Label movie",
    "Export poses",
    "Publish movie",
}
"""Stages that make something that is delivered; the others only look."""


MovieOutcome = AnalyzedMovie | MovieRecord
"""A movie's results, or the record of one that failed."""


@dataclass(frozen=True)
class RunDetails:
    """Details of the run record other than the movies.

    Attributes:
        request: The request.
        model: The archive's bytes.
        ready: The model.
        loaded: What ran; None where that was only in other runs, all of which failed.
        started: When the run began.
    """

    request: ResolvedRequest
    model: FetchedInput
    ready: ReadyModel
    loaded: LoadedModel | None
    started: datetime
