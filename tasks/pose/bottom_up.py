"""Bottom-up: the whole frame goes to the network, which finds the body parts of all animals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.frozen import Outputs, freeze, is_worth_freezing
from tasks.pose.movies import Image
from tasks.pose.network import Lanes
from tasks.pose.precision import Arithmetic
from tasks.pose.settings import Precision
from tasks.pose.torch_feed import Feed
from tasks.pose.torch_precision import Reduced

Found = dict[str, NDArray[Any]]
"""What DeepLabCut's postprocessor gives for one frame, by its names."""


class BottomUp:
    """DeepLabCut's model and predictor on a device, fed with batches of frames in lanes.

    Attributes:
        feed: The way to the device and back.
        path: Who prepares frames; see `tasks.pose.network.Loaded`.
    """

    def __init__(self, runner: Any, pixels_at_once: int) -> None:
        import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

        self._torch = torch
        self._runner = runner
        self._pixels_at_once = pixels_at_once
        self.feed = Feed(torch, torch.device(runner.device))
        self._normalize = _normalization(runner, torch, self.feed)
        # Twice as fast on a CPU; results differ by rounding only.
        self._model = runner.model.to(memory_format=torch.channels_last)
        self._reduced = Reduced(torch, self._model, self.feed.device)
        self._frozen: Callable[[Any], Outputs] | None = None
        self._frozen_shape: tuple[int, ...] = ()
        self._as_it_is = self._normalize is not None
        self.path = "device" if self._as_it_is else "deeplabcut"

    @property
    def lanes(self) -> Lanes:
        """How batches go through the network side by side."""
        return Lanes(self.feed.lanes, self.feed.begin_lane, self._prepare, self.feed.buffer)

    @property
    def arithmetic(self) -> Arithmetic:
        """How the movie that was begun is computed."""
        return self._reduced.arithmetic

    def batch_size(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """How many frames of this size go to the network at a time, as large as it sees them."""
        self._reduced.begin(precision)
        rows, columns = frame.shape[:2]
        self._as_it_is = self._normalize is not None and _unpadded(self._runner, frame)
        self.path = "device" if self._as_it_is else "deeplabcut"
        if not self._as_it_is:
            inputs, _ = self._runner.preprocessor(frame, {"image_size": (columns, rows)})
            rows, columns = max((rows, columns), tuple(inputs.shape[-2:]), key=math.prod)
        most = int(self._pixels_at_once // (rows * columns))
        return self.feed.frames_at_once(most, lambda: self.predict(frame[None]))

    def predict(self, batch: NDArray[np.uint8]) -> list[Found]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        with self.feed.lane():
            inputs, contexts = self._inputs(batch)
            raw = self._model.get_predictions(self._outputs(inputs))
            heads = self._downloaded(raw)
        return [self._put_together(heads, index, context) for index, context in enumerate(contexts)]

    def _downloaded(self, raw: dict[str, dict[str, Any]]) -> dict[str, dict[str, NDArray[Any]]]:
        values = [value for of_head in raw.values() for value in of_head.values()]
        here = iter(self.feed.download(values))
        return {head: {name: next(here) for name in of_head} for head, of_head in raw.items()}

    def _prepare(self, batch: NDArray[np.uint8]) -> None:
        """On a CPU, freeze the network for batches like this one, which comes again and again."""
        self._reduced.measure(self.predict, batch)
        if self.feed.device.type != "cpu" or not is_worth_freezing(self._model):
            return
        with self._torch.no_grad():  # what is traced in inference mode cannot be frozen
            inputs, _ = self._inputs(batch)
            if tuple(inputs.shape) != self._frozen_shape:
                self._frozen, self._frozen_shape = freeze(self._model, inputs), tuple(inputs.shape)

    def _outputs(self, inputs: Any) -> Any:
        frozen = self._frozen if tuple(inputs.shape) == self._frozen_shape else None
        return (frozen or self._model)(inputs)

    def _inputs(self, batch: NDArray[np.uint8]) -> tuple[Any, list[dict[str, Any]]]:
        size = {"image_size": (batch.shape[2], batch.shape[1])}
        layout = self._reduced.memory_format
        if self._as_it_is and self._normalize is not None:
            even = {"offsets": (0, 0), "scales": (1, 1)}
            inputs = self._normalize(batch).contiguous(memory_format=layout)
            return inputs, [size | even for _ in batch]
        pairs = [self._runner.preprocessor(frame, dict(size)) for frame in batch]
        inputs = self._torch.cat([inputs for inputs, _ in pairs]).to(
            self.feed.device, memory_format=layout
        )
        return inputs, [context for _, context in pairs]

    def _put_together(
        self, heads: dict[str, dict[str, NDArray[Any]]], index: int, context: dict[str, Any]
    ) -> Found:
        """Let DeepLabCut put one frame's outputs together."""
        one = {head: {k: v[index] for k, v in values.items()} for head, values in heads.items()}
        found: Found = self._runner.postprocessor([one], context)[0]
        # Half the memory; nothing is lost, the network's numbers are float32.
        return {name: values.astype(np.float32, copy=False) for name, values in found.items()}


_PADDING = "PadIfNeeded"


def _unpadded(runner: Any, frame: Image) -> bool:
    """Whether a frame's sides are what the network asks for; else DeepLabCut pads it somewhere."""
    *padding, _ = _transforms(runner)
    return all(pad(image=frame)["image"].shape == frame.shape for pad in padding)


def _transforms(runner: Any) -> list[Any]:
    """What DeepLabCut does to a frame."""
    return list(runner.preprocessor.components[1].transform.transforms)


def _normalization(runner: Any, torch: Any, feed: Feed) -> Callable[[Any], Any] | None:
    """DeepLabCut's normalization as one step on the device; None where more is asked for.

    A padding is no more than that where a movie's frames need none.
    """
    steps = _transforms(runner)
    names = [type(step).__name__ for step in steps]
    if names[-1:] != ["Normalize"] or set(names[:-1]) - {_PADDING}:
        return None
    last = steps[-1]
    full = np.float32(last.max_pixel_value)
    mean = torch.from_numpy(np.array(last.mean, np.float32) * full).to(feed.device)
    scale = np.reciprocal(np.array(last.std, np.float32) * full)
    factor = torch.from_numpy(scale).to(feed.device)

    def normalize(batch: NDArray[np.uint8]) -> Any:
        pixels = feed.upload(batch).to(torch.float32)
        # Channels stay last in memory, as they are in a decoded frame.
        return pixels.sub_(mean).mul_(factor).permute(0, 3, 1, 2)

    return normalize
