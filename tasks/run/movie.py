"""Check, estimate, filter, judge, preview and label: the stages between two stores."""

from pathlib import Path
from tempfile import gettempdir

from tasks.errors import BadInput
from tasks.output.checkpoint_upload import CheckpointStore
from tasks.pose import estimate, finishing
from tasks.pose.movies.frame_ledger import ledger_of
from tasks.pose.movies.reader import MovieInfo, probe
from tasks.pose.settings import Crop, PoseSettings
from tasks.pose.tables.median_filter import filter_file
from tasks.pose.tables.quality import Quality
from tasks.processes.pool import Workers
from tasks.processes.watchdog import Patience
from tasks.run.scratch_space import check_outputs
from tasks.run_data import CheckedMovie, Fetched, ReadyModel
from tasks.stages import live_bars
from tasks.stages.progress import Progress
from tasks.stages.stage import WORKER_RETRIES, stage

DEVICE = None
"""The torch device: a GPU where there is one. CUDA_VISIBLE_DEVICES chooses which."""

SMALL_ROW = 100
"""Bytes that a frame takes at least in a file of poses."""


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
    if bar := live_bars.current():
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
