"""Conditional top-down: a bottom-up network finds the animals' poses, a second one corrects each.

The pose of an animal goes into the second network as heat maps, with the picture around it, as in
DeepLabCut's ``CTDInferenceRunner`` (``pose_estimation_pytorch/runners/inference.py``), after Zhou
et al., "Rethinking pose estimation in crowds" (BUCTD, ICCV 2023).
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import FramePrediction, Lanes
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.network.pytorch.bottom_up import BottomUp
from tasks.pose.network.pytorch.device import DeviceFeed
from tasks.pose.network.pytorch.device_network import (
    DeviceNetwork,
    HeadOutputs,
    select_picture,
)
from tasks.pose.network.pytorch.preprocessing import AnimalPreprocessor, PictureContext
from tasks.pose.settings import Precision

_MAX_CPU_LANES = 2
"""Each holds the activations of two networks."""


class ConditionalTopDown:
    """DeepLabCut's two networks, fed with batches of frames in lanes.

    Args:
        conditions: DeepLabCut's runner for the bottom-up network.
        runner: DeepLabCut's runner for the conditional network.
        pixels_at_once: Pixels that go to either network at a time.
        animals: How many there are in a frame, at most.
        parts: How many body parts an animal has.

    Attributes:
        feed: The way to the device and back.
    """

    def __init__(
        self, conditions: Any, runner: Any, pixels_at_once: int, animals: int, parts: int
    ) -> None:
        import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

        self._runner, self._pixels_at_once = runner, pixels_at_once
        self._shape = (animals, parts, 3)
        self.feed = DeviceFeed(torch, torch.device(runner.device), _MAX_CPU_LANES)
        self._conditions = BottomUp(conditions, pixels_at_once, self.feed)
        self._animals = AnimalPreprocessor(torch, runner, self.feed)
        self._engine = DeviceNetwork(torch, runner.model, self.feed)
        self._animals_at_once = 1

    @property
    def frame_preparer(self) -> str:
        """Preparer of frames; see `tasks.pose.network.interface.LoadedModel`."""
        together = self._animals.on_device and self._conditions.frame_preparer == "device"
        return "device" if together else "deeplabcut"

    @property
    def execution(self) -> str:
        """Execution of batches in both networks, for the run record."""
        return f"bottom-up: {self._conditions.execution}; conditional: as it is"

    @property
    def lanes(self) -> Lanes:
        """Lanes of batches through both networks."""
        return self._engine.build_lanes(self._conditions.prepare_network)

    @property
    def arithmetic(self) -> Arithmetic:
        """Number format of the current movie; only bottom-up in half precision."""
        return self._conditions.arithmetic

    def begin_movie(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """Prepare for frames of a size; return how many are processed at a time."""
        half = precision is Precision.HALF
        self._engine.reduced.begin_movie(Precision.STANDARD if half else precision)
        most = self._conditions.begin_movie(frame, precision)
        pixels = self._animals.begin_movie(frame, _fill_frame(frame, (1, *self._shape[1:])))
        self._animals_at_once = max(1, self._pixels_at_once // pixels)
        return self.feed.choose_batch_size(most, lambda: self._run_with_most_animals(frame))

    def predict(self, batch: NDArray[np.uint8]) -> list[FramePrediction]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        with self.feed.enter_lane():
            conditions = [_find_conditions(one) for one in self._conditions.predict(batch)]
            return self._predict_poses(batch, conditions)

    def _run_with_most_animals(self, frame: Image) -> None:
        """Run a frame with the most animals, to measure the device memory that it needs."""
        with self.feed.enter_lane():
            self._conditions.predict(frame[None])
            self._predict_poses(frame[None], [_fill_frame(frame, self._shape)])

    def _predict_poses(
        self, batch: NDArray[np.uint8], conditions: Sequence[PictureContext]
    ) -> list[FramePrediction]:
        """The body parts of all animals of each frame, from the poses that were found before."""
        cut = [self._animals.cut_animals(*one) for one in zip(batch, conditions, strict=True)]
        pictures = [picture for found, _ in cut for picture in found]
        points = [one["model_kwargs"]["cond_kpts"] for found, one in cut if len(found)]
        found = iter(self._predict_heads(pictures, points))
        post = self._runner.postprocessor
        frames = [post(list(islice(found, len(seen))), context)[0] for seen, context in cut]
        return [{"bodyparts": frame["bodyparts"]} for frame in frames]

    def _predict_heads(
        self, pictures: Sequence[Any], points: Sequence[NDArray[Any]]
    ) -> list[HeadOutputs]:
        """Predict the heads' outputs for pictures of animals, one after the other."""
        heads: list[HeadOutputs] = []
        together = np.concatenate(points) if points else np.empty(0)
        for start in range(0, len(pictures), self._animals_at_once):
            part = slice(start, start + self._animals_at_once)
            inputs = self._animals.prepare_inputs(pictures[part])
            outputs = self._engine.predict_heads(inputs, cond_kpts=together[part])
            heads += [select_picture(outputs, index) for index in range(len(pictures[part]))]
        return heads


def _fill_frame(frame: Image, shape: tuple[int, ...]) -> PictureContext:
    """Make poses, shape (animals, parts, 3), of which each fills a frame."""
    poses = np.ones(shape)
    poses[:, ::2, :2] = frame.shape[1] - 1, frame.shape[0] - 1
    return {"cond_kpts": poses}


def _find_conditions(found: FramePrediction) -> PictureContext:
    """A frame's poses in which a point is seen, as DeepLabCut's runner selects them."""
    poses = found["bodyparts"][..., :3]
    missing = np.any((poses <= 0) | np.isnan(poses), axis=2)
    return {"cond_kpts": poses[~missing.all(axis=1)].astype(np.float64)}
