"""Bottom-up: the whole frame goes to the network, which finds the body parts of all animals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.frozen import Outputs, freeze
from tasks.pose.movies import Image

Found = dict[str, NDArray[Any]]
"""What DeepLabCut's postprocessor gives for one frame, by its names."""


class BottomUp:
    """DeepLabCut's model and predictor on a device, fed with batches of frames."""

    def __init__(self, runner: Any, pixels_at_once: int) -> None:
        import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

        self._torch = torch
        self._runner = runner
        self._pixels_at_once = pixels_at_once
        self._device = torch.device(runner.device)
        self._normalize = _normalization(runner, torch, self._device)
        # Twice as fast on a CPU and on tensor cores; results differ by rounding only.
        self._model = runner.model.to(memory_format=torch.channels_last)
        self._frozen: Callable[[Any], Outputs] | None = None
        self._frozen_shape: tuple[int, ...] | None = None
        self._last_shape: tuple[int, ...] | None = None
        self.path = "device" if self._normalize else "deeplabcut"

    def batch_size(self, frame: Image) -> int:
        """How many frames of this size go to the network at a time, as large as it sees them."""
        rows, columns = frame.shape[:2]
        if self._normalize is None:
            inputs, _ = self._runner.preprocessor(frame, {"image_size": (columns, rows)})
            rows, columns = max((rows, columns), tuple(inputs.shape[-2:]), key=math.prod)
        return max(1, int(self._pixels_at_once // (rows * columns)))

    def predict(self, batch: NDArray[np.uint8]) -> list[Found]:
        """Predict a batch of RGB frames, shape (frames, height, width, 3)."""
        with self._torch.no_grad():
            inputs, contexts = self._inputs(batch)
            raw = self._model.get_predictions(self._outputs(inputs))
        heads = {
            head: {name: value.cpu().numpy() for name, value in values.items()}
            for head, values in raw.items()
        }
        return [self._put_together(heads, index, context) for index, context in enumerate(contexts)]

    def _outputs(self, inputs: Any) -> Any:
        """Run the network; on a CPU frozen for the shape that comes again and again."""
        shape = tuple(inputs.shape)
        if self._device.type == "cpu" and shape == self._last_shape != self._frozen_shape:
            self._frozen, self._frozen_shape = freeze(self._model, inputs), shape
        self._last_shape = shape
        frozen = self._frozen if shape == self._frozen_shape else None
        return (frozen or self._model)(inputs)

    def _inputs(self, batch: NDArray[np.uint8]) -> tuple[Any, list[dict[str, Any]]]:
        size = {"image_size": (batch.shape[2], batch.shape[1])}
        if self._normalize is not None:
            even = {"offsets": (0, 0), "scales": (1, 1)}
            return self._normalize(batch), [size | even for _ in batch]
        pairs = [self._runner.preprocessor(frame, dict(size)) for frame in batch]
        inputs = self._torch.cat([inputs for inputs, _ in pairs]).to(self._device)
        return inputs, [context for _, context in pairs]

    def _put_together(
        self, heads: dict[str, dict[str, NDArray[Any]]], index: int, context: dict[str, Any]
    ) -> Found:
        """Let DeepLabCut put one frame's outputs together."""
        one = {head: {k: v[index] for k, v in values.items()} for head, values in heads.items()}
        found: Found = self._runner.postprocessor([one], context)[0]
        # Half the memory; nothing is lost, the network's numbers are float32.
        return {name: values.astype(np.float32, copy=False) for name, values in found.items()}


def _normalization(runner: Any, torch: Any, device: Any) -> Callable[[Any], Any] | None:
    """DeepLabCut's normalization as one step on the device, where it is all that is asked for."""
    transforms = runner.preprocessor.components[1].transform.transforms
    if len(transforms) != 1 or type(transforms[0]).__name__ != "Normalize":
        return None
    full = np.float32(transforms[0].max_pixel_value)
    mean = torch.from_numpy(np.array(transforms[0].mean, np.float32) * full).to(device)
    scale = np.reciprocal(np.array(transforms[0].std, np.float32) * full)
    factor = torch.from_numpy(scale).to(device)

    def normalize(batch: NDArray[np.uint8]) -> Any:
        frames = torch.from_numpy(batch)
        if device.type == "cuda":
            frames = frames.pin_memory().to(device, non_blocking=True)
        pixels = frames.to(torch.float32)
        # Channels stay last in memory, as they are in a decoded frame.
        return pixels.sub_(mean).mul_(factor).permute(0, 3, 1, 2)

    return normalize
