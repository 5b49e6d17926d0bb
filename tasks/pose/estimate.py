"""Estimate poses: DeepLabCut's own network, weights and predictor, fed by our own reader.

`deeplabcut.analyze_videos` keeps growing in memory on a CPU, prepares frames one at a time, and
counts frames by the container's claim. Here frames are decoded in a thread, moved to the device as
bytes, normalized there, and predicted with DeepLabCut's model and predictor; the answer is the
same to within rounding (tests compare it with `analyze_videos`).

These functions run in a child process (`tasks.processes.stage_process`).
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import BadInput, PoseWarning, StageFailed
from tasks.pose.movies.reader import LazyImage, open_movie
from tasks.pose.movies.timing import Timing
from tasks.pose.network import device_locks
from tasks.pose.network.batch_feed import feed_batches
from tasks.pose.network.batch_lanes import predict_in_lanes
from tasks.pose.network.checkpoint_files import (
    BatchPrediction,
    CheckpointWriter,
    PartialPredictions,
    read_checkpoints,
)
from tasks.pose.network.following.follow_frames import (
    FollowedMovie,
    MovieFrames,
    without_places,
)
from tasks.pose.network.following.follow_result import FollowResult
from tasks.pose.network.frame_crop import apply_crop
from tasks.pose.network.interface import Lanes, LoadedModel, Network
from tasks.pose.network.loader import crops_exactly, is_torch_project, load_network
from tasks.pose.network.precision_check import FULL_PRECISION, Arithmetic
from tasks.pose.network.pytorch.reduced_precision import has_bfloat16
from tasks.pose.settings import Crop, Follow, Precision
from tasks.pose.tables.pose_table import write_poses
from tasks.processes.bottleneck import (
    EstimationProgress,
    EstimationTimer,
    EstimationTimes,
    queued_progress,
)
from tasks.processes.environment import count_usable_cpus

_MAX_CONVERTERS = 4
"""Threads that make pictures RGB; a decoder with its four threads gives no more."""


@dataclass(frozen=True)
class Estimate:
    """Result of estimation for one movie.

    Attributes:
        frames: Number of poses, one for each decodable frame.
        timing: When the frames were shown.
        decode_errors: What the decoder could not read.
        loaded: The model that ran.
        batch_size: Frames that went to the network at a time.
        seconds: From the first frame's decoding to the last pose.
        rate: Frames per second of this try: frames that an earlier try had found do not count,
            nor does the time until those are passed over. None where no other was left.
        arithmetic: How the network computed, and how far that moved points.
        warnings: What users of the poses should know, one sentence each.
        resumed: Frames whose poses an earlier try had found.
        times: Parts of the time that it took.
        follow: How a window followed the animals, where that was asked for.
    """

    frames: int
    timing: Timing
    decode_errors: tuple[str, ...]
    loaded: LoadedModel
    batch_size: int
    seconds: float
    arithmetic: Arithmetic = FULL_PRECISION
    warnings: tuple[str, ...] = ()
    resumed: int = 0
    rate: float | None = None
    times: EstimationTimes = field(default_factory=EstimationTimes)
    follow: FollowResult | None = None


def preload_model(project: Path, device: str | None = None) -> LoadedModel:
    """Load the project's model into this process, where later calls find it.

    Args:
        project: A DeepLabCut project with exactly one snapshot.
        device: A torch device; by default a GPU where there is one.

    Returns:
        What was loaded.

    Raises:
        BadInput: The weights do not fit the network, or hold more than weights.
    """
    return get_network(project, device).loaded


def estimate_movie(
    project: Path,
    movie: Path,
    target: Path,
    crop: Crop | None,
    device: str | None,
    checkpoints: Path | None = None,
    precision: Precision = Precision.STANDARD,
    follow: Follow = Follow.OFF,
    follow_window: int | None = None,
    *,
    progress: Callable[[EstimationProgress], None],
) -> Estimate:
    """Estimate the pose in every decodable frame and write DeepLabCut's H5.

    What has been found is written down now and then. Where there is such a past, the frames that
    it knows are decoded, for their times, but do not go to the network again; the result is the
    same, to the last bit where the device computes alike each time.

    Args:
        project: A DeepLabCut project with exactly one snapshot.
        movie: A local movie.
        target: The H5 file to write: key ``df_with_missing``, table format; coordinates in pixels,
            relative to the crop as DeepLabCut has them.
        crop: The rectangle that goes to the network; None for the whole frame.
        device: A torch device; by default a GPU where there is one.
        checkpoints: Folder with what an earlier try has found, and where this one adds to it;
            without one, nothing is written down.
        precision: How exactly the network computes.
        follow: Whether a window that follows the animals goes to the network in place of frames.
        follow_window: The side of that window in pixels; None chooses it.
        progress: Called with the number of frames that have a pose, and what bounds the work.

    Returns:
        Number and times of the frames, and what ran.

    Raises:
        BadInput: The movie or the model cannot be read, or the weights do not fit.
        Retriable: The device has too little free memory for a single frame.
        StageFailed: A decoded frame has no pose.
    """
    kind = _device_kind(project, device, precision, follow)
    reader, past = (
        open_movie(movie),
        read_checkpoints(checkpoints, kind) if checkpoints else PartialPredictions(),
    )
    # A TensorFlow model's last batch is filled up with frames of the one before.
    again = past.frames_again(with_last_batch=not is_torch_project(project))
    timer = EstimationTimer()
    known = _skip_known_frames(reader.read_lazy_images(), past, again, progress, timer)
    shots = apply_crop(known, crop, exactly=crops_exactly(project))
    first = next(shots, None)
    if first is None:
        raise BadInput(f"{movie.name}: none of its frames can be decoded")
    with _acquire_network(project, device, past.frames, progress, timer) as network:
        timer.begin()
        with timer.measure_part("preparation"):
            fitting = network.begin_movie(first(), precision)
            support = network.find_window_support() if follow is Follow.AUTO else None
        followed = None
        if support and support.stride:
            followed = FollowedMovie(network, support, first(), follow_window, timer)
        size = followed.batch_size if followed else fitting
        kept = CheckpointWriter(checkpoints, past.batch_size or size, kind, past.frames)
        frames = chain([first], shots)
        if followed:
            work = (network.lanes, fitting, frames, len(again))
            found = _follow_batches(followed, *work, kept, past, progress, timer)
        else:
            found = _predict_batches(network, frames, kept, len(again), progress, timer)
        seconds = timer.seconds
        rate = timer.compute_rate(sum(size for size, _ in found))
    progress(EstimationProgress(reader.frame_count, "", combines=True, known=past.frames))
    found = [*past.found, *found]
    done = sum(size for size, _ in found)
    if done != reader.frame_count:
        raise StageFailed(
            f"{movie.name}: {reader.frame_count} frames decode, but {done} have a pose"
        )
    with timer.measure_part("tracking"):
        predictions = [prediction for _, prediction in found]
        table, told = _build_table(
            network, without_places(predictions) if followed else predictions
        )
        write_poses(table, target)
    result = followed.summarize(found) if followed else None
    if support and not support.stride:
        result = FollowResult(full=done, reason=f"full frames were used: {support.reason}")
    return Estimate(
        frames=done,
        timing=reader.compute_timing(),
        decode_errors=tuple(reader.errors),
        loaded=network.loaded,
        batch_size=kept.batch_size,
        seconds=seconds,
        arithmetic=network.arithmetic,
        warnings=(*network.arithmetic.warnings, *(result.warnings if result else ()), *told),
        resumed=past.frames,
        rate=rate,
        times=timer.end(),
        follow=result,
    )


def _device_kind(
    project: Path, device: str | None, precision: Precision, follow: Follow = Follow.OFF
) -> str:
    """On what kind of device, for checkpoints: what another one has found is not gone on from."""
    name = _list_devices(project, device)[0].name.partition(":")[0]
    lowers = name == "cpu" and precision is Precision.HALF and has_bfloat16()
    return ("cpubfloat" if lowers else name) + ("follow" if follow is Follow.AUTO else "")


@contextmanager
def _acquire_network(
    project: Path,
    device: str | None,
    known: int,
    progress: Callable[[EstimationProgress], None],
    timer: EstimationTimer,
) -> Iterator[Network]:
    """The model on a device that nobody else uses while the block runs."""
    devices = _list_devices(project, device)
    queued = queued_progress(on_gpu=device_locks.CPU not in devices, known=known)
    free = device_locks.lease_device(
        devices, _find_loaded_device(project), lambda: progress(queued)
    )
    with ExitStack() as stack:
        with timer.measure_part("queued"):
            held = stack.enter_context(free)
        yield _get_or_load_network(project, held.name)


def _predict_batches(
    network: Network,
    shots: Iterator[LazyImage],
    kept: CheckpointWriter,
    again: int,
    progress: Callable[[EstimationProgress], None],
    timer: EstimationTimer,
) -> list[BatchPrediction]:
    """Predict and store batch after batch.

    Args:
        network: The network, with the movie begun.
        shots: Frames.
        kept: Where predictions are stored.
        again: How many of the first frames were predicted by an earlier try; they are left out.
        progress: Called with the number of frames that have a pose.
        timer: Restarted once those first frames are through.

    Returns:
        The predictions of all other frames, with the number of frames of each batch.
    """
    found: list[BatchPrediction] = []
    known, lanes = kept.frames, time_preparation(network.lanes, timer)
    done = known - again
    with feed_batches(shots, kept.batch_size, lanes.buffer, converter_thread_count()) as batches:
        predicted = predict_in_lanes(network.predict, timer.measure_waits(batches), lanes)
        for count, prediction in predicted:
            if done >= known:
                kept.add_batch((count, prediction))
                found.append((count, prediction))
            elif done + count >= known:
                timer.restart()
            done += count
            progress(EstimationProgress(done, timer.bottleneck, known=known))
    if kept.frames:
        kept.write()  # following the animals of a long movie takes long, too
    return found


def _follow_batches(
    followed: FollowedMovie,
    lanes: Lanes,
    at_once: int,
    shots: Iterator[LazyImage],
    again: int,
    kept: CheckpointWriter,
    past: PartialPredictions,
    progress: Callable[[EstimationProgress], None],
    timer: EstimationTimer,
) -> list[BatchPrediction]:
    """Predict and store batch after batch, with a window that follows the animals.

    Args:
        followed: The movie, with the network begun.
        lanes: The network's lanes.
        at_once: How many whole frames go to the network at a time.
        shots: Frames.
        again: How many of the first frames were predicted by an earlier try; they are left out.
        kept: Where predictions are stored.
        past: What an earlier try has found.
        progress: Called with the number of frames that have a pose.
        timer: Restarted once those first frames are through.

    Returns:
        The predictions of all other frames, with the number of frames of each batch.
    """
    known, done = past.frames, past.frames - again

    def report_batch(count: int) -> None:
        nonlocal done
        if done < known <= done + count:
            timer.restart()
        done += count
        progress(EstimationProgress(done, timer.bottleneck, known=known))

    converters, queued = converter_thread_count(), followed.batch_size
    with feed_batches(shots, 1, converters=converters, queued=queued) as single:
        frames = (frame[0] for frame in timer.measure_waits(single))
        movie = MovieFrames(frames, again, at_once, time_preparation(lanes, timer))
        found = followed.predict_batches(movie, kept, past.found, report_batch)
    if kept.frames:
        kept.write()
    return found


def time_preparation(lanes: Lanes, timer: EstimationTimer) -> Lanes:
    """Measure the preparation of lanes with a movie's first batch; they are the same otherwise."""

    def prepare(batch: NDArray[np.uint8]) -> None:
        with timer.measure_part("preparation"):
            lanes.prepare(batch)

    return replace(lanes, prepare=prepare)


def _build_table(network: Network, predictions: list[Any]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of a movie's poses, and the sentences that it was made with."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PoseWarning)
        table = network.build_table(predictions)
    told = [w.message for w in caught if isinstance(w.message, PoseWarning)]
    return table, tuple(map(str, told))


def converter_thread_count() -> int:
    """Return how many threads convert pictures: one for every four processors."""
    return min(_MAX_CONVERTERS, max(1, count_usable_cpus() // _MAX_CONVERTERS))


# --- frames ----------------------------------------------------------------------------------


def _skip_known_frames(
    shots: Iterable[LazyImage],
    past: PartialPredictions,
    again: Set[int],
    progress: Callable[[EstimationProgress], None],
    timer: EstimationTimer,
) -> Iterator[LazyImage]:
    """A movie's frames, without those whose poses are known, but for those that come again.

    Skipped frames are reported, too: they may take minutes, in which no pose is found.
    """
    for index, shot in enumerate(shots):
        if index == past.frames:
            timer.restart()
        if index in again or index >= past.frames:
            yield shot
        elif index % _FRAMES_PER_PROGRESS == 0:
            progress(EstimationProgress(past.frames, "decoding", known=past.frames))


_FRAMES_PER_PROGRESS = 50
"""Frames that are passed over between two signs of life."""


# --- models ----------------------------------------------------------------------------------

_loaded_networks: dict[tuple[Path, str], Network] = {}
"""The model that this process holds, by its project and its device: one at a time."""


def get_network(project: Path, device: str | None) -> Network:
    """A project's model on a device, loaded where it is not there yet."""
    return _get_or_load_network(
        project, device_locks.find_idle_device(_list_devices(project, device)).name
    )


def _get_or_load_network(project: Path, device: str) -> Network:
    key = (project, device)
    if key not in _loaded_networks:
        _loaded_networks.clear()  # first: two might not fit the device
        _loaded_networks[key] = load_network(project, device)
    return _loaded_networks[key]


def _find_loaded_device(project: Path) -> str | None:
    """The device that a project's model is on."""
    return next((device for held, device in _loaded_networks if held == project), None)


def _list_devices(project: Path, wanted: str | None) -> list[device_locks.Device]:
    return device_locks.find_devices(wanted, only_first=not is_torch_project(project))
