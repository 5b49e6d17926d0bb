"""Check, estimate, filter, judge, preview and label: the stages between two stores."""

from pathlib import Path
from tempfile import gettempdir

import tasks
from tasks.errors import BadInput
from tasks.output.checkpoint_upload import CheckpointStore
from tasks.pose.child_functions import (
    assess_pose_file,
    draw_preview_files,
    estimate_movie,
    filter_pose_file,
    label_movie_file,
    probe_movie,
    read_clock,
    write_exports,
)
from tasks.pose.clock.experiment_clock import ExperimentClock, UnusedTimes
from tasks.pose.estimate import Estimate
from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.exports.write_exports import ExportSources, MovieExports
from tasks.pose.finishing import LabeledMovieResult, build_label_style
from tasks.pose.movies.frame_ledger import create_ledger
from tasks.pose.network.frame_crop import compute_crop_edges
from tasks.pose.network.loader import crops_exactly
from tasks.pose.settings import Crop, PoseSettings
from tasks.pose.tables.quality import Quality
from tasks.processes.pool import RunProcesses
from tasks.processes.watchdog import Patience
from tasks.run.scratch_space import check_output_space
from tasks.run_data import (
    EXPORTS_FOLDER,
    CheckedMovie,
    FetchedInput,
    ReadyModel,
    ResolvedRequest,
)
from tasks.stages import live_bars
from tasks.stages.progress import Progress
from tasks.stages.retries import PROCESS_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location

TORCH_DEVICE = None
"""The torch device: a GPU where there is one. CUDA_VISIBLE_DEVICES chooses which."""

MIN_POSE_ROW_BYTES = 100
"""Bytes that a frame takes at least in a file of poses."""


@stage("Check movie", "check · {name}", retries=PROCESS_RETRIES)
def check_movie(
    name: str, movie: FetchedInput, ready: ReadyModel, crop: Crop | None, workers: RunProcesses
) -> tuple[CheckedMovie, str]:
    """Refuse a movie that cannot be read, or a crop that is not inside its frame.

    In a child process: a file from a stranger may crash a decoder, and only its own movie fails.
    """
    with workers.finishers.lease() as process:
        name_given = Path(movie.input.location).name
        info = process.call(probe_movie, movie.path, name_given, patience=Patience(name))
    edges = compute_edges(crop, (info.width, info.height), ready)
    check_output_space(name, movie.path, info, Path(gettempdir()))
    declared = f"{info.declared_frames or 'unknown'} frames declared"
    size = f"{info.width}×{info.height}"
    rate = f"{float(info.frame_rate):.2f} frames/s"
    checked = CheckedMovie(name, movie.path, info, edges, movie.input.size)
    return checked, f"{info.codec}, {size}, {rate}, {declared}"


def compute_edges(
    crop: Crop | None, size: tuple[int, int], ready: ReadyModel
) -> tuple[int, int, int, int]:
    """Compute the edges of what goes to the network.

    Args:
        crop: The rectangle that was asked for; None for the whole frame.
        size: Width and height of a frame in pixels.
        ready: The model.

    Returns:
        Left, right, top, bottom in pixels.

    Raises:
        BadInput: The crop is not inside the frame.
    """
    width, height = size
    if crop is None:
        return 0, width, 0, height
    if crop.right > width or crop.bottom > height:
        raise BadInput(
            f"crop: it reaches to column {crop.right} and row {crop.bottom}, but the frame has "
            f"{width} columns and {height} rows; make it end inside the frame"
        )
    return compute_crop_edges(crop, width, height, exactly=crops_exactly(ready.project))


@stage("Estimate poses", "estimate · {movie.name}", "gpu", retries=PROCESS_RETRIES)
def estimate_poses(
    movie: CheckedMovie,
    ready: ReadyModel,
    settings: PoseSettings,
    target: Path,
    checkpoints: CheckpointStore,
    workers: RunProcesses,
) -> tuple[Estimate, str]:
    """Estimate the pose in every decodable frame; one movie at a time has the GPU."""
    what = f"estimate · {movie.name}"
    if bar := live_bars.current_bar():
        bar.report_step("estimate", 0, "waiting for its turn")
    total = movie.info.declared_frames
    with checkpoints.sync_with_store() as kept, workers.gpu, Progress(what, total) as progress:
        found = workers.estimator.call(
            estimate_movie,
            ready.project,
            movie.path,
            target,
            settings.crop,
            TORCH_DEVICE,
            kept,
            settings.precision,
            settings.follow,
            settings.follow_side,
            on_progress=progress,
            patience=movie.patience,
        )
    now = found.frames - found.resumed
    earlier = f"{found.resumed} frames from an earlier try, " if found.resumed else ""
    rate = f" ({found.rate:.1f} frames/s)" if found.rate else ""
    speed = f"{now} frames in {found.seconds:.1f} s{rate}"
    followed = f", {found.follow.summary}" if found.follow else ""
    return found, f"{earlier}{speed}{followed}"


@stage("Match times", "match times · {movie.name}", retries=PROCESS_RETRIES)
def match_times(
    movie: CheckedMovie,
    times: FetchedInput,
    found: Estimate,
    settings: PoseSettings,
    workers: RunProcesses,
) -> tuple[ExperimentClock | UnusedTimes, str]:
    """Give each frame its time on the experiment's clock, from the file beside the movie.

    In a child process: the file is a stranger's.
    """
    with workers.finishers.lease() as process:
        clock = process.call(
            read_clock,
            times.path,
            Location.parse(times.input.location).name,
            settings.times,
            found.timing,
            movie.info.declared_frames,
            patience=movie.patience,
        )
    return clock, clock.summary


@stage("Filter poses", "filter · {name}", retries=PROCESS_RETRIES)
def filter_poses(
    name: str,
    raw: Path,
    target: Path,
    window_length: int,
    workers: RunProcesses,
) -> tuple[Path, str]:
    """Run the median filter over each coordinate."""
    with workers.finishers.lease() as process:
        patience = Patience(name, raw.stat().st_size // MIN_POSE_ROW_BYTES)
        process.call(filter_pose_file, raw, target, window_length, patience=patience)
    return target, f"median over {window_length} frames"


@stage("Judge quality", "judge · {movie.name}", retries=PROCESS_RETRIES)
def judge_quality(
    movie: CheckedMovie,
    found: Estimate,
    poses: Path,
    settings: PoseSettings,
    workers: RunProcesses,
) -> tuple[Quality, str]:
    """Give a verdict on the poses; never changes them."""
    with workers.finishers.lease() as process:
        quality = process.call(
            assess_pose_file,
            poses,
            settings,
            movie.cropped_size,
            movie.info.frame_rate,
            create_ledger(movie.info.declared_frames, found.timing).lost_frame_count,
            patience=movie.patience,
        )
    return quality, "; ".join((quality.verdict.value, *quality.reasons[:3]))


@stage("Draw previews", "preview · {movie.name}", retries=PROCESS_RETRIES)
def draw_previews(
    movie: CheckedMovie,
    found: Estimate,
    poses: Path,
    ready: ReadyModel,
    settings: PoseSettings,
    folder: Path,
    clock: ExperimentClock | UnusedTimes | None,
    workers: RunProcesses,
) -> tuple[dict[str, Path], str]:
    """Draw histogram, likelihoods, coordinates and trajectory."""
    size = (movie.info.width, movie.info.height)
    with workers.finishers.lease() as process:
        files = process.call(
            draw_preview_files,
            poses,
            folder,
            ready.model,
            settings,
            movie.crop_offset,
            size,
            clock if isinstance(clock, ExperimentClock) else None,
            movie.path,
            found.timing,
            patience=movie.patience,
        )
    return files, ", ".join(files)


@stage("Label movie", "label · {movie.name}", retries=PROCESS_RETRIES)
def label_movie(
    movie: CheckedMovie,
    found: Estimate,
    poses: Path,
    ready: ReadyModel,
    settings: PoseSettings,
    quality: Quality,
    target: Path,
    clock: ExperimentClock | UnusedTimes | None,
    workers: RunProcesses,
) -> tuple[LabeledMovieResult, str]:
    """Draw the poses on the movie."""
    with (
        workers.finishers.lease() as process,
        Progress(f"label · {movie.name}", found.frames) as progress,
    ):
        labeled = process.call(
            label_movie_file,
            movie.path,
            poses,
            target,
            build_label_style(ready.model, settings),
            found.timing,
            settings.output_frame_rate,
            movie.crop_offset,
            quality.worst_frames,
            settings.labels,
            clock if isinstance(clock, ExperimentClock) else None,
            on_progress=progress,
            patience=movie.patience,
        )
    return labeled, f"{labeled.frames} frames at {float(labeled.frame_rate):.2f} frames/s"


@stage("Export poses", "export · {movie.name}", retries=PROCESS_RETRIES)
def export_poses(
    movie: CheckedMovie,
    fetched: FetchedInput,
    found: Estimate,
    raw: Path,
    poses: Path,
    ready: ReadyModel,
    request: ResolvedRequest,
    clock: ExperimentClock | UnusedTimes | None,
    workers: RunProcesses,
) -> tuple[MovieExports, str]:
    """Write the poses in the forms that other programs open, under the names that they expect."""
    assert fetched.input.sha256 is not None
    settings = request.given.settings
    facts = MovieFacts(
        name=movie.name,
        location=fetched.input.location,
        file_name=Location.parse(fetched.input.location).name,
        sha256=fetched.input.sha256,
        frame_size=(movie.info.width, movie.info.height),
        edges=movie.edges,
        timing=found.timing,
        clock=clock if isinstance(clock, ExperimentClock) else None,
        scorer=found.loaded.scorer,
        model=ready.model,
        project=ready.project,
        batch_size=found.batch_size,
        product=tasks.PRODUCT,
    )
    folder = raw.parent / EXPORTS_FOLDER
    with (
        workers.finishers.lease() as process,
        Progress(f"export · {movie.name}", found.frames) as progress,
    ):
        exports = process.call(
            write_exports,
            ExportSources(movie.path, raw, poses),
            folder,
            facts,
            settings,
            build_label_style(ready.model, settings),
            request.nwb_metadata,
            on_progress=progress,
            patience=movie.patience,
        )
    more = f", {len(exports.refine)} frames to correct" if exports.refine else ""
    return exports, f"{len(exports.files)} files{more}"
