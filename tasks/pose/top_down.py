"""Top-down: a detector finds the animals of a frame, the network the body parts of each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.bottom_up import Found
from tasks.pose.movies import Image

_DETECTOR_PIXELS = 800 * 1333
"""Pixels that torchvision's detectors scale a frame up to, if it has fewer."""


class TopDown:
    """DeepLabCut's runners for a detector and for poses, one batch of frames after the other."""

    path = "deeplabcut"

    def __init__(self, detector: Any, runner: Any, pixels_at_once: int) -> None:
        self._detector, self._runner = detector, runner
        self._pixels_at_once = pixels_at_once
        width, height = runner.preprocessor.components[1].output_size
        runner.batch_size = max(1, pixels_at_once // (width * height))

    def batch_size(self, frame: Image) -> int:
        """How many frames of this size are looked at at a time."""
        pixels = frame.shape[0] * frame.shape[1]
        self._detector.batch_size = max(1, self._pixels_at_once // max(pixels, _DETECTOR_PIXELS))
        return max(1, int(self._pixels_at_once // pixels))

    def predict(self, batch: NDArray[np.uint8]) -> list[Found]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        boxes = [_visible(found) for found in _run(self._detector, list(batch))]
        found = _run(self._runner, list(zip(batch, boxes, strict=True)))
        return [{"bodyparts": one["bodyparts"]} for one in found]


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
