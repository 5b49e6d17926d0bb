"""DeepLabCut's network for poses with its predictor, as fast as its device can run it."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.interface import Lanes, WindowSupport
from tasks.pose.network.pytorch.device import DeviceFeed
from tasks.pose.network.pytorch.frozen import NetworkOutputs, freeze_network
from tasks.pose.network.pytorch.kept_state import (
    has_hooks,
    leaves_tensors,
    separate_features,
)
from tasks.pose.network.pytorch.reduced_precision import BFLOAT16, ReducedPrecision
from tasks.pose.network.pytorch.window_stride import find_window_support, make_trial_picture

HeadOutputs = dict[str, dict[str, NDArray[Any]]]
"""Output of each head's predictor, by its names; the first axis is that of the pictures."""


InputKind = tuple[tuple[int, ...], str]
"""Kind of input that a network is prepared for: its shape, and what numbers it computes with."""


class DeviceNetwork:
    """A network and its predictor on a device; on a CPU it can be frozen.

    Args:
        torch: The module.
        model: DeepLabCut's network.
        feed: The way to its device.

    Attributes:
        reduced: How exactly the network computes.
        keeps_state: Whether the network keeps something of a batch on its modules, or may do so.
            Such a network runs as it is, one batch at a time: copies and threads would mix batches.
    """

    def __init__(self, torch: Any, model: Any, feed: DeviceFeed) -> None:
        # Twice as fast on a CPU; results differ by rounding only.
        self._model = model.to(memory_format=torch.channels_last)
        separate_features(self._model)
        self._torch, self._feed = torch, feed
        self.reduced = ReducedPrecision(torch, self._model, feed.device)
        self.keeps_state = has_hooks(self._model)
        self._is_tried = self.keeps_state
        self._turn = threading.Lock()
        self._ready: dict[InputKind, Callable[[Any], NetworkOutputs] | None] = {}

    def build_lanes(self, prepare: Callable[[NDArray[np.uint8]], None]) -> Lanes:
        """Build the lanes of batches through the network.

        Args:
            prepare: Called with a movie's first batch; see `Lanes`.
        """
        return Lanes(self._feed.lanes, self._feed.begin_lane, prepare, self._feed.allocate_batch)

    def prepare_for_inputs(self, inputs: Callable[[], Any], *, keeps_others: bool = False) -> None:
        """On a CPU, make the network ready for inputs of this shape, which come again and again.

        Before that, on any device, find out whether the network keeps state.

        Args:
            inputs: Makes a batch.
            keeps_others: Whether the network stays ready for inputs of other shapes, too, each of
                which takes a copy of its weights.
        """
        on_cpu = self._feed.device.type == "cpu"
        if self._is_tried and (self.keeps_state or not on_cpu):
            self.reduced.give_up_bfloat16()
            return
        with self._torch.no_grad():  # what is traced in inference mode cannot be frozen
            batch = self._lay_out(inputs())
            if not self._is_tried:
                self.keeps_state = leaves_tensors(self._model, batch[:1])
                self._is_tried = True
            if self.keeps_state or not on_cpu:
                self.reduced.give_up_bfloat16()
                return
            kind = self._input_kind(batch)
            if not keeps_others:  # before there is another one: each has separate weights
                self._ready = {k: ready for k, ready in self._ready.items() if k == kind}
            if kind not in self._ready:
                ready = self.reduced.build_bfloat16_network(batch)
                self._ready[self._input_kind(batch)] = ready or freeze_network(
                    self._model, batch, self._feed.lanes, self._feed.begin_lane
                )

    def predict_heads(self, inputs: Any, **options: Any) -> HeadOutputs:
        """Predict a batch that is on the device, in the calling thread's lane.

        Args:
            inputs: The batch.
            options: Further inputs of the network, with which it runs as it is.
        """
        inputs = self._lay_out(inputs)
        with self._take_turn():
            network = self._model if options else self.network_for(inputs)
            raw = self._model.get_predictions(network(inputs, **options))
            values = [value for of_head in raw.values() for value in of_head.values()]
            here = iter(self._feed.download(values))  # waits until a GPU has computed
        return {head: {name: next(here) for name in of_head} for head, of_head in raw.items()}

    @property
    def execution(self) -> str:
        """Execution of batches, and the reason for it, for the run record."""
        if self.keeps_state:
            return (
                "as it is, one batch at a time: its modules keep what they compute of a batch, so "
                "that copies and threads would mix batches"
            )
        return "prepared" if any(self._ready.values()) else "as it is"

    def find_window_support(self) -> WindowSupport:
        """Find the stride of places at which windows give the full frame's features."""
        picture = self._lay_out(make_trial_picture(self._torch, self._feed.device))
        with self._torch.no_grad():
            return find_window_support(self._model, picture)

    def _take_turn(self) -> AbstractContextManager[object]:
        return self._turn if self.keeps_state else nullcontext()

    def network_for(self, inputs: Any) -> Callable[[Any], NetworkOutputs]:
        """Return the network prepared for such a batch, or else the original one."""
        return self._ready.get(self._input_kind(inputs)) or self._model

    def _input_kind(self, inputs: Any) -> InputKind:
        """Return the kind of input that networks are prepared for; few digits take any shape."""
        numbers = self.reduced.current_numbers
        return () if numbers == BFLOAT16 else tuple(inputs.shape), numbers

    def _lay_out(self, inputs: Any) -> Any:
        return inputs.contiguous(memory_format=self.reduced.memory_format)


def select_picture(heads: HeadOutputs, index: int) -> HeadOutputs:
    """Select the predictors' output for one picture, as DeepLabCut's postprocessor takes it."""
    return {head: {k: v[index] for k, v in values.items()} for head, values in heads.items()}
