"""Check, estimate, filter, judge, preview and label: the stages between two stores."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir

from tasks import live
from tasks.artifacts import key_of, show
from tasks.checkpoints import CheckpointStore
from tasks.estimator import environment, estimator_for
from tasks.pose import estimate, finishing
from tasks.pose.errors import BadInput
from tasks.pose.inspection import as_markdown, inspect_archive
from tasks.pose.ledger import ledger_of
from tasks.pose.median_filter import filter_file
from tasks.pose.model import Model
from tasks.pose.movies import MovieInfo, probe
from tasks.pose.network import Loaded
from tasks.pose.processes import StagePool, StageProcess, usable_cpus
from tasks.pose.quality import Quality
from tasks.pose.settings import Crop, PoseSettings
from tasks.pose.stage_keys import network_digest
from tasks.pose.watchdog import Patience
from tasks.progress import Progress, ending_together
from tasks.retries import WORKER_RETRIES, stage
from tasks.scratch_room import check_outputs
from tasks.staging import Fetched

FINISHING_MODULES = (
    "tasks.pose.finishing",
    "tasks.pose.median_filter",
    "tasks.pose.annotations",
    "tasks.pose.previews",
    "pyarrow.parquet",
    "scipy.signal",
)
"""What a finisher loads while the first movie is estimated."""


DEVICE = None
"""The torch device: a GPU where there is one. CUDA_VISIBLE_DEVICES chooses which."""

MOST_FINISHERS = 4
"""Processes beside the estimator: more movies than this are never finished at the same time."""


@dataclass(frozen=True)
class Workers:
    """The child processes of a run.

    Attributes:
        estimator: Holds the model; one movie at a time is on the GPU.
        finishers: Filter, preview and label beside it.
        gpu: Held while a movie is estimated.
        ended: Set once they are ended: no other work of the run goes on, either.
    """

    estimator: StageProcess
    finishers: StagePool
    gpu: threading.Lock
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        """End them for good, whatever they are doing, and the run's transfers."""
        self.ended.set()
        self.estimator.end()
        self.finishers.end()


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
    def offset(self) -> tuple[int, int]:
        """Left and top edge of what goes to the network, in pixels."""
        return self.edges[0], self.edges[2]

    @property
    def is_cropped(self) -> bool:
        """Whether only a part of the frame goes to the network."""
        return self.edges != (0, self.info.width, 0, self.info.height)

    @property
    def cropped_size(self) -> tuple[int, int]:
        """Width and height of what goes to the network, in pixels."""
        left, right, top, bottom = self.edges
        return right - left, bottom - top

    @property
    def patience(self) -> Patience:
        """How long work on the whole movie may say nothing."""
        return Patience(self.name, self.info.declared_frames or self.size // SMALL_FRAME)


SMALL_FRAME = 1_000
"""Bytes that a frame takes at least in a movie that does not tell how many it has."""

SMALL_ROW = 100
"""Bytes that a frame takes at least in a file of poses."""


@contextmanager
def stage_processes(scratch: Path) -> Iterator[Workers]:
    """Start a run's child processes, and end them whatever happens.

    Args:
        scratch: Where their output goes.

    Yields:
        The processes; they start when that is asked of them, or at their first call.
    """
    estimator = estimator_for(scratch)
    finishers = [
        StageProcess(
            "finishing",
            scratch / f"finishing-{index}.log",
            environment(scratch, threads=1),
            FINISHING_MODULES,
        )
        for index in range(max(1, min(MOST_FINISHERS, usable_cpus() // 4)))
    ]
    workers = Workers(estimator, StagePool(finishers), threading.Lock())
    try:
        with ending_together(workers.ended):
            yield workers
    finally:
        workers.end()


@stage("Check model", "check model · {name}")
def check_model(
    archive: Fetched, name: str, settings: PoseSettings, scratch: Path
) -> tuple[ReadyModel, str]:
    """Open the archive safely and refuse, before any inference, what cannot work."""
    project = scratch / "project"
    inspection = inspect_archive(archive.path, name, project, archive.input.sha256)
    usable = "can be used" if inspection.usable else "cannot be used"
    show(key_of("model", name), as_markdown(inspection), f"{name} {usable}")
    model = inspection.usable_model()
    model.check_displayed(settings.displayed_body_parts)
    parts = f"{len(model.body_parts)} body parts"
    ready = ReadyModel(model, project, network_digest(project))
    return ready, f"{model.network}, {parts}, {model.snapshot}"


@stage("Load model", "load model", "gpu", retries=WORKER_RETRIES)
def load_model(ready: ReadyModel, workers: Workers) -> tuple[Loaded, str]:
    """Load the weights onto the device, so that a model that does not fit is refused once."""
    loaded = workers.estimator.call(estimate.load, ready.project, DEVICE)
    return loaded, f"{loaded.scorer} on {loaded.device}"


@stage("Check movie", "check · {name}", retries=WORKER_RETRIES)
def check_movie(
    name: str, movie: Fetched, crop: Crop | None, workers: Workers
) -> tuple[CheckedMovie, str]:
    """Refuse a movie that cannot be read, or a crop that is not inside its frame.

    In a child process: a file from a stranger may crash a decoder, and only its own movie fails.
    """
    with workers.finishers.lease() as process:
        name_given = Path(movie.input.location).name
        info = process.call(probe, movie.path, name_given, patience=Patience(name))
    edges = _edges(crop, info)
    check_outputs(name, movie.path, info, Path(gettempdir()))
    declared = f"{info.declared_frames or 'unknown'} frames declared"
    size = f"{info.width}×{info.height}"
    rate = f"{float(info.frame_rate):.2f} frames/s"
    checked = CheckedMovie(name, movie.path, info, edges, movie.input.size)
    return checked, f"{info.codec}, {size}, {rate}, {declared}"


def _edges(crop: Crop | None, info: MovieInfo) -> tuple[int, int, int, int]:
    if crop is None:
        return 0, info.width, 0, info.height
    if crop.right > info.width or crop.bottom > info.height:
        raise BadInput(
            f"crop: it reaches to column {crop.right} and row {crop.bottom}, but the frame has "
            f"{info.width} columns and {info.height} rows; make it end inside the frame"
        )
    return estimate.cropped_edges(crop, info.width, info.height)


@stage("Estimate poses", "estimate · {movie.name}", "gpu", retries=WORKER_RETRIES)
def estimate_poses(
    movie: CheckedMovie,
    ready: ReadyModel,
    settings: PoseSettings,
    target: Path,
    checkpoints: CheckpointStore,
    workers: Workers,
) -> tuple[estimate.Estimate, str]:
    """Estimate the pose in every decodable frame; one movie at a time has the GPU."""
    what = f"estimate · {movie.name}"
    if bar := live.current():
        bar.tell("estimate", 0, "waits for its turn")
    total = movie.info.declared_frames
    with checkpoints.shared() as kept, workers.gpu, Progress(what, total) as progress:
        found = workers.estimator.call(
            estimate.estimate,
            ready.project,
            movie.path,
            target,
            settings.crop,
            DEVICE,
            kept,
            settings.precision,
            on_progress=progress,
            patience=movie.patience,
        )
    return found, _told(found)


def _told(found: estimate.Estimate) -> str:
    now = found.frames - found.resumed
    speed = now / found.seconds
    earlier = f"{found.resumed} frames from an earlier try, " if found.resumed else ""
    return f"{earlier}{now} frames in {found.seconds:.1f} s ({speed:.1f} frames/s)"


@stage("Filter poses", "filter · {name}", retries=WORKER_RETRIES)
def filter_poses(
    name: str,
    raw: Path,
    target: Path,
    window_length: int,
    workers: Workers,
) -> tuple[Path, str]:
    """Run the median filter over each coordinate."""
    with workers.finishers.lease() as process:
        patience = Patience(name, raw.stat().st_size // SMALL_ROW)
        process.call(filter_file, raw, target, window_length, patience=patience)
    return target, f"median over {window_length} frames"


@stage("Judge quality", "judge · {movie.name}", retries=WORKER_RETRIES)
def judge_quality(
    movie: CheckedMovie,
    found: estimate.Estimate,
    poses: Path,
    settings: PoseSettings,
    workers: Workers,
) -> tuple[Quality, str]:
    """Give a verdict on the poses; never changes them."""
    with workers.finishers.lease() as process:
        quality = process.call(
            finishing.assess_file,
            poses,
            settings,
            movie.cropped_size,
            movie.info.frame_rate,
            ledger_of(movie.info.declared_frames, found.timing).lost,
            patience=movie.patience,
        )
    return quality, "; ".join((quality.verdict.value, *quality.reasons[:3]))


@stage("Draw previews", "preview · {movie.name}", retries=WORKER_RETRIES)
def draw_previews(
    movie: CheckedMovie,
    poses: Path,
    ready: ReadyModel,
    settings: PoseSettings,
    folder: Path,
    workers: Workers,
) -> tuple[dict[str, Path], str]:
    """Draw histogram, likelihoods, coordinates and trajectory."""
    size = (movie.info.width, movie.info.height)
    with workers.finishers.lease() as process:
        files = process.call(
            finishing.preview_files,
            poses,
            folder,
            ready.model,
            settings,
            movie.offset,
            size,
            patience=movie.patience,
        )
    return files, ", ".join(files)


@stage("Label movie", "label · {movie.name}", retries=WORKER_RETRIES)
def label_movie(
    movie: CheckedMovie,
    found: estimate.Estimate,
    poses: Path,
    ready: ReadyModel,
    settings: PoseSettings,
    quality: Quality,
    target: Path,
    workers: Workers,
) -> tuple[finishing.Labeled, str]:
    """Draw the poses on the movie."""
    with (
        workers.finishers.lease() as process,
        Progress(f"label · {movie.name}", found.frames) as progress,
    ):
        labeled = process.call(
            finishing.label_file,
            movie.path,
            poses,
            target,
            finishing.label_style(ready.model, settings),
            found.timing,
            settings.output_frame_rate,
            movie.offset,
            quality.worst_frames,
            on_progress=progress,
            patience=movie.patience,
        )
    return labeled, f"{labeled.frames} frames at {float(labeled.frame_rate):.2f} frames/s"
