"""How exactly a network computes on a GPU: what a request chooses, and never unmeasured."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.precision import FULL, Arithmetic, compared
from tasks.pose.settings import Precision

_COMPARED = 16
"""Frames at a movie's start that are also estimated in full precision."""

_AT_ONCE = 4
"""How many of them at a time: full precision takes up to twice the memory."""

_TF32_FROM = 8
"""The first generation of NVIDIA's GPUs (compute capability) that has TF32."""

_ON_A_CPU = (
    "precision: half has no effect on a CPU, where the network ran in full precision; "
    "run it on a GPU"
)

Found = dict[str, NDArray[Any]]


class Reduced:
    """Makes a network compute as exactly as a movie's request asks for.

    Half precision takes a copy of the network in float16: DeepLabCut's ``autocast`` goes back to
    float32 for every group normalization, which costs a ResNet-50 half of its speed. Outputs are
    float32 again before the predictor sees them: in half precision a position of 300 pixels is
    known to a quarter of a pixel only.

    Args:
        torch: The module.
        model: DeepLabCut's network; its ``forward`` is replaced on a GPU.
        device: The torch device that it is on.

    Attributes:
        arithmetic: How the movie that was begun is computed.
        memory_format: How pictures lie in memory, which the network is given in the same way.
    """

    def __init__(self, torch: Any, model: Any, device: Any) -> None:
        self._torch, self._model = torch, model
        self._on_gpu = device.type == "cuda"
        self._has_tf32 = self._on_gpu and torch.cuda.get_device_capability(device)[0] >= _TF32_FROM
        self._by_groups = any(isinstance(part, torch.nn.GroupNorm) for part in model.modules())
        self._forward: Callable[..., Any] = model.forward
        self._half: Any = None
        self._precision = Precision.STANDARD
        self.arithmetic = FULL
        self.memory_format = torch.channels_last
        if self._on_gpu:
            model.forward = self._run

    def begin(self, precision: Precision) -> None:
        """Begin a movie: from now on the network computes like this."""
        half = precision is Precision.HALF
        if not self._on_gpu:
            self.arithmetic = Arithmetic(warnings=(_ON_A_CPU,)) if half else FULL
            return
        self._precision, self.arithmetic = precision, Arithmetic(self._numbers(precision))
        self._torch.backends.cudnn.allow_tf32 = precision is not Precision.FULL
        self.memory_format = self._layout(precision)
        self._model.to(memory_format=self.memory_format)
        self._half = self._in_half() if half else None

    def _numbers(self, precision: Precision) -> str:
        if precision is Precision.HALF:
            return "float16"
        return "tfloat32" if precision is Precision.STANDARD and self._has_tf32 else "float32"

    def _layout(self, precision: Precision) -> Any:
        """How DeepLabCut has pictures lie in memory, or what tensor cores want.

        Both give the same but for rounding; in DeepLabCut's layout even TF32 rounds as it does
        there: on an H200 a ResNet-50's points were within 0.0001 pixels of `analyze_videos`, those
        of a small network with channels last within 0.01. Only float16 gains much by them, and
        not where a network normalizes by groups, as DeepLabCut's ResNets do: PyTorch has kernels
        for channels first alone (1305 frames/s of 640×480 against 624).
        """
        last = precision is Precision.HALF and not self._by_groups
        return self._torch.channels_last if last else self._torch.contiguous_format

    def _in_half(self) -> Any:
        """A copy of the network in float16, with its own ``forward``."""
        replaced = self._model.__dict__.pop("forward")
        try:
            return copy.deepcopy(self._model).half()
        finally:
            self._model.forward = replaced

    def measure(
        self, predict: Callable[[NDArray[np.uint8]], list[Found]], batch: NDArray[np.uint8]
    ) -> None:
        """Estimate a movie's first frames in full precision, too, and keep how far apart they are.

        Args:
            predict: Estimates a batch.
            batch: The movie's first.
        """
        numbers = self.arithmetic.numbers
        if numbers == FULL.numbers:
            return
        pairs: list[tuple[Any, Any]] = []
        for start in range(0, min(len(batch), _COMPARED), _AT_ONCE):
            part = batch[start : min(start + _AT_ONCE, _COMPARED)]
            reduced = predict(part)
            with self._in_full():
                full = predict(part)
            pairs += zip(_points(reduced), _points(full), strict=True)
        warns = self._precision is Precision.HALF
        self.arithmetic = compared(numbers, *zip(*pairs, strict=True), warns=warns)

    @contextmanager
    def _in_full(self) -> Iterator[None]:
        half, self._half = self._half, None
        self._torch.backends.cudnn.allow_tf32 = False
        try:
            yield
        finally:
            self._half = half
            self._torch.backends.cudnn.allow_tf32 = True

    def _run(self, inputs: Any, *args: Any, **options: Any) -> Any:
        half = self._half
        if half is None:
            return self._forward(inputs, *args, **options)
        outputs = half(inputs.half(), *args, **options)
        return {
            head: {name: value.float() for name, value in values.items()}
            for head, values in outputs.items()
        }


def _points(found: list[Found]) -> Iterator[NDArray[Any]]:
    return (one["bodyparts"] for one in found)
