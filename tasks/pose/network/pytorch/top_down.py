"""Top-down: a detector finds the animals of a frame, the network the body parts of each."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import Lanes
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.network.pytorch.device import Feed
from tasks.pose.network.pytorch.engine import Engine, Found, Heads, of_picture
from tasks.pose.network.pytorch.preprocessing import Animals, Frames, everywhere
from tasks.pose.settings import Precision

_DETECTOR_PIXELS = 800 * 1333
"""Pixels that most of torchvision's detectors scale a frame up to, if it has fewer."""


_MOST_CPU_LANES = 2
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
        self.feed = Feed(torch, torch.device(runner.device), _MOST_CPU_LANES)
        self._frames = Frames(torch, detector, self.feed)
        self._animals = Animals(torch, runner, self.feed)
        self._engine = Engine(torch, runner.model, self.feed)
        self._animals_at_once = 1

    @property
    def path(self) -> str:
        """Who prepares frames and animals; see `tasks.pose.network.interface.Loaded`."""
        together = self._frames.on_device and self._animals.on_device
        return "device" if together else "deeplabcut"

    @property
    def lanes(self) -> Lanes:
        """How batches go through both networks side by side."""
        return self._engine.lanes(self._prepare)

    @property
    def arithmetic(self) -> Arithmetic:
        """How the movie that was begun is computed; the detector is never in half precision."""
        return self._engine.reduced.arithmetic

    def batch_size(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """How many frames of this size are looked at at a time."""
        self._engine.reduced.begin(precision)
        # A frozen network takes one animal at a time, and on a CPU more at a time are no faster.
        pixels, on_cpu = self._animals.begin(frame), self.feed.device.type == "cpu"
        self._animals_at_once = 1 if on_cpu else max(1, self._pixels_at_once // pixels)
        scaled = _scaled_pixels(self._detector.model)
        most = self._pixels_at_once // max(self._frames.begin(frame), scaled)
        return self.feed.frames_at_once(most, lambda: self._see_all(frame))

    def predict(self, batch: NDArray[np.uint8]) -> list[Found]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        with self.feed.lane():
            return self._poses(batch, self._boxes(batch))

    def _prepare(self, batch: NDArray[np.uint8]) -> None:
        """On a CPU, freeze the network for one animal, which comes again and again."""
        pictures, _ = self._animals.cut(batch[0], everywhere(batch[0], 1))
        self._engine.prepare(lambda: self._animals.inputs(pictures))
        self._engine.reduced.measure(self.predict, batch)

    def _see_all(self, frame: Image) -> None:
        """What a frame with as many animals as there may be needs of the device."""
        with self.feed.lane():
            self._boxes(frame[None])
            self._poses(frame[None], [everywhere(frame, self._most_animals)])

    def _boxes(self, batch: NDArray[np.uint8]) -> list[Found]:
        """Where the animals of each frame are."""
        inputs, contexts = self._frames.inputs(batch)
        _, raw = self._detector.model(inputs)
        here = iter(self.feed.download([one[name] for one in raw for name in ("boxes", "scores")]))
        found = [{"bboxes": next(here).reshape(-1, 4), "scores": next(here)} for _ in raw]
        post = self._detector.postprocessor
        return [
            _visible(post([{"detection": one}], context)[0])
            for one, context in zip(found, contexts, strict=True)
        ]

    def _poses(self, batch: NDArray[np.uint8], boxes: Sequence[Found]) -> list[Found]:
        """The body parts of all animals of each frame."""
        cut = [self._animals.cut(*one) for one in zip(batch, boxes, strict=True)]
        found = self._found([picture for pictures, _ in cut for picture in pictures])
        post = self._runner.postprocessor
        frames = [post(list(islice(found, len(pictures))), context)[0] for pictures, context in cut]
        return [{"bodyparts": frame["bodyparts"]} for frame in frames]

    def _found(self, pictures: Sequence[Any]) -> Iterator[Heads]:
        """What the network finds in pictures of animals, one after the other."""
        size = self._animals_at_once
        for start in range(0, len(pictures), size):
            part = pictures[start : start + size]
            heads = self._engine.heads(self._animals.inputs(part))
            yield from (of_picture(heads, index) for index in range(len(part)))


def _scaled_pixels(detector: Any) -> int:
    """Pixels to which a detector itself scales every frame."""
    transform = getattr(getattr(detector, "model", None), "transform", None)
    if transform is None:
        return _DETECTOR_PIXELS
    sides = transform.fixed_size or (transform.min_size[-1], transform.max_size)
    return math.prod(sides)


def _visible(found: Found) -> Found:
    """Leave out boxes of less than one pixel, at which DeepLabCut's cropping fails."""
    large = found["bboxes"][:, 2:].max(axis=1, initial=0) >= 1
    return {name: values[large] for name, values in found.items()}
