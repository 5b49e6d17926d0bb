"""Top-down: a detector finds the animals of a frame, the network the body parts of each."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.bottom_up import Found
from tasks.pose.movies import Image
from tasks.pose.network import Lanes
from tasks.pose.precision import Arithmetic
from tasks.pose.settings import Precision
from tasks.pose.torch_precision import Reduced

_DETECTOR_PIXELS = 800 * 1333
"""Pixels that torchvision's detectors scale a frame up to, if it has fewer."""


class TopDown:
    """DeepLabCut's runners for a detector and for poses, one batch of frames after the other."""

    path = "deeplabcut"

    def __init__(self, detector: Any, runner: Any, pixels_at_once: int) -> None:
        import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

        self._detector, self._runner = detector, runner
        self._reduced = Reduced(torch, runner.model, torch.device(runner.device))
        self._pixels_at_once = pixels_at_once

    @property
    def lanes(self) -> Lanes:
        """One: DeepLabCut's runners keep what they are at."""
        return Lanes(prepare=lambda batch: self._reduced.measure(self.predict, batch))

    @property
    def arithmetic(self) -> Arithmetic:
        """How the movie that was begun is computed; boxes are always found in full precision."""
        return self._reduced.arithmetic

    def batch_size(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """How many frames of this size are looked at at a time, and how many animals."""
        self._reduced.begin(precision)
        rows, columns = frame.shape[:2]
        everything = {"bboxes": np.array([[0, 0, columns, rows]])}
        self._runner.batch_size = self._fitting(_pixels(self._runner, frame, everything))
        seen = max(rows * columns, _pixels(self._detector, frame, {}))
        self._detector.batch_size = self._fitting(max(seen, _DETECTOR_PIXELS))
        return self._fitting(seen)

    def _fitting(self, pixels: int) -> int:
        return max(1, int(self._pixels_at_once // pixels))

    def predict(self, batch: NDArray[np.uint8]) -> list[Found]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        boxes = [_visible(found) for found in _run(self._detector, list(batch))]
        found = _run(self._runner, list(zip(batch, boxes, strict=True)))
        return [{"bodyparts": one["bodyparts"]} for one in found]


def _pixels(runner: Any, frame: Image, context: dict[str, Any]) -> int:
    """Pixels of what a network sees of a frame, or of one animal that fills it."""
    inputs, _ = runner.preprocessor(frame, context)
    return math.prod(inputs.shape[-2:])


def _visible(found: Found) -> Found:
    """Leave out boxes of less than one pixel, at which DeepLabCut's cropping fails."""
    large = found["bboxes"][:, 2:].max(axis=1, initial=0) >= 1
    return {name: values[large] for name, values in found.items()}


def _run(runner: Any, inputs: Sequence[Any]) -> list[Found]:
    """Run one of DeepLabCut's runners, without what a failed run before it may have left over."""
    runner._batch_list, runner._model_kwargs = [], {}  # noqa: SLF001
    runner._contexts, runner._image_batch_sizes, runner._predictions = [], [], []  # noqa: SLF001
    found: list[Found] = runner.inference(inputs)
    return found
