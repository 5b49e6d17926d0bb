"""Our stages on the same movie, in the child processes that a run has."""

import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from tasks.pose import estimate, finishing
from tasks.pose.drawing.movie_writer import FrameClock, MovieWriter
from tasks.pose.estimate import Estimate
from tasks.pose.model.archive import unpack_model
from tasks.pose.movies.reader import open_movie, probe_movie
from tasks.pose.movies.timing import Timing
from tasks.pose.network.batch_feed import Batch, feed_batches
from tasks.pose.network.batch_lanes import predict_in_lanes
from tasks.pose.settings import AnnotationsFormat, PoseSettings, Precision
from tasks.pose.tables.annotations import MoviePoses, write_annotations
from tasks.pose.tables.median_filter import filter_pose_file
from tasks.processes.environment import count_usable_cpus
from tasks.processes.stage_process import StageProcess
from tasks.run.workers import start_run_processes
from tests.bench.gpu import sample_gpu_load
from tests.bench.measuring import Cost, measure_call, measure_with_progress

WINDOW_LENGTH = 5
LIMIT_SECONDS = 8.0
"""For how long the network alone is run."""

DECODED_AT_ONCE = 32
"""Frames of a batch of which nothing is made."""


def run_stages(
    model: Path, movie: Path, folder: Path, device: str, precision: Precision
) -> tuple[dict[str, Cost], Estimate]:
    """Run every stage.

    Returns:
        What each took, and what estimation says of itself.
    """
    settings = PoseSettings(precision=precision)
    project, raw, filtered = folder / "project", folder / "raw.h5", folder / "filtered.h5"
    opened = unpack_model(model, model.name, project)
    info = probe_movie(movie)
    size = (info.width, info.height)
    with start_run_processes(folder) as workers, workers.finishers.lease() as finisher:
        costs = _measure_start(workers.estimator, project, device)
        with sample_gpu_load(device) as busy:
            found, cost = workers.estimator.call(
                measure_with_progress,
                estimate.estimate_movie,
                *(project, movie, raw, None, device, None, precision),
            )
        costs["estimate"] = replace(cost, gpu=busy.share)
        _, costs["filter"] = finisher.call(
            measure_call, filter_pose_file, raw, filtered, WINDOW_LENGTH
        )
        quality, costs["quality"] = finisher.call(
            measure_call, finishing.assess_pose_file, filtered, settings, size, Fraction(30), 0
        )
        _, costs["previews"] = finisher.call(
            measure_call,
            finishing.draw_preview_files,
            filtered,
            folder,
            opened,
            settings,
            (0, 0),
            size,
        )
        style = finishing.build_label_style(opened, settings)
        for name, alone in (("label", False), ("keypoints only", True)):
            _, costs[name] = finisher.call(
                measure_with_progress,
                finishing.label_movie_file,
                movie,
                filtered,
                folder / f"{name}.mp4",
                replace(style, keypoints_only=alone),
                found.timing,
                None,
                (0, 0),
                () if alone else quality.worst_frames,
            )
        _, costs["annotations"] = finisher.call(
            measure_call,
            write_annotation_table,
            filtered,
            found.timing,
            folder / "annotations.parquet",
        )
        _, costs["decoding alone"] = finisher.call(measure_call, decode_movie, movie)
        _, costs["movie alone"] = finisher.call(
            measure_call, reencode_movie, movie, folder / "alone.mp4"
        )
        per_frame = workers.estimator.call(measure_network_alone, project, movie, device, precision)
    costs["network alone"] = Cost(per_frame * found.frames)
    return costs, found


def _measure_start(estimator: StageProcess, project: Path, device: str) -> dict[str, Cost]:
    """Imports, and the model's loading, which for the reference is a part of estimation."""
    started = time.perf_counter()
    estimator.call(count_usable_cpus)
    loaded = time.perf_counter()
    _, load = estimator.call(measure_call, estimate.preload_model, project, device)
    return {"start": Cost(loaded - started), "load": load}


def write_annotation_table(poses: Path, timing: Timing, target: Path) -> None:
    """The annotations of one movie."""
    write_annotations([MoviePoses(0, poses, timing, (0, 0))], target, AnnotationsFormat.PARQUET)


def decode_movie(movie: Path) -> int:
    """Decode every frame as for a network, into batches, and do nothing with it."""
    memory: dict[tuple[int, ...], Batch] = {}

    def reuse_memory(shape: tuple[int, ...]) -> Batch:
        return memory.setdefault(shape, np.empty(shape, np.uint8))

    shots, converters = open_movie(movie).read_lazy_images(), estimate.converter_thread_count()
    with feed_batches(shots, DECODED_AT_ONCE, reuse_memory, converters) as batches:
        return sum(len(batch) for batch in batches)


def reencode_movie(movie: Path, target: Path) -> None:
    """Decode every frame and encode it as a labeled movie's, with nothing drawn on it."""
    rate = FrameClock.from_frame_rate(Fraction(probe_movie(movie).frame_rate))
    found = open_movie(movie).read_paintable_frames()
    with MovieWriter(target, rate) as writer:
        for planes, image in found:
            if planes is not None:
                planes.frame.pict_type = PictureType.NONE  # its own choice, not the movie's
            writer.write(image() if planes is None else planes)


def measure_network_alone(project: Path, movie: Path, device: str, precision: Precision) -> float:
    """Seconds a frame of the network and its predictor on frames that are in memory."""
    network: Any = estimate.get_network(project, device)
    frames = iter(open_movie(movie))
    first = next(frames)
    size = network.begin_movie(first, precision)
    batch = np.stack([first, *(frame for _, frame in zip(range(size - 1), frames, strict=False))])
    started = time.perf_counter()

    def repeat_batches() -> Iterator[NDArray[np.uint8]]:
        nonlocal started
        for _ in range(2 * network.lanes.count):
            yield batch
        started = time.perf_counter()
        while time.perf_counter() - started < LIMIT_SECONDS:
            yield batch

    done = [
        time.perf_counter()
        for _ in predict_in_lanes(network.predict, repeat_batches(), network.lanes)
    ]
    after = [moment for moment in done if moment > started]
    return (after[-1] - after[0]) / (max(1, len(after) - 1) * len(batch))
