"""DeepLabCut's network for poses with its predictor, as fast as its device can run it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.interface import Lanes
from tasks.pose.network.pytorch.device import Feed
from tasks.pose.network.pytorch.frozen import Outputs, freeze
from tasks.pose.network.pytorch.reduced_precision import BFLOAT16, Reduced

Found = dict[str, NDArray[Any]]
"""What DeepLabCut's postprocessor gives for one frame, by its names."""

Heads = dict[str, dict[str, NDArray[Any]]]
"""What the predictor of each head gives, by its names; the first axis is that of the pictures."""


class Engine:
    """A network and its predictor on a device; on a CPU it can be frozen.

    Args:
        torch: The module.
        model: DeepLabCut's network.
        feed: The way to its device.

    Attributes:
        reduced: How exactly the network computes.
    """

    def __init__(self, torch: Any, model: Any, feed: Feed) -> None:
        # Twice as fast on a CPU; results differ by rounding only.
        self._model = model.to(memory_format=torch.channels_last)
        self._torch, self._feed = torch, feed
        self.reduced = Reduced(torch, self._model, feed.device)
        self._ready: Callable[[Any], Outputs] | None = None
        self._ready_for: tuple[tuple[int, ...], str] = ((), "")

    def lanes(self, prepare: Callable[[NDArray[np.uint8]], None]) -> Lanes:
        """How batches go through the network side by side.

        Args:
            prepare: Called with a movie's first batch; see `Lanes`.
        """
        return Lanes(self._feed.lanes, self._feed.begin_lane, prepare, self._feed.buffer)

    def prepare(self, inputs: Callable[[], Any]) -> None:
        """On a CPU, make the network ready for inputs of this shape, which come again and again.

        Args:
            inputs: Makes a batch.
        """
        if self._feed.device.type != "cpu":
            return
        with self._torch.no_grad():  # what is traced in inference mode cannot be frozen
            batch = self._laid_out(inputs())
            if self._ready_for != self._kind(batch):
                self._ready = None  # before there is another one: each has weights of its own
                self._ready = self.reduced.lowered(batch) or freeze(self._model, batch)
                self._ready_for = self._kind(batch)

    def heads(self, inputs: Any) -> Heads:
        """Predict a batch that is on the device, in the calling thread's lane."""
        inputs = self._laid_out(inputs)
        raw = self._model.get_predictions(self.network_for(inputs)(inputs))
        values = [value for of_head in raw.values() for value in of_head.values()]
        here = iter(self._feed.download(values))
        return {head: {name: next(here) for name in of_head} for head, of_head in raw.items()}

    def network_for(self, inputs: Any) -> Callable[[Any], Outputs]:
        """What computes a batch: the network that was made ready for such ones, or as it is."""
        ready = self._ready if self._ready_for == self._kind(inputs) else None
        return ready or self._model

    def _kind(self, inputs: Any) -> tuple[tuple[int, ...], str]:
        """What a network is made ready for: a shape, of which one of few digits takes any."""
        numbers = self.reduced.numbers
        return () if numbers == BFLOAT16 else tuple(inputs.shape), numbers

    def _laid_out(self, inputs: Any) -> Any:
        return inputs.contiguous(memory_format=self.reduced.memory_format)


def of_picture(heads: Heads, index: int) -> Heads:
    """What the predictors give for one picture, as DeepLabCut's postprocessor takes it."""
    return {head: {k: v[index] for k, v in values.items()} for head, values in heads.items()}
