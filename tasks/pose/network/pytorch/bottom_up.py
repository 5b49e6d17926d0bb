"""Bottom-up: the whole frame goes to the network, which finds the body parts of all animals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import Lanes
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.network.pytorch.device import Feed
from tasks.pose.network.pytorch.engine import Engine, Found, of_picture
from tasks.pose.network.pytorch.preprocessing import Frames
from tasks.pose.settings import Precision


class BottomUp:
    """DeepLabCut's model and predictor on a device, fed with batches of frames in lanes.

    Attributes:
        feed: The way to the device and back.
    """

    def __init__(self, runner: Any, pixels_at_once: int) -> None:
        import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

        self._runner = runner
        self._pixels_at_once = pixels_at_once
        self.feed = Feed(torch, torch.device(runner.device))
        self._frames = Frames(torch, runner, self.feed)
        self._engine = Engine(torch, runner.model, self.feed)

    @property
    def path(self) -> str:
        """Who prepares frames; see `tasks.pose.network.interface.Loaded`."""
        return "device" if self._frames.on_device else "deeplabcut"

    @property
    def lanes(self) -> Lanes:
        """How batches go through the network side by side."""
        return self._engine.lanes(self._prepare)

    @property
    def arithmetic(self) -> Arithmetic:
        """How the movie that was begun is computed."""
        return self._engine.reduced.arithmetic

    def batch_size(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """How many frames of this size go to the network at a time, as large as it sees them."""
        self._engine.reduced.begin(precision)
        most = self._pixels_at_once // self._frames.begin(frame)
        return self.feed.frames_at_once(most, lambda: self.predict(frame[None]))

    def predict(self, batch: NDArray[np.uint8]) -> list[Found]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        with self.feed.lane():
            inputs, contexts = self._frames.inputs(batch)
            heads = self._engine.heads(inputs)
        post = self._runner.postprocessor
        return [
            _small(post([of_picture(heads, index)], context)[0])
            for index, context in enumerate(contexts)
        ]

    def _prepare(self, batch: NDArray[np.uint8]) -> None:
        """On a CPU, freeze the network for batches like this one, which comes again and again."""
        self._engine.prepare(lambda: self._frames.inputs(batch)[0])
        self._engine.reduced.measure(self.predict, batch)


def _small(found: Found) -> Found:
    """In half the memory; nothing is lost, the network's numbers are float32."""
    return {name: values.astype(np.float32, copy=False) for name, values in found.items()}
