"""Bottom-up: the whole frame goes to the network, which finds the body parts of all animals."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import FramePrediction, Lanes, WindowSupport
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.network.pytorch.device import DeviceFeed
from tasks.pose.network.pytorch.device_network import DeviceNetwork, select_picture
from tasks.pose.network.pytorch.preprocessing import FramePreprocessor
from tasks.pose.settings import Precision

_WINDOWS_ON_GPU = 32
"""Windows that go to a GPU at a time."""

_POINTS = {"bodyparts", "unique_bodyparts"}
"""DeepLabCut's predictions that have coordinates."""

_NOT_FOUND = -1
"""DeepLabCut's x and y of a point of an animal that is not found."""


class BottomUp:
    """DeepLabCut's model and predictor on a device, fed with batches of frames in lanes.

    Attributes:
        feed: The way to the device and back.
    """

    def __init__(self, runner: Any, pixels_at_once: int, feed: DeviceFeed | None = None) -> None:
        import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

        self._runner = runner
        self._pixels_at_once = pixels_at_once
        self.feed = feed or DeviceFeed(torch, torch.device(runner.device))
        self._frames = FramePreprocessor(torch, runner, self.feed)
        self._engine = DeviceNetwork(torch, runner.model, self.feed)

    @property
    def frame_preparer(self) -> str:
        """Preparer of frames; see `tasks.pose.network.interface.LoadedModel`."""
        return "device" if self._frames.on_device else "deeplabcut"

    @property
    def execution(self) -> str:
        """Execution of batches, and the reason for it, for the run record."""
        return self._engine.execution

    @property
    def lanes(self) -> Lanes:
        """Lanes of batches through the network."""
        return self._engine.build_lanes(self.prepare_network)

    @property
    def arithmetic(self) -> Arithmetic:
        """Number format in which the current movie is computed."""
        return self._engine.reduced.arithmetic

    def begin_movie(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """Prepare for frames of a size, as the network sees them; return the batch size."""
        self._engine.reduced.begin_movie(precision)
        most = self._pixels_at_once // self._frames.begin_movie(frame)
        return self.feed.choose_batch_size(most, lambda: self.predict(frame[None]))

    def predict(self, batch: NDArray[np.uint8]) -> list[FramePrediction]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        with self.feed.enter_lane():
            inputs, contexts = self._frames.prepare_inputs(batch)
            heads = self._engine.predict_heads(inputs)
        post = self._runner.postprocessor
        return [
            _as_float32(post([select_picture(heads, index)], context)[0])
            for index, context in enumerate(contexts)
        ]

    def predict_windows(
        self, batch: NDArray[np.uint8], place: tuple[int, int]
    ) -> list[FramePrediction]:
        """Predict a batch of windows that begin at a column and a row of their frames."""
        return [_move_points(found, place) for found in self.predict(batch)]

    def find_window_support(self) -> WindowSupport:
        """Find whether windows of frames have the full frame's poses; `predict_windows` does it."""
        divisor = self._frames.window_divisor
        if not divisor:
            return WindowSupport(reason="its configuration changes the size of pictures")
        support = self._engine.find_window_support()
        if not support.stride:
            return support
        stride = math.lcm(support.stride, divisor)
        on_gpu = self.feed.device.type == "cuda"
        together = _WINDOWS_ON_GPU if on_gpu else support.together
        # All lanes of a CPU have some of them; a GPU waits for those who start its work.
        at_once = together if on_gpu else max(1, together // self.feed.lanes)
        return WindowSupport(
            stride, at_once=at_once, together=together, prepare=self._prepare_for_windows
        )

    def _prepare_for_windows(self, batch: NDArray[np.uint8]) -> None:
        """On a CPU, freeze the network for windows like these, beside what it is frozen for."""
        self._engine.prepare_for_inputs(
            lambda: self._frames.prepare_inputs(batch)[0], keeps_others=True
        )

    def prepare_network(self, batch: NDArray[np.uint8]) -> None:
        """On a CPU, freeze the network for batches like this one, which comes again and again."""
        self._engine.prepare_for_inputs(lambda: self._frames.prepare_inputs(batch)[0])
        self._engine.reduced.compare_with_full(self.predict, batch)


def _move_points(found: FramePrediction, place: tuple[int, int]) -> FramePrediction:
    """Points of a window in coordinates of its frame; animals that are not found stay marked so."""
    moved = dict(found)
    for name in _POINTS & set(found):
        points = found[name].copy()
        is_found = (points[..., :2] != _NOT_FOUND).any(axis=-1)
        points[is_found, :2] = points[is_found, :2].astype(np.float64) + place
        moved[name] = points
    return moved


def _as_float32(found: FramePrediction) -> FramePrediction:
    """In half the memory; nothing is lost, the network's numbers are float32."""
    return {name: values.astype(np.float32, copy=False) for name, values in found.items()}
