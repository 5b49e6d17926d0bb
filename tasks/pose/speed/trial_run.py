"""A trial before a run: the network on some real frames, and a few of them drawn on.

It runs in a child process, as an estimation does; see `tasks.processes.stage_process`.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tasks.errors import BadInput
from tasks.pose.drawing.encoders import encode_with_fallback
from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.drawing.labeled_movie import write_labeled_movie
from tasks.pose.estimate import (
    converter_thread_count,
    get_network,
    time_preparation,
)
from tasks.pose.movies.reader import Image, LazyImage, open_movie
from tasks.pose.movies.yuv_frame import YuvFrame
from tasks.pose.network.batch_feed import feed_batches
from tasks.pose.network.batch_lanes import predict_in_lanes
from tasks.pose.network.frame_crop import apply_crop
from tasks.pose.network.loader import crops_exactly
from tasks.pose.settings import Crop, Precision
from tasks.pose.speed.run_speed import TrialSeconds
from tasks.pose.tables.pose_table import build_pose_table
from tasks.processes.bottleneck import EstimationTimer

TRIAL_SECONDS = 1.0
"""Seconds for which the network is tried, once it is ready; at least one batch more."""

_DRAWN_PIXELS = 120 * 640 * 480
"""Pixels of all frames that are drawn on: those of 120 frames, in which an encoder gets going."""

_MIN_DRAWN_FRAMES = 12


@dataclass(frozen=True)
class TrialRequest:
    """What is tried.

    Attributes:
        project: A DeepLabCut project with exactly one snapshot.
        movie: A local movie.
        frames: Frames at its beginning that can be decoded; the others may not be there.
        crop: The rectangle that goes to the network; None for the whole frame.
        precision: Precision of the network's arithmetic.
        body_parts: Names of body parts, for dots on the frames that are drawn on.
        style: How dots are drawn; several animals are drawn as one.
    """

    project: Path
    movie: Path
    frames: int
    crop: Crop | None
    precision: Precision
    body_parts: tuple[str, ...]
    style: LabelStyle


def try_movie(request: TrialRequest, device: str | None) -> TrialSeconds:
    """Measure how fast frames of a movie go through the network, and how fast they are drawn on.

    Args:
        request: What is tried.
        device: A torch device; by default a GPU where there is one.

    Raises:
        BadInput: None of the movie's frames can be decoded, or the weights do not fit.
        Retriable: The device has no room for the model now.
    """
    started = time.monotonic()
    network = get_network(request.project, device)
    timer = EstimationTimer()
    start = time.monotonic() - started
    with closing(_repeat_frames(request)) as shots:
        first = next(shots)
        shape = first().shape
        with timer.measure_part("preparation"):
            batch_size = network.begin_movie(first(), request.precision)
        lanes = time_preparation(network.lanes, timer)
        marks: list[tuple[float, int, float]] = []
        with feed_batches(
            chain([first], shots), batch_size, lanes.buffer, converter_thread_count()
        ) as batches:
            predicted = predict_in_lanes(network.predict, timer.measure_waits(batches), lanes)
            for count, _ in predicted:
                frames = marks[-1][1] + count if marks else 0
                marks.append((time.monotonic(), frames, timer.end().decoding))
                if marks[-1][0] - marks[0][0] >= TRIAL_SECONDS:
                    break
    (begun, _, waited), (ended, frames, waited_then) = marks[0], marks[-1]
    pixels, drawn, drawing = _try_drawing(request)
    return TrialSeconds(
        device=network.loaded.device,
        start=start,
        preparation=timer.end().preparation,
        frames=frames,
        seconds=ended - begun,
        decoding=waited_then - waited,
        pixels=pixels,
        network_pixels=shape[0] * shape[1],
        drawn=drawn,
        drawing=drawing,
    )


def _repeat_frames(request: TrialRequest) -> Generator[LazyImage, None, None]:
    """A movie's first frames, cropped, over and over again."""
    exactly = crops_exactly(request.project)
    while True:
        count = 0
        shots = islice(open_movie(request.movie).read_lazy_images(), request.frames)
        for shot in apply_crop(shots, request.crop, exactly=exactly):
            count += 1
            yield shot
        if not count:
            raise BadInput(f"{request.movie.name}: none of its frames can be decoded")


def _try_drawing(request: TrialRequest) -> tuple[int, int, float]:
    """Draw dots on a movie's first frames and encode them.

    Returns:
        Pixels of a frame, the number of frames, and the seconds.
    """
    height, width = next(iter(open_movie(request.movie))).shape[:2]
    wanted = max(_MIN_DRAWN_FRAMES, _DRAWN_PIXELS // (height * width))

    def read_frames(count: int) -> Iterator[Image | YuvFrame]:
        for planes, image in islice(open_movie(request.movie).read_paintable_frames(), count):
            yield image() if planes is None else planes

    count = sum(1 for _ in read_frames(min(wanted, request.frames)))
    points = np.random.default_rng(0).random((count, len(request.body_parts), 3))
    points = points * (width, height, 0) + (0, 0, 1)
    poses = build_pose_table(points, "trial", request.body_parts)
    with TemporaryDirectory(prefix="dlcflow-") as folder:

        def write_movie() -> int:
            target, rate = Path(folder) / "trial.mp4", Fraction(30)
            return write_labeled_movie(
                read_frames(count), poses, target, request.style, frame_rate=rate
            )

        started = time.monotonic()
        encode_with_fallback(write_movie)
        return height * width, count, time.monotonic() - started
