"""Top-down: a detector finds the animals of a frame, the network the body parts of each."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import FramePrediction, Lanes
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.network.pytorch.device import DeviceFeed
from tasks.pose.network.pytorch.device_network import (
    DeviceNetwork,
    HeadOutputs,
    select_picture,
)
from tasks.pose.network.pytorch.preprocessing import (
    AnimalPreprocessor,
    FramePreprocessor,
    full_frame_boxes,
)
from tasks.pose.settings import Precision

_DETECTOR_PIXELS = 800 * 1333
"""Pixels that most of torchvision's detectors scale a frame up to, if it has fewer."""


_MAX_CPU_LANES = 2
"""Each holds a detector's activations: of three times the pixels that another network sees."""


class TopDown:
    """DeepLabCut's detector and its network for poses, fed with batches of frames in lanes.

    Args:
        detector: DeepLabCut's runner that finds animals.
        runner: DeepLabCut's runner for poses.
        pixels_at_once: Pixels that go to either network at a time.
        most_animals: How many animals there are in a frame, at most.

    Attributes:
        feed: The way to the device and back.
    """

    def __init__(
        self, detector: Any, runner: Any, pixels_at_once: int, most_animals: int = 1
    ) -> None:
        import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

        self._detector, self._runner = detector, runner
        self._pixels_at_once, self._most_animals = pixels_at_once, most_animals
        self.feed = DeviceFeed(torch, torch.device(runner.device), _MAX_CPU_LANES)
        self._frames = FramePreprocessor(torch, detector, self.feed)
        self._animals = AnimalPreprocessor(torch, runner, self.feed)
        self._engine = DeviceNetwork(torch, runner.model, self.feed)
        self._animals_at_once = 1

    @property
    def frame_preparer(self) -> str:
        """Preparer of frames and animals; see `tasks.pose.network.interface.LoadedModel`."""
        together = self._frames.on_device and self._animals.on_device
        return "device" if together else "deeplabcut"

    @property
    def execution(self) -> str:
        """Execution of batches, and the reason for it, for the run record."""
        return self._engine.execution

    @property
    def lanes(self) -> Lanes:
        """Lanes of batches through both networks."""
        return self._engine.build_lanes(self._prepare_network)

    @property
    def arithmetic(self) -> Arithmetic:
        """Number format of the current movie; the detector is never in half precision."""
        return self._engine.reduced.arithmetic

    def begin_movie(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """Prepare for frames of a size; return how many are processed at a time."""
        self._engine.reduced.begin_movie(precision)
        # A frozen network takes one animal at a time, and on a CPU more at a time are no faster.
        pixels, on_cpu = self._animals.begin_movie(frame), self.feed.device.type == "cpu"
        self._animals_at_once = 1 if on_cpu else max(1, self._pixels_at_once // pixels)
        scaled = _scaled_pixels(self._detector.model)
        most = self._pixels_at_once // max(self._frames.begin_movie(frame), scaled)
        return self.feed.choose_batch_size(most, lambda: self._run_with_most_animals(frame))

    def predict(self, batch: NDArray[np.uint8]) -> list[FramePrediction]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        with self.feed.enter_lane():
            return self._predict_poses(batch, self._detect_boxes(batch))

    def _prepare_network(self, batch: NDArray[np.uint8]) -> None:
        """On a CPU, freeze the network for one animal, which comes again and again."""
        pictures, _ = self._animals.cut_animals(batch[0], full_frame_boxes(batch[0], 1))
        self._engine.prepare_for_inputs(lambda: self._animals.prepare_inputs(pictures))
        self._engine.reduced.compare_with_full(self.predict, batch)

    def _run_with_most_animals(self, frame: Image) -> None:
        """Run a frame with the most animals, to measure the device memory that it needs."""
        with self.feed.enter_lane():
            self._detect_boxes(frame[None])
            self._predict_poses(frame[None], [full_frame_boxes(frame, self._most_animals)])

    def _detect_boxes(self, batch: NDArray[np.uint8]) -> list[FramePrediction]:
        """Detect the boxes of the animals in each frame."""
        inputs, contexts = self._frames.prepare_inputs(batch)
        _, raw = self._detector.model(inputs)
        here = iter(self.feed.download([one[name] for one in raw for name in ("boxes", "scores")]))
        found = [{"bboxes": next(here).reshape(-1, 4), "scores": next(here)} for _ in raw]
        post = self._detector.postprocessor
        return [
            _drop_tiny_boxes(post([{"detection": one}], context)[0])
            for one, context in zip(found, contexts, strict=True)
        ]

    def _predict_poses(
        self, batch: NDArray[np.uint8], boxes: Sequence[FramePrediction]
    ) -> list[FramePrediction]:
        """The body parts of all animals of each frame."""
        cut = [self._animals.cut_animals(*one) for one in zip(batch, boxes, strict=True)]
        found = self._predict_heads([picture for pictures, _ in cut for picture in pictures])
        post = self._runner.postprocessor
        frames = [post(list(islice(found, len(pictures))), context)[0] for pictures, context in cut]
        return [{"bodyparts": frame["bodyparts"]} for frame in frames]

    def _predict_heads(self, pictures: Sequence[Any]) -> Iterator[HeadOutputs]:
        """Predict the heads' outputs for pictures of animals, one after the other."""
        size = self._animals_at_once
        for start in range(0, len(pictures), size):
            part = pictures[start : start + size]
            heads = self._engine.predict_heads(self._animals.prepare_inputs(part))
            yield from (select_picture(heads, index) for index in range(len(part)))


def _scaled_pixels(detector: Any) -> int:
    """Pixels to which a detector itself scales every frame."""
    transform = getattr(getattr(detector, "model", None), "transform", None)
    if transform is None:
        return _DETECTOR_PIXELS
    sides = transform.fixed_size or (transform.min_size[-1], transform.max_size)
    return math.prod(sides)


def _drop_tiny_boxes(found: FramePrediction) -> FramePrediction:
    """Leave out boxes of less than one pixel, at which DeepLabCut's cropping fails."""
    large = found["bboxes"][:, 2:].max(axis=1, initial=0) >= 1
    return {name: values[large] for name, values in found.items()}
